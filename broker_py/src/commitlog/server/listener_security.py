# SPDX-License-Identifier: Apache-2.0
"""What a listener demands of its peers, and how this broker logs in to its fellows (ChannelBuilders).

One object per listener, read from the configuration of the moment: ``reload`` makes the TLS context and the
SASL servers anew, so certificates, users and mechanisms change without a restart; a change that cannot be
used leaves what was there in force.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from commitlog.config.listener_config import ListenerConfig
from commitlog.config.properties import ConfigError
from commitlog.security.credentials import CredentialCache
from commitlog.security.jaas import JaasError, LoginModule, login_section, parse_jaas
from commitlog.security.jwks import JwksError, JwkSet
from commitlog.security.keystore_changes import IncompatibleError, ensure_compatible
from commitlog.security.keystores import StoreError
from commitlog.security.oauthbearer import (
    Expectations,
    OAuthBearerServer,
    SignedValidator,
    UnsecuredValidator,
    Validator,
)
from commitlog.security.plain import PlainServer
from commitlog.security.sasl_client import CLIENT_MECHANISMS, LoginError, SaslLogin
from commitlog.security.scram import MECHANISMS as SCRAM_MECHANISMS
from commitlog.security.scram import Account, ScramServer
from commitlog.security.ssl_principal import MappingError, SslPrincipalMapper, ssl_principal
from commitlog.security.tls import client_context, listener_material, server_context, shake_hands
from commitlog.server.sasl import Exchange, SaslAuthenticator
from commitlog.server.tls_layer import TlsLayer

if TYPE_CHECKING:
    from commitlog.config.broker import BrokerConfig
    from commitlog.config.settings import Listener
    from commitlog.server.connection import Connection, Requests

log = logging.getLogger("commitlog.server.listener_security")
oauth_log = logging.getLogger("commitlog.server.oauthbearer")

SERVER_MECHANISMS = CLIENT_MECHANISMS
_MODULES = {"PLAIN": "PlainLoginModule", "OAUTHBEARER": "OAuthBearerLoginModule"}
_PACKAGE = "org.apache.kafka.common.security.oauthbearer."
UNSECURED_HANDLER = f"{_PACKAGE}internals.unsecured.OAuthBearerUnsecuredValidatorCallbackHandler"
SIGNED_HANDLERS = (
    f"{_PACKAGE}OAuthBearerValidatorCallbackHandler",
    f"{_PACKAGE}secured.OAuthBearerValidatorCallbackHandler",
)
UNKNOWN_KEY_PAUSE_S = 10.0
"""The least time between two looks for a key that a token named."""
_CALLBACKS = "sasl.server.callback.handler.class"

STORES_REFUSED = "Validation of dynamic config update of SSL keystore/truststore failed: "
CONFIG_EXCEPTION = "org.apache.kafka.common.config.ConfigException"

TokenAccount = Callable[[str, str], Account | None]
"""token_account(mechanism, token id): a delegation token's account."""


def _no_tokens(mechanism: str, token_id: str) -> Account | None:
    return None


