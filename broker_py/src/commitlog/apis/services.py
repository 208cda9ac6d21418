# SPDX-License-Identifier: Apache-2.0
"""What a handler may reach: the rooms of this broker, and who is asking.

The server makes one ``Services`` per broker and one ``RequestContext`` per request.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Container, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from commitlog.security.acl import CLUSTER_NAME, SUPPORTED_OPERATIONS, AclOperation, ResourceType
from commitlog.wire.errors import ErrorCode, KafkaError
from commitlog.wire.messages import api_name

if TYPE_CHECKING:
    import random

    from commitlog.config.broker import BrokerConfig
    from commitlog.controller.controller import KafkaController
    from commitlog.controller.topic_admin import TopicAdmin
    from commitlog.coordination.client import Coordination
    from commitlog.groups.coordinator import GroupCoordinator
    from commitlog.metrics.requests import RequestStats
    from commitlog.replication.fetch_session import FetchSessionCache
    from commitlog.replication.metadata_cache import MetadataCache
    from commitlog.replication.replica_manager import ReplicaManager
    from commitlog.security.authorizer import AclAuthorizer
    from commitlog.security.client_quotas import ClientQuotas
    from commitlog.security.delegation_tokens import DelegationTokens
    from commitlog.security.principal import KafkaPrincipal
    from commitlog.storage.disk import Disk
    from commitlog.storage.log_manager import LogManager
    from commitlog.transactions.coordinator import TransactionCoordinator
    from commitlog.transactions.verification import TransactionVerifier
    from commitlog.wire.frames import RequestHeader


class AutoTopics(Protocol):
    """Kafka's AutoTopicCreationManager: topics that come into being since somebody asked for them."""

    async def create(self, topics: Collection[str], count: Callable[[int], None]) -> dict[str, ErrorCode]:
        """Create the topics (internal ones with their own settings). ``count`` is called with the partitions
        of each that can be created.

        The result is the error to answer for each: LEADER_NOT_AVAILABLE when it has been created, or was
        there; UNKNOWN_TOPIC_OR_PARTITION when somebody else is creating it; else what is wrong with it, as
        INVALID_REPLICATION_FACTOR when there are too few brokers alive.
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
    quotas: ClientQuotas
    tokens: DelegationTokens
    now_ms: Callable[[], int]
    rng: random.Random


class _Everything:
    """The set of all names: what may be done where nobody checks."""

    def __contains__(self, name: object) -> bool:
        return True


# AclEntry.authorizationError
AUTHORIZATION_ERRORS = {
    ResourceType.TOPIC: ErrorCode.TOPIC_AUTHORIZATION_FAILED,
    ResourceType.GROUP: ErrorCode.GROUP_AUTHORIZATION_FAILED,
    ResourceType.CLUSTER: ErrorCode.CLUSTER_AUTHORIZATION_FAILED,
    ResourceType.TRANSACTIONAL_ID: ErrorCode.TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
    ResourceType.DELEGATION_TOKEN: ErrorCode.DELEGATION_TOKEN_AUTHORIZATION_FAILED,
}
EVERYTHING: Container[str] = _Everything()
_ALL_OPERATIONS = {
    kind: sum(1 << operation for operation in operations) for kind, operations in SUPPORTED_OPERATIONS.items()
}


@dataclass(slots=True)
class RequestContext:
    """Who is asking, on which connection, and what they may do (KafkaApis' AuthHelper). ``principal`` is
    ANONYMOUS on PLAINTEXT.

    Without an authorizer everybody may do everything, and every question below costs one comparison.
    """

    header: RequestHeader
    client_host: str
    client_port: int
    listener_name: str
    principal: KafkaPrincipal
    connection_id: str
    close: Callable[[], None]
    """Close the connection after this request without an answer (a failed Produce with acks=0)."""
    authorizer: AclAuthorizer | None = None
    request_bytes: int = 0
    started: float = 0.0
    """time.perf_counter when the request was taken up; 0 as long as nobody measures."""
    worked: float = -1.0
    """Seconds of the event loop that the handler took; below 0 while it is at work."""
    stats: RequestStats | None = None
    """Where the time that it took is noted, when somebody may ask for it."""
    throttle_ms: int = 0
    """For how long the client has to wait, as far as the handler has found out (Fetch, controller
    mutations)."""

    @property
    def api_version(self) -> int:
        return self.header.api_version

    @property
    def client_id(self) -> str:
        """Kafka treats an absent client id as the empty one."""
        return self.header.client_id or ""

    # authorization

    def authorize(
        self,
        operation: AclOperation,
        resource_type: ResourceType,
        name: str,
        *,
        log_if_denied: bool = True,
        count: int = 1,
    ) -> bool:
        """Whether who asks may do the operation on the resource. A denial goes to the log, unless it only
        filters what is shown; ``count`` says there how often the request names the resource."""
        if self.authorizer is None:
            return True
        return self.authorizer.authorize(
            self.principal,
            self.client_host,
            operation,
            resource_type,
            name,
            request=api_name(self.header.api_key),
            log_if_denied=log_if_denied,
            count=count,
        )

    def authorize_cluster(self, operation: AclOperation, *, log_if_denied: bool = True) -> bool:
        """``authorize`` for the one resource of type Cluster."""
        return self.authorizer is None or self.authorize(
            operation, ResourceType.CLUSTER, CLUSTER_NAME, log_if_denied=log_if_denied
        )

    def require(self, operation: AclOperation, resource_type: ResourceType, name: str) -> None:
        """The authorization error of the resource's type for the whole request when who asks may not."""
        if not self.authorize(operation, resource_type, name):
            raise KafkaError(AUTHORIZATION_ERRORS[resource_type])

    def require_cluster(self, operation: AclOperation) -> None:
        """CLUSTER_AUTHORIZATION_FAILED for the whole request when who asks may not (KafkaApis'
        authorizeClusterOperation)."""
        if not self.authorize_cluster(operation):
            name = api_name(self.header.api_key)
            raise KafkaError(
                ErrorCode.CLUSTER_AUTHORIZATION_FAILED,
                f"Request {name}(connectionId={self.connection_id}, principal={self.principal}) is not "
                "authorized.",
            )

    def authorized(
        self,
        operation: AclOperation,
        resource_type: ResourceType,
        names: Iterable[str],
        *,
        log_if_denied: bool = True,
    ) -> Container[str]:
        """Those of the names on which who asks may do the operation (filterByAuthorized)."""
        if self.authorizer is None:
            return EVERYTHING
        counts: dict[str, int] = {}
        for name in names:
            counts[name] = counts.get(name, 0) + 1
        return {
            name
            for name, count in counts.items()
            if self.authorize(operation, resource_type, name, log_if_denied=log_if_denied, count=count)
        }

    def authorize_any(self, operation: AclOperation, resource_type: ResourceType) -> bool:
        """Whether there is a resource of the type on which who asks may do this (authorizeByResourceType)."""
        if self.authorizer is None:
            return True
        return self.authorizer.authorize_by_resource_type(
            self.principal, self.client_host, operation, resource_type, request=api_name(self.header.api_key)
        )

    def authorized_operations(self, resource_type: ResourceType, name: str) -> int:
        """The bit field of what who asks may do on the resource."""
        if self.authorizer is None:
            return _ALL_OPERATIONS[resource_type]
        return self.authorizer.authorized_operations(
            self.principal, self.client_host, resource_type, name, api_name(self.header.api_key)
        )
