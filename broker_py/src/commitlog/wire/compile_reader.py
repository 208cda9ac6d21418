# SPDX-License-Identifier: Apache-2.0
"""Makes the source of a reader: per message and version, one function without calls for the common case.

Adjacent fixed-width fields, the length or count behind them and the count of tagged fields are one unpack.
Every length and count is compared with the bytes that remain before anything is made of it, so that a stray
byte costs nothing; struct.error and IndexError, which say that a fixed field lies beyond the end, become
MalformedMessage.
"""

from __future__ import annotations

from collections.abc import Mapping
from struct import Struct, calcsize

from commitlog.wire.primitives import MAX_STRING_BYTES
from commitlog.wire.schema import FIXED_FORMATS, FieldSpec, MessageSpec, StructSpec


class ReaderSource:
    """Source and namespace of the reader of one message at one version."""

    def __init__(self, message: MessageSpec, version: int, namespace: Mapping[str, object]) -> None:
        self._message = message
        self._version = version
        self._flexible = message.is_flexible(version)
        self._views = has_records(message)
        self._lines: list[str] = []
        self._indent = 0
        self._names = 0
        self._pending: list[tuple[str, str]] = []
        self.namespace = dict(namespace)

    def source(self) -> str:
        """The source of `read(buf, pos)`, to be executed in `namespace`."""
        self._line("def read(buf, pos):")
        self._indent += 1
        if not self._views:
            self._line("buf = bytes(buf)")
        self._line("end = len(buf)")
        self._line("try:")
        self._indent += 1
        self._struct(self._message.root, "message")
        self._line("return message")
        self._indent -= 1
        self._line("except (struct_error, IndexError) as exc:")
        self._line(f"    raise MalformedMessage({self._where('the bytes end too early')}) from exc")
        return "\n".join(self._lines) + "\n"

    # -- lines and names

    def _line(self, text: str) -> None:
        self._lines.append("    " * self._indent + text)

    def _name(self, stem: str) -> str:
        self._names += 1
        return f"{stem}_{self._names}"

    def _where(self, text: str) -> str:
        return repr(f"{self._message.name} v{self._version}: {text}")

    def _refuse(self, condition: str, text: str) -> None:
        self._line(f"if {condition}: raise MalformedMessage({self._where(text)})")

    def _flush(self) -> None:
        """Emit one unpack for all pending fixed-width fields."""
        pending, self._pending = self._pending, []
        codes = "".join(code for code, _ in pending)
        names = ", ".join(name for _, name in pending)
        if not pending:
            return
        if codes == "B":
            self._line(f"{names} = buf[pos]; pos += 1")
            return
        packer = "unpack_" + codes.replace("?", "o")
        self.namespace[packer] = Struct(">" + codes).unpack_from
        self._line(
            f"{names}{',' if len(pending) == 1 else ''} = {packer}(buf, pos); pos += {calcsize('>' + codes)}"
        )

    # -- structs and fields

    def _struct(self, struct: StructSpec, target: str) -> None:
        """Emit what reads `struct` and binds it to `target`."""
        values: list[str] = []
        given = 0
        tagged: list[tuple[FieldSpec, str]] = []
        for spec in struct.fields:
            if self._version not in spec.versions:
                values.append(default_value(spec))
                continue
            values.append(self._name(spec.attribute))
            given = len(values)
            if spec.is_tagged(self._version):
                tagged.append((spec, values[-1]))
            else:
                self._field(spec, values[-1])
        if self._flexible:
            values.append(self._tagged_section(tagged))
            given = len(values)
        self._flush()
        self._line(f"{target} = {struct.name}({', '.join(values[:given])})")

    def _field(self, spec: FieldSpec, target: str) -> None:
        compact = self._flexible and not spec.classic
        nullable = spec.is_nullable(self._version)
        if not spec.is_array and spec.type in FIXED_FORMATS:
            self._pending.append((FIXED_FORMATS[spec.type], target))
            return
        if spec.struct is not None and not spec.is_array:
            self._struct_field(spec, spec.struct, target)
            return
        length = self._length(spec, compact)
        absent = f"{length} == 0" if compact else f"{length} < 0"
        if nullable:
            self._line(f"if {absent}: {target} = None")
            self._line("else:")
            self._indent += 1
        else:
            self._refuse(absent, f"{spec.name} is null")
        if spec.is_array:
            self._array(spec, target, f"{length} - 1" if compact else length)
        else:
            self._blob(spec, target, f"{length} - 1" if compact else length)
        if nullable:
            self._indent -= 1

    def _struct_field(self, spec: FieldSpec, struct: StructSpec, target: str) -> None:
        if not spec.is_nullable(self._version):
            self._struct(struct, target)
            return
        marker = self._name("marker")
        self._pending.append(("b", marker))
        self._flush()
        # Null is -1 among ordinary fields, but 0 in a tagged one.
        absent = "== 0" if spec.is_tagged(self._version) else "< 0"
        self._line(f"if {marker} {absent}: {target} = None")
        self._line("else:")
        self._indent += 1
        self._struct(struct, target)
        self._indent -= 1

    def _length(self, spec: FieldSpec, compact: bool) -> str:
        """Emit what reads a length or count: as it is on the wire, so one more than it says when compact."""
        name = self._name("n")
        text = spec.type == "string" and not spec.is_array
        self._pending.append(("B" if compact else "h" if text else "i", name))
        self._flush()
        if compact:
            self._line(f"if {name} > 127:")
            self._indent += 1
            self._line(f"{name}, pos = read_uvarint_rest(buf, pos, {name})")
            if text:
                self._refuse(f"{name} > {MAX_STRING_BYTES + 1}", f"{spec.name} is too long")
            self._indent -= 1
        return name

    def _blob(self, spec: FieldSpec, target: str, length: str) -> None:
        self._line(f"stop = pos + {length}")
        self._refuse("stop > end", f"{spec.name} is longer than what remains")
        if spec.type == "string":
            # As String(bytes, UTF_8) does in Java: what is no UTF-8 becomes U+FFFD, the request is answered.
            piece = (
                'str(buf[pos:stop], "utf-8", "replace")'
                if self._views
                else 'buf[pos:stop].decode("utf-8", "replace")'
            )
        elif spec.type == "bytes":
            piece = "bytes(buf[pos:stop])"
        else:
            piece = "buf[pos:stop]"
        self._line(f"{target} = {piece}; pos = stop")

    def _array(self, spec: FieldSpec, target: str, count: str) -> None:
        counted = count
        if count.endswith("- 1"):
            counted = self._name("count")
            self._line(f"{counted} = {count}")
        smallest = self._smallest(spec)
        self._refuse(
            f"{counted} * {smallest} > end - pos", f"{spec.name} has more elements than bytes remain"
        )
        if spec.type in FIXED_FORMATS and spec.type != "uuid":
            code = FIXED_FORMATS[spec.type]
            self._line(f"{target} = list(arrays_{code.replace('?', 'o')}[{counted}].unpack_from(buf, pos))")
            self._line(f"pos += {counted} * {smallest}")
            return
        self._line(f"{target} = []")
        self._line(f"for _ in range({counted}):")
        self._indent += 1
        element = self._name("element")
        if spec.struct is not None:
            self._struct(spec.struct, element)
        else:
            self._field(element_spec(spec), element)
            self._flush()
        self._line(f"{target}.append({element})")
        self._indent -= 1

    def _tagged_section(self, tagged: list[tuple[FieldSpec, str]]) -> str:
        count, unknown = self._name("tags"), self._name("unknown")
        self._pending.append(("B", count))
        self._flush()
        for spec, target in tagged:
            self._line(f"{target} = {default_value(spec)}")
        self._line(f"{unknown} = ()")
        self._line(f"if {count}:")
        self._indent += 1
        self._line(f"if {count} > 127: {count}, pos = read_uvarint_rest(buf, pos, {count})")
        self._line(f"for _ in range({count}):")
        self._indent += 1
        tag, behind = self._name("tag"), self._name("behind")
        self._line(f"{tag}, pos = read_uvarint(buf, pos)")
        self._line(f"{behind}, pos = read_uvarint(buf, pos); {behind} += pos")
        self._refuse(f"{behind} > end", "a tagged field is longer than what remains")
        for spec, target in tagged:
            self._line(f"if {tag} == {spec.tag}:")
            self._indent += 1
            self._field(spec, target)
            self._flush()
            self._refuse(f"pos != {behind}", f"{spec.name} does not have the size that its tag says")
            self._line("continue")
            self._indent -= 1
        self._line(f"if not {unknown}: {unknown} = []")
        self._line(f"{unknown}.append(RawTaggedField({tag}, bytes(buf[pos:{behind}]))); pos = {behind}")
        self._indent -= 2
        return unknown

    def _smallest(self, spec: FieldSpec) -> int:
        """The fewest bytes that an element of this array can take; never 0."""
        if spec.struct is None:
            return self._smallest_value(element_spec(spec))
        return max(1, self._smallest_struct(spec.struct))

    def _smallest_struct(self, struct: StructSpec) -> int:
        present = (f for f in struct.fields if self._version in f.versions and not f.is_tagged(self._version))
        return sum(map(self._smallest_value, present)) + self._flexible

    def _smallest_value(self, spec: FieldSpec) -> int:
        if not spec.is_array and spec.type in FIXED_FORMATS:
            return calcsize(">" + FIXED_FORMATS[spec.type])
        if spec.struct is not None and not spec.is_array:
            return 1 if spec.is_nullable(self._version) else self._smallest_struct(spec.struct)
        if self._flexible and not spec.classic:
            return 1
        return 2 if spec.type == "string" and not spec.is_array else 4


def has_records(message: MessageSpec) -> bool:
    """Whether record data is in the message, which is to be referred to and not copied."""
    structs = (message.root, *message.structs.values())
    return any(spec.type == "records" for struct in structs for spec in struct.fields)


def element_spec(spec: FieldSpec) -> FieldSpec:
    """An element of an array of strings, uuids or numbers, as a field of its own; elements are never null."""
    return FieldSpec(
        name=spec.name,
        type=spec.type,
        is_array=False,
        versions=spec.versions,
        nullable=None,
        tag=None,
        tagged=None,
        ignorable=False,
        classic=spec.classic,
        default=None,
    )


def default_value(spec: FieldSpec) -> str:
    """An expression for a fresh default."""
    if spec.nullable_default:
        return "None"
    if spec.is_array:
        return "[]"
    return spec.literal() if spec.struct is None else f"{spec.type}()"
