# SPDX-License-Identifier: Apache-2.0
"""From a request frame to its response: header, API table, handler, errors (Kafka's KafkaApis.handle and
RequestContext).

Hot path: a handler that returns its response costs one context object and no task. What a frame cannot be
answered for (unknown API or version, bytes that do not parse) closes its connection alone, as in Kafka;
the one exception is ApiVersions with an unknown version, which is answered in the form of version 0 so
that a newer client can step down.
"""

from __future__ import annotations

import asyncio
import logging
from time import perf_counter
from types import CoroutineType
from typing import TYPE_CHECKING, Any, cast

from commitlog.apis.k01_fetch import is_from_follower
from commitlog.apis.registry import Api, served_apis
from commitlog.apis.services import RequestContext, Services
from commitlog.apis.throttling import measured, throttle_ms
from commitlog.metrics.requests import RequestStats
from commitlog.replication.purgatory import DelayedOperation
from commitlog.security.acl import AclOperation
from commitlog.server.connection import CloseConnection
from commitlog.server.short_produce import ShortProduce
from commitlog.wire.api_keys import API_VERSIONS, ApiKey
from commitlog.wire.errors import ErrorCode, KafkaError
from commitlog.wire.frames import RequestHeader, decode_request, decode_request_header, encode_response
from commitlog.wire.message import Response as ResponseMessage
from commitlog.wire.messages import response_class
from commitlog.wire.messages.fetch_request import FetchRequest
from commitlog.wire.primitives import MalformedMessage

if TYPE_CHECKING:
    from commitlog.security.authorizer import AclAuthorizer
    from commitlog.server.connection import Connection, Pending, Response

log = logging.getLogger("commitlog.server.dispatch")

MAX_FETCH_VERSION = API_VERSIONS[ApiKey.FETCH].high
request_log = logging.getLogger("commitlog.server.request")


class PendingRequest:
    """A request whose handler returned an awaitable."""

    __slots__ = ("_api", "_connection", "_context", "_dispatcher", "_request", "future")

    def __init__(
        self,
        dispatcher: Dispatcher,
        api: Api,
        context: RequestContext,
        request: Any,
        future: asyncio.Future[Any],
        connection: Connection,
    ) -> None:
        self._dispatcher = dispatcher
        self._api = api
        self._connection = connection
        self._context = context
        self._request = request
        self.future = future

    def response(self) -> Response | None:
        try:
            answer = self.future.result()
        except (Exception, asyncio.CancelledError) as error:
            answer = self._dispatcher.answer_for(error, self._api, self._context, self._request)
        return self._dispatcher.finish(self._api, self._context, self._request, answer, self._connection)

    def abandon(self) -> None:
        """A parked Produce or Fetch would stay for as long as its client once said it would wait."""
        if isinstance(self.future, DelayedOperation):
            self.future.cancel()


