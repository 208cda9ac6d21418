# SPDX-License-Identifier: Apache-2.0
"""ElectLeaders (43), versions 0-2 (KIP-183, KIP-460).

Behaviour (KafkaApis.handleElectLeaders, ReplicaManager.electLeaders): the active controller elects at once;
the answer waits until this broker's cache shows the new leaders, or REQUEST_TIMED_OUT. Asked for all
partitions, it leaves out those that needed no election.

Versions: 0 preferred elections only; 1 election type, top-level error; 2 flexible.
"""

from __future__ import annotations

from collections.abc import Mapping

from commitlog.apis.registry import Api
from commitlog.apis.services import RequestContext, Services
from commitlog.controller.context import TopicPartition
from commitlog.controller.core import ApiResult
from commitlog.controller.leader_elections import ElectionType
from commitlog.replication.metadata_cache import MetadataCache
from commitlog.security.acl import AclOperation
from commitlog.wire.api_keys import ApiKey
from commitlog.wire.errors import ErrorCode, KafkaError
from commitlog.wire.messages.elect_leaders_request import ElectLeadersRequest
from commitlog.wire.messages.elect_leaders_response import (
    ElectLeadersResponse,
    PartitionResult,
    ReplicaElectionResult,
)

NONE: ApiResult = (ErrorCode.NONE, None)
TIMED_OUT: ApiResult = (ErrorCode.REQUEST_TIMED_OUT, None)


async def handle(
    services: Services, context: RequestContext, request: ElectLeadersRequest
) -> ElectLeadersResponse:
    try:
        election_type = ElectionType(request.election_type)
    except ValueError:
        raise KafkaError(
            ErrorCode.INVALID_REQUEST, f"Unknown election type {request.election_type}"
        ) from None
    if not context.authorize_cluster(AclOperation.ALTER):
        denied = error_response(request, ErrorCode.CLUSTER_AUTHORIZATION_FAILED, None)
        if context.api_version == 0:
            denied.error_code = ErrorCode.NONE  # only the partitions have room for it
        return denied
    partitions = _partitions(services, request)
    try:
        outcome = await services.controller.elect_leaders(election_type, partitions)
    except KafkaError as error:
        return _response(dict.fromkeys(partitions, (error.code, error.message)))
    elected = {one: leader for one, leader in outcome.items() if isinstance(leader, int)}
    results = {one: result for one, result in outcome.items() if not isinstance(result, int)}
    late = await _wait_for(services.metadata, elected, request.timeout_ms)
    results |= {one: TIMED_OUT if one in late else NONE for one in elected}
    if request.topic_partitions is None:
        results = {
            one: result for one, result in results.items() if result[0] != ErrorCode.ELECTION_NOT_NEEDED
        }
    return _response(results)


def _partitions(services: Services, request: ElectLeadersRequest) -> list[TopicPartition]:
    if request.topic_partitions is None:
        topics = services.metadata.topics()
        return [TopicPartition(topic, one) for topic in topics for one in services.metadata.partitions(topic)]
    return [
        TopicPartition(named.topic, one) for named in request.topic_partitions for one in named.partitions
    ]


async def _wait_for(
    metadata: MetadataCache, elected: Mapping[TopicPartition, int], timeout_ms: int
) -> set[TopicPartition]:
    """The partitions whose new leader the cache does not show in time."""

    def missing(cache: MetadataCache) -> set[TopicPartition]:
        return {
            one
            for one, leader in elected.items()
            if (state := cache.partition_state(*one)) is None or state.leader != leader
        }

    await metadata.wait_until(lambda cache: not missing(cache), timeout_ms)
    return missing(metadata)


def _response(results: Mapping[TopicPartition, ApiResult]) -> ElectLeadersResponse:
    topics: dict[str, list[PartitionResult]] = {}
    for partition, (code, message) in sorted(results.items()):
        topics.setdefault(partition.topic, []).append(
            PartitionResult(partition_id=partition.partition, error_code=code, error_message=message)
        )
    return ElectLeadersResponse(
        replica_election_results=[
            ReplicaElectionResult(topic=topic, partition_result=partition_results)
            for topic, partition_results in topics.items()
        ]
    )


def error_response(
    request: ElectLeadersRequest, code: ErrorCode, message: str | None
) -> ElectLeadersResponse:
    named = request.topic_partitions or []
    response = _response(
        {TopicPartition(topic.topic, one): (code, message) for topic in named for one in topic.partitions}
    )
    response.error_code = code
    return response


API = Api(ApiKey.ELECT_LEADERS, 0, 2, handle, error_response=error_response)
