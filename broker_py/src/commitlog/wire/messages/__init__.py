# SPDX-License-Identifier: Apache-2.0
"""The generated message classes, one module per message, and the way from an API key to them.

Modules are imported at first use: a command-line tool that asks two questions does not pay for 140 classes.
"""

from __future__ import annotations

from functools import cache
from importlib import import_module
from typing import Any, TypeVar

from commitlog.wire.api_keys import ApiKey
from commitlog.wire.message import Message, Request, Response

M = TypeVar("M", bound=Message)


@cache
def request_class(api_key: int) -> type[Request[Any]]:
    """The request of an API; ValueError for a key that has no schema."""
    return _message_class(ApiKey(api_key), "request", Request)


@cache
def response_class(api_key: int) -> type[Response]:
    """The response of an API; ValueError for a key that has no schema."""
    return _message_class(ApiKey(api_key), "response", Response)


@cache
def api_name(api_key: int) -> str:
    """Kafka's name of an API ("OffsetForLeaderEpoch"); the bare number of a key that has no schema."""
    try:
        return _class_name(ApiKey(api_key).name)
    except ValueError:
        return str(api_key)


def _class_name(name: str) -> str:
    return "".join(map(str.capitalize, name.split("_")))


def _message_class(api_key: ApiKey, kind: str, base: type[M]) -> type[M]:
    module = f"{api_key.name.lower()}_{kind}"
    found: Any = getattr(import_module(f"{__name__}.{module}"), _class_name(module))
    assert isinstance(found, type)
    assert issubclass(found, base)
    return found
