# SPDX-License-Identifier: Apache-2.0
"""How a client reaches brokers, from the properties that Kafka's Java clients take: security.protocol, ssl.*,
sasl.* (ChannelBuilders.clientChannelBuilder)."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Mapping
from typing import Any

from commitlog.security.jaas import JaasError, LoginModule, login_section, parse_jaas
from commitlog.security.keystores import StoreError
from commitlog.security.sasl_client import LoginError, SaslLogin
from commitlog.security.tls import client_context

PROTOCOLS = ("PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL")
DEFAULT_PROTOCOLS = "TLSv1.2,TLSv1.3"


class ClientSecurityError(ValueError):
    """A property that cannot be used: one line with its name, and never its value where that is a secret."""


class ClientSecurity:
    """wire.client.BrokerConnection.open takes it as its ``security``."""

    def __init__(self, context: ssl.SSLContext | None, login: SaslLogin | None) -> None:
        self._context = context
        self._login = login

    def tls_context(self) -> ssl.SSLContext | None:
        return self._context

    async def authenticate(self, connection: Any) -> int:
        return 0 if self._login is None else await self._login.authenticate(connection)


def security_protocol(settings: Mapping[str, str]) -> str:
    protocol = settings.get("security.protocol", "PLAINTEXT").strip().upper()
    if protocol not in PROTOCOLS:
        raise ClientSecurityError(
            f"Invalid value {settings['security.protocol']} for configuration security.protocol: String must "
            f"be one of: {', '.join(PROTOCOLS)}"
        )
    return protocol


def client_security(settings: Mapping[str, str]) -> ClientSecurity | None:
    """None for PLAINTEXT."""
    protocol = security_protocol(settings)
    if protocol == "PLAINTEXT":
        return None
    context = _context(settings) if protocol.endswith("SSL") else None
    login = None
    if protocol.startswith("SASL_"):
        try:
            login = SaslLogin(
                settings.get("sasl.mechanism", "GSSAPI"),
                client_login_module(settings),
                settings.get("sasl.oauthbearer.token.endpoint.url"),
            )
        except LoginError as error:
            raise ClientSecurityError(f"sasl.jaas.config, sasl.mechanism: {error}") from None
    return ClientSecurity(context, login)


def client_login_module(settings: Mapping[str, str]) -> LoginModule:
    """sasl.jaas.config, else the section KafkaClient of the JAAS file."""
    text = settings.get("sasl.jaas.config")
    try:
        module = login_section("KafkaClient") if text is None else parse_jaas(text)
    except JaasError as error:
        raise ClientSecurityError(f"sasl.jaas.config: {error}") from None
    if module is None:
        raise ClientSecurityError(
            "sasl.jaas.config is missing: SASL needs a login module there, or in section KafkaClient of the "
            "file that -Djava.security.auth.login.config in KAFKA_OPTS names"
        )
    return module


def _context(settings: Mapping[str, str]) -> ssl.SSLContext:
    algorithm = settings.get("ssl.endpoint.identification.algorithm", "https")
    if algorithm.lower() not in ("https", ""):
        raise ClientSecurityError(
            f"ssl.endpoint.identification.algorithm: {algorithm}: must be https or empty"
        )

    def items(name: str, default: str) -> list[str]:
        return [item.strip() for item in settings.get(name, default).split(",") if item.strip()]

    get: Callable[[str], str | None] = settings.get
    try:
        return client_context(
            get,
            items("ssl.enabled.protocols", DEFAULT_PROTOCOLS),
            items("ssl.cipher.suites", ""),
            check_host=bool(algorithm),
        )
    except StoreError as error:
        raise ClientSecurityError(str(error)) from None
