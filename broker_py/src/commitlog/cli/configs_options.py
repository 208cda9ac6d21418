# SPDX-License-Identifier: Apache-2.0
"""The options of kafka-configs.sh (ConfigCommand.ConfigCommandOptions) and what is refused."""

from __future__ import annotations

import re
import socket
from collections.abc import Mapping, Sequence

from commitlog.cli.jopt import ArgumentError, Option, Parsed, UsageError, check_invalid

SUMMARY = (
    "This tool helps to manipulate and describe entity config for a topic, client, user, broker, "
    "ip or client-metrics"
)

OPTIONS: Mapping[str, Option] = {
    "add-config": Option("", "String"),
    "add-config-file": Option(
        "Path to a properties file with configs to add. See add-config for a list of valid configurations.",
        "String",
    ),
    "all": Option(
        "List all configs for the given topic, broker, or broker-logger entity (includes static "
        "configuration when the entity type is brokers)"
    ),
    "alter": Option("Alter the configuration for the entity."),
    "bootstrap-controller": Option(
        "The Kafka controllers to connect to.", "String: controller to connect to"
    ),
    "bootstrap-server": Option("The Kafka servers to connect to.", "String: server to connect to"),
    "broker": Option("The broker's ID.", "String"),
    "broker-defaults": Option("The config defaults for all brokers."),
    "broker-logger": Option("The broker's ID for its logger config.", "String"),
    "client": Option("The client's ID.", "String"),
    "client-defaults": Option("The config defaults for all clients."),
    "command-config": Option(
        "Property file containing configs to be passed to Admin Client. This is used only with "
        "--bootstrap-server option for describing and altering broker configs.",
        "String: command config property file",
    ),
    "delete-config": Option("config keys to remove 'k1,k2'", "String", separator=","),
    "describe": Option("List configs for the given entity."),
    "entity-default": Option(
        "Default entity name for clients/users/brokers/ips (applies to corresponding entity type "
        "in command line)"
    ),
    "entity-name": Option(
        "Name of entity (topic name/client id/user principal name/broker id/ip/client metrics)", "String"
    ),
    "entity-type": Option(
        "Type of entity (topics/clients/users/brokers/broker-loggers/ips/client-metrics)", "String"
    ),
    "force": Option("Suppress console prompts"),
    "help": Option("Print usage information."),
    "ip": Option("The IP address.", "String"),
    "ip-defaults": Option("The config defaults for all IPs."),
    "topic": Option("The topic's name.", "String"),
    "user": Option("The user's principal name.", "String"),
    "user-defaults": Option("The config defaults for all users."),
    "version": Option("Display Kafka version."),
    "zk-tls-config-file": Option(
        "Identifies the file where ZooKeeper client TLS connectivity properties are defined.  Any "
        "properties other than zookeeper.clientCnxnSocket, zookeeper.ssl.cipher.suites, "
        "zookeeper.ssl.client.enable, zookeeper.ssl.crl.enable, zookeeper.ssl.enabled.protocols, "
        "zookeeper.ssl.endpoint.identification.algorithm, zookeeper.ssl.keystore.location, "
        "zookeeper.ssl.keystore.password, zookeeper.ssl.keystore.type, zookeeper.ssl.ocsp.enable, "
        "zookeeper.ssl.protocol, zookeeper.ssl.truststore.location, "
        "zookeeper.ssl.truststore.password, zookeeper.ssl.truststore.type are ignored.",
        "String: ZooKeeper TLS configuration",
    ),
    "zookeeper": Option(
        "DEPRECATED. The connection string for the zookeeper connection in the form host:port. "
        "Multiple URLS can be given to allow fail-over. Required when configuring SCRAM "
        "credentials for users or dynamic broker configs when the relevant broker(s) are down. Not "
        "allowed otherwise.",
        "String: urls",
    ),
}

TOPICS = "topics"
CLIENTS = "clients"
USERS = "users"
BROKERS = "brokers"
LOGGERS = "broker-loggers"
IPS = "ips"
METRICS = "client-metrics"

