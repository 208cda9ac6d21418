# SPDX-License-Identifier: Apache-2.0
"""What a handler may reach: the rooms of this broker, and who is asking.

The server makes one ``Services`` per broker and one ``RequestContext`` per request.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import random

    from commitlog.config.broker import BrokerConfig
    from commitlog.controller.controller import KafkaController
    from commitlog.controller.topic_admin import TopicAdmin
    from commitlog.coordination.client import Coordination
    from commitlog.groups.coordinator import GroupCoordinator
    from commitlog.replication.fetch_session import FetchSessionCache
    from commitlog.replication.metadata_cache import MetadataCache
    from commitlog.replication.replica_manager import ReplicaManager
    from commitlog.security.principal import KafkaPrincipal
    from commitlog.storage.disk import Disk
    from commitlog.storage.log_manager import LogManager
    from commitlog.transactions.coordinator import TransactionCoordinator
    from commitlog.transactions.verification import TransactionVerifier
    from commitlog.wire.errors import ErrorCode
    from commitlog.wire.frames import RequestHeader


class AutoTopics(Protocol):
    """Kafka's AutoTopicCreationManager: topics that come into being since somebody asked for them."""

    def create(self, topics: Collection[str]) -> dict[str, ErrorCode]:
        """Begin to create the topics (internal ones with their own settings); returns at once.

        The result is the error to answer for each topic meanwhile: UNKNOWN_TOPIC_OR_PARTITION when the
        request is on its way, INVALID_TOPIC_EXCEPTION for an illegal name, INVALID_REPLICATION_FACTOR
        when there are too few brokers alive.
        """


class ProducerIds(Protocol):
    """Kafka's ProducerIdManager: cluster-wide unique producer ids, handed out from a block."""

    def next_id(self) -> int:
        """A producer id never used before in this cluster; raises KafkaError COORDINATOR_LOAD_IN_PROGRESS."""


class TopicConfigs(Protocol):
    """The overrides that topics have in ZooKeeper (Kafka's ZkConfigRepository), kept in memory."""

    def overrides(self, topic: str) -> Mapping[str, str]:
        """What /config/topics/<topic> holds, as last read; empty when nothing is known of the topic."""

    async def refresh(self, topics: Iterable[str]) -> None:
        """Read the topics' overrides afresh.

        Awaited before LeaderAndIsr creates logs of a topic: creating a topic writes its overrides without a
        change notification.
        """


@dataclass
class Services:
    """One broker's rooms.

    ``config`` and ``broker_epoch()`` change during its life: read them where they are used, do not keep them.
    """

    config: BrokerConfig
    broker_id: int
    cluster_id: str
    broker_epoch: Callable[[], int]
    metadata: MetadataCache
    disk: Disk
    log_manager: LogManager
    replicas: ReplicaManager
    groups: GroupCoordinator
    transactions: TransactionCoordinator
    verifier: TransactionVerifier
    controller: KafkaController
    coordination: Coordination
    topic_admin: TopicAdmin
    producer_ids: ProducerIds
    fetch_sessions: FetchSessionCache
    auto_topics: AutoTopics
    topic_configs: TopicConfigs
    now_ms: Callable[[], int]
    rng: random.Random


@dataclass(slots=True)
class RequestContext:
    """Who is asking, on which connection. ``principal`` is ANONYMOUS on PLAINTEXT."""

    header: RequestHeader
    client_host: str
    client_port: int
    listener_name: str
    principal: KafkaPrincipal
    connection_id: str
    close: Callable[[], None]
    """Close the connection after this request without an answer (a failed Produce with acks=0)."""

    @property
    def api_version(self) -> int:
        return self.header.api_version

    @property
    def client_id(self) -> str:
        """Kafka treats an absent client id as the empty one."""
        return self.header.client_id or ""
