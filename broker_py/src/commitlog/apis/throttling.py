# SPDX-License-Identifier: Apache-2.0
"""Holding clients to their quotas, request by request (Kafka's RequestHandlerHelper and the throttling in
KafkaApis.handleProduceRequest).

The answer goes out at once, with the time for which the client has to wait, and its connection is muted for
that long, for those that do not (KIP-219). What brokers say to brokers is never throttled, whoever they are.
"""

from __future__ import annotations

import types
from collections.abc import Awaitable, Generator
from time import perf_counter
from typing import TYPE_CHECKING, Any

from commitlog.security.client_quotas import MutationThrottled
from commitlog.wire.api_keys import ApiKey

if TYPE_CHECKING:
    from commitlog.apis.services import RequestContext, Services
    from commitlog.security.client_quotas import ClientQuotas

# Answered by sendResponseExemptThrottle, or before there is a user to throttle.
EXEMPT = frozenset(
    {
        ApiKey.LEADER_AND_ISR,
        ApiKey.STOP_REPLICA,
        ApiKey.UPDATE_METADATA,
        ApiKey.CONTROLLED_SHUTDOWN,
        ApiKey.WRITE_TXN_MARKERS,
        ApiKey.ALTER_PARTITION,
        ApiKey.SASL_HANDSHAKE,
        ApiKey.SASL_AUTHENTICATE,
        # Its handler asks, since what is over its quota is not answered (apis/k01_fetch.py).
        ApiKey.FETCH,
    }
)


def throttle_ms(quotas: ClientQuotas, context: RequestContext, answer: Any | None) -> int:
    """For how long the client has to wait after this request; the answer, if there is one, says so."""
    api_key = context.header.api_key
    delay = context.throttle_ms
    if quotas.active and api_key not in EXEMPT:
        user, client_id = context.principal.name, context.client_id
        if api_key == ApiKey.PRODUCE:
            delay = max(delay, quotas.produce.record(user, client_id, context.request_bytes))
        if answer is not None:
            delay = max(delay, request_throttle_ms(quotas, context))
    if delay > 0 and answer is not None and hasattr(answer, "throttle_time_ms"):
        answer.throttle_time_ms = delay
    return delay


def request_throttle_ms(quotas: ClientQuotas, context: RequestContext) -> int:
    """Note the time that the request took; what the client has to wait for it."""
    seconds = context.worked if context.worked >= 0 else perf_counter() - context.started
    return quotas.request.record(context.principal.name, context.client_id, seconds * 100)


async def measured(work: Awaitable[Any], context: RequestContext) -> Any:
    """Run a handler's coroutine; `context.worked` becomes the time in which it ran, without its waits."""
    context.worked = 0.0
    return await _measured(work, context)


@types.coroutine
def _measured(work: Awaitable[Any], context: RequestContext) -> Generator[Any, Any, Any]:
    steps = work.__await__()
    to_send: Any = None
    failure: BaseException | None = None
    while True:
        begun = perf_counter()
        try:
            awaited = steps.send(to_send) if failure is None else steps.throw(failure)
        except StopIteration as done:
            return done.value
        finally:
            context.worked += perf_counter() - begun
        failure = None
        try:
            to_send = yield awaited
        except BaseException as error:
            failure = error


def fetch_limit(quotas: ClientQuotas, context: RequestContext) -> int | None:
    """The most that a consumer may be given at once: a fetch larger than its window would be throttled for
    ever."""
    most = quotas.fetch.most_at_once(context.principal.name, context.client_id)
    return None if most is None else int(min(most, 2**31 - 1))


def throttle_fetch(quotas: ClientQuotas, context: RequestContext, size: int) -> int:
    """Note what a consumer would be given; when it has to wait, it is given nothing, and nothing counts."""
    user, client_id = context.principal.name, context.client_id
    for_time = request_throttle_ms(quotas, context)
    for_bytes = quotas.fetch.record(user, client_id, size)
    context.throttle_ms = max(for_time, for_bytes)
    if context.throttle_ms > 0:
        quotas.fetch.unrecord(user, client_id, size)
    return context.throttle_ms


class MutationQuota:
    """The partitions that one request may still create and delete (KIP-599).

    From the version on whose clients know THROTTLING_QUOTA_EXCEEDED they are refused when they are over
    their quota; older ones are served, and wait.
    """

    def __init__(self, services: Services, context: RequestContext, *, strict_since: int) -> None:
        self._quota = services.quotas.controller
        self._context = context
        self._strict = context.api_version >= strict_since

    def record(self, partitions: int) -> None:
        """Count them; raises KafkaError(THROTTLING_QUOTA_EXCEEDED)."""
        if not self._quota.enabled:
            return
        context = self._context
        try:
            delay = self._quota.permit(
                context.principal.name, context.client_id, partitions, strict=self._strict
            )
        except MutationThrottled as refused:
            context.throttle_ms = max(context.throttle_ms, refused.delay_ms)
            raise
        context.throttle_ms = max(context.throttle_ms, delay)


def count_mutations(services: Services, context: RequestContext, partitions: int) -> None:
    """What a request brings about that asked for something else (PermissiveControllerMutationQuota of
    KafkaApis.getTopicMetadata): it is served, does not wait, and weighs on what the client asks for next."""
    quota = services.quotas.controller
    if quota.enabled:
        quota.permit(context.principal.name, context.client_id, partitions, strict=False)
