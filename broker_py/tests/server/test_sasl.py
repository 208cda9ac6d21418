# SPDX-License-Identifier: Apache-2.0
"""What a listener with SASL or TLS does with peers that have not proved who they are, byte by byte."""

from __future__ import annotations

import asyncio
import ssl
import struct
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from commitlog.apis.services import Services
from commitlog.config.broker import BrokerConfig
from commitlog.coordination.client import Coordination
from commitlog.security.credentials import CredentialCache
from commitlog.security.scram import ScramClient, make_credential
from commitlog.server.connection_quotas import ConnectionLimits, ConnectionQuotas
from commitlog.server.dispatch import Dispatcher
from commitlog.server.listener import SocketListener
from commitlog.server.listener_security import ListenerSecurity
from commitlog.wire.client import BrokerConnection
from commitlog.wire.errors import ErrorCode
from commitlog.wire.frames import decode_response, encode_request
from commitlog.wire.message import Request
from commitlog.wire.messages.api_versions_request import ApiVersionsRequest
from commitlog.wire.messages.metadata_request import MetadataRequest
from commitlog.wire.messages.sasl_authenticate_request import SaslAuthenticateRequest
from commitlog.wire.messages.sasl_handshake_request import SaslHandshakeRequest
from tests.apis.controller_services import no_quotas
from tests.end_to_end.secure import OAUTH, PLAIN, jaas, unsecured_token
from tests.security.certificates import LabCa

DELAY_MS = 100
Client = Callable[["Peer"], Awaitable[None]]


class Peer:
    """A client that says exactly what a test wants said."""

    def __init__(self, port: int, tls: ssl.SSLContext | None = None) -> None:
        self.port = port
        self.users: dict[str, dict[str, Any]] = {}
        self._tls = tls

    async def connect(self) -> None:
        name = None if self._tls is None else "localhost"
        self.reader, self.writer = await asyncio.open_connection(
            "127.0.0.1", self.port, ssl=self._tls, server_hostname=name
        )

    async def ask(self, request: Request[Any], version: int) -> Any:
        self.writer.write(encode_request(request, version, 7, "peer"))
        frame = await self.frame()
        return None if frame is None else decode_response(request.API_KEY, version, frame)[1]

    async def frame(self) -> bytes | None:
        """The next frame; None when the connection is closed."""
        try:
            size = await self.reader.readexactly(4)
            return await self.reader.readexactly(*struct.unpack(">i", size))
        except (asyncio.IncompleteReadError, ConnectionError):
            return None

    async def token(self, token: bytes, version: int = 2) -> Any:
        return await self.ask(SaslAuthenticateRequest(auth_bytes=token), version)

    async def closed(self) -> bool:
        return await self.frame() is None


def config(protocol: str, **changes: str) -> BrokerConfig:
    return BrokerConfig.from_properties(
        {
            "zookeeper.connect": "unused:1",
            "listeners": f"IN://127.0.0.1:0,{protocol}://127.0.0.1:1",
            "listener.security.protocol.map": f"IN:PLAINTEXT,{protocol}:{protocol}",
            "inter.broker.listener.name": "IN",
            "sasl.enabled.mechanisms": "PLAIN,SCRAM-SHA-256,OAUTHBEARER",
            f"listener.name.{protocol.lower()}.plain.sasl.jaas.config": jaas(
                PLAIN, user_a="secret", user_b="b"
            ),
            f"listener.name.{protocol.lower()}.oauthbearer.sasl.jaas.config": jaas(OAUTH),
            "connection.failed.authentication.delay.ms": str(DELAY_MS),
            **{name.replace("_", "."): value for name, value in changes.items()},
        }
    )


