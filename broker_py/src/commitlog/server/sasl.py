# SPDX-License-Identifier: Apache-2.0
"""SASL on one connection (SaslServerAuthenticator, and KafkaChannel's reauthentication, KIP-368).

It stands where the dispatcher stands on other listeners. Until the peer has proved who it is, ApiVersions
(once), SaslHandshake and SaslAuthenticate are all that is looked at, in frames of at most
sasl.server.max.receive.size; everything else closes the connection. A refusal is answered only after
connection.failed.authentication.delay.ms, then the connection is closed. Afterwards requests go to the
dispatcher; SaslHandshake begins a new exchange on the live connection, and when the session is over every
other request closes it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Protocol

from commitlog.apis.k18_api_versions import api_versions_answer, served_versions
from commitlog.security.oauthbearer import OAuthError
from commitlog.security.plain import PlainError
from commitlog.security.principal import USER_TYPE, KafkaPrincipal
from commitlog.security.scram import AuthorizationIdError, ScramError
from commitlog.server.connection import CloseConnection
from commitlog.wire.api_keys import API_VERSIONS, ApiKey
from commitlog.wire.errors import ErrorCode
from commitlog.wire.frames import RequestHeader, decode_request, decode_request_header, encode_response
from commitlog.wire.messages.api_versions_request import ApiVersionsRequest
from commitlog.wire.messages.api_versions_response import ApiVersionsResponse
from commitlog.wire.messages.sasl_authenticate_request import SaslAuthenticateRequest
from commitlog.wire.messages.sasl_authenticate_response import SaslAuthenticateResponse
from commitlog.wire.messages.sasl_handshake_request import SaslHandshakeRequest
from commitlog.wire.messages.sasl_handshake_response import SaslHandshakeResponse
from commitlog.wire.primitives import MalformedMessage

if TYPE_CHECKING:
    from commitlog.server.connection import Connection, Pending, Requests, Response

log = logging.getLogger("commitlog.server.sasl")

MIN_REAUTHENTICATION_INTERVAL_S = 1.0
_HANDSHAKE_KEY = int(ApiKey.SASL_HANDSHAKE).to_bytes(2, "big")
_SIZE_BYTES = 4


class Exchange(Protocol):
    """One mechanism's side of the broker: PlainServer, ScramServer, OAuthBearerServer."""

    complete: bool
    name: str
    by_token: bool
    expires_ms: int | None

    def evaluate(self, message: bytes) -> bytes:
        """The answer to the client; raises ScramError, PlainError or OAuthError."""


class SaslSettings(Protocol):
    """What a listener says about SASL at this moment."""

    @property
    def mechanisms(self) -> Sequence[str]: ...

    @property
    def max_receive_bytes(self) -> int: ...

    @property
    def max_request_bytes(self) -> int: ...

    @property
    def failure_delay_ms(self) -> int: ...

    def exchange(self, mechanism: str) -> Exchange: ...

    def max_session_ms(self, mechanism: str) -> int: ...

    def now_ms(self) -> int: ...


class State(Enum):
    """SaslServerAuthenticator.SaslState, as far as it is seen between two frames."""

    HANDSHAKE_OR_VERSIONS_REQUEST = 1
    HANDSHAKE_REQUEST = 2
    AUTHENTICATE = 3
    COMPLETE = 4
    FAILED = 5


class _Refused(Exception):
    """Answer this after the delay, and close; None: close without an answer."""

    def __init__(self, reason: str, response: Response | None = None) -> None:
        super().__init__(reason)
        self.response = response


LINGER_S = 0.25


class _LateRefusal:
    """A refusal that waits, so that guessing costs time (KIP-306)."""

    def __init__(self, connection: Connection, refused: _Refused, delay_ms: int) -> None:
        loop = asyncio.get_running_loop()
        self._connection = connection
        self._refused = refused
        self.future: asyncio.Future[object] = loop.create_future()
        self._timer = loop.call_later(delay_ms / 1000, self.future.set_result, None)

    def response(self) -> Response | None:
        """A client that is told of the end together with the answer may look at the end first, and try again
        and again: it has a moment to take the answer and to go by itself."""
        self._connection.mute(2 * LINGER_S)
        asyncio.get_running_loop().call_later(LINGER_S, self._connection.close)
        return self._refused.response

    def abandon(self) -> None:
        self._timer.cancel()


@dataclass(slots=True)
class _Before:
    """Who the connection belongs to while it authenticates again."""

    mechanism: str
    principal: KafkaPrincipal


