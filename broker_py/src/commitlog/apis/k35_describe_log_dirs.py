# SPDX-License-Identifier: Apache-2.0
"""DescribeLogDirs (35), versions 0-4.

Behaviour (ReplicaManager.describeLogDirs): every log directory with the sizes of the replicas in it, or of
those asked for; a directory that failed is listed with KAFKA_STORAGE_ERROR. A replica that moves between
directories is listed twice, its future log with isFutureKey and the offsets that it still lacks.

Versions: 1 throttled clients wait themselves; 2 flexible; 3 top-level error code; 4 (KIP-827) size and free
space of the volume.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping

from commitlog.apis.registry import Api
from commitlog.apis.services import RequestContext, Services
from commitlog.security.acl import AclOperation
from commitlog.storage.log import Log
from commitlog.wire.api_keys import ApiKey
from commitlog.wire.errors import ErrorCode
from commitlog.wire.messages.describe_log_dirs_request import DescribeLogDirsRequest
from commitlog.wire.messages.describe_log_dirs_response import (
    DescribeLogDirsPartition,
    DescribeLogDirsResponse,
    DescribeLogDirsResult,
    DescribeLogDirsTopic,
)

Wanted = Mapping[str, Collection[int]] | None


def handle(
    services: Services, context: RequestContext, request: DescribeLogDirsRequest
) -> DescribeLogDirsResponse:
    if not context.authorize_cluster(AclOperation.DESCRIBE):
        return DescribeLogDirsResponse(error_code=ErrorCode.CLUSTER_AUTHORIZATION_FAILED)
    wanted = None if request.topics is None else {one.topic: set(one.partitions) for one in request.topics}
    logs: dict[str, list[Log]] = defaultdict(list)
    manager = services.log_manager
    for log in (*manager.all_logs(), *manager.future_logs()):
        logs[log.log_dir].append(log)
    results = [_directory(services, path, logs[path], wanted) for path in manager.online_log_dirs]
    results += [
        DescribeLogDirsResult(error_code=ErrorCode.KAFKA_STORAGE_ERROR, log_dir=path)
        for path in manager.offline_log_dirs
    ]
    return DescribeLogDirsResponse(results=results)


def _directory(services: Services, path: str, logs: list[Log], wanted: Wanted) -> DescribeLogDirsResult:
    try:
        total, usable = services.disk.free_bytes(path)
    except OSError:
        return DescribeLogDirsResult(error_code=ErrorCode.KAFKA_STORAGE_ERROR, log_dir=path)
    topics: dict[str, DescribeLogDirsTopic] = {}
    for log in logs:
        if wanted is not None and log.partition not in wanted.get(log.topic, ()):
            continue
        current = services.log_manager.get_log(log.topic, log.partition)
        topic = topics.setdefault(log.topic, DescribeLogDirsTopic(name=log.topic))
        topic.partitions.append(
            DescribeLogDirsPartition(
                partition_index=log.partition,
                partition_size=log.size,
                offset_lag=-1 if current is None else _lag(current, log),
                is_future_key=log is not current,
            )
        )
    return DescribeLogDirsResult(
        log_dir=path, topics=list(topics.values()), total_bytes=total, usable_bytes=usable
    )


def _lag(current: Log, log: Log) -> int:
    """ReplicaManager.getLogEndOffsetLag: the future log's behind the current one, which is behind nobody."""
    if log is not current:
        return current.log_end_offset - log.log_end_offset
    return max(log.high_watermark - log.log_end_offset, 0)


API = Api(ApiKey.DESCRIBE_LOG_DIRS, 0, 4, handle)