def serve(
    client: Client, protocol: str = "SASL_PLAINTEXT", tls: ssl.SSLContext | None = None, **changes: str
) -> None:
    async def main() -> None:
        broker = config(protocol, **changes)
        credentials = CredentialCache(cast(Coordination, None))
        credentials._users["u"] = {"SCRAM-SHA-256": make_credential("SCRAM-SHA-256", "p")}
        (described,) = (one for one in broker.listeners if one.name == protocol)
        security = ListenerSecurity(broker, described, credentials, lambda: int(time.time() * 1000))
        quotas = ConnectionQuotas(ConnectionLimits(max_connections=10, max_connections_per_ip=10), lambda: 0)
        dispatcher = Dispatcher(cast(Services, SimpleNamespace(quotas=no_quotas(), config=broker)))
        listener = SocketListener(protocol, "127.0.0.1", 0, dispatcher, quotas, security)
        await listener.bind()
        listener.start()
        peer = Peer(listener.port, tls)
        peer.users = credentials._users
        try:
            async with asyncio.timeout(20):
                await client(peer)
        finally:
            await listener.stop()
        await asyncio.sleep(0)
        assert not list(listener.connections())

    asyncio.run(main())


async def login(
    peer: Peer, mechanism: str = "PLAIN", message: bytes = b"\0a\0secret", version: int = 1
) -> Any:
    await peer.connect()
    answer = await peer.ask(SaslHandshakeRequest(mechanism=mechanism), version)
    assert answer.error_code == 0
    return await peer.token(message)


@pytest.mark.parametrize("version", [0, 1, 2])
def test_plain_by_every_version(version: int) -> None:
    async def client(peer: Peer) -> None:
        await peer.connect()
        assert (await peer.ask(ApiVersionsRequest(), 0)).error_code == 0
        answer = await peer.ask(SaslHandshakeRequest(mechanism="PLAIN"), 1)
        assert list(answer.mechanisms) == ["PLAIN", "SCRAM-SHA-256", "OAUTHBEARER"]
        answer = await peer.token(b"a\0a\0secret", version)
        assert (answer.error_code, answer.auth_bytes) == (0, b"")
        assert (await peer.ask(ApiVersionsRequest(), 0)).error_code == 0

    serve(client)


def test_bare_tokens_after_the_first_handshake() -> None:
    async def client(peer: Peer) -> None:
        await peer.connect()
        await peer.ask(SaslHandshakeRequest(mechanism="PLAIN"), 0)
        peer.writer.write(struct.pack(">i", 9) + b"\0a\0secret")
        assert await peer.frame() == b""
        assert (await peer.ask(ApiVersionsRequest(), 0)).error_code == 0

    serve(client)


@pytest.mark.parametrize(
    "message",
    [b"\0a\0wrong", b"\0c\0secret", b"b\0a\0secret", b"\0a\0", b"\0\0x", b"", b"\xff\0a\0b", b"a\0b"],
)
def test_wrong_credentials_are_told_late_and_end_the_connection(message: bytes) -> None:
    async def client(peer: Peer) -> None:
        loop = asyncio.get_running_loop()
        begun = loop.time()
        answer = await login(peer, message=message)
        assert answer.error_code == ErrorCode.SASL_AUTHENTICATION_FAILED
        assert answer.error_message.startswith("Authentication failed")
        assert "secret" not in answer.error_message
        assert loop.time() - begun >= DELAY_MS / 1000 * 0.9
        assert await peer.closed()

    serve(client)


def test_a_flood_of_guesses_behind_a_wrong_one_is_not_looked_at() -> None:
    async def client(peer: Peer) -> None:
        await peer.connect()
        await peer.ask(SaslHandshakeRequest(mechanism="PLAIN"), 1)
        wrong = encode_request(SaslAuthenticateRequest(auth_bytes=b"\0a\0no"), 2, 1, None)
        right = encode_request(SaslAuthenticateRequest(auth_bytes=b"\0a\0secret"), 2, 2, None)
        peer.writer.write(wrong + right + encode_request(ApiVersionsRequest(), 0, 3, None))
        assert await peer.frame() is not None
        assert await peer.closed()

    serve(client)