class Dispatcher:
    """Finds the handler of a request and turns whatever it does into a response."""

    def __init__(
        self,
        services: Services,
        apis: dict[int, Api] | None = None,
        *,
        authorizer: AclAuthorizer | None = None,
    ) -> None:
        self._services = services
        self._apis = served_apis() if apis is None else apis
        self._authorizer = authorizer
        self.stats = {key: RequestStats(api.max_version) for key, api in self._apis.items()}
        self.follower_fetches = RequestStats(MAX_FETCH_VERSION)
        """Of Fetch, those of followers; the others are in `stats`."""
        self.times_requests = False
        """Whether somebody may ask how long requests take."""
        self._short: ShortProduce | None = None
        if authorizer is None and ApiKey.PRODUCE in self._apis:
            self._short = ShortProduce(services, self.stats[ApiKey.PRODUCE])

    def handle(self, connection: Connection, frame: memoryview) -> Response | Pending | None:
        """Answer one frame; something pending when the handler has to wait. Raises CloseConnection."""
        if self._short is not None:
            short = self._short.answer(connection, frame, timed=self.times_requests)
            if short is not None:
                return short
        header, api = self._resolve(frame)
        context = RequestContext(
            header,
            connection.client_host,
            connection.client_port,
            connection.listener_name,
            connection.principal,
            connection.connection_id,
            connection.close,
            self._authorizer,
        )
        if header.api_version > api.max_version or header.api_version < api.min_version:
            return self._unsupported_version(api, context)
        try:
            request = decode_request(header, frame)
        except MalformedMessage as error:
            raise CloseConnection(f"{_describe(context)}: {error}") from None
        if request_log.isEnabledFor(logging.DEBUG):
            request_log.debug("%s: %s", _describe(context), type(request).__name__)
        stats = self.stats[header.api_key]
        if header.api_key == ApiKey.FETCH and is_from_follower(
            cast(FetchRequest, request), header.api_version
        ):
            stats = self.follower_fetches
        stats.by_version[header.api_version] += 1
        if self.times_requests:
            context.stats = stats
            context.started = perf_counter()
        if self._services.quotas.active:
            context.request_bytes = len(frame)
            context.started = perf_counter()
        try:
            if api.cluster_action:
                context.require_cluster(AclOperation.CLUSTER_ACTION)
            answer = api.handle(self._services, context, request)
        except Exception as error:
            answer = self.answer_for(error, api, context, request)
        if answer is None or isinstance(answer, ResponseMessage):
            return self.finish(api, context, request, answer, connection)
        if context.started:
            if isinstance(answer, CoroutineType):
                answer = measured(answer, context)
            else:
                context.worked = perf_counter() - context.started
        return PendingRequest(self, api, context, request, asyncio.ensure_future(answer), connection)

    def finish(
        self, api: Api, context: RequestContext, request: Any, answer: Any | None, connection: Connection
    ) -> Response | None:
        """A request was worked on: hold its client to its quotas, and encode the answer."""
        if context.stats is not None:
            context.stats.note(context.started, context.worked)
        if context.started or context.throttle_ms:
            delay = throttle_ms(self._services.quotas, context, answer)
            if delay > 0:
                connection.mute(delay / 1000)
        return None if answer is None else self.encode(api, context, request, answer)

    def _resolve(self, frame: memoryview) -> tuple[RequestHeader, Api]:
        try:
            header = decode_request_header(frame)
        except MalformedMessage as error:
            raise CloseConnection(f"Error parsing request header: {error}") from None
        api = self._apis.get(header.api_key)
        if api is None:
            raise CloseConnection(f"Received request for api key {header.api_key} which is not enabled")
        return header, api

    def _unsupported_version(self, api: Api, context: RequestContext) -> Response:
        if api.key != ApiKey.API_VERSIONS:
            raise CloseConnection(f"{_describe(context)}: the version is not supported")
        assert api.error_response is not None
        answer = api.error_response(None, ErrorCode.UNSUPPORTED_VERSION, None)
        return encode_response(answer, 0, context.header.correlation_id)

    def answer_for(self, error: BaseException, api: Api, context: RequestContext, request: Any) -> Any:
        """The response that says what a handler raised; CloseConnection when the API has no place for it."""
        answer: Any
        if isinstance(error, CloseConnection):
            raise error
        if isinstance(error, KafkaError):
            code, message = error.code, error.message
        elif isinstance(error, asyncio.CancelledError):
            raise CloseConnection(f"{_describe(context)}: given up") from None
        else:
            log.error("Unexpected error handling request: %s", _describe(context), exc_info=error)
            code, message = ErrorCode.UNKNOWN_SERVER_ERROR, None
        if api.error_response is not None:
            answer = api.error_response(request, code, message)
            if answer is None:
                raise CloseConnection(f"{_describe(context)}: {code.name}, and no answer is expected")
            return answer
        answer = response_class(api.key)()
        if not hasattr(answer, "error_code"):
            raise CloseConnection(f"{_describe(context)}: {code.name}")
        answer.error_code = int(code)
        if hasattr(answer, "error_message"):
            answer.error_message = message
        return answer

    def encode(self, api: Api, context: RequestContext, request: Any, answer: Any) -> Response:
        """The response's bytes. What cannot be written is told as UNKNOWN_SERVER_ERROR, as Kafka does: a name
        that the request had room for, since the bytes that were no UTF-8 became longer, has none in it."""
        header = context.header
        try:
            return encode_response(answer, header.api_version, header.correlation_id)
        except Exception as error:
            instead = self.answer_for(error, api, context, request)
        try:
            return encode_response(instead, header.api_version, header.correlation_id)
        except Exception:
            raise CloseConnection(f"{_describe(context)}: no response of {type(answer).__name__}") from None


def _describe(context: RequestContext) -> str:
    """Kafka's words for a request in log lines."""
    header = context.header
    try:
        name = ApiKey(header.api_key).name
    except ValueError:
        name = str(header.api_key)
    return (
        f"apiKey: {name}, apiVersion: {header.api_version}, clientId: {header.client_id}, "
        f"correlationId: {header.correlation_id}, connectionId: {context.connection_id}, "
        f"listenerName: {context.listener_name}, principal: {context.principal}"
    )