class ListenerSecurity:
    """One listener's; raises ConfigError from the constructor when its settings cannot be used."""

    def __init__(
        self,
        config: BrokerConfig,
        listener: Listener,
        credentials: CredentialCache,
        now_ms: Callable[[], int],
        token_account: TokenAccount = _no_tokens,
    ) -> None:
        self.name = listener.name
        self.protocol = listener.protocol
        self.settings = ListenerConfig(config, listener.name)
        self._now_ms = now_ms
        self._config = config
        self._credentials = credentials
        self._token_account = token_account
        self._context: ssl.SSLContext | None = None
        self._chain: str | None = None
        self._mapper = SslPrincipalMapper("DEFAULT")
        self._modules: dict[str, LoginModule | None] = {}
        self._validators: dict[str, Validator] = {}
        self._jwks: JwkSet | None = None
        self._stale = asyncio.Event()
        self._refreshing: asyncio.Task[None] | None = None
        self.mechanisms: Sequence[str] = ()
        self._load()

    @property
    def uses_tls(self) -> bool:
        return self.protocol in ("SSL", "SASL_SSL")

    @property
    def uses_sasl(self) -> bool:
        return self.protocol.startswith("SASL_")

    def reload(self) -> None:
        """Read everything again; what cannot be used is logged, and what was in force stays."""
        try:
            self._load()
        except ConfigError as error:
            log.error("Security of listener %s is not changed: %s", self.name, error)

    def require_compatible(self, then: ListenerSecurity) -> None:
        """SslFactory.createNewSslEngineFactory's conditions; raises ConfigError."""
        if self._chain is None or then._chain is None:
            return
        self._require_like(self._chain, then._chain, then.settings)

    @property
    def context(self) -> ssl.SSLContext | None:
        return self._context

    def _require_like(self, chain: str, then: str, settings: ListenerConfig) -> None:
        try:
            ensure_compatible(
                then,
                chain,
                allow_dn_changes=settings.value("ssl.allow.dn.changes"),
                allow_san_changes=settings.value("ssl.allow.san.changes"),
            )
        except IncompatibleError as error:
            raise ConfigError(f"{CONFIG_EXCEPTION}: {error}") from None

    async def start(self) -> None:
        """Fetch what is behind a URL, and keep it fresh."""
        if self._jwks is not None:
            await self._refresh_once(self._jwks)
            self._refreshing = asyncio.get_running_loop().create_task(self._refresh(self._jwks))

    async def stop(self) -> None:
        if self._refreshing is not None:
            self._refreshing.cancel()
            await asyncio.gather(self._refreshing, return_exceptions=True)

    # a new connection

    def protocol_for(self, connection: Connection, requests: Requests) -> asyncio.BufferedProtocol:
        """What the transport shall speak to."""
        if self.uses_sasl:
            connection.requests = SaslAuthenticator(self, requests, connection)
        if self._context is None:
            return connection
        return TlsLayer(self._context, connection, self._secured, self._handshake_failed)

    def _secured(self, connection: Connection, certificate: bytes | None) -> None:
        if not self.uses_sasl:
            connection.principal = ssl_principal(certificate, self._mapper)

    def _handshake_failed(self, connection: Connection, reason: str) -> None:
        log.info(
            "Failed authentication with /%s (channelId=%s) (%s)",
            connection.client_host,
            connection.connection_id,
            reason,
        )

    # SaslSettings

    @property
    def max_receive_bytes(self) -> int:
        return int(self.settings.value("sasl.server.max.receive.size"))

    @property
    def max_request_bytes(self) -> int:
        return self._config.socket_request_max_bytes

    @property
    def failure_delay_ms(self) -> int:
        return self._config.connection_failed_authentication_delay_ms

    def now_ms(self) -> int:
        return self._now_ms()

    def max_session_ms(self, mechanism: str) -> int:
        return int(self.settings.value("connections.max.reauth.ms", mechanism))

    def exchange(self, mechanism: str) -> Exchange:
        if mechanism in SCRAM_MECHANISMS:
            return ScramServer(mechanism, lambda name, token: self._account(mechanism, name, by_token=token))
        if mechanism == "PLAIN":
            module = self._modules[mechanism]
            assert module is not None
            return PlainServer(module.options)
        return OAuthBearerServer(
            self._validators[mechanism], lambda reason: oauth_log.info("Token refused: %s", reason)
        )

    def _account(self, mechanism: str, name: str, *, by_token: bool) -> Account | None:
        if by_token:
            return self._token_account(mechanism, name)
        credential = self._credentials.get(mechanism, name)
        return None if credential is None else Account(credential, name)

    # reading the configuration

    def _load(self) -> None:
        """Make everything first, then put it in force."""
        context, chain = self._make_context() if self.uses_tls else (None, None)
        if chain is not None and self._chain is not None:
            self._require_like(self._chain, chain, self.settings)
        try:
            mapper = SslPrincipalMapper(self.settings.value("ssl.principal.mapping.rules"))
        except MappingError as error:
            raise self.settings.error("ssl.principal.mapping.rules", str(error)) from None
        modules: dict[str, LoginModule | None] = {}
        validators: dict[str, Validator] = {}
        mechanisms: Sequence[str] = ()
        if self.uses_sasl:
            mechanisms = self._enabled_mechanisms()
            for mechanism in mechanisms:
                modules[mechanism] = server_login_module(self.settings, mechanism)
                if mechanism == "OAUTHBEARER":
                    validators[mechanism] = self._validator(modules[mechanism])
        self._context, self._chain, self._mapper = context, chain, mapper
        self._modules, self._validators, self.mechanisms = modules, validators, mechanisms

    def _enabled_mechanisms(self) -> Sequence[str]:
        name = "sasl.enabled.mechanisms"
        found: list[str] = self.settings.value(name)
        if not found:
            raise self.settings.error(name, f"listener {self.name} needs at least one SASL mechanism")
        for mechanism in found:
            if mechanism not in SERVER_MECHANISMS:
                allowed = ", ".join(SERVER_MECHANISMS)
                raise self.settings.error(
                    name,
                    f"{mechanism} is not supported (listener {self.name}); it must be some of: {allowed}",
                )
        return found

    def _make_context(self) -> tuple[ssl.SSLContext, str]:
        """The context, and the certificates that it shows."""
        client_auth = self.settings.value("ssl.client.auth")
        if self.uses_sasl and not self.settings.is_own("ssl.client.auth"):
            client_auth = "none"
        _refuse_java(self.settings, "ssl.engine.factory.class")
        try:
            material = listener_material(self.settings.value)
            context = server_context(
                self.settings.value,
                self.settings.value("ssl.enabled.protocols"),
                self.settings.value("ssl.cipher.suites"),
                client_auth,
                material,
            )
            return context, material.chain
        except StoreError as error:
            raise self.settings.error(error.setting, error.reason) from None

    def _validator(self, module: LoginModule | None) -> Validator:
        settings = self.settings
        handler = settings.value(_CALLBACKS, "OAUTHBEARER")
        if handler is None or handler == UNSECURED_HANDLER:
            try:
                return UnsecuredValidator({} if module is None else module.options, self.now_ms)
            except ValueError:
                raise settings.error(
                    "sasl.jaas.config",
                    "unsecuredValidatorAllowableClockSkewMs must be a number",
                    "OAUTHBEARER",
                ) from None
        if handler not in SIGNED_HANDLERS:
            raise settings.error(
                _CALLBACKS,
                f"{handler}: this broker runs no Java classes; it knows {UNSECURED_HANDLER} and "
                f"{SIGNED_HANDLERS[0]}",
                "OAUTHBEARER",
            )
        url = settings.value("sasl.oauthbearer.jwks.endpoint.url")
        if not url or url.partition("://")[0] not in ("file", "http", "https"):
            raise settings.error(
                "sasl.oauthbearer.jwks.endpoint.url", f"{url}: must be a file://, http:// or https:// URL"
            )
        if self._jwks is None or self._jwks.url != url:
            self._jwks = JwkSet(url)
            self._jwks.on_unknown_key = self._look_again
            if self._jwks.is_file:
                try:
                    self._jwks.refresh()
                except JwksError as error:
                    raise settings.error("sasl.oauthbearer.jwks.endpoint.url", str(error)) from None
        expect = Expectations(
            audience=settings.value("sasl.oauthbearer.expected.audience") or (),
            issuer=settings.value("sasl.oauthbearer.expected.issuer"),
            scope_claim=settings.value("sasl.oauthbearer.scope.claim.name"),
            sub_claim=settings.value("sasl.oauthbearer.sub.claim.name"),
            skew_ms=settings.value("sasl.oauthbearer.clock.skew.seconds") * 1000,
        )
        return SignedValidator(self._jwks, expect, self.now_ms)

    # the JWKS

    def _look_again(self) -> None:
        self._stale.set()

    async def _refresh_once(self, jwks: JwkSet) -> None:
        try:
            await asyncio.get_running_loop().run_in_executor(None, jwks.refresh)
        except JwksError as error:
            log.error("Listener %s: %s", self.name, error)

    async def _refresh(self, jwks: JwkSet) -> None:
        """Every refresh.ms, and soon after a token named an unknown key."""
        settings = self.settings
        loop = asyncio.get_running_loop()
        while True:
            read_at = loop.time()
            period_ms = settings.value("sasl.oauthbearer.jwks.endpoint.refresh.ms")
            try:
                await asyncio.wait_for(self._stale.wait(), period_ms / 1000)
                await asyncio.sleep(max(0.0, read_at + UNKNOWN_KEY_PAUSE_S - loop.time()))
            except TimeoutError:
                pass
            self._stale.clear()
            await self._refresh_once(jwks)


