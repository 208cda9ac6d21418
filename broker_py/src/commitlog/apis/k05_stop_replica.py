# SPDX-License-Identifier: Apache-2.0
"""StopReplica (5), versions 0-4: the controller takes partitions away from this broker, with their files or
without.

Behaviour (KafkaApis.handleStopReplicaRequest): refused as a whole with STALE_BROKER_EPOCH or
STALE_CONTROLLER_EPOCH as LeaderAndIsr is; a partition that is not here is a success.

Versions: 0 partitions ungrouped, one delete flag; 1 grouped by topic, broker epoch; 2 flexible; 3 delete flag
and leader epoch per partition; 4 isKRaftController.
"""

from __future__ import annotations

from commitlog.apis.registry import Api
from commitlog.apis.services import RequestContext, Services
from commitlog.wire.api_keys import ApiKey
from commitlog.wire.errors import ErrorCode
from commitlog.wire.messages.stop_replica_request import StopReplicaRequest
from commitlog.wire.messages.stop_replica_response import StopReplicaPartitionError, StopReplicaResponse


def handle(services: Services, context: RequestContext, request: StopReplicaRequest) -> StopReplicaResponse:
    return services.replicas.stop_replicas(request)


def error_response(request: StopReplicaRequest, code: ErrorCode, message: str | None) -> StopReplicaResponse:
    named = [(one.topic_name, one.partition_index) for one in request.ungrouped_partitions]
    named += [(topic.name, index) for topic in request.topics for index in topic.partition_indexes]
    named += [
        (topic.topic_name, state.partition_index)
        for topic in request.topic_states
        for state in topic.partition_states
    ]
    return StopReplicaResponse(
        error_code=code,
        partition_errors=[StopReplicaPartitionError(name, index, code) for name, index in named],
    )


API = Api(ApiKey.STOP_REPLICA, 0, 4, handle, cluster_action=True, error_response=error_response)
