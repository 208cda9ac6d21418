# SPDX-License-Identifier: Apache-2.0
"""The served table, made by importing every ``kNN_*`` module: ApiVersions cannot promise what no file serves.

A module ``apis/kNN_name.py`` serves the API with key NN and defines one ``API = Api(...)``.

The contract of a handler
-------------------------
``handle(services, context, request)`` is called on the event loop, one call at a time per connection (as
Kafka mutes the channel while it works on a request), and returns one of

- the response message: the hot path, answered in the same turn of the loop, no task is made;
- an awaitable of it (a future from the purgatory, or a coroutine): the connection is muted until it is done;
- ``None`` (or an awaitable of it): nothing is sent (a Produce with acks=0).

``request`` is the decoded message; its ``records`` fields are memoryviews **into the connection's receive
buffer**. They are valid until the handler returns or, in a coroutine, until its first suspension. A handler
therefore appends before it returns or first awaits, and copies (``bytes(view)``) whatever it must keep for
longer: the buffer is reused for the next bytes of the connection.

Errors: per-partition and per-topic errors belong in the response and are the handler's work. A handler
may raise ``KafkaError`` for an error of the whole request; the edge answers with ``Api.error_response``
when the API has one (Kafka's ``AbstractRequest.getErrorResponse``), else with a response that carries the
code at its top level, else it closes the connection (so it does when ``Api.error_response`` gives None, for
a Produce with acks=0). Anything else that a handler raises is logged and answered in the same way with
UNKNOWN_SERVER_ERROR.
"""

from __future__ import annotations

import importlib
import pkgutil
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from commitlog.apis.services import RequestContext, Services
    from commitlog.wire.api_keys import ApiKey
    from commitlog.wire.errors import ErrorCode

Handler = Callable[["Services", "RequestContext", Any], Any | Awaitable[Any] | None]
ErrorResponse = Callable[[Any, "ErrorCode", str | None], Any]

_MODULE_NAME = re.compile(r"k(\d\d)_[a-z0-9_]+")


@dataclass(frozen=True)
class Api:
    """One served API: its key, the versions we serve and its handler.

    ``cluster_action``: only brokers may ask (Kafka's CLUSTER_ACTION on the cluster resource).
    ``error_response(request, code, message)``: the response for an error of the whole request, for APIs whose
    response has no top-level error code (Produce, Fetch, Metadata, ...).
    """

    key: ApiKey
    min_version: int
    max_version: int
    handle: Handler
    cluster_action: bool = False
    error_response: ErrorResponse | None = None


@cache
def served_apis() -> dict[int, Api]:
    """Key → Api of every API file, in key order."""
    package = importlib.import_module("commitlog.apis")
    table: dict[int, Api] = {}
    for module_info in sorted(pkgutil.iter_modules(package.__path__), key=lambda info: info.name):
        named = _MODULE_NAME.fullmatch(module_info.name)
        if named is None:
            continue
        api = importlib.import_module(f"commitlog.apis.{module_info.name}").API
        if int(api.key) != int(named[1]):
            raise RuntimeError(
                f"apis/{module_info.name}.py serves key {int(api.key)}, its name says {int(named[1])}"
            )
        table[int(api.key)] = api
    return table
