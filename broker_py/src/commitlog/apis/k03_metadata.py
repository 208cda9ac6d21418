# SPDX-License-Identifier: Apache-2.0
"""Metadata (3), versions 0-12.

Behaviour (KafkaApis.handleTopicMetadataRequest, ZkMetadataCache.getTopicMetadata): answers from this
broker's cache, for the listener on which it was asked. A topic that nobody knows is created when both the
client and auto.create.topics.enable allow it, and is answered with LEADER_NOT_AVAILABLE for this once.

Other than Kafka, a broker that no controller has told anything yet does not answer that there is no topic: it
waits for the controller, as long as it may take to elect one.

Versions: 0 an empty list means all topics, replicas and ISR members without a live endpoint are left out
(REPLICA_NOT_AVAILABLE); 1 null means all, none means none; controller id, rack, is_internal; 2 cluster id;
3 throttle time; 4 the client may forbid creation; 5 offline replicas; 6 LISTENER_NOT_FOUND when the leader
lives but lacks the listener; 7 leader epochs; 8 authorized operations; 9 flexible; 10 topic ids in answers;
11 no cluster operations any more; 12 topics may be asked by id.
"""

from __future__ import annotations

from collections.abc import Awaitable, Iterable
from dataclasses import dataclass, field
from functools import partial

from commitlog.apis.registry import Api
from commitlog.apis.services import EVERYTHING, RequestContext, Services
from commitlog.apis.throttling import count_mutations
from commitlog.apis.topic_names import is_internal_topic, is_valid_topic_name
from commitlog.replication.metadata_cache import NO_LEADER, MetadataCache, PartitionMetadata
from commitlog.security.acl import CLUSTER_NAME, AclOperation, ResourceType
from commitlog.wire.api_keys import ApiKey
from commitlog.wire.errors import ErrorCode, KafkaError
from commitlog.wire.message import ZERO_UUID
from commitlog.wire.messages.metadata_request import MetadataRequest
from commitlog.wire.messages.metadata_response import (
    MetadataResponse,
    MetadataResponseBroker,
    MetadataResponsePartition,
    MetadataResponseTopic,
)

NO_CONTROLLER = -1


@dataclass(slots=True)
class _Found:
    """What is told of topics: of those that who asks may describe, and of the others, whose answer says
    nothing that was not in the request, not even whether they exist. Of ``creatable`` nothing is told yet."""

    described: list[MetadataResponseTopic]
    refused: list[MetadataResponseTopic] = field(default_factory=list)
    creatable: list[str] = field(default_factory=list)


def handle(
    services: Services, context: RequestContext, request: MetadataRequest
) -> MetadataResponse | Awaitable[MetadataResponse]:
    _check(request, context.api_version)
    if not services.metadata.version:
        return _answer_when_told(services, context, request)
    found = _find(services, context, request)
    if found.creatable:
        return _answer_when_created(services, context, request, found)
    return _answer(services, context, request, found)


async def _answer_when_told(
    services: Services, context: RequestContext, request: MetadataRequest
) -> MetadataResponse:
    """A client that hears that its topic does not exist may drop what it has not sent yet (librdkafka does).
    A controller that has died is replaced when its session has ended."""
    patience_ms = services.config.zookeeper_session_timeout_ms
    await services.metadata.wait_until(lambda metadata: metadata.version > 0, patience_ms)
    return await _answer_when_created(services, context, request, _find(services, context, request))


async def _answer_when_created(
    services: Services, context: RequestContext, request: MetadataRequest, found: _Found
) -> MetadataResponse:
    if found.creatable:
        count = partial(count_mutations, services, context)
        errors = await services.auto_topics.create(found.creatable, count)
        found.described += [_absent(name, errors[name]) for name in found.creatable]
    return _answer(services, context, request, found)


def _answer(
    services: Services, context: RequestContext, request: MetadataRequest, found: _Found
) -> MetadataResponse:
    version = context.api_version
    controller = services.metadata.controller_id
    response = MetadataResponse(
        brokers=_View(services.metadata, context.listener_name, version).brokers(),
        cluster_id=services.cluster_id,
        controller_id=NO_CONTROLLER if controller is None else controller,
    )
    if version >= 8 and request.include_topic_authorized_operations:
        for topic in found.described:
            name = topic.name or ""
            topic.topic_authorized_operations = context.authorized_operations(ResourceType.TOPIC, name)
    response.topics = found.described + found.refused
    if 8 <= version <= 10 and request.include_cluster_authorized_operations:
        response.cluster_authorized_operations = cluster_operations(context)
    return response


def cluster_operations(context: RequestContext) -> int:
    """The bit field of what who asks may do on the cluster; nothing for whoever may not describe it."""
    if not context.authorize_cluster(AclOperation.DESCRIBE):
        return 0
    return context.authorized_operations(ResourceType.CLUSTER, CLUSTER_NAME)


def _check(request: MetadataRequest, version: int) -> None:
    """MetadataRequest.Builder's rules for versions whose schema already has what is not yet allowed."""
    if version >= 12:
        return
    for topic in request.topics or ():
        if topic.name is None:
            text = f"MetadataRequest version {version} does not support null topic names."
            raise KafkaError(ErrorCode.INVALID_REQUEST, text)
        if topic.topic_id != ZERO_UUID:
            text = f"MetadataRequest version {version} does not support non-zero topic IDs."
            raise KafkaError(ErrorCode.INVALID_REQUEST, text)


