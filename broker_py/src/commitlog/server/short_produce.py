# SPDX-License-Identifier: Apache-2.0
"""The short way of a Produce through the dispatcher: no header, context or message objects are made.

apis/produce_one says which frames can take it. Nobody's rights or quotas are looked at here, so it is closed
while there is an authorizer or any quota, and while requests are logged. What must be said other than "the
records are at this offset" is said by k00_produce.
"""

from __future__ import annotations

import asyncio
import logging
from time import perf_counter
from typing import TYPE_CHECKING, Any

from commitlog.apis import k00_produce
from commitlog.apis.produce_one import ProduceOne, encode, parse
from commitlog.apis.services import RequestContext
from commitlog.replication.produce import AppendResult
from commitlog.server.connection import CloseConnection
from commitlog.wire.api_keys import ApiKey
from commitlog.wire.errors import ErrorCode
from commitlog.wire.frames import RequestHeader, encode_response

if TYPE_CHECKING:
    from commitlog.apis.services import Services
    from commitlog.metrics.requests import RequestStats
    from commitlog.replication.produce import DelayedProduce
    from commitlog.server.connection import Connection, Response

log = logging.getLogger("commitlog.server.dispatch")
request_log = logging.getLogger("commitlog.server.request")

_NO_RECORDS = memoryview(b"")


class PendingProduce:
    """A Produce with acks=all whose followers do not have the records yet."""

    __slots__ = ("_started", "_stats", "_worked", "future")

    def __init__(self, future: asyncio.Future[Any], stats: RequestStats, started: float) -> None:
        self.future = future
        self._stats = stats
        self._started = started
        self._worked = perf_counter() - started if started else 0.0

    def response(self) -> Response | None:
        if self._started:
            self._stats.note(self._started, self._worked)
        try:
            response: Response = self.future.result()
        except asyncio.CancelledError:
            raise CloseConnection("a Produce was given up") from None
        return response

    def abandon(self) -> None:
        self.future.cancel()


class ShortProduce:
    """Answers the frames that it can, None for all others."""

    def __init__(self, services: Services, stats: RequestStats) -> None:
        self._services = services
        self._stats = stats

    def answer(
        self, connection: Connection, frame: memoryview, *, timed: bool
    ) -> Response | PendingProduce | None:
        """``timed``: note how long it takes."""
        one = parse(frame)
        if one is None:
            return None
        services = self._services
        if (
            services.quotas.active
            or one.partition not in services.metadata.partitions(one.topic)
            or request_log.isEnabledFor(logging.DEBUG)
        ):
            return None
        started = perf_counter() if timed else 0.0
        self._stats.by_version[one.version] += 1
        outcome = self._append(one)
        if not isinstance(outcome, list):
            # The buffer that the records are in goes back to the connection.
            kept = one._replace(records=_NO_RECORDS)
            future = outcome.then(lambda results: self._respond(connection, kept, results[0]))
            return PendingProduce(future, self._stats, started)
        response = self._respond(connection, one, outcome[0])
        if started:
            self._stats.note(started, -1.0)
        return response

    def _append(self, one: ProduceOne) -> list[AppendResult] | DelayedProduce:
        try:
            return self._services.replicas.append_records(
                acks=one.acks,
                timeout_ms=one.timeout_ms,
                entries=((one.topic, one.partition, one.records),),
                allow_internal=False,
            )
        except Exception as error:
            log.error("Unexpected error in a Produce for %s-%d", one.topic, one.partition, exc_info=error)
            return [AppendResult(ErrorCode.UNKNOWN_SERVER_ERROR)]

    def _respond(self, connection: Connection, one: ProduceOne, result: AppendResult) -> Response:
        if result.error is ErrorCode.NONE:
            return [encode(one, result)]
        context = RequestContext(
            RequestHeader(ApiKey.PRODUCE, one.version, one.correlation_id, None, 0),
            connection.client_host,
            connection.client_port,
            connection.listener_name,
            connection.principal,
            connection.connection_id,
            connection.close,
        )
        answer = k00_produce.responder(self._services, context, [(one.topic, one.partition)], {})([result])
        return list(encode_response(answer, one.version, one.correlation_id))
