# SPDX-License-Identifier: Apache-2.0
"""kafka-configs.sh --zookeeper, as far as Kafka 3.9 still has it: SCRAM credentials of users, and settings of
brokers that do not run, so that both can be there before the first broker starts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from commitlog.cli.configs_options import BROKERS, CLIENTS, MECHANISMS, USERS, ConfigCommand
from commitlog.cli.java_order import strings_in_hash_order
from commitlog.cli.jopt import ArgumentError
from commitlog.cli.scram import Password, random_salt
from commitlog.cli.terminal import log
from commitlog.cli.topics_errors import ToolError
from commitlog.config import properties
from commitlog.config.broker import BrokerConfig
from commitlog.config.definitions import broker_definitions
from commitlog.config.dynamic import validate_dynamic
from commitlog.controller.entity_configs import EntityConfigs
from commitlog.coordination import paths
from commitlog.coordination.client import Coordination, CoordinationTimeout, NoNode
from commitlog.coordination.kazoo_client import KazooCoordination
from commitlog.coordination.kazoo_words import unresolvable_hosts
from commitlog.security.zookeeper import zookeeper_security

CONNECTION_TIMEOUT_MS = 30_000
DEFAULT = "<default>"
TYPE_NAMES = {USERS: "user-principal", CLIENTS: "client-id"}


async def run_with_zookeeper(command: ConfigCommand, connect_string: str) -> None:
    """Do the command and print what Kafka prints."""
    path = command.parsed.only("zk-tls-config-file")
    settings = {} if path is None else properties.load(path)
    security = zookeeper_security(settings.get, path)
    unknown = unresolvable_hosts(connect_string)
    if unknown:
        raise CoordinationTimeout(
            f"Unable to connect to ZooKeeper at {connect_string}: unknown host {', '.join(unknown)}"
        )
    coordination = KazooCoordination(
        connect_string, session_timeout_ms=CONNECTION_TIMEOUT_MS, create_chroot=False, security=security
    )
    await coordination.start()
    try:
        znodes = ConfigZnodes(command, coordination, connect_string)
        if command.alters:
            await znodes.alter()
        else:
            await znodes.describe()
    finally:
        await coordination.close()


@dataclass(frozen=True, slots=True)
class Entity:
    """A part of the name of what is configured; `name` as it stands in the path, None where none was
    given."""

    kind: str
    name: str | None

    @property
    def path(self) -> str:
        return self.kind if self.name is None else f"{self.kind}/{self.name}"

    def __str__(self) -> str:
        kind = TYPE_NAMES.get(self.kind, self.kind)
        if self.name is None:
            return self.kind
        if self.name == DEFAULT:
            return f"default {kind}"
        return f"{kind} '{paths.desanitize(self.name) if self.kind in TYPE_NAMES else self.name}'"


@dataclass(frozen=True, slots=True)
class ConfigEntity:
    """A user, a broker, or a user with one of its clients."""

    root: Entity
    child: Entity | None = None

    @property
    def full_name(self) -> str:
        return (self.root.name or "") + ("" if self.child is None else f"/{self.child.path}")

    def __str__(self) -> str:
        return str(self.root) if self.child is None else f"{self.root}, {self.child}"


def parse_entity(command: ConfigCommand) -> ConfigEntity:
    """ConfigCommand.parseEntity: users come before their clients."""
    if command.types[0] == BROKERS:
        name = command.names[0] if command.names else None
        return ConfigEntity(Entity(BROKERS, DEFAULT if name == "" else name))
    if command.alters and len(command.names) != len(command.types):
        raise ArgumentError(
            "--entity-name or --entity-default must be specified with each --entity-type for --alter"
        )
    names = [paths.sanitize(name) if name else DEFAULT for name in command.names]
    padded = names + [None] * (len(command.types) - len(names))
    entities = [Entity(kind, name) for kind, name in zip(command.types, padded, strict=False)]
    if len(entities) == 2 and command.types[0] == CLIENTS:
        entities.reverse()
    return ConfigEntity(entities[0], entities[1] if len(entities) > 1 else None)


class ConfigZnodes:
    """The two actions against one ensemble."""

    def __init__(self, command: ConfigCommand, coordination: Coordination, connect_string: str) -> None:
        self._command = command
        self._coordination = coordination
        self._configs = EntityConfigs(coordination, guarded=False)
        self._connect_string = connect_string

    async def alter(self) -> None:
        command = self._command
        added, deleted = command.added(), command.deleted()
        entity = parse_entity(command)
        kind, name = entity.root.kind, entity.full_name
        shown = ", ".join(f"{key}={added[key]}" for key in strings_in_hash_order(added))
        changes = f"{{add: {{{shown}}}, delete: List({', '.join(deleted)})}}"
        complaint = f"--bootstrap-server option must be specified to update {kind} configs: {changes}"
        if kind == USERS:
            if any(one not in MECHANISMS for one in (*added, *deleted)):
                raise ArgumentError(
                    f"requirement failed: {complaint}. User configuration updates using ZooKeeper are only "
                    "supported for SCRAM credential updates."
                )
            added = {one: Password.parse(one, text).credential(random_salt()) for one, text in added.items()}
        else:
            await self._check_not_running(name, complaint)
            self._check_broker_configs(added, per_broker=name != DEFAULT)
        configs = await self._configs.read(kind, name)
        missing = [one for one in deleted if one not in configs]
        if missing:
            raise ArgumentError(f"Invalid config(s): {','.join(missing)}")
        kept = {one: value for one, value in {**configs, **added}.items() if one not in deleted}
        log("WARN", "Setting entity configs without any checks on the controller.", "kafka.zk.KafkaZkClient")
        await self._configs.change(kind, name, kept)
        print(f"Completed updating config for entity: {entity}.")

    async def _check_not_running(self, name: str, complaint: str) -> None:
        info = (
            "Broker configuration operations using ZooKeeper are only supported if the affected broker(s) "
            "are not "
            "running."
        )
        running = await self._children(paths.BROKER_IDS)
        if name == DEFAULT:
            if running:
                raise ArgumentError(
                    f"requirement failed: {complaint} - {len(running)} brokers are running. {info}"
                )
        elif name in running:
            raise ArgumentError(f"requirement failed: {complaint} - broker {name} is running. {info}")

    def _check_broker_configs(self, added: Mapping[str, str], *, per_broker: bool) -> None:
        definitions = broker_definitions()
        secrets = [name for name in added if name in definitions and definitions[name].sensitive]
        if secrets:
            raise ToolError(
                f"{', '.join(secrets)}: passwords cannot be written to ZooKeeper by this tool; set them in "
                "server.properties"
            )
        defaults = BrokerConfig.from_properties(
            {"zookeeper.connect": self._connect_string, "listeners": "PLAINTEXT://localhost:9092"}
        )
        validate_dynamic(added, defaults, per_broker=per_broker)

    async def describe(self) -> None:
        entity = parse_entity(self._command)
        kind = entity.root.kind
        all_users = kind == USERS and entity.root.name is None and entity.child is None
        if kind == BROKERS:
            complaint = f"--bootstrap-server option must be specified to describe {kind}"
            await self._check_not_running(entity.full_name, complaint)
        for one in await self._all_entities(entity):
            configs = await self._configs.read(one.root.kind, one.full_name)
            if configs or not all_users:
                shown = ",".join(f"{key}={configs[key]}" for key in strings_in_hash_order(configs))
                print(f"Configs for {one} are {shown}")

    async def _all_entities(self, entity: ConfigEntity) -> list[ConfigEntity]:
        root, child = entity.root, entity.child
        if root.name is None:
            roots = [Entity(root.kind, name) for name in await self._children(paths.config_type(root.kind))]
            if child is None:
                return [ConfigEntity(one) for one in roots]
            found: list[ConfigEntity] = []
            for one in roots:
                found += await self._all_entities(ConfigEntity(one, Entity(child.kind, None)))
            return found
        if child is None or child.name is not None:
            return [entity]
        names = await self._children(paths.config_type(f"{root.path}/{child.kind}"))
        return [ConfigEntity(root, Entity(child.kind, name)) for name in names]

    async def _children(self, path: str) -> list[str]:
        try:
            return sorted(await self._coordination.children(path))
        except NoNode:
            return []