def _refuse_java(settings: ListenerConfig, name: str) -> None:
    if settings.value(name) is not None:
        raise settings.error(name, "this broker runs no Java classes")


def server_login_module(settings: ListenerConfig, mechanism: str) -> LoginModule | None:
    """JaasContext.loadServerContext: the listener's entry for the mechanism, else the JAAS file's section."""
    key = f"{settings.prefix}{mechanism.lower()}.sasl.jaas.config"
    text = settings.broker.properties_in_force().get(key)
    try:
        if text is not None:
            module: LoginModule | None = parse_jaas(text)
        else:
            section = f"{settings.listener.lower()}.KafkaServer"
            module = login_section(section) or login_section("KafkaServer")
    except JaasError as error:
        where = key if text is not None else "KAFKA_OPTS -Djava.security.auth.login.config"
        raise ConfigError(f"{where}: {error}", source=settings.broker.source, name=key) from None
    expected = _MODULES.get(mechanism, "ScramLoginModule")
    if module is not None and text is not None and module.simple_name != expected:
        raise ConfigError(
            f"{key}: {module.name} is no login module for {mechanism}, {expected} is",
            source=settings.broker.source,
            name=key,
        )
    if module is None and mechanism in ("PLAIN", "OAUTHBEARER"):
        raise ConfigError(
            f"{key} is missing: {mechanism} on listener {settings.listener} needs a login module there, or "
            "in section KafkaServer of the file that -Djava.security.auth.login.config in KAFKA_OPTS names",
            source=settings.broker.source,
            name=key,
        )
    return module