def _find(services: Services, context: RequestContext, request: MetadataRequest) -> _Found:
    metadata = services.metadata
    view = _View(metadata, context.listener_name, context.api_version)
    asked = request.topics
    if asked is None or (not asked and view.version == 0):
        names = metadata.topics()
        described = context.authorized(AclOperation.DESCRIBE, ResourceType.TOPIC, names, log_if_denied=False)
        return _Found([view.topic(name) for name in names if name in described])
    ids = [topic.topic_id for topic in asked if topic.topic_id != ZERO_UUID]
    if ids:
        return _find_by_id(metadata, context, view, ids)
    names = list(dict.fromkeys(topic.name for topic in asked if topic.name is not None))
    described = context.authorized(AclOperation.DESCRIBE, ResourceType.TOPIC, names)
    shown = [name for name in names if name in described]
    found = _Found([view.topic(name) for name in shown if metadata.contains_topic(name)])
    missing = [name for name in shown if not metadata.contains_topic(name)]
    found.refused = [_denied(name) for name in names if name not in described]
    if not request.allow_auto_topic_creation or not services.config.auto_create_topics_enable:
        found.described += [_absent(name, _unknown(name)) for name in missing]
        return found
    creatable = EVERYTHING
    if missing and not context.authorize_cluster(AclOperation.CREATE, log_if_denied=False):
        creatable = context.authorized(AclOperation.CREATE, ResourceType.TOPIC, missing)
    found.creatable = [name for name in missing if name in creatable]
    found.refused += [
        _denied(name, is_internal=is_internal_topic(name)) for name in missing if name not in creatable
    ]
    return found


def _absent(name: str, error: ErrorCode) -> MetadataResponseTopic:
    return MetadataResponseTopic(error_code=error, name=name, is_internal=is_internal_topic(name))


def _denied(
    name: str | None, topic_id: bytes = ZERO_UUID, *, is_internal: bool = False
) -> MetadataResponseTopic:
    return MetadataResponseTopic(
        error_code=ErrorCode.TOPIC_AUTHORIZATION_FAILED, name=name, topic_id=topic_id, is_internal=is_internal
    )


def _find_by_id(metadata: MetadataCache, context: RequestContext, view: _View, ids: list[bytes]) -> _Found:
    """An id is no secret, the name behind it is."""
    named = {topic_id: metadata.topic_name(topic_id) for topic_id in ids}
    names = [name for name in named.values() if name is not None]
    described = context.authorized(AclOperation.DESCRIBE, ResourceType.TOPIC, names)
    found = _Found([])
    for topic_id, name in named.items():
        if name is None:
            unknown = ErrorCode.UNKNOWN_TOPIC_ID
            found.refused.append(MetadataResponseTopic(error_code=unknown, name=None, topic_id=topic_id))
        elif name in described:
            found.described.append(view.topic(name))
        else:
            found.refused.append(_denied(None, topic_id))
    return found


def _unknown(name: str) -> ErrorCode:
    if is_valid_topic_name(name):
        return ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
    return ErrorCode.INVALID_TOPIC_EXCEPTION


class _View:
    """The cluster as one listener and one version of the request see it."""

    def __init__(self, metadata: MetadataCache, listener: str, version: int) -> None:
        self.version = version
        self._metadata = metadata
        self._listener = listener

    def brokers(self) -> list[MetadataResponseBroker]:
        brokers = []
        for broker in self._metadata.alive_brokers():
            endpoint = broker.endpoints.get(self._listener)
            if endpoint is not None:
                brokers.append(
                    MetadataResponseBroker(
                        node_id=broker.id, host=endpoint.host, port=endpoint.port, rack=broker.rack
                    )
                )
        return brokers

    def topic(self, name: str) -> MetadataResponseTopic:
        partitions = self._metadata.partitions(name)
        return MetadataResponseTopic(
            name=name,
            topic_id=self._metadata.topic_id(name),
            is_internal=is_internal_topic(name),
            partitions=[self._partition(partitions[index]) for index in sorted(partitions)],
        )

    def _partition(self, state: PartitionMetadata) -> MetadataResponsePartition:
        replicas, isr = list(state.replicas), list(state.isr)
        error = ErrorCode.NONE
        leader = state.leader
        if self.version == 0:
            replicas, isr = self._reachable(replicas), self._reachable(isr)
            if len(replicas) < len(state.replicas) or len(isr) < len(state.isr):
                error = ErrorCode.REPLICA_NOT_AVAILABLE
        if self._metadata.broker_endpoint(leader, self._listener) is None:
            missing_listener = self.version >= 6 and self._metadata.is_alive(leader)
            error = ErrorCode.LISTENER_NOT_FOUND if missing_listener else ErrorCode.LEADER_NOT_AVAILABLE
            leader = NO_LEADER
        return MetadataResponsePartition(
            error_code=error,
            partition_index=state.partition,
            leader_id=leader,
            leader_epoch=state.leader_epoch,
            replica_nodes=replicas,
            isr_nodes=isr,
            offline_replicas=list(state.offline_replicas),
        )

    def _reachable(self, brokers: Iterable[int]) -> list[int]:
        endpoint = self._metadata.broker_endpoint
        return [broker for broker in brokers if endpoint(broker, self._listener) is not None]


def error_response(request: MetadataRequest, code: ErrorCode, message: str | None) -> MetadataResponse:
    topics = [
        MetadataResponseTopic(error_code=code, name=topic.name or "", topic_id=topic.topic_id)
        for topic in request.topics or ()
    ]
    return MetadataResponse(topics=topics)


API = Api(ApiKey.METADATA, 0, 12, handle, error_response=error_response)
