# SPDX-License-Identifier: Apache-2.0
"""AlterReplicaLogDirs (34), versions 0-2.

Behaviour (ReplicaManager.alterReplicaLogDirs, KIP-113): begins to copy replicas into other log directories of
this broker and answers at once. A replica that is not here yet is remembered, to be made there, and answered
with REPLICA_NOT_AVAILABLE. Asking for the directory that it is in cancels a move.

Versions: 1 throttled clients wait themselves; 2 flexible.
"""

from __future__ import annotations

from commitlog.apis.registry import Api
from commitlog.apis.services import RequestContext, Services
from commitlog.security.acl import AclOperation
from commitlog.wire.api_keys import ApiKey
from commitlog.wire.errors import ErrorCode
from commitlog.wire.messages.alter_replica_log_dirs_request import AlterReplicaLogDirsRequest
from commitlog.wire.messages.alter_replica_log_dirs_response import (
    AlterReplicaLogDirPartitionResult,
    AlterReplicaLogDirsResponse,
    AlterReplicaLogDirTopicResult,
)

Moves = dict[tuple[str, int], str]


def handle(
    services: Services, context: RequestContext, request: AlterReplicaLogDirsRequest
) -> AlterReplicaLogDirsResponse:
    moves = _moves(request)
    if not context.authorize_cluster(AclOperation.ALTER):
        return _response(dict.fromkeys(moves, ErrorCode.CLUSTER_AUTHORIZATION_FAILED))
    return _response(services.replicas.alter_replica_log_dirs(moves))


def _moves(request: AlterReplicaLogDirsRequest) -> Moves:
    return {
        (topic.name, partition): directory.path
        for directory in request.dirs
        for topic in directory.topics
        for partition in topic.partitions
    }


def _response(errors: dict[tuple[str, int], ErrorCode]) -> AlterReplicaLogDirsResponse:
    topics: dict[str, AlterReplicaLogDirTopicResult] = {}
    for (name, partition), error in errors.items():
        topic = topics.setdefault(name, AlterReplicaLogDirTopicResult(topic_name=name))
        topic.partitions.append(
            AlterReplicaLogDirPartitionResult(partition_index=partition, error_code=error)
        )
    return AlterReplicaLogDirsResponse(results=list(topics.values()))


def error_response(
    request: AlterReplicaLogDirsRequest, code: ErrorCode, message: str | None
) -> AlterReplicaLogDirsResponse:
    return _response(dict.fromkeys(_moves(request), code))


API = Api(ApiKey.ALTER_REPLICA_LOG_DIRS, 0, 2, handle, error_response=error_response)