class InterBrokerSecurity:
    """How this broker reaches its fellows over one listener: TLS as a client, and a login.

    wire.client.BrokerConnection.open takes it as its ``security``.
    """

    def __init__(self, config: BrokerConfig, listener: str, protocol: str) -> None:
        self._settings = ListenerConfig(config, listener)
        self._protocol = protocol
        self.context: ssl.SSLContext | None = None
        self.login: SaslLogin | None = None
        self._load()

    def reload(self) -> None:
        try:
            self._load()
        except ConfigError as error:
            log.error("Security of connections to other brokers is not changed: %s", error)

    def validate(
        self, then: BrokerConfig, now: ListenerSecurity | None, candidate: ListenerSecurity | None
    ) -> None:
        """Brokers must reach each other while the change goes through the cluster: what is in force must
        shake hands with what shall be, either way (SslEngineValidator)."""
        changed = InterBrokerSecurity(then, self._settings.listener, self._protocol)
        pairs = ((self.context, candidate), (changed.context, now), (changed.context, candidate))
        for client, server in pairs:
            if client is None or server is None or server.context is None:
                continue
            try:
                shake_hands(client, server.context)
            except ssl.SSLError as error:
                raise ConfigError(
                    f"{STORES_REFUSED}{CONFIG_EXCEPTION}: A client SSLEngine created with the provided "
                    "settings can't connect to a server SSLEngine created with those settings. "
                    f"({(error.reason or str(error)).lower().replace('_', ' ')})"
                ) from None

    def tls_context(self) -> ssl.SSLContext | None:
        return self.context

    async def authenticate(self, connection: Any) -> int:
        """Milliseconds until the session ends, 0 for never."""
        return 0 if self.login is None else await self.login.authenticate(connection)

    def _load(self) -> None:
        context = self._make_context() if self._protocol in ("SSL", "SASL_SSL") else None
        login = self._make_login() if self._protocol.startswith("SASL_") else None
        self.context, self.login = context, login

    def _make_context(self) -> ssl.SSLContext:
        settings = self._settings
        algorithm = settings.value("ssl.endpoint.identification.algorithm")
        if algorithm and algorithm.lower() != "https":
            raise settings.error(
                "ssl.endpoint.identification.algorithm", f"{algorithm}: must be https or empty"
            )
        try:
            return client_context(
                settings.value,
                settings.value("ssl.enabled.protocols"),
                settings.value("ssl.cipher.suites"),
                check_host=bool(algorithm),
            )
        except StoreError as error:
            raise settings.error(error.setting, error.reason) from None

    def _make_login(self) -> SaslLogin:
        settings = self._settings
        mechanism = settings.value("sasl.mechanism.inter.broker.protocol")
        if mechanism not in settings.value("sasl.enabled.mechanisms"):
            raise settings.error(
                "sasl.mechanism.inter.broker.protocol",
                f"{mechanism} must be included in sasl.enabled.mechanisms when SASL is used for inter-broker "
                "communication",
            )
        if mechanism not in CLIENT_MECHANISMS:
            allowed = ", ".join(CLIENT_MECHANISMS)
            raise settings.error(
                "sasl.mechanism.inter.broker.protocol",
                f"{mechanism} is not supported; it must be one of: {allowed}",
            )
        module = server_login_module(settings, mechanism)
        if module is None:
            raise settings.error(
                f"{settings.prefix}{mechanism.lower()}.sasl.jaas.config",
                "is missing: brokers log in to each other with it",
            )
        try:
            endpoint = settings.value("sasl.oauthbearer.token.endpoint.url")
            return SaslLogin(mechanism, module, endpoint)
        except LoginError as error:
            raise settings.error("sasl.jaas.config", str(error), mechanism) from None
