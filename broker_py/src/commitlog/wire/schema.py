# SPDX-License-Identifier: Apache-2.0
"""Reads the field tables in wire/schemas: the one description of every message of Kafka 3.9.

The notation is a line per field, in wire order; nesting is indentation:

    ### 0 Produce                                     api key and name (absent for coordinator records)
    **Request** valid 0-11, flexible 9+               a message, its versions, its first flexible version
    - TransactionalId: string [3+] null[3+] =null     name, type, versions, nullable versions, default
    - TopicData: []TopicProduceData [0+]              array of a struct whose fields follow, indented
    - struct Shared [0+]                              struct used by more than one field

`ign` may be dropped in silence when the version lacks the field, `TAG0[9+]` is tagged field 0 from version 9,
`flex[none]` keeps the classic encoding in flexible versions (KIP-482). The meaning of each is that of Kafka's
message generator (org.apache.kafka.message.FieldSpec, MessageSpec).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import cache
from importlib import resources

FIXED_FORMATS = {
    "bool": "?",
    "int8": "b",
    "int16": "h",
    "uint16": "H",
    "int32": "i",
    "int64": "q",
    "float64": "d",
    "uuid": "16s",
}
PRIMITIVES = frozenset(FIXED_FORMATS) | {"string", "bytes", "records"}

_HEADING = re.compile(r"### (?P<key>\d+) (?P<name>\w+)$")
_MESSAGE = re.compile(r"\*\*(?P<name>\w+)\*\* valid (?P<valid>[\d+-]+), flexible (?P<flexible>none|\d+\+)$")
_STRUCT = re.compile(r"- struct (?P<name>\w+) \[(?P<versions>[\d+-]+)\]$")
_FIELD = re.compile(
    r"(?P<indent> *)- (?P<name>\w+): (?P<array>\[\])?(?P<type>\w+) \[(?P<versions>[\d+-]+)\]"
    r"(?: null\[(?P<nullable>[\d+-]+)\])?(?: TAG(?P<tag>\d+)\[(?P<tagged>[\d+-]+)\])?"
    r"(?P<ignorable> ign)?(?P<classic> flex\[none\])?(?: =(?P<default>.*))?$"
)


class SchemaError(Exception):
    """A schema file that cannot be read: file, line, and what is wrong with it."""


@dataclass(frozen=True, slots=True)
class Versions:
    """An inclusive range of versions; `high` None means "and all later ones"."""

    low: int
    high: int | None

    @classmethod
    def parse(cls, text: str) -> Versions:
        if text.endswith("+"):
            return cls(int(text[:-1]), None)
        low, _, high = text.partition("-")
        return cls(int(low), int(high or low))

    def __contains__(self, version: int) -> bool:
        return self.low <= version and (self.high is None or version <= self.high)

    def __str__(self) -> str:
        if self.high is None:
            return f"{self.low}+"
        return str(self.low) if self.low == self.high else f"{self.low}-{self.high}"


@dataclass(slots=True)
class FieldSpec:
    """One field of a struct. `type` is a primitive or the name of a struct; `struct` is then set."""

    name: str
    type: str
    is_array: bool
    versions: Versions
    nullable: Versions | None
    tag: int | None
    tagged: Versions | None
    ignorable: bool
    classic: bool
    default: str | None
    struct: StructSpec | None = None

    @property
    def attribute(self) -> str:
        return snake_case(self.name)

    @property
    def nullable_default(self) -> bool:
        return self.default == "null" or (self.type == "records" and self.nullable is not None)

    def is_nullable(self, version: int) -> bool:
        return self.nullable is not None and version in self.nullable

    def is_tagged(self, version: int) -> bool:
        return self.tagged is not None and version in self.tagged

    def literal(self) -> str:
        """The default as a Python literal, for everything but arrays and structs."""
        if self.nullable_default:
            return "None"
        if self.type == "string":
            return '""' if self.default is None else f'"{self.default}"'
        if self.type in ("bytes", "records"):
            return 'b""'
        if self.type == "uuid":
            return "ZERO_UUID"
        if self.type == "bool":
            return str((self.default or "false").lower() == "true")
        if self.type == "float64":
            return repr(float(self.default or 0))
        return str(int(self.default or "0", 0))


@dataclass(slots=True)
class StructSpec:
    """A struct: the fields in wire order, tagged ones among them."""

    name: str
    versions: Versions
    fields: list[FieldSpec] = field(default_factory=list)


@dataclass(slots=True)
class MessageSpec:
    """A request, a response or a record: `name` is the class, `module` where it lives in wire/messages."""

    name: str
    api_key: int | None
    kind: str
    valid: Versions
    flexible: int | None
    root: StructSpec
    structs: dict[str, StructSpec] = field(default_factory=dict)

    @property
    def module(self) -> str:
        return snake_case(self.name)

    @property
    def min_version(self) -> int:
        return self.valid.low

    @property
    def max_version(self) -> int:
        assert self.valid.high is not None
        return self.valid.high

    def is_flexible(self, version: int) -> bool:
        return self.flexible is not None and version >= self.flexible


def snake_case(name: str) -> str:
    """TopicData → topic_data, V3AndBelowTopics → v3_and_below_topics; KRaft is one word, as in Kafka."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name.replace("KRaft", "Kraft")).lower()


