# SPDX-License-Identifier: Apache-2.0
"""Logging in to a broker (SaslClientAuthenticator with the login modules of Kafka's clients).

Used by brokers among themselves and by the command line tools. The credentials come from a JAAS entry:
username and password for PLAIN and SCRAM (tokenauth=true for a delegation token), for OAUTHBEARER unsecured
claims or a token that a token endpoint (or a file:// URL) gives.
"""

from __future__ import annotations

import asyncio
import base64
import json
import time
import urllib.parse
import urllib.request
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from commitlog.security import oauthbearer, plain
from commitlog.security.jaas import LoginModule
from commitlog.security.scram import MECHANISMS as SCRAM_MECHANISMS
from commitlog.security.scram import ScramClient, ScramError
from commitlog.wire.errors import ErrorCode, KafkaError
from commitlog.wire.messages.sasl_authenticate_request import SaslAuthenticateRequest
from commitlog.wire.messages.sasl_handshake_request import SaslHandshakeRequest

CLIENT_MECHANISMS = ("PLAIN", *SCRAM_MECHANISMS, "OAUTHBEARER")
_MODULES = {"PLAIN": "PlainLoginModule", "OAUTHBEARER": "OAuthBearerLoginModule"}
TOKEN_TIMEOUT_S = 10.0


class LoginError(ValueError):
    """The configuration does not say how to log in."""


class Sender(Protocol):
    """What is needed of a connection to a broker; wire.client.BrokerConnection is one."""

    async def send(self, msg: Any, version: int | None = None) -> Any: ...

    async def choose_version(self, api_key: int) -> int: ...


class SaslLogin:
    """Credentials for one mechanism; ``authenticate`` proves them on a connection."""

    def __init__(self, mechanism: str, module: LoginModule, token_endpoint: str | None = None) -> None:
        if mechanism not in CLIENT_MECHANISMS:
            raise LoginError(
                f"mechanism {mechanism} is not supported; it must be one of: {', '.join(CLIENT_MECHANISMS)}"
            )
        expected = _MODULES.get(mechanism, "ScramLoginModule")
        if module.simple_name != expected:
            raise LoginError(f"{module.name} is no login module for {mechanism}, {expected} is")
        if mechanism != "OAUTHBEARER":
            for option in ("username", "password"):
                if option not in module.options:
                    raise LoginError(f"the login module of {mechanism} needs the option {option}")
        self.mechanism = mechanism
        self._options = module.options
        self._token_endpoint = token_endpoint

    async def authenticate(self, connection: Sender) -> int:
        """Log in; how many milliseconds the session lasts, 0 for ever. KafkaError when it is refused."""
        version = await connection.choose_version(SaslHandshakeRequest.API_KEY)
        answer = await connection.send(SaslHandshakeRequest(mechanism=self.mechanism), version)
        if answer.error_code:
            offered: Sequence[str] = answer.mechanisms
            raise KafkaError(
                ErrorCode.of(answer.error_code),
                f"Client SASL mechanism '{self.mechanism}' not enabled in the server, enabled mechanisms are "
                f"{list(offered)}",
            )
        if self.mechanism in SCRAM_MECHANISMS:
            return await self._scram(connection)
        if self.mechanism == "PLAIN":
            message = plain.client_message(self._options["username"], self._options["password"])
        else:
            token = await self._token()
            message = oauthbearer.client_message(token, _extensions(self._options))
        response = await _exchange(connection, message)
        if self.mechanism == "OAUTHBEARER" and response.auth_bytes:
            # The server says what is wrong and wants to be told that it was heard.
            response = await _exchange(connection, b"\x01")
        return int(response.session_lifetime_ms)

    async def _scram(self, connection: Sender) -> int:
        client = ScramClient(
            self.mechanism,
            self._options["username"],
            self._options["password"],
            token_auth=self._options.get("tokenauth", "").lower() == "true",
        )
        message: bytes | None = client.first()
        lifetime_ms = 0
        while message is not None:
            response = await _exchange(connection, message)
            lifetime_ms = response.session_lifetime_ms
            try:
                message = client.evaluate(bytes(response.auth_bytes))
            except ScramError as error:
                raise KafkaError(ErrorCode.SASL_AUTHENTICATION_FAILED, str(error)) from None
        return lifetime_ms

    async def _token(self) -> str:
        if self._token_endpoint is None:
            return unsecured_token(self._options, time.time())
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(None, _fetch_token, self._token_endpoint, self._options)

    def fresh_token(self) -> tuple[str, float, str, dict[str, str]]:
        """Token, when it expires (s), principal and extensions, as librdkafka asks for them; may block."""
        if self._token_endpoint is None:
            token = unsecured_token(self._options, time.time())
        else:
            token = _fetch_token(self._token_endpoint, self._options)
        claims = oauthbearer.split_token(token)[1]
        return token, float(claims["exp"]), str(claims.get("sub", "")), _extensions(self._options)