WITH_BROKERS = (TOPICS, CLIENTS, USERS, BROKERS, IPS, LOGGERS, METRICS)
WITH_ZOOKEEPER = (USERS, BROKERS)
QUOTAS = ("consumer_byte_rate", "controller_mutation_rate", "producer_byte_rate", "request_percentage")
IP_QUOTAS = ("connection_creation_rate",)
MECHANISMS = ("SCRAM-SHA-256", "SCRAM-SHA-512")
_FLAGS = {
    "topic": TOPICS,
    "client": CLIENTS,
    "user": USERS,
    "broker": BROKERS,
    "broker-logger": LOGGERS,
    "ip": IPS,
}
_DEFAULT_FLAGS = {
    "client-defaults": CLIENTS,
    "user-defaults": USERS,
    "broker-defaults": BROKERS,
    "ip-defaults": IPS,
}


def options_with_names() -> Mapping[str, Option]:
    """The table with all settings' names in the text of --add-config."""
    from commitlog.config.definitions import broker_definitions, topic_definitions
    from commitlog.config.dynamic import THROTTLES, is_dynamic

    brokers = [name for name in (*broker_definitions(), *THROTTLES) if is_dynamic(name)]
    by_type = {
        TOPICS: sorted(topic_definitions()),
        BROKERS: sorted(set(brokers)),
        USERS: sorted((*MECHANISMS, *QUOTAS)),
        CLIENTS: sorted(QUOTAS),
        IPS: sorted(IP_QUOTAS),
        METRICS: ["interval.ms", "match", "metrics"],
    }
    doc = (
        "Key Value pairs of configs to add. Square brackets can be used to group values which contain "
        "commas: "
        "'k1=v1,k2=[v1,v2,v2],k3=v3'. The following is a list of valid configurations: "
    )
    for entity_type, names in by_type.items():
        doc += f"For entity-type '{entity_type}': \n" + "\n".join(f"\t{name}" for name in names) + "\n"
    doc += (
        "Entity types 'users' and 'clients' may be specified together to update config for clients of a "
        "specific "
        "user."
    )
    return {**OPTIONS, "add-config": Option(doc, "String")}