def schema_names() -> list[str]:
    """The schema files, without their suffix, sorted."""
    folder = resources.files("commitlog.wire").joinpath("schemas")
    names = (entry.name for entry in folder.iterdir())
    return sorted(name.removesuffix(".schema") for name in names if name.endswith(".schema"))


@cache
def load(name: str) -> tuple[MessageSpec, ...]:
    """The messages of one schema file, such as "produce"."""
    path = resources.files("commitlog.wire").joinpath("schemas", f"{name}.schema")
    return tuple(parse(path.read_text(encoding="utf-8"), f"{name}.schema"))


def parse(text: str, source: str) -> list[MessageSpec]:
    """Read one schema text; raises SchemaError with the line."""
    api_key: int | None = None
    api_name = ""
    messages: list[MessageSpec] = []
    stack: list[StructSpec] = []
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.startswith("# "):
            continue
        if heading := _HEADING.match(line):
            api_key, api_name = int(heading["key"]), heading["name"]
        elif start := _MESSAGE.match(line):
            messages.append(_start_message(start, api_key, api_name))
            stack = [messages[-1].root]
        elif messages and (shared := _STRUCT.match(line)):
            struct = StructSpec(shared["name"], Versions.parse(shared["versions"]))
            messages[-1].structs[struct.name] = struct
            stack = [messages[-1].root, struct]
        elif messages and (match := _FIELD.match(line)):
            depth = len(match["indent"]) // 2
            if depth >= len(stack):
                raise SchemaError(f"{source}:{number}: indented too far")
            del stack[depth + 1 :]
            if depth and messages[-1].structs[stack[depth].name] is not stack[depth]:
                raise SchemaError(f"{source}:{number}: a second struct named {stack[depth].name}")
            stack[depth].fields.append(spec := _field(match))
            if spec.type not in PRIMITIVES:
                stack.append(StructSpec(spec.type, spec.versions))
                messages[-1].structs.setdefault(spec.type, stack[-1])
        else:
            raise SchemaError(f"{source}:{number}: cannot be read: {line!r}")
    for message in messages:
        _resolve(message, source)
    return messages


def _start_message(match: re.Match[str], api_key: int | None, api_name: str) -> MessageSpec:
    kind = match["name"].lower() if match["name"] in ("Request", "Response") else "record"
    name = match["name"] if kind == "record" else api_name + match["name"]
    valid = Versions.parse(match["valid"])
    flexible = None if match["flexible"] == "none" else int(match["flexible"][:-1])
    return MessageSpec(name, api_key, kind, valid, flexible, StructSpec(name, valid))


def _field(match: re.Match[str]) -> FieldSpec:
    return FieldSpec(
        name=match["name"],
        type=match["type"],
        is_array=match["array"] is not None,
        versions=Versions.parse(match["versions"]),
        nullable=Versions.parse(match["nullable"]) if match["nullable"] else None,
        tag=int(match["tag"]) if match["tag"] else None,
        tagged=Versions.parse(match["tagged"]) if match["tagged"] else None,
        ignorable=match["ignorable"] is not None,
        classic=match["classic"] is not None,
        default=match["default"],
    )


def _resolve(message: MessageSpec, source: str) -> None:
    """Tie each struct field to its struct, which may be declared further down."""
    for struct in (message.root, *message.structs.values()):
        for spec in struct.fields:
            if spec.type in PRIMITIVES:
                continue
            spec.struct = message.structs.get(spec.type)
            if spec.struct is None or not spec.struct.fields:
                raise SchemaError(f"{source}: {message.name}: no fields for {spec.type}")
