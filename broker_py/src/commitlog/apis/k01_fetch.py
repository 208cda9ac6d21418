# SPDX-License-Identifier: Apache-2.0
"""Fetch (1), versions 0-17: consumers and followers.

Behaviour (KafkaApis.handleFetchRequest): the session says what is fetched, the replica manager reads or
waits, the session says what of it is news. Consumers read to the high watermark or the last stable offset,
followers to the log's end. Records leave as they lie in the segment, but for clients too old for them.

Versions: 0-1 messages v0 and 2-3 v1 by down-conversion; 1 throttle time; 3 maxBytes of the whole response,
the first batch is sent however large; 4 isolation level, aborted transactions; 5 log start offset; 7 sessions
(KIP-227); 9 leader epochs; 10 zstd; 11 rack (KIP-392); 12 flexible, lastFetchedEpoch and diverging epoch
(KIP-595); 13 topic ids (KIP-516); 15 replica state; 16 the current leader with its endpoint (KIP-951); 17
replica directory id (KRaft only).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from commitlog.apis.registry import Api
from commitlog.apis.services import EVERYTHING, RequestContext, Services
from commitlog.apis.throttling import fetch_limit, throttle_fetch
from commitlog.records.batch import down_convert
from commitlog.replication.fetch import FetchIsolation, FetchParams, FetchPartition, FetchResult
from commitlog.replication.fetch_session import FetchContext, Selected
from commitlog.security.acl import AclOperation, ResourceType
from commitlog.wire.api_keys import ApiKey
from commitlog.wire.errors import ErrorCode, KafkaError
from commitlog.wire.messages.fetch_request import FetchRequest
from commitlog.wire.messages.fetch_response import (
    AbortedTransaction,
    EpochEndOffset,
    FetchableTopicResponse,
    FetchResponse,
    LeaderIdAndEpoch,
    NodeEndpoint,
    PartitionData,
    SnapshotId,
)

_TOPIC_IDS = 13
_ANSWER_BYTES, _PARTITION_BYTES = 24, 48
"""What a response measures beside its records, roughly: an empty one is nothing to throttle for."""
# Shared by all partitions that have none of it; nobody changes a response once it is made.
_NO_DIVERGENCE = EpochEndOffset()
_NO_LEADER = LeaderIdAndEpoch()
_NO_SNAPSHOT = SnapshotId()
_WITH_LEADER = frozenset({ErrorCode.NOT_LEADER_OR_FOLLOWER, ErrorCode.FENCED_LEADER_EPOCH})


def handle(
    services: Services, context: RequestContext, request: FetchRequest
) -> FetchResponse | Awaitable[FetchResponse]:
    version = context.api_version
    replica_id = request.replica_state.replica_id if version >= 15 else request.replica_id
    session = services.fetch_sessions.context(
        version=version,
        session_id=request.session_id,
        epoch=request.session_epoch,
        requests=_requests(services, request, version),
        forgotten=[
            (topic.topic if version < _TOPIC_IDS else topic.topic_id, index)
            for topic in request.forgotten_topics_data
            for index in topic.partitions
        ],
        from_follower=replica_id >= 0,
        topic_name=services.metadata.topic_name,
    )
    wanted: list[FetchPartition] = []
    refused: list[tuple[FetchPartition, FetchResult]] = []
    metadata = services.metadata
    may_follow = replica_id < 0 or context.authorize_cluster(AclOperation.CLUSTER_ACTION)
    readable = EVERYTHING
    if replica_id < 0 and context.authorizer is not None:
        names = [one.topic for one in session.partitions() if one.topic or version < _TOPIC_IDS]
        readable = context.authorized(AclOperation.READ, ResourceType.TOPIC, names)
    for partition in session.partitions():
        if not may_follow:
            refused.append((partition, _refused(ErrorCode.TOPIC_AUTHORIZATION_FAILED)))
        elif not partition.topic and version >= _TOPIC_IDS:
            refused.append((partition, _refused(ErrorCode.UNKNOWN_TOPIC_ID)))
        elif partition.topic not in readable:
            refused.append((partition, _refused(ErrorCode.TOPIC_AUTHORIZATION_FAILED)))
        elif metadata.partition_state(partition.topic, partition.partition) is None:
            refused.append((partition, _refused(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)))
        else:
            wanted.append(partition)
    if replica_id < 0 and len(refused) > 1:  # consumers are told of ids first, as KafkaApis gathers them
        refused.sort(key=lambda one: one[1].error is not ErrorCode.UNKNOWN_TOPIC_ID)
    throttled = replica_id < 0 and context.started > 0 and services.quotas.active
    respond = _responder(services, context, session, wanted, refused, throttled, replica_id >= 0)
    if not wanted and (refused or session.follower_session is None):
        return respond([])
    max_bytes = min(request.max_bytes, services.config.fetch_max_bytes)
    if throttled and (limit := fetch_limit(services.quotas, context)) is not None:
        max_bytes = min(max_bytes, limit)
    params = FetchParams(
        version=version,
        replica_id=replica_id,
        max_wait_ms=request.max_wait_ms,
        min_bytes=min(request.min_bytes, max_bytes),
        max_bytes=max_bytes,
        isolation=FetchIsolation.of(replica_id, request.isolation_level),
        rack=request.rack_id,
    )
    outcome = services.replicas.fetch(params, wanted, session.follower_session)
    return respond(outcome) if isinstance(outcome, list) else outcome.then(respond)


def _refused(error: ErrorCode) -> FetchResult:
    """FetchResponse.partitionResponse: no aborted transactions, where a partition that was read has null."""
    return FetchResult(error, aborted_transactions=[])


def is_from_follower(request: FetchRequest, version: int) -> bool:
    return (request.replica_state.replica_id if version >= 15 else request.replica_id) >= 0


def _requests(services: Services, request: FetchRequest, version: int) -> list[FetchPartition]:
    """What the request names; with topic ids a topic that is not known (yet) has an empty name. Of what it
    names twice the last counts."""
    partitions = []
    for topic in request.topics:
        name = topic.topic
        if version >= _TOPIC_IDS:
            name = services.metadata.topic_name(topic.topic_id) or ""
        for partition in topic.partitions:
            partitions.append(
                FetchPartition(
                    name,
                    partition.partition,
                    topic.topic_id,
                    partition.fetch_offset,
                    partition.partition_max_bytes,
                    partition.log_start_offset,
                    partition.current_leader_epoch,
                    partition.last_fetched_epoch,
                )
            )
    if len(partitions) > 1:
        once = {(each.topic_id, each.topic, each.partition): each for each in partitions}
        if len(once) < len(partitions):
            return list(once.values())
    return partitions


def _responder(
    services: Services,
    context: RequestContext,
    session: FetchContext,
    wanted: Sequence[FetchPartition],
    refused: Sequence[tuple[FetchPartition, FetchResult]],
    throttled: bool,
    from_follower: bool,
) -> Callable[[list[FetchResult]], FetchResponse]:
    """What makes the response of the results, now or when there is something to answer."""

    def respond(results: list[FetchResult]) -> FetchResponse:
        if throttled:
            size = _ANSWER_BYTES + sum(_PARTITION_BYTES + result.size for result in results)
            if throttle_fetch(services.quotas, context, size) > 0:
                return _response(services, context, session.throttled())
        for request, result in zip(wanted, results, strict=True):
            if result.size:
                _count(services, request, result.size, from_follower)
        selected = session.select([*zip(wanted, results, strict=True), *refused])
        return _response(services, context, selected)

    return respond


def _count(services: Services, request: FetchPartition, size: int, from_follower: bool) -> None:
    partition = services.replicas.hosted_partition(request.topic, request.partition)
    if partition is None:
        return
    if from_follower:
        partition.traffic.replication_bytes_out += size
        quota = services.replicas.quotas.leader
        if quota.limit is not None and partition.log is not None and partition.is_throttled_leader:
            quota.record(size)
    else:
        partition.traffic.bytes_out += size


def _response(services: Services, context: RequestContext, selected: Selected) -> FetchResponse:
    version = context.api_version
    response = FetchResponse(error_code=selected.error, session_id=selected.session_id)
    topic: FetchableTopicResponse | None = None
    for request, result in selected.answers:
        if topic is None or (topic.topic, topic.topic_id) != (request.topic, request.topic_id):
            topic = FetchableTopicResponse(topic=request.topic, topic_id=request.topic_id)
            response.responses.append(topic)
        data = _partition(services, version, request, result)
        topic.partitions.append(data)
        if version >= 16 and result.error in _WITH_LEADER:
            _point_to_leader(services, context, response, request, data)
    return response


def _partition(
    services: Services, version: int, request: FetchPartition, result: FetchResult
) -> PartitionData:
    error = result.error
    if error is ErrorCode.KAFKA_STORAGE_ERROR and version <= 5:
        # Clients of that age do not know the code and would not look for another leader.
        error = ErrorCode.NOT_LEADER_OR_FOLLOWER
    data = PartitionData(
        partition_index=request.partition,
        error_code=error,
        high_watermark=result.high_watermark,
        last_stable_offset=result.last_stable_offset,
        log_start_offset=result.log_start_offset,
        diverging_epoch=_NO_DIVERGENCE,
        current_leader=_NO_LEADER,
        snapshot_id=_NO_SNAPSHOT,
        aborted_transactions=None,
        preferred_read_replica=result.preferred_read_replica,
        records=result.records or b"",
    )
    if result.aborted_transactions is not None:
        data.aborted_transactions = [
            AbortedTransaction(producer_id=aborted.producer_id, first_offset=aborted.first_offset)
            for aborted in result.aborted_transactions
        ]
    if result.diverging_epoch is not None:
        epoch, end_offset = result.diverging_epoch
        data.diverging_epoch = EpochEndOffset(epoch=epoch, end_offset=end_offset)
    if version < 10 and error is not ErrorCode.TOPIC_AUTHORIZATION_FAILED:
        return _for_old_client(services, version, request, result, data)
    return data


def _for_old_client(
    services: Services, version: int, request: FetchPartition, result: FetchResult, data: PartitionData
) -> PartitionData:
    """Before Fetch 10 no zstd, before 4 no batches v2, before 2 no timestamps. As in Kafka, what the topic
    forbids comes before whatever error reading it gave.
    """
    hosted = services.replicas.hosted_partition(request.topic, request.partition)
    config = None if hosted is None else hosted.topic_config
    if config is not None and config.compression_type == "zstd":
        return _refusal(request, ErrorCode.UNSUPPORTED_COMPRESSION_TYPE)
    if version >= 4:
        return data
    if config is not None and not config.message_downconversion_enable:
        return _refusal(request, ErrorCode.UNSUPPORTED_VERSION)
    if result.records:
        batches = b"".join(region.read() for region in result.records)
        try:
            data.records = down_convert(batches, 0 if version <= 1 else 1, first_offset=request.fetch_offset)
        except KafkaError as error:
            return _refusal(request, error.code)
    return data


def _refusal(request: FetchPartition, error: ErrorCode) -> PartitionData:
    return PartitionData(
        partition_index=request.partition,
        error_code=error,
        high_watermark=-1,
        records=b"",
    )


def _point_to_leader(
    services: Services,
    context: RequestContext,
    response: FetchResponse,
    request: FetchPartition,
    data: PartitionData,
) -> None:
    leader_id, leader_epoch = services.replicas.current_leader(request.topic, request.partition)
    data.current_leader = LeaderIdAndEpoch(leader_id=leader_id, leader_epoch=leader_epoch)
    endpoint = services.metadata.broker_endpoint(leader_id, context.listener_name)
    if endpoint is not None and all(node.node_id != leader_id for node in response.node_endpoints):
        broker = services.metadata.broker(leader_id)
        rack = None if broker is None else broker.rack
        response.node_endpoints.append(
            NodeEndpoint(node_id=leader_id, host=endpoint.host, port=endpoint.port, rack=rack)
        )


def error_response(request: FetchRequest, code: ErrorCode, message: str | None) -> FetchResponse:
    """FetchRequest.getErrorResponse: above the partitions for fetchers with sessions, and in each partition
    named."""
    return FetchResponse(
        error_code=code,
        responses=[
            FetchableTopicResponse(
                topic=topic.topic,
                topic_id=topic.topic_id,
                partitions=[
                    PartitionData(
                        partition_index=partition.partition,
                        error_code=code,
                        high_watermark=-1,
                        records=b"",
                    )
                    for partition in topic.partitions
                ],
            )
            for topic in request.topics
        ],
    )


API = Api(ApiKey.FETCH, 0, 17, handle, error_response=error_response)