def test_an_unknown_mechanism() -> None:
    async def client(peer: Peer) -> None:
        await peer.connect()
        answer = await peer.ask(SaslHandshakeRequest(mechanism="GSSAPI"), 1)
        assert answer.error_code == ErrorCode.UNSUPPORTED_SASL_MECHANISM
        assert list(answer.mechanisms) == ["PLAIN", "SCRAM-SHA-256", "OAUTHBEARER"]
        assert await peer.closed()

    serve(client)


@pytest.mark.parametrize("steps", [0, 1, 2])
def test_no_other_request_is_answered_before(steps: int) -> None:
    async def client(peer: Peer) -> None:
        await peer.connect()
        if steps > 0:
            await peer.ask(ApiVersionsRequest(), 0)
        if steps > 1:
            await peer.ask(SaslHandshakeRequest(mechanism="PLAIN"), 1)
        assert await peer.ask(MetadataRequest(topics=[]), 1) is None

    serve(client)


def test_api_versions_of_the_future_may_be_asked_again() -> None:
    async def client(peer: Peer) -> None:
        await peer.connect()
        body = struct.pack(">hhih", 18, 99, 5, -1) + b"\0"
        peer.writer.write(struct.pack(">i", len(body)) + body)
        frame = await peer.frame()
        assert frame is not None
        assert frame[4:6] == struct.pack(">h", ErrorCode.UNSUPPORTED_VERSION)
        assert (await peer.ask(ApiVersionsRequest(), 0)).error_code == 0
        assert await peer.ask(ApiVersionsRequest(), 0) is None

    serve(client)


@pytest.mark.parametrize("size", [524_289, 2**31 - 1, -1])
def test_a_token_too_large_is_not_waited_for(size: int) -> None:
    async def client(peer: Peer) -> None:
        await peer.connect()
        peer.writer.write(struct.pack(">i", size))
        assert await peer.closed()

    serve(client)


def test_after_login_requests_may_be_as_large_as_ever() -> None:
    async def client(peer: Peer) -> None:
        assert (await login(peer)).error_code == 0
        assert (await peer.token(bytes(600_000))).error_code == ErrorCode.ILLEGAL_SASL_STATE

    serve(client)


def test_authenticating_anew() -> None:
    async def client(peer: Peer) -> None:
        assert (await login(peer)).session_lifetime_ms == 60_000
        assert (await peer.ask(SaslHandshakeRequest(mechanism="PLAIN"), 1)).error_code == 0
        assert (await peer.token(b"\0a\0secret")).session_lifetime_ms == 60_000
        assert (await peer.ask(ApiVersionsRequest(), 0)).error_code == 0
        answer = await peer.ask(SaslHandshakeRequest(mechanism="PLAIN"), 1)
        assert answer.error_code == ErrorCode.ILLEGAL_SASL_STATE, "not more than once a second"
        assert (await peer.token(b"\0a\0secret")).error_code == ErrorCode.ILLEGAL_SASL_STATE

    serve(client, connections_max_reauth_ms="60000")


def test_becoming_another_is_refused() -> None:
    async def client(peer: Peer) -> None:
        await login(peer)
        await peer.ask(SaslHandshakeRequest(mechanism="PLAIN"), 1)
        answer = await peer.token(b"\0b\0b")
        assert answer.error_code == ErrorCode.SASL_AUTHENTICATION_FAILED
        assert (
            "Cannot change principals during re-authentication from User.a to User.b" in answer.error_message
        )
        assert await peer.closed()

    serve(client, connections_max_reauth_ms="60000")


def test_changing_the_mechanism_is_refused() -> None:
    async def client(peer: Peer) -> None:
        await login(peer)
        answer = await peer.ask(SaslHandshakeRequest(mechanism="SCRAM-SHA-256"), 1)
        assert answer.error_code == ErrorCode.ILLEGAL_SASL_STATE
        assert await peer.closed()

    serve(client, connections_max_reauth_ms="60000")


