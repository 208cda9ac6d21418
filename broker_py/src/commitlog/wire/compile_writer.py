# SPDX-License-Identifier: Apache-2.0
"""Makes the source of a writer: per message and version, one function that packs runs of fields at once.

What follows each other on the wire is gathered (`_pending`) until something of unknown bytes comes, and
emitted as one pack. Lengths that fit in one byte, empty tagged sections and arrays of numbers belong to the
run, guarded by a test; when the test fails, the same run is written piece by piece.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from struct import Struct

from commitlog.wire.compile_reader import element_spec, has_records
from commitlog.wire.primitives import FusedPacks
from commitlog.wire.schema import FIXED_FORMATS, FieldSpec, MessageSpec, StructSpec


@dataclass(slots=True)
class _Item:
    """One piece of a run; `slow` emits it alone when the guards fail. For an array, its length's name."""

    code: str
    value: str
    guard: str | None = None
    slow: Callable[[], None] | None = None
    array_length: str | None = None


class WriterSource:
    """Source and namespace of the writer of one message at one version."""

    def __init__(self, message: MessageSpec, version: int, namespace: Mapping[str, object]) -> None:
        self._message = message
        self._version = version
        self._flexible = message.is_flexible(version)
        self._lines: list[str] = []
        self._indent = 0
        self._names = 0
        self._pending: list[_Item] = []
        self._sink = "parts"
        self.namespace = dict(namespace)

    def source(self) -> str:
        """The source of `write(message)`, to be executed in `namespace`."""
        records = has_records(self._message)
        self._line("def write(message):")
        self._indent += 1
        self._line("try:")
        self._indent += 1
        self._line("parts = []; put_parts = parts.append")
        if records:
            self._line("out = []")
        self._struct(self._message.root, "message")
        self._flush()
        if records:
            self._line('if rest := b"".join(parts): out.append(rest)')
            self._line("return out")
        else:
            self._line('return [b"".join(parts)]')
        self._indent -= 1
        self._line("except (struct_error, AttributeError, TypeError, UnicodeEncodeError) as exc:")
        self._line(
            f"    raise EncodeError(f{self._message.name + ' v' + str(self._version) + ': {exc}'!r}) from exc"
        )
        return "\n".join(self._lines) + "\n"

    # -- lines, names, runs

    def _line(self, text: str) -> None:
        self._lines.append("    " * self._indent + text)

    def _name(self, stem: str) -> str:
        self._names += 1
        return f"{stem}_{self._names}"

    def _put(self, expression: str) -> None:
        self._line(f"put_{self._sink}({expression})")

    def _flush(self) -> None:
        """Emit the pending run: whole, or piece by piece where a guard fails."""
        pending, self._pending = self._pending, []
        if not pending:
            return
        guards = [item.guard for item in pending if item.guard is not None]
        if not guards:
            self._put(self._packed(pending))
            return
        self._line(f"if {' and '.join(guards)}:")
        self._indent += 1
        self._put(self._packed(pending))
        self._indent -= 1
        self._line("else:")
        self._indent += 1
        run: list[_Item] = []
        for item in pending:
            if item.slow is None:
                run.append(item)
                continue
            if run:
                self._put(self._packed(run))
            run = []
            item.slow()
        if run:
            self._put(self._packed(run))
        self._indent -= 1

    def _packed(self, run: list[_Item]) -> str:
        """An expression for the bytes of a run whose guards hold."""
        values = ", ".join(item.value for item in run)
        codes = "".join(item.code for item in run)
        lengths = [item.array_length for item in run if item.array_length is not None]
        stem = codes.replace("?", "o").replace("%d", "n")
        if not lengths:
            if all(item.value == "0" for item in run):
                return repr(Struct(">" + codes).pack(*[0] * len(run)))
            self.namespace[f"pack_{stem}"] = Struct(">" + codes).pack
            return f"pack_{stem}({values})"
        self.namespace.setdefault(f"fused_{stem}", FusedPacks(">" + codes))
        return f"fused_{stem}[{', '.join(lengths)}]({values})"

    # -- structs and fields

    def _struct(self, struct: StructSpec, source: str) -> None:
        """Emit what writes the struct that the expression `source` names; leaves the end of it pending."""
        tagged: list[FieldSpec] = []
        for spec in struct.fields:
            value = f"{source}.{spec.attribute}"
            if self._version not in spec.versions:
                if not spec.ignorable:
                    text = (
                        f"Attempted to write a non-default {camel_case(spec.name)} at version {self._version}"
                    )
                    self._line(f"if {non_default(spec, value)}: raise UnsupportedField({text!r})")
            elif spec.is_tagged(self._version):
                tagged.append(spec)
            else:
                self._field(spec, value)
        unknown = f"{source}.unknown_tagged_fields"
        if self._flexible:
            self._tagged_section(tagged, source, unknown)
        else:
            text = (
                f"Tagged fields were set, but version {self._version} of this message does not support them"
            )
            self._line(f"if {unknown}: raise UnsupportedField({text!r})")

    def _field(self, spec: FieldSpec, value: str) -> None:
        compact = self._flexible and not spec.classic
        nullable = spec.is_nullable(self._version)
        if spec.is_array:
            self._array(spec, value, nullable, compact)
        elif spec.type in FIXED_FORMATS:
            self._pending.append(_Item(FIXED_FORMATS[spec.type], value))
        elif spec.struct is not None:
            self._struct_field(spec, spec.struct, value)
        elif spec.type == "string":
            self._string(value, nullable, compact)
        else:
            self._blob(spec, value, nullable, compact)

    def _string(self, value: str, nullable: bool, compact: bool) -> None:
        data = self._name("data")
        absent = self._name("n")
        length = f"len({data}) + 1" if compact else f"len({data})"
        if nullable:
            self._line(f'if {value} is None: {data} = b""; {absent} = {0 if compact else -1}')
            self._line(f"else: {data} = {value}.encode(); {absent} = {length}")
        else:
            self._line(f"{data} = {value}.encode(); {absent} = {length}")
        self._length(absent, "h", compact, "compact_string_length")
        self._flush()
        self._put(data)

    def _blob(self, spec: FieldSpec, value: str, nullable: bool, compact: bool) -> None:
        data, length = self._name("data"), self._name("n")
        size = f"records_size({data})" if spec.type == "records" else f"len({data})"
        self._line(f"{data} = {value}")
        if nullable:
            self._line(f'if {data} is None: {data} = b""; {length} = {0 if compact else -1}')
            self._line(f"else: {length} = {size}{' + 1' if compact else ''}")
        else:
            self._line(f"{length} = {size}{' + 1' if compact else ''}")
        self._length(length, "i", compact, "uvarint")
        self._flush()
        if spec.type == "records":
            self._line(f"put_records({data}, parts, out)")
        else:
            self._put(data)

    def _length(self, name: str, code: str, compact: bool, long_form: str) -> None:
        """A length or count, pending; `name` holds one more than the number when compact."""
        if compact:
            item = _Item("B", name, f"{name} < 128", lambda: self._put(f"{long_form}({name})"))
        else:
            item = _Item(code, name)
        self._pending.append(item)

    def _array(self, spec: FieldSpec, value: str, nullable: bool, compact: bool) -> None:
        array, count = self._name("array"), self._name("n")
        self._line(f"{array} = {value}")
        if nullable:
            self._line(f"if {array} is None: {array} = (); {count} = {0 if compact else -1}")
            self._line(f"else: {count} = len({array}){' + 1' if compact else ''}")
        else:
            self._line(f"{count} = len({array}){' + 1' if compact else ''}")
        self._length(count, "i", compact, "uvarint")
        if spec.type in FIXED_FORMATS and spec.type != "uuid":
            self._numbers(FIXED_FORMATS[spec.type], array)
            return
        self._flush()
        if spec.struct is not None and self._fixed_only(spec.struct):
            self._fixed_structs(spec.struct, array)
            return
        element = self._name("element")
        self._line(f"for {element} in {array}:")
        self._indent += 1
        if spec.struct is not None:
            self._struct(spec.struct, element)
        else:
            self._field(element_spec(spec), element)
        self._flush()
        self._indent -= 1

    def _numbers(self, code: str, array: str) -> None:
        length = self._name("length")
        self._line(f"{length} = len({array})")
        name = f"arrays_{code.replace('?', 'o')}"
        self._pending.append(
            _Item(
                f"%d{code}",
                f"*{array}",
                slow=lambda: self._put(f"{name}[{length}].pack(*{array})"),
                array_length=length,
            )
        )

    def _fixed_only(self, struct: StructSpec) -> bool:
        """Whether an element is nothing but fixed-width fields, so that a comprehension can write them."""
        return all(
            not spec.is_array and spec.type in FIXED_FORMATS and not spec.is_tagged(self._version)
            if self._version in spec.versions
            else spec.ignorable
            for spec in struct.fields
        )

    def _fixed_structs(self, struct: StructSpec, array: str) -> None:
        present = [spec for spec in struct.fields if self._version in spec.versions]
        run = [_Item(FIXED_FORMATS[spec.type], f"e.{spec.attribute}") for spec in present]
        plain = self._packed(run)
        if self._flexible:
            other = f"{plain} + tag_section((), e.unknown_tagged_fields)"
            plain = self._packed([*run, _Item("B", "0")])
        else:
            other = f"refuse_tags({self._version})"
        chosen = f"{plain} if not e.unknown_tagged_fields else {other}"
        self._line(f"{self._sink} += [{chosen} for e in {array}]")

    def _struct_field(self, spec: FieldSpec, struct: StructSpec, value: str) -> None:
        if not spec.is_nullable(self._version):
            self._struct(struct, value)
            return
        inner = self._name("inner")
        self._flush()
        self._line(f"{inner} = {value}")
        absent = b"\0" if spec.is_tagged(self._version) else b"\xff"
        self._line(f"if {inner} is None: put_{self._sink}({absent!r})")
        self._line("else:")
        self._indent += 1
        self._pending.append(_Item("b", "1"))
        self._struct(struct, inner)
        self._flush()
        self._indent -= 1

    def _tagged_section(self, tagged: list[FieldSpec], source: str, unknown: str) -> None:
        conditions = [non_default(spec, f"{source}.{spec.attribute}") for spec in tagged]
        used = " or ".join([*conditions, unknown])

        def write_used() -> None:
            known = "()"
            if tagged:
                known = self._name("known")
                self._line(f"{known} = []")
            for spec, condition in zip(tagged, conditions, strict=True):
                self._line(f"if {condition}:")
                self._indent += 1
                self._tagged_field(spec, f"{source}.{spec.attribute}", known)
                self._indent -= 1
            self._put(f"tag_section({known}, {unknown})")

        self._pending.append(_Item("B", "0", f"not ({used})", write_used))

    def _tagged_field(self, spec: FieldSpec, value: str, known: str) -> None:
        assert self._pending == []
        outer, self._sink = self._sink, self._name("tagged")
        self._line(f"{self._sink} = []; put_{self._sink} = {self._sink}.append")
        self._field(spec, value)
        self._flush()
        self._line(f'{known}.append(({spec.tag}, b"".join({self._sink})))')
        self._sink = outer


def camel_case(name: str) -> str:
    """A field's name as Kafka's Java code, and so its error texts, spell it."""
    return name[0].lower() + name[1:]


def non_default(spec: FieldSpec, value: str) -> str:
    """A condition: the field has another value than its default, deeply, as equals() of Kafka's classes."""
    if spec.nullable_default:
        return f"{value} is not None"
    if spec.is_array:
        return value if spec.nullable is None else f"({value} is None or {value})"
    if spec.struct is not None:
        inner = [non_default(each, f"{value}.{each.attribute}") for each in spec.struct.fields]
        absent = [] if spec.nullable is None else [f"{value} is None"]
        return f"({' or '.join([*absent, *inner, f'{value}.unknown_tagged_fields'])})"
    if spec.type == "bool":
        return f"not {value}" if spec.literal() == "True" else value
    return f"{value} != {spec.literal()}"
