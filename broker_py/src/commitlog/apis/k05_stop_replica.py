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
from commitlog.wire.messages.stop_replica_request import StopReplicaRequest
from commitlog.wire.messages.stop_replica_response import StopReplicaResponse


def handle(services: Services, context: RequestContext, request: StopReplicaRequest) -> StopReplicaResponse:
    return services.replicas.stop_replicas(request)


API = Api(ApiKey.STOP_REPLICA, 0, 4, handle, cluster_action=True)