async def scram_login(peer: Peer) -> tuple[bytes, bytes, Any]:
    """Both of a client's messages, and the answer to the second."""
    side = ScramClient("SCRAM-SHA-256", "u", "p")
    started = await login(peer, "SCRAM-SHA-256", side.first())
    final = side.evaluate(started.auth_bytes)
    assert final is not None
    return side.first(), final, await peer.token(final)


def test_a_recorded_scram_login_is_refused_on_another_connection() -> None:
    async def client(peer: Peer) -> None:
        first, final, done = await scram_login(peer)
        assert done.error_code == 0
        again = Peer(peer.port)
        assert (await login(again, "SCRAM-SHA-256", first)).error_code == 0
        answer = await again.token(final)
        assert answer.error_code == ErrorCode.SASL_AUTHENTICATION_FAILED
        assert "invalid credentials with SASL mechanism SCRAM-SHA-256" in answer.error_message
        assert await again.closed()
        assert (await peer.ask(ApiVersionsRequest(), 0)).error_code == 0

    serve(client)


def test_the_final_message_first_is_refused() -> None:
    async def client(peer: Peer) -> None:
        _first, final, _done = await scram_login(peer)
        again = Peer(peer.port)
        assert (await login(again, "SCRAM-SHA-256", final)).error_code == ErrorCode.SASL_AUTHENTICATION_FAILED
        assert await again.closed()

    serve(client)


@pytest.mark.parametrize("kept", [0, 1, 12, -1])
def test_a_final_message_cut_short_is_refused(kept: int) -> None:
    async def client(peer: Peer) -> None:
        side = ScramClient("SCRAM-SHA-256", "u", "p")
        final = side.evaluate((await login(peer, "SCRAM-SHA-256", side.first())).auth_bytes)
        assert final is not None
        answer = await peer.token(final[:kept])
        assert answer.error_code == ErrorCode.SASL_AUTHENTICATION_FAILED
        assert await peer.closed()

    serve(client)


def test_a_removed_user_does_not_stay_on_an_open_connection() -> None:
    """What it was let in for goes on until its session ends; it does not authenticate anew."""

    async def client(peer: Peer) -> None:
        *_messages, done = await scram_login(peer)
        assert done.session_lifetime_ms == 60_000
        del peer.users["u"]
        assert (await peer.ask(ApiVersionsRequest(), 0)).error_code == 0
        side = ScramClient("SCRAM-SHA-256", "u", "p")
        assert (await peer.ask(SaslHandshakeRequest(mechanism="SCRAM-SHA-256"), 1)).error_code == 0
        answer = await peer.token(side.first())
        assert answer.error_code == ErrorCode.SASL_AUTHENTICATION_FAILED
        assert await peer.closed()

    serve(client, connections_max_reauth_ms="60000")


def test_where_sessions_do_not_end_nobody_begins_again() -> None:
    async def client(peer: Peer) -> None:
        await login(peer)
        answer = await peer.ask(SaslHandshakeRequest(mechanism="PLAIN"), 1)
        assert answer.error_code == ErrorCode.ILLEGAL_SASL_STATE
        assert await peer.ask(ApiVersionsRequest(), 0) is not None

    serve(client)


def test_a_session_that_is_over_ends_with_the_next_request() -> None:
    async def client(peer: Peer) -> None:
        lifetime = (await login(peer)).session_lifetime_ms
        await asyncio.sleep(lifetime / 1000 + 0.05)
        assert await peer.ask(ApiVersionsRequest(), 0) is None

    serve(client, connections_max_reauth_ms="100")


def test_a_session_lasts_no_longer_than_its_token() -> None:
    async def client(peer: Peer) -> None:
        message = f"n,,\x01auth=Bearer {unsecured_token('a', lifetime_s=5)}\x01\x01".encode()
        answer = await login(peer, "OAUTHBEARER", message)
        assert 0 < answer.session_lifetime_ms <= 5000

    serve(client, connections_max_reauth_ms="60000")


