# SPDX-License-Identifier: Apache-2.0
"""The rooms of one broker, made and put together; none of them does anything before its ``start``."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from commitlog.apis.services import Services
from commitlog.controller.controller import KafkaController
from commitlog.controller.topic_admin import TopicAdmin
from commitlog.groups.coordinator import GroupCoordinator
from commitlog.replication.fetch_session import FetchSessionCache
from commitlog.replication.metadata_cache import MetadataCache
from commitlog.replication.replica_manager import ReplicaManager
from commitlog.security.client_quotas import ClientQuotas
from commitlog.server.auto_topics import AutoTopicCreation
from commitlog.server.controller_client import ControllerClient
from commitlog.server.producer_ids import ProducerIdManager
from commitlog.server.room_settings import client_quota_windows, controller_quota_windows, log_settings
from commitlog.storage.log_manager import LogManager
from commitlog.transactions.coordinator import TransactionCoordinator
from commitlog.transactions.verification import TransactionVerifier

if TYPE_CHECKING:
    from commitlog.config.broker import BrokerConfig
    from commitlog.coordination.client import Coordination
    from commitlog.server.broker_security import BrokerSecurity
    from commitlog.server.topic_configs import TopicConfigRepository
    from commitlog.storage.disk import Disk

FETCH_SESSION_EVICTION_MS = 120_000


@dataclass(frozen=True, slots=True)
class Rooms:
    """What the server starts and stops; ``services`` is what handlers see of it."""

    log_manager: LogManager
    replicas: ReplicaManager
    controller: KafkaController
    controller_client: ControllerClient
    groups: GroupCoordinator
    producer_ids: ProducerIdManager
    transactions: TransactionCoordinator
    verifier: TransactionVerifier
    services: Services


@dataclass(frozen=True, slots=True)
class World:
    """What every room of a broker is made with."""

    config: BrokerConfig
    cluster_id: str
    disk: Disk
    coordination: Coordination
    security: BrokerSecurity
    topic_configs: TopicConfigRepository
    broker_epoch: Callable[[], int]
    now_ms: Callable[[], int]
    rng: random.Random


def furnish(world: World, on_log_dir_failure: Callable[[str], None]) -> Rooms:
    """Make them all, storage first."""
    config, now_ms, rng = world.config, world.now_ms, world.rng
    connect = world.security.connect_to_endpoint
    metadata = MetadataCache(config.broker_id)
    log_manager = LogManager(
        world.disk,
        config.log_dirs,
        broker_id=config.broker_id,
        cluster_id=world.cluster_id,
        topic_config=world.topic_configs.config,
        settings=log_settings(config),
        now_ms=now_ms,
        rng=rng,
        on_log_dir_failure=on_log_dir_failure,
    )
    replicas = ReplicaManager(config, log_manager, metadata, connect=connect, now_ms=now_ms, rng=rng)
    controller = KafkaController(
        config,
        world.coordination,
        config.broker_id,
        world.broker_epoch(),
        now_ms=now_ms,
        rng=rng,
        connect=connect,
    )
    client = ControllerClient(metadata, config.inter_broker_listener_name, world.security.connect)
    groups = GroupCoordinator(config, replicas, now_ms=now_ms, rng=rng)
    producer_ids = ProducerIdManager(config.broker_id, world.broker_epoch, client.send)
    transactions = TransactionCoordinator(
        config,
        replicas,
        metadata,
        next_producer_id=producer_ids.next_id,
        connect=connect,
        now_ms=now_ms,
    )
    verifier = TransactionVerifier(config, transactions, metadata, connect)
    topic_admin = TopicAdmin(config, world.coordination, rng=rng)
    auto_topics = AutoTopicCreation(config, topic_admin, groups.topic_configs)
    services = Services(
        config=config,
        broker_id=config.broker_id,
        cluster_id=world.cluster_id,
        broker_epoch=world.broker_epoch,
        metadata=metadata,
        disk=world.disk,
        log_manager=log_manager,
        replicas=replicas,
        groups=groups,
        transactions=transactions,
        verifier=verifier,
        controller=controller,
        coordination=world.coordination,
        topic_admin=topic_admin,
        producer_ids=producer_ids,
        fetch_sessions=FetchSessionCache(
            config.max_incremental_fetch_session_cache_slots, FETCH_SESSION_EVICTION_MS, now_ms, rng
        ),
        auto_topics=auto_topics,
        topic_configs=world.topic_configs,
        quotas=ClientQuotas(client_quota_windows(config), controller_quota_windows(config), loop_ms),
        tokens=world.security.tokens,
        now_ms=now_ms,
        rng=rng,
    )
    return Rooms(
        log_manager,
        replicas,
        controller,
        client,
        groups,
        producer_ids,
        transactions,
        verifier,
        services,
    )


def loop_ms() -> int:
    """A clock that does not go back, for what is measured over time."""
    return int(asyncio.get_running_loop().time() * 1000)