async def _exchange(connection: Sender, token: bytes) -> Any:
    version = await connection.choose_version(SaslAuthenticateRequest.API_KEY)
    response = await connection.send(SaslAuthenticateRequest(auth_bytes=token), version)
    if response.error_code:
        raise KafkaError(ErrorCode.of(response.error_code), response.error_message)
    return response


def _extensions(options: Mapping[str, str]) -> dict[str, str]:
    prefix = "unsecuredLoginExtension_"
    return {key.removeprefix(prefix): value for key, value in options.items() if key.startswith(prefix)}


def unsecured_token(options: Mapping[str, str], now_s: float) -> str:
    """OAuthBearerUnsecuredLoginCallbackHandler: claims from unsecuredLoginStringClaim_<name> and its like."""
    claims: dict[str, Any] = {}
    for key, value in options.items():
        if key.startswith("unsecuredLoginStringClaim_"):
            claims[key.partition("_")[2]] = value
        elif key.startswith("unsecuredLoginNumberClaim_"):
            claims[key.partition("_")[2]] = float(value)
        elif key.startswith("unsecuredLoginListClaim_"):
            claims[key.partition("_")[2]] = value[1:].split(value[:1]) if value else []
    if options.get("unsecuredLoginPrincipalClaimName", "sub") not in claims:
        raise LoginError("OAUTHBEARER needs the option unsecuredLoginStringClaim_sub or a token endpoint")
    claims.setdefault("iat", now_s)
    claims.setdefault("exp", now_s + float(options.get("unsecuredLoginLifetimeSeconds", 3600)))

    def part(value: object) -> str:
        data = json.dumps(value, separators=(",", ":")).encode()
        return base64.urlsafe_b64encode(data).rstrip(b"=").decode()

    return f"{part({'alg': 'none'})}.{part(claims)}."


def _fetch_token(url: str, options: Mapping[str, str]) -> str:
    """OAuthBearerLoginCallbackHandler: a file with the token, or the grant of client credentials."""
    try:
        if urllib.parse.urlsplit(url).scheme == "file":
            with open(urllib.request.url2pathname(urllib.parse.urlsplit(url).path)) as file:
                return file.read().strip()
        if urllib.parse.urlsplit(url).scheme not in ("http", "https"):
            raise ValueError("must be a file://, http:// or https:// URL")
        secret = f"{options.get('clientId', '')}:{options.get('clientSecret', '')}".encode()
        form = {"grant_type": "client_credentials"}
        if options.get("scope"):
            form["scope"] = options["scope"]
        request = urllib.request.Request(url, urllib.parse.urlencode(form).encode())
        request.add_header("Authorization", f"Basic {base64.b64encode(secret).decode()}")
        request.add_header("Accept", "application/json")
        # The scheme is http or https.
        with urllib.request.urlopen(request, timeout=TOKEN_TIMEOUT_S) as answer:  # nosec B310
            token = json.loads(answer.read())["access_token"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConnectionError(f"no token from {url}: {type(error).__name__}") from None
    if not isinstance(token, str):
        raise ConnectionError(f"no token from {url}")
    return token