# TLS


@pytest.fixture(scope="module")
def ca(tmp_path_factory: pytest.TempPathFactory) -> LabCa:
    return LabCa(tmp_path_factory.mktemp("ca"))


def tls_settings(ca: LabCa, directory: Path) -> dict[str, str]:
    identity = ca.issue("broker", "localhost")
    return {"ssl_keystore_type": "PEM", "ssl_keystore_location": str(identity.pem)}


def test_requests_in_pieces_and_large_over_tls(ca: LabCa, tmp_path: Path) -> None:
    async def client(peer: Peer) -> None:
        assert (await login(peer)).error_code == 0
        data = encode_request(SaslAuthenticateRequest(auth_bytes=bytes(3_000_000)), 2, 1, "x") * 2
        for start in range(0, len(data), 700_001):
            peer.writer.write(data[start : start + 700_001])
            await peer.writer.drain()
        assert await peer.frame() is not None
        assert await peer.frame() is not None

    context = ssl.create_default_context(cadata=ca.text)
    serve(client, "SASL_SSL", context, **tls_settings(ca, tmp_path))


@pytest.mark.parametrize(
    "garbage", [b"GET / HTTP/1.1\r\n\r\n", bytes(64), b"\x16\x03\x01\xff\xff", b"\x00\x00\x00\x0a"]
)
def test_garbage_before_tls_ends_the_connection(
    ca: LabCa, tmp_path: Path, garbage: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    async def client(peer: Peer) -> None:
        await peer.connect()
        peer.writer.write(garbage)
        peer.writer.write_eof()
        while await peer.reader.read(1000):
            continue

    with caplog.at_level("INFO", "commitlog.server.listener_security"):
        serve(client, "SSL", **tls_settings(ca, tmp_path))
    assert [record.message for record in caplog.records if "Failed authentication" in record.message]


def test_inter_broker_client_refuses_a_wrong_host(ca: LabCa, tmp_path: Path) -> None:
    class Security:
        def tls_context(self) -> ssl.SSLContext:
            return ssl.create_default_context(cadata=ca.text)

        async def authenticate(self, connection: Any) -> int:
            raise AssertionError("the handshake must fail before")

    async def client(peer: Peer) -> None:
        with pytest.raises(PermissionError, match="certificate verify failed"):
            await BrokerConnection.open("127.0.0.1", peer.port, "test", security=Security())

    serve(client, "SSL", **tls_settings(ca, tmp_path))


FRAMES = st.one_of(
    st.binary(max_size=60).map(lambda data: struct.pack(">i", len(data)) + data),
    st.binary(max_size=40),
    st.builds(
        lambda key, version, rest: struct.pack(">ihhih", 10 + len(rest), key, version, 1, -1) + rest,
        st.sampled_from([17, 18, 36, 3, 0, -1]),
        st.integers(-1, 5),
        st.binary(max_size=30),
    ),
    st.just(encode_request(SaslHandshakeRequest(mechanism="PLAIN"), 1, 1, None)),
    st.just(encode_request(SaslHandshakeRequest(mechanism="SCRAM-SHA-256"), 0, 1, None)),
)


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(FRAMES, max_size=5))
def test_nothing_unproved_reaches_a_handler(frames: list[bytes]) -> None:
    """Whatever comes, no request is served and no exception escapes."""

    async def client(peer: Peer) -> None:
        failures: list[object] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, context: failures.append(context))
        await peer.connect()
        peer.writer.write(b"".join(frames))
        peer.writer.write(encode_request(MetadataRequest(topics=None), 1, 0x5EC2E7, None))
        peer.writer.write_eof()
        answers = []
        while (frame := await peer.frame()) is not None:
            answers.append(frame[:4])
        assert struct.pack(">i", 0x5EC2E7) not in answers
        assert not failures

    serve(client, connection_failed_authentication_delay_ms="0")
