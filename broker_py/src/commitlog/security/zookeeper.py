# SPDX-License-Identifier: Apache-2.0
"""TLS and login towards ZooKeeper, from zookeeper.* and the JAAS file
(KafkaServer.zkClientConfigFromKafkaConfig, JaasUtils).

As for the JVM's broker the login is section `Client` of the file that -Djava.security.auth.login.config in
KAFKA_OPTS names (-Dzookeeper.sasl.clientconfig names another section, -Dzookeeper.sasl.client=false turns it
off), with ZooKeeper's DigestLoginModule.
"""

from __future__ import annotations

import dataclasses
import logging
import os
import ssl
from collections.abc import Callable, Mapping

from commitlog.config.properties import ConfigError
from commitlog.coordination.zookeeper_security import ZooKeeperSecurity
from commitlog.security.jaas import JaasError, LoginModule, java_properties, login_section
from commitlog.security.keystores import StoreError
from commitlog.security.tls import client_context

log = logging.getLogger("commitlog.security.zookeeper")

PREFIX = "zookeeper.ssl."
NETTY = "org.apache.zookeeper.ClientCnxnSocketNetty"
_DEFAULT_VERSIONS = "TLSv1.2,TLSv1.3"

Get = Callable[[str], str | None]
"""One setting as text."""


def zookeeper_security(
    get: Get, source: str | None = None, environment: Mapping[str, str] | None = None
) -> ZooKeeperSecurity:
    """Raises ConfigError with the key that cannot be used."""
    environment = os.environ if environment is None else environment
    tls = _tls(get, source) if _is_true(get, f"{PREFIX}client.enable") else None
    module = _login(environment, source)
    set_acl = _is_true(get, "zookeeper.set.acl")
    has_certificate = tls is not None and get(f"{PREFIX}keystore.location") is not None
    if set_acl and module is None and not has_certificate:
        raise ConfigError(
            "zookeeper.set.acl is true, but ZooKeeper client TLS configuration identifying at "
            f"least {PREFIX}client.enable, zookeeper.clientCnxnSocket, and "
            f"{PREFIX}keystore.location was not present and there is no section Client in the "
            "file that -Djava.security.auth.login.config in KAFKA_OPTS names",
            source=source,
            name="zookeeper.set.acl",
        )
    made = ZooKeeperSecurity(tls, set_acl=set_acl)
    if module is not None:
        made = dataclasses.replace(
            made, username=module.options["username"], password=module.options["password"]
        )

    def read_again() -> ZooKeeperSecurity:
        """Unlike the JVM's broker, which must be restarted for it."""
        try:
            return zookeeper_security(get, source, environment)
        except ConfigError as error:
            log.warning("ZooKeeper is reached with the certificate and login of before: %s", error)
            return made

    return dataclasses.replace(made, read_again=read_again)


def _is_true(get: Get, name: str) -> bool:
    return (get(name) or "").strip().lower() == "true"


def _login(environment: Mapping[str, str], source: str | None) -> LoginModule | None:
    options = java_properties(environment)
    if options.get("zookeeper.sasl.client", "true").lower() == "false":
        return None
    section = options.get("zookeeper.sasl.clientconfig", "Client")
    try:
        module = login_section(section, environment)
    except JaasError as error:
        raise ConfigError(f"KAFKA_OPTS -Djava.security.auth.login.config: {error}", source=source) from None
    if module is None:
        return None
    if module.simple_name != "DigestLoginModule":
        raise ConfigError(
            f"section {section} of the JAAS file: {module.name} is not supported, "
            "org.apache.zookeeper.server.auth.DigestLoginModule is",
            source=source,
        )
    for option in ("username", "password"):
        if option not in module.options:
            raise ConfigError(
                f"section {section} of the JAAS file: option {option} is missing", source=source
            )
    return module


def _tls(get: Get, source: str | None) -> ssl.SSLContext:
    def refuse(name: str, reason: str) -> ConfigError:
        return ConfigError(f"{name}: {reason}", source=source, name=name)

    socket_class = get("zookeeper.clientCnxnSocket")
    if socket_class != NETTY:
        raise refuse(
            "zookeeper.clientCnxnSocket", f"{socket_class}: TLS to ZooKeeper needs {NETTY}, as for the JVM"
        )
    for name in ("crl.enable", "ocsp.enable"):
        if _is_true(get, PREFIX + name):
            raise refuse(PREFIX + name, "revocation is not checked by this broker; set it to false")
    algorithm = get(f"{PREFIX}endpoint.identification.algorithm")
    algorithm = "HTTPS" if algorithm is None else algorithm.strip()
    if algorithm.upper() not in ("HTTPS", ""):
        raise refuse(f"{PREFIX}endpoint.identification.algorithm", f"{algorithm}: must be HTTPS or empty")
    versions = get(f"{PREFIX}enabled.protocols") or get(f"{PREFIX}protocol") or _DEFAULT_VERSIONS
    ciphers = get(f"{PREFIX}cipher.suites") or ""

    def typed(name: str) -> str | None:
        """Without a type ZooKeeper goes by the file's name."""
        value = get(name)
        if value is None and name.endswith("store.type"):
            location = get(name.removesuffix("type") + "location") or ""
            return {"pem": "PEM", "p12": "PKCS12"}.get(location.rpartition(".")[2].lower())
        return value

    try:
        return client_context(
            typed,
            [one.strip() for one in versions.split(",") if one.strip()],
            [one.strip() for one in ciphers.split(",") if one.strip()],
            check_host=bool(algorithm),
            prefix=PREFIX,
        )
    except StoreError as error:
        name = error.setting if error.setting.startswith("zookeeper.") else f"zookeeper.{error.setting}"
        raise refuse(name, error.reason) from None