class SaslAuthenticator:
    """The Requests of one connection of a SASL listener."""

    def __init__(self, settings: SaslSettings, requests: Requests, connection: Connection) -> None:
        self._settings = settings
        self._requests = requests
        self._loop = asyncio.get_running_loop()
        self._state = State.HANDSHAKE_OR_VERSIONS_REQUEST
        self._mechanism = ""
        self._framed = False
        self._exchange: Exchange | None = None
        self._before: _Before | None = None
        self._expires_at: float | None = None
        self._last_reauthentication: float | None = None
        connection.max_request_bytes = settings.max_receive_bytes

    def handle(self, connection: Connection, frame: memoryview) -> Response | Pending | None:
        if self._state is State.COMPLETE:
            if frame[:2] == _HANDSHAKE_KEY and self._may_begin_again():
                self._begin_again(connection)
            else:
                if self._expires_at is not None and self._loop.time() > self._expires_at:
                    raise CloseConnection(
                        f"the session of {connection.principal} has expired and was not renewed"
                    )
                return self._requests.handle(connection, frame)
        try:
            return self._authenticate(connection, frame)
        except _Refused as refused:
            return self._refuse(connection, refused)
        except MalformedMessage as error:
            return self._refuse(connection, _Refused(f"the request cannot be read: {error}"))

    def _refuse(self, connection: Connection, refused: _Refused) -> Pending | None:
        self._state = State.FAILED
        self._exchange = None
        again = "re-" if self._before is not None else ""
        log.info(
            "Failed %sauthentication with /%s (channelId=%s) (%s)",
            again,
            connection.client_host,
            connection.connection_id,
            refused,
        )
        if refused.response is None:
            connection.close()
            return None
        return _LateRefusal(connection, refused, self._settings.failure_delay_ms)

    # before and while authenticating

    def _authenticate(self, connection: Connection, frame: memoryview) -> Response | None:
        if self._state is State.FAILED:
            raise _Refused("authentication has failed already")
        if self._state is State.AUTHENTICATE and not self._framed:
            return self._raw_token(connection, bytes(frame))
        header = decode_request_header(frame)
        if self._state is State.AUTHENTICATE:
            return self._token(connection, header, frame)
        if header.api_key == ApiKey.API_VERSIONS and self._before is None:
            return self._api_versions(header, frame)
        if header.api_key == ApiKey.SASL_HANDSHAKE:
            return self._handshake(header, frame)
        try:
            name = ApiKey(header.api_key).name
        except ValueError:
            name = str(header.api_key)
        raise _Refused(f"Unexpected Kafka request of type {name} during SASL handshake.")

    def _api_versions(self, header: RequestHeader, frame: memoryview) -> Response:
        if self._state is not State.HANDSHAKE_OR_VERSIONS_REQUEST:
            raise _Refused(f"Unexpected ApiVersions request received during state {self._state.name}")
        versions = API_VERSIONS[ApiKey.API_VERSIONS]
        if not versions.low <= header.api_version <= versions.high:
            answer = ApiVersionsResponse(error_code=ErrorCode.UNSUPPORTED_VERSION, api_keys=served_versions())
            return encode_response(answer, 0, header.correlation_id)
        request = decode_request(header, frame)
        assert isinstance(request, ApiVersionsRequest)
        self._state = State.HANDSHAKE_REQUEST
        answer = api_versions_answer(header.api_version, request)
        return encode_response(answer, header.api_version, header.correlation_id)

    def _handshake(self, header: RequestHeader, frame: memoryview) -> Response:
        request = decode_request(header, frame)
        assert isinstance(request, SaslHandshakeRequest)
        answer = SaslHandshakeResponse(mechanisms=list(self._settings.mechanisms))
        mechanism = request.mechanism
        if mechanism not in self._settings.mechanisms:
            answer.error_code = ErrorCode.UNSUPPORTED_SASL_MECHANISM
            raise _Refused(
                f"Unsupported SASL mechanism {mechanism[:64]!r}",
                encode_response(answer, header.api_version, header.correlation_id),
            )
        if self._before is not None and self._before.mechanism != mechanism:
            text = "SASL mechanism may not be changed during re-authentication"
            answer.error_code = ErrorCode.ILLEGAL_SASL_STATE
            raise _Refused(text, encode_response(answer, header.api_version, header.correlation_id))
        self._framed = header.api_version >= 1
        self._mechanism = mechanism
        self._exchange = self._settings.exchange(mechanism)
        self._state = State.AUTHENTICATE
        return encode_response(answer, header.api_version, header.correlation_id)

    def _token(self, connection: Connection, header: RequestHeader, frame: memoryview) -> Response:
        def failure(code: ErrorCode, text: str) -> Response:
            answer = SaslAuthenticateResponse(error_code=code, error_message=text)
            return encode_response(answer, version, header.correlation_id)

        version = header.api_version
        if header.api_key != ApiKey.SASL_AUTHENTICATE:
            raise _Refused(f"Expected a SaslAuthenticate request, but got api key {header.api_key}")
        request = decode_request(header, frame)
        assert isinstance(request, SaslAuthenticateRequest)
        exchange = self._exchange
        assert exchange is not None
        doing = "re-authentication" if self._before is not None else "authentication"
        general = f"Authentication failed during {doing} due to invalid credentials with SASL mechanism "
        general += self._mechanism
        try:
            token = exchange.evaluate(bytes(request.auth_bytes))
            principal = self._principal() if exchange.complete else None
        except _Refused as refused:
            refused.response = failure(ErrorCode.SASL_AUTHENTICATION_FAILED, str(refused))
            raise
        except AuthorizationIdError as error:
            raise _Refused(str(error), failure(ErrorCode.SASL_AUTHENTICATION_FAILED, str(error))) from None
        except (ScramError, PlainError, OAuthError) as error:
            text = str(error) if getattr(error, "shown", False) else general
            # Kafka tells the log no more than the client; the mechanism's own words name no secret.
            raise _Refused(
                text if text == str(error) else f"{text}: {error}",
                failure(ErrorCode.SASL_AUTHENTICATION_FAILED, text),
            ) from None
        answer = SaslAuthenticateResponse(error_message=None, auth_bytes=token)
        if principal is not None:
            answer.session_lifetime_ms = self._complete(connection, principal)
        return encode_response(answer, version, header.correlation_id)

    def _raw_token(self, connection: Connection, token: bytes) -> Response | None:
        """After SaslHandshake v0: tokens without header, and a failure is told by closing."""
        exchange = self._exchange
        assert exchange is not None
        try:
            answer = exchange.evaluate(token)
            principal = self._principal() if exchange.complete else None
        except (ScramError, PlainError, OAuthError) as error:
            raise _Refused(str(error)) from None
        if principal is not None:
            self._complete(connection, principal)
        if principal is not None and not answer and self._mechanism != "PLAIN":
            return None
        return [len(answer).to_bytes(_SIZE_BYTES, "big") + answer]

    # authenticated

    def _principal(self) -> KafkaPrincipal:
        assert self._exchange is not None
        principal = KafkaPrincipal(USER_TYPE, self._exchange.name, self._exchange.by_token)
        before = self._before
        if before is not None and before.principal != principal:
            raise _Refused(
                f"Cannot change principals during re-authentication from {before.principal.principal_type}."
                f"{before.principal.name} to {principal.principal_type}.{principal.name}"
            )
        return principal

    def _complete(self, connection: Connection, principal: KafkaPrincipal) -> int:
        """Requests are served from now on; how long the session lasts, 0 for ever."""
        assert self._exchange is not None
        lifetime_ms = self._session_lifetime_ms(self._exchange.expires_ms)
        self._expires_at = None if lifetime_ms is None else self._loop.time() + lifetime_ms / 1000
        if self._before is None:
            connection.principal = principal
            connection.max_request_bytes = self._settings.max_request_bytes
        self._state = State.COMPLETE
        self._exchange = None
        self._before = None
        log.debug("Successfully authenticated %s with %s", connection.connection_id, self._mechanism)
        return lifetime_ms or 0

    def _session_lifetime_ms(self, expires_ms: int | None) -> int | None:
        """ReauthInfo.calcCompletionTimesAndReturnSessionLifetimeMs."""
        longest = self._settings.max_session_ms(self._mechanism)
        if expires_ms is None:
            return longest if longest > 0 else None
        left = max(0, expires_ms - self._settings.now_ms())
        return min(left, longest) if longest > 0 else left

    def _may_begin_again(self) -> bool:
        """Only where sessions end; what else comes is for KafkaApis to refuse."""
        if self._expires_at is None:
            return False
        last = self._last_reauthentication
        return last is None or self._loop.time() - last >= MIN_REAUTHENTICATION_INTERVAL_S

    def _begin_again(self, connection: Connection) -> None:
        self._last_reauthentication = self._loop.time()
        self._before = _Before(self._mechanism, connection.principal)
        self._state = State.HANDSHAKE_REQUEST