class ConfigCommand:
    """A command line that has passed every check of ConfigCommandOptions."""

    def __init__(self, parsed: Parsed) -> None:
        self.parsed = parsed
        self.types = self._types()
        """Entity types, in the order given."""
        self.names = self._names()
        """Entity names in that order; "" stands for the default entity."""
        self._check()

    @property
    def alters(self) -> bool:
        return self.parsed.has("alter")

    @property
    def zookeeper(self) -> str | None:
        return self.parsed.only("zookeeper")

    def _types(self) -> list[str]:
        flags = {**_FLAGS, **_DEFAULT_FLAGS}
        given = [kind for flag, kind in flags.items() if self.parsed.has(flag)]
        return [*self.parsed.all("entity-type"), *given]

    def _names(self) -> list[str]:
        parsed = self.parsed
        named = iter(parsed.all("entity-name"))
        both = [name for name in parsed.given if name in ("entity-name", "entity-default")]
        found = [next(named) if name == "entity-name" else "" for name in both]
        found += [parsed.only(flag) or "" for flag in _FLAGS if parsed.has(flag)]
        return found + ["" for flag in _DEFAULT_FLAGS if parsed.has(flag)]

    def _check(self) -> None:
        parsed = self.parsed
        if parsed.has("alter") == parsed.has("describe"):
            raise UsageError("Command must include exactly one action: --describe, --alter")
        check_invalid(parsed, "describe", "alter", "add-config", "delete-config")
        self._check_types()
        self._check_connection()
        self._check_names()
        if parsed.has("alter"):
            self._check_alter()

    def _check_types(self) -> None:
        parsed, types = self.parsed, self.types
        twice = [kind for index, kind in enumerate(types) if kind in types[:index]]
        if twice:
            raise ArgumentError(f"Duplicate entity type(s) specified: {','.join(twice)}")
        if parsed.has("bootstrap-server") or parsed.has("bootstrap-controller"):
            allowed: Sequence[str] = WITH_BROKERS
            connection = "--bootstrap-server or --bootstrap-controller"
        else:
            allowed, connection = WITH_ZOOKEEPER, "--zookeeper"
        for kind in types:
            if kind not in allowed:
                raise ArgumentError(
                    f"Invalid entity type {kind}, the entity type must be one of {', '.join(allowed)} with a "
                    f"{connection} argument"
                )
        if not types:
            raise ArgumentError("At least one entity type must be specified")
        if len(types) > 1 and set(types) != {USERS, CLIENTS}:
            raise ArgumentError("Only 'users' and 'clients' entity types may be specified together")
        general = ("entity-name", "entity-type", "entity-default")
        if any(map(parsed.has, general)) and any(map(parsed.has, (*_FLAGS, *_DEFAULT_FLAGS))):
            raise ArgumentError(
                "--entity-{type,name,default} should not be used in conjunction with specific entity flags"
            )

    def _check_connection(self) -> None:
        parsed = self.parsed
        ways = sum(map(parsed.has, ("bootstrap-server", "bootstrap-controller", "zookeeper")))
        if ways == 0:
            raise ArgumentError(
                "One of the required --bootstrap-server, --boostrap-controller, or --zookeeper arguments "
                "must be "
                "specified"
            )
        if ways > 1:
            raise ArgumentError(
                "Only one of --bootstrap-server, --boostrap-controller, and --zookeeper can be specified"
            )
        if parsed.has("all") and parsed.has("zookeeper"):
            raise ArgumentError("--bootstrap-server must be specified for --all")
        if parsed.has("zk-tls-config-file") and not parsed.has("zookeeper"):
            raise ArgumentError(
                "Only the --zookeeper option can be used with the --zk-tls-config-file option."
            )

    def _check_names(self) -> None:
        named = [name for name in self.names if name]
        kind = self.types[0]
        if kind in (BROKERS, LOGGERS):
            for name in named:
                if not name.removeprefix("-").isdecimal():
                    raise ArgumentError(
                        f"The entity name for {kind} must be a valid integer broker id, but it is: {name}"
                    )
        if kind == IPS:
            for name in named:
                if not _is_host(name):
                    raise ArgumentError(
                        f"The entity name for {kind} must be a valid IP or resolvable host, but it is: {name}"
                    )
        if self.parsed.has("describe") and LOGGERS in self.types and not named:
            raise ArgumentError(f"an entity name must be specified with --describe of {','.join(self.types)}")

    def _check_alter(self) -> None:
        parsed = self.parsed
        if {USERS, CLIENTS, BROKERS, IPS} & set(self.types):
            if not self.names:
                raise ArgumentError(
                    "an entity-name or default entity must be specified with --alter of users, clients, "
                    "brokers "
                    "or ips"
                )
        elif not any(self.names):
            raise ArgumentError(f"an entity name must be specified with --alter of {','.join(self.types)}")
        if parsed.has("add-config") and parsed.has("add-config-file"):
            raise ArgumentError("Only one of --add-config or --add-config-file must be specified")
        if not any(map(parsed.has, ("add-config", "add-config-file", "delete-config"))):
            raise ArgumentError(
                "At least one of --add-config, --add-config-file, or --delete-config must be specified with "
                "--alter"
            )

    def added(self) -> dict[str, str]:
        """--add-config or --add-config-file (parseConfigsToBeAdded)."""
        found: dict[str, str] = {}
        path = self.parsed.only("add-config-file")
        if path is not None:
            from commitlog.config import properties

            found.update(properties.load(path))
        text = self.parsed.only("add-config")
        if text is not None:
            found.update(_pairs(text))
        if "message.format.version" in found:
            print(
                "WARNING: The configuration message.format.version="
                f"{found['message.format.version']} is specified. This configuration will be ignored if the "
                "version is newer than the inter.broker.protocol.version specified in the broker or if the "
                "inter.broker.protocol.version is 3.0 or newer. This configuration is deprecated and it "
                "will be "
                "removed in Apache Kafka 4.0."
            )
        for name in found:
            if not re.fullmatch(r"[a-zA-Z0-9._-]*", name):
                raise ArgumentError(f"Invalid character found for config key: {name}")
        return found

    def deleted(self) -> list[str]:
        return [name.strip() for name in self.parsed.all("delete-config")]


_OUTSIDE_BRACKETS = r"(?=[^\]]*(?:\[|$))"


def _pairs(text: str) -> dict[str, str]:
    """k1=v1,k2=[v1,v2]: a comma or an equals sign within brackets belongs to the value."""
    found: dict[str, str] = {}
    for part in re.split("," + _OUTSIDE_BRACKETS, text):
        pair = re.split(r"\s*=\s*" + _OUTSIDE_BRACKETS, part)
        if len(pair) != 2:
            raise ArgumentError(
                "requirement failed: Invalid entity config: all configs to be added must be in the format "
                '"key=val".'
            )
        found[pair[0].strip()] = pair[1].replace("[", "").replace("]", "").strip()
    return found


def _is_host(name: str) -> bool:
    try:
        socket.getaddrinfo(name, None)
    except (OSError, UnicodeError):
        return False
    return True
