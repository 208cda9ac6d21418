# SPDX-License-Identifier: Apache-2.0
"""The bases of the generated message classes: what a request, a response and a stored record have in common.

They mirror org.apache.kafka.common.protocol.ApiMessage, as far as the codec and its callers need it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import MISSING, Field, dataclass, field
from typing import Any, ClassVar, Generic, TypeVar, dataclass_transform

ZERO_UUID = bytes(16)
"""Uuid.ZERO_UUID: the topic id of a topic that has none."""

_T = TypeVar("_T")


@dataclass_transform(field_specifiers=(field,))
def struct(cls: type[_T]) -> type[_T]:
    """What ``@dataclass(slots=True)`` is, as far as messages need it: all fields have defaults, messages are
    equal when their fields are.

    A broker imports three hundred of these classes before it can serve. Each costs one compilation here and
    four there: a fifth of the processor time of all imports.
    """
    names = [name for name, hint in cls.__annotations__.items() if not hint.startswith("ClassVar")]
    attributes = dict(cls.__dict__)
    defaults: dict[str, Any] = {"missing": MISSING}
    parameters, body = [], []
    for name in names:
        default = attributes.pop(name)
        if isinstance(default, Field):
            defaults[f"make_{name}"] = default.default_factory
            parameters.append(f"{name}=missing")
            body.append(f"    self.{name} = make_{name}() if {name} is missing else {name}")
        else:
            defaults[f"default_{name}"] = default
            parameters.append(f"{name}=default_{name}")
            body.append(f"    self.{name} = {name}")
    made: dict[str, Any] = {}
    source = f"def __init__(self, {', '.join(parameters)}):\n" + "\n".join(body)
    exec(source, defaults, made)  # nosec B102
    for name in ("__dict__", "__weakref__"):
        attributes.pop(name, None)
    attributes |= {
        "__slots__": tuple(names),
        "__match_args__": tuple(names),
        "__init__": made["__init__"],
        "__eq__": _equal,
        "__repr__": _describe,
        "__hash__": None,
    }
    again: type[_T] = type(cls)(cls.__name__, cls.__bases__, attributes)  # type: ignore[misc]
    return again


def _equal(self: Any, other: Any) -> Any:
    if other.__class__ is not self.__class__:
        return NotImplemented
    return all(getattr(self, name) == getattr(other, name) for name in self.__slots__)


def _describe(self: Any) -> str:
    shown = (name for name in self.__slots__ if name != "unknown_tagged_fields")
    return f"{type(self).__qualname__}({', '.join(f'{name}={getattr(self, name)!r}' for name in shown)})"


@dataclass(slots=True, frozen=True)
class RawTaggedField:
    """A tagged field that the schema does not know; kept as it came, and written back (KIP-482)."""

    tag: int
    data: bytes


class Message:
    """Any top-level message. SCHEMA names its file in wire/schemas."""

    __slots__ = ()

    SCHEMA: ClassVar[str]
    MIN_VERSION: ClassVar[int]
    MAX_VERSION: ClassVar[int]
    FLEXIBLE_VERSION: ClassVar[int | None]
    """First version with compact encodings and tagged fields; None: no version has them."""

    unknown_tagged_fields: Sequence[RawTaggedField]


class Response(Message):
    """What a broker answers."""

    __slots__ = ()

    API_KEY: ClassVar[int]


R_co = TypeVar("R_co", bound=Response, covariant=True)


class Request(Message, Generic[R_co]):
    """What a client or another broker asks; the parameter is the class of its answer."""

    __slots__ = ()

    API_KEY: ClassVar[int]


class RecordMessage(Message):
    """A key or value in a coordinator's topic, or a blob inside a message: int16 version, then the body."""

    __slots__ = ()
