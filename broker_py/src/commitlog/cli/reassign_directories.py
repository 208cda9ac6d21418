# SPDX-License-Identifier: Apache-2.0
"""Moves between the log directories of one broker, as kafka-reassign-partitions.sh starts and watches
them."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

from commitlog.cli.admin import Admin, ErrorCode, KafkaError, by_topic, check
from commitlog.cli.admin import TopicPartition as Partition
from commitlog.cli.reassign_plan import Replica
from commitlog.cli.topics_errors import Terse, ToolError
from commitlog.wire.messages.alter_replica_log_dirs_request import (
    AlterReplicaLogDir,
    AlterReplicaLogDirsRequest,
    AlterReplicaLogDirTopic,
)
from commitlog.wire.messages.describe_log_dirs_request import DescribableLogDirTopic, DescribeLogDirsRequest

RETRY_S = 0.1


@dataclass(frozen=True, slots=True)
class DirectoryState:
    """LogDirMoveState: where a replica lies, where it is copied to, and where it should be."""

    target: str
    current: str = ""
    future: str | None = None

    @property
    def active(self) -> bool:
        return self.future is not None

    @property
    def done(self) -> bool:
        """A move that was cancelled is done, too; a replica that is nowhere is not."""
        return bool(self.current) and not self.active

    def text(self, replica: Replica) -> str:
        where = f"Partition {replica.topic}-{replica.partition}"
        if not self.current:
            return (
                f"{where} is not found in any live log dir on broker {replica.broker}. There is likely an "
                "offline "
                "log directory on the broker."
            )
        if self.future == self.target:
            return f"Reassignment of replica {replica} is still in progress."
        if self.future is not None:
            return (
                f"{where} on broker {replica.broker} is being moved to log dir {self.future} instead of "
                f"{self.target}."
            )
        if self.current == self.target:
            return f"Reassignment of replica {replica} completed successfully."
        return (
            f"{where} on broker {replica.broker} is not being moved from log dir {self.current} to "
            f"{self.target}."
        )


def _per_broker(replicas: Mapping[Replica, str]) -> dict[int, list[Replica]]:
    found: dict[int, list[Replica]] = {}
    for replica in replicas:
        found.setdefault(replica.broker, []).append(replica)
    return found


async def directory_states(admin: Admin, targets: Mapping[Replica, str]) -> dict[Replica, DirectoryState]:
    """describeReplicaLogDirs."""
    current: dict[Replica, str] = {}
    future: dict[Replica, str] = {}
    for broker, replicas in _per_broker(targets).items():
        topics = by_topic(Partition(replica.topic, replica.partition) for replica in replicas)
        wanted = [
            DescribableLogDirTopic(topic=topic, partitions=numbers) for topic, numbers in topics.items()
        ]
        admin.begin_call()
        response = await admin.ask_broker(broker, DescribeLogDirsRequest(topics=wanted))
        check(response.error_code)
        for result in response.results:
            if result.error_code not in (ErrorCode.NONE, ErrorCode.KAFKA_STORAGE_ERROR):
                check(result.error_code)
            for topic in result.topics:
                for one in topic.partitions:
                    replica = Replica(broker, topic.name, one.partition_index)
                    (future if one.is_future_key else current)[replica] = result.log_dir
    return {
        replica: DirectoryState(target, current.get(replica, ""), future.get(replica))
        for replica, target in targets.items()
    }


async def execute_moves(admin: Admin, targets: Mapping[Replica, str], timeout_ms: int) -> None:
    """Start the moves; a replica that is still on its way to its broker is tried until the time is over."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + timeout_ms / 1000
    pending = dict(targets)
    while True:
        started = await _start(admin, pending)
        for replica in sorted(started):
            print(
                f"Successfully started moving log directory to {pending.pop(replica)} for replica "
                f"{replica.topic}-{replica.partition} with broker {replica.broker} "
            )
        if not pending:
            return
        if loop.time() >= deadline:
            shown = ",".join(map(str, sorted(pending)))
            plural = "" if len(pending) == 1 else "s"
            raise Terse(f"Timed out before log directory move{plural} could be started for: {shown}")
        await asyncio.sleep(RETRY_S)


async def _start(admin: Admin, targets: Mapping[Replica, str]) -> list[Replica]:
    """The moves that have begun; those of replicas that are not there yet have not."""
    started: list[Replica] = []
    for broker, replicas in _per_broker(targets).items():
        by_path: dict[str, list[Partition]] = {}
        for replica in replicas:
            by_path.setdefault(targets[replica], []).append(Partition(replica.topic, replica.partition))
        directories = [
            AlterReplicaLogDir(
                path=path,
                topics=[
                    AlterReplicaLogDirTopic(name=topic, partitions=numbers)
                    for topic, numbers in by_topic(partitions).items()
                ],
            )
            for path, partitions in by_path.items()
        ]
        admin.begin_call()
        response = await admin.ask_broker(broker, AlterReplicaLogDirsRequest(dirs=directories))
        for topic in response.results:
            for one in topic.partitions:
                replica = Replica(broker, topic.topic_name, one.partition_index)
                code = ErrorCode.of(one.error_code)
                if code == ErrorCode.NONE:
                    started.append(replica)
                elif code != ErrorCode.REPLICA_NOT_AVAILABLE:
                    raise ToolError(f"Failed to alter dir for {replica}") from KafkaError(code)
    return started
