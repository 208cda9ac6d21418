# SPDX-License-Identifier: Apache-2.0
"""A broker's life, from start to controlled shutdown, in the order of Kafka's KafkaServer.

Start: ZooKeeper and its permanent paths, cluster id, meta.properties and broker id, dynamic and topic
settings, logs loaded and recovered, sockets bound, replicas, registration (from here on the cluster knows
us), controller, coordinators, config watcher, and only then requests are processed. Whatever fails on the
way is one line (StartupError), and what had been started is stopped again. A stop begins with asking the
controller to move leadership away.

A session that expires takes the registration with it: the controller resigns, then the broker registers
again under a new epoch and stands for election again. Replicas go on serving meanwhile.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING

from commitlog.apis.services import Services
from commitlog.config.broker import PROMETHEUS_LISTENER, BrokerConfig, ConfigError
from commitlog.config.password_encoder import password_encoder
from commitlog.coordination import paths
from commitlog.coordination.client import (
    Coordination,
    CoordinationError,
    NoNode,
    SessionState,
)
from commitlog.coordination.documents import (
    BrokerRegistration,
    ConfigEntity,
    DocumentError,
    TopicAssignment,
)
from commitlog.groups.coordinator import OFFSETS_TOPIC
from commitlog.metrics.endpoint import PrometheusEndpoint
from commitlog.security.authorizer import AclAuthorizer
from commitlog.security.authorizer_settings import authorizer_settings
from commitlog.server import identity
from commitlog.server.broker_security import BrokerSecurity
from commitlog.server.config_watcher import ConfigWatcher
from commitlog.server.connection_quotas import ConnectionQuotas
from commitlog.server.controlled_shutdown import controlled_shutdown
from commitlog.server.dispatch import Dispatcher
from commitlog.server.dynamic_listeners import Listeners
from commitlog.server.earlier_session import EarlierSession
from commitlog.server.errors import StartupError
from commitlog.server.listener import SocketListener
from commitlog.server.log_dir_events import LogDirEvents
from commitlog.server.metrics_broker import BrokerMetrics, metric_sources
from commitlog.server.metrics_replicas import ReplicaMetrics
from commitlog.server.quota_configs import QuotaConfigs
from commitlog.server.registration import BrokerRegistrar
from commitlog.server.room_settings import connection_limits
from commitlog.server.rooms import World, furnish, loop_ms
from commitlog.server.topic_configs import TopicConfigRepository
from commitlog.storage.log_manager import StorageError
from commitlog.transactions.coordinator import TRANSACTIONS_TOPIC

if TYPE_CHECKING:
    from commitlog.replication.partition import Partition
    from commitlog.storage.disk import Disk

log = logging.getLogger("commitlog.server.broker")

OLDEST_INTER_BROKER_PROTOCOL = "2.7-IV2"
"""Before it, leaders wrote their ISR into ZooKeeper themselves (KIP-497 moved that to the controller)."""

# KafkaServer.shutdown's order: clients first, then what they used, ZooKeeper last.
STOP_ORDER = (
    "metrics endpoint",
    "config watcher",
    "listeners",
    "security",
    "transaction coordinator",
    "group coordinator",
    "replica manager",
    "log manager",
    "authorizer",
    "registration",
    "controller",
    "log dir events",
    "ZooKeeper client",
)


class Broker:
    """One broker: ``start`` returns when it serves, ``failed`` is set when it cannot go on."""

    def __init__(
        self,
        config: BrokerConfig,
        *,
        disk: Disk,
        coordination: Coordination,
        now_ms: Callable[[], int],
        rng: random.Random,
    ) -> None:
        self.config = config
        self.epoch = -1
        self.services: Services
        self.failed = asyncio.Event()
        """Set when the broker cannot go on: every log directory has failed."""
        self._disk = disk
        self._coordination = coordination
        self._now_ms = now_ms
        self._rng = rng
        self._started: dict[str, Callable[[], Awaitable[object]]] = {}
        self._resession: asyncio.Task[None] | None = None
        self._expired = asyncio.Event()

    # start

    async def start(self) -> None:
        """Start in Kafka's order. Raises StartupError; everything begun is undone then."""
        log.info("[KafkaServer id=%d] starting", self.config.broker_id)
        try:
            await self._start()
        except StorageError as error:
            await self._undo_all()
            raise StartupError(str(error)) from error
        except CoordinationError as error:
            await self._undo_all()
            raise StartupError(f"ZooKeeper at {self.config.zookeeper_connect}: {error}") from error
        except BaseException:
            await self._undo_all()
            raise

    async def _start(self) -> None:
        config = self.config
        self._check_served()
        log.info("Connecting to zookeeper on %s", config.zookeeper_connect)
        self._started["ZooKeeper client"] = self._coordination.close
        await self._coordination.start()
        await identity.make_permanent_paths(self._coordination)
        cluster_id = await identity.cluster_id(self._coordination, self._rng)
        log.info("Cluster ID = %s", cluster_id)
        stored_cluster, stored_broker = identity.stored_identity(self._disk, config.log_dirs)
        identity.check_cluster_id(cluster_id, stored_cluster)
        config.set_broker_id(await identity.broker_id(config, stored_broker, self._coordination))
        await self._load_dynamic_config()
        self._topic_configs = TopicConfigRepository(self._coordination, config)
        await self._topic_configs.load_all()
        self._build(cluster_id)
        await self._start_authorizer()
        self._started["security"] = self._security.stop
        self._security.config_changed()
        await self._security.start(lambda: self._rooms.controller.is_active)
        self._rooms.log_manager.lock()
        self._session_file = EarlierSession(
            self._disk, self._coordination, self._rooms.log_manager.online_log_dirs[0]
        )
        await self._session_file.end()
        await self._rooms.log_manager.load()
        self._started["log manager"] = self._rooms.log_manager.shutdown
        self._rooms.log_manager.start()
        await self._bind()
        self._started["replica manager"] = self._rooms.replicas.stop
        self._rooms.replicas.start()
        await self._register()
        self._started["controller"] = self._rooms.controller.stop
        await self._rooms.controller.start()
        self._started["group coordinator"] = self._rooms.groups.stop
        self._rooms.groups.start(await self._partition_count(OFFSETS_TOPIC))
        self._started["transaction coordinator"] = self._rooms.transactions.stop
        self._rooms.transactions.start(await self._partition_count(TRANSACTIONS_TOPIC))
        await self._watch_configs()
        await self._expose_metrics()
        self._listeners.start()
        log.info("[KafkaServer id=%d] started", config.broker_id)

    async def wait_known(self, timeout_ms: int) -> bool:
        """Wait until the controller has told this broker of the cluster, this broker included.

        A client that asks for metadata before that is told of no brokers; some ask again only minutes later.
        """
        broker_id = self.config.broker_id
        return await self.services.metadata.wait_until(
            lambda metadata: metadata.controller_id is not None and metadata.is_alive(broker_id), timeout_ms
        )

    def _check_served(self) -> None:
        """Refuse what the configuration may say and this broker does not do, before anything is touched."""
        if not self.config.ibp_at_least(OLDEST_INTER_BROKER_PROTOCOL):
            raise StartupError(
                f"{self.config.source}: inter.broker.protocol.version="
                f"{self.config.inter_broker_protocol_version}: this broker changes ISRs by AlterPartition "
                f"only, so it must be {OLDEST_INTER_BROKER_PROTOCOL} or higher"
            )

        try:
            self._authorizer_settings = authorizer_settings(self.config)
            self._security = BrokerSecurity(self.config, self._coordination, self._now_ms)
        except ConfigError as error:
            raise StartupError(str(error)) from None

    async def _start_authorizer(self) -> None:
        """Before anything is served: without the ACLs there is nobody to ask."""
        self._authorizer: AclAuthorizer | None = None
        if self._authorizer_settings is None:
            return
        self._authorizer = AclAuthorizer(
            self._coordination, self._authorizer_settings, now_ms=self._now_ms, rng=self._rng
        )
        self._started["authorizer"] = self._authorizer.stop
        try:
            await self._authorizer.start()
        except DocumentError as error:
            raise StartupError(f"The ACLs in ZooKeeper cannot be read: {error}") from error

    def _build(self, cluster_id: str) -> None:
        """Make the rooms' objects; none of them does anything before its ``start``."""
        config = self.config
        self._log_dir_events = LogDirEvents(self._coordination, config.broker_id)
        self._started["log dir events"] = self._log_dir_events.stop
        world = World(
            config,
            cluster_id,
            self._disk,
            self._coordination,
            self._security,
            self._topic_configs,
            self.broker_epoch,
            self._now_ms,
            self._rng,
        )
        self._rooms = furnish(world, self._log_dir_failed)
        self.services = self._rooms.services
        self._rooms.replicas.add_leadership_listener(self._leadership_changed)
        self._rooms.replicas.add_deletion_listener(self._rooms.groups.on_partitions_deleted)
        self._connection_quotas = ConnectionQuotas(connection_limits(config), loop_ms)
        self._quota_configs = QuotaConfigs(self._coordination, self.services.quotas, self._connection_quotas)

    async def _bind(self) -> None:
        dispatcher = self._dispatcher = Dispatcher(self.services, authorizer=self._authorizer)
        self._listeners = Listeners(self.config, self._security, self._connection_quotas, dispatcher)
        self._started["listeners"] = self._stop_listeners
        await self._listeners.bind()

    async def _register(self) -> None:
        registrar = BrokerRegistrar(self._coordination, self.config.zookeeper_session_timeout_ms)
        self._registrar = registrar
        self.epoch = await registrar.register(self._registration())
        self._session_file.note()
        self._rooms.replicas.broker_epoch = self.epoch
        self._rooms.controller.broker_epoch = self.epoch
        self._coordination.add_session_listener(self._session_changed)
        self._resession = asyncio.get_running_loop().create_task(self._register_again(registrar))
        self._started["registration"] = self._stop_registering

    def _registration(self) -> BrokerRegistration:
        return BrokerRegistration(
            broker_id=self.config.broker_id,
            endpoints=self._listeners.endpoints(),
            timestamp_ms=self._now_ms(),
            rack=self.config.broker_rack,
            version=5 if self.config.ibp_at_least("2.7-IV0") else 4,
        )

    async def _partition_count(self, topic: str) -> int | None:
        try:
            data, _ = await self._coordination.get(paths.topic(topic))
        except NoNode:
            return None
        return len(TopicAssignment.decode(topic, data).partitions)

    async def _expose_metrics(self) -> None:
        address = self.config.prometheus_listener
        if address is None:
            return
        self._dispatcher.times_requests = True
        broker = BrokerMetrics(self.services, self._dispatcher, self._connection_quotas, self.listeners)
        self._coordination.add_session_listener(broker.session_changed)
        replicas = ReplicaMetrics(self._rooms.replicas, self._rooms.log_manager)
        endpoint = PrometheusEndpoint(*address, metric_sources(broker, replicas))
        try:
            await endpoint.start()
        except OSError as error:
            raise StartupError(
                f"{self.config.source}: {PROMETHEUS_LISTENER}: cannot listen on {address[0]}:{address[1]}: "
                f"{error.strerror or error}"
            ) from error
        self._started["metrics endpoint"] = endpoint.stop

    # what changes while it runs

    def broker_epoch(self) -> int:
        """The czxid of the current registration."""
        return self.epoch

    @property
    def listeners(self) -> list[SocketListener]:
        """Those bound at the moment."""
        return self._listeners.every

    def _leadership_changed(self, leaders: Sequence[Partition], followers: Sequence[Partition]) -> None:
        for partition in leaders:
            if partition.topic == OFFSETS_TOPIC:
                self._rooms.groups.on_election(partition.partition, partition.leader_epoch)
            elif partition.topic == TRANSACTIONS_TOPIC:
                self._rooms.transactions.on_election(partition.partition, partition.leader_epoch)
        for partition in followers:
            if partition.topic == OFFSETS_TOPIC:
                self._rooms.groups.on_resignation(partition.partition, partition.leader_epoch)
            elif partition.topic == TRANSACTIONS_TOPIC:
                self._rooms.transactions.on_resignation(partition.partition, partition.leader_epoch)

    def _log_dir_failed(self, log_dir: str) -> None:
        self._rooms.replicas.handle_log_dir_failure(log_dir)
        self._log_dir_events.propagate()
        if not self._rooms.log_manager.online_log_dirs:
            dirs = ", ".join(self.config.log_dirs)
            log.critical("Shutdown broker because all log dirs in %s have failed", dirs)
            self.failed.set()

    def _session_changed(self, state: SessionState) -> None:
        if state is SessionState.EXPIRED:
            self._expired.set()

    async def _register_again(self, registrar: BrokerRegistrar) -> None:
        """After a session expiry: the controller resigns, then a new registration, then the election."""
        while True:
            await self._expired.wait()
            self._expired.clear()
            log.warning("[KafkaServer id=%d] ZooKeeper session expired", self.config.broker_id)
            try:
                await self._rooms.controller.on_session_expired()
                await self._coordination.wait_connected()
                self.epoch = await registrar.register(self._registration())
                self._session_file.note()
                self._rooms.replicas.broker_epoch = self.epoch
                await self._rooms.controller.on_session_restored(self.epoch)
            except StartupError as error:
                log.critical("[KafkaServer id=%d] cannot register again: %s", self.config.broker_id, error)
                self.failed.set()
            except CoordinationError as error:
                log.warning("Registering again failed (%s), trying once more", error)
                self._expired.set()

    # dynamic configuration

    async def _load_dynamic_config(self) -> None:
        """Read the cluster-wide and this broker's own settings and put them in force."""
        cluster = await self._entity(paths.broker_config(paths.DEFAULT_ENTITY))
        own = await self._entity(paths.broker_config(self.config.broker_id))
        unusable: list[str] = []
        encoder = password_encoder(self.config)
        self.config.update_dynamic(encoder.decode_all(cluster, unusable), encoder.decode_all(own, unusable))
        for problem in unusable:
            log.error("Dynamic password config is ignored: %s", problem)

    async def _entity(self, path: str) -> dict[str, str]:
        try:
            data, _ = await self._coordination.get(path)
        except NoNode:
            return {}
        return dict(ConfigEntity.decode(data).config)

    async def _watch_configs(self) -> None:
        watcher = ConfigWatcher(
            self._coordination,
            {
                "topics": self._topic_config_changed,
                "brokers": self._broker_config_changed,
                "users": self._user_config_changed,
                **{kind: partial(self._quota_configs.reload, kind) for kind in ("clients", "ips")},
            },
            self._now_ms,
        )
        self._started["config watcher"] = watcher.stop
        await self._quota_configs.load_all()
        await watcher.start()

    async def _topic_config_changed(self, topic: str) -> None:
        overrides = await self._topic_configs.reload(topic)
        log.info("Processing override for entityPath: topics/%s with config: %s", topic, dict(overrides))
        self._rooms.log_manager.update_topic_config(topic)
        if overrides.get("unclean.leader.election.enable", "").lower() == "true":
            self._rooms.controller.enable_topic_unclean_leader_election(topic)

    async def _user_config_changed(self, entity: str) -> None:
        log.info("Processing override for entityPath: users/%s", entity)
        if "/" not in entity and entity != paths.DEFAULT_ENTITY:
            await self._security.credentials.reload(paths.desanitize(entity))
        await self._quota_configs.reload("users", entity)

    async def _broker_config_changed(self, entity: str) -> None:
        if entity not in (paths.DEFAULT_ENTITY, str(self.config.broker_id)):
            return
        was_unclean = self.config.unclean_leader_election_enable
        await self._load_dynamic_config()
        log.info("Processing override for entityPath: brokers/%s", entity)
        self._connection_quotas.limits = connection_limits(self.config)
        await self._listeners.reconfigure()
        await self._registrar.update(self._registration())
        self._security.config_changed()
        self._rooms.replicas.quotas.config_changed()
        self._topic_configs.broker_defaults_changed()
        for topic in {one.topic for one in self._rooms.log_manager.all_logs()}:
            self._rooms.log_manager.update_topic_config(topic)
        if self.config.unclean_leader_election_enable and not was_unclean:
            self._rooms.controller.enable_default_unclean_leader_election()

    # stop

    async def stop(self) -> None:
        """Controlled shutdown, then STOP_ORDER."""
        log.info("[KafkaServer id=%d] shutting down", self.config.broker_id)
        if self.config.controlled_shutdown_enable and self.epoch >= 0:
            self._rooms.replicas.prepare_to_stop()
            await controlled_shutdown(self.config, self._rooms.controller_client, self.broker_epoch)
        await self._undo_all()
        log.info("[KafkaServer id=%d] shut down completed", self.config.broker_id)

    async def _undo_all(self) -> None:
        for what in STOP_ORDER:
            undo = self._started.pop(what, None)
            if undo is None:
                continue
            try:
                await undo()
            except Exception:
                log.exception("Stopping the %s failed", what)

    async def _stop_listeners(self) -> None:
        await self._listeners.stop()
        await self._rooms.producer_ids.stop()
        self._rooms.verifier.close()
        self._rooms.controller_client.close()

    async def _stop_registering(self) -> None:
        self._coordination.remove_session_listener(self._session_changed)
        if self._resession is not None:
            self._resession.cancel()
            await asyncio.gather(self._resession, return_exceptions=True)
        self._session_file.forget()
