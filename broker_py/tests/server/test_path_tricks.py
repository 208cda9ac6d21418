# SPDX-License-Identifier: Apache-2.0
"""Names that would be paths: of topics, by clients and by who says that he is a broker; of log directories.
Nothing is made, read or removed outside of log.dirs, and inside of it only what a topic may be called."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from commitlog.wire.errors import ErrorCode
from commitlog.wire.messages.alter_replica_log_dirs_request import (
    AlterReplicaLogDir,
    AlterReplicaLogDirsRequest,
    AlterReplicaLogDirTopic,
)
from commitlog.wire.messages.create_topics_request import CreatableTopic, CreateTopicsRequest
from commitlog.wire.messages.delete_topics_request import DeleteTopicsRequest
from commitlog.wire.messages.leader_and_isr_request import (
    LeaderAndIsrPartitionState,
    LeaderAndIsrRequest,
    LeaderAndIsrTopicState,
)
from commitlog.wire.messages.metadata_request import MetadataRequest, MetadataRequestTopic
from commitlog.wire.messages.stop_replica_request import (
    StopReplicaPartitionState,
    StopReplicaRequest,
    StopReplicaTopicState,
)
from tests.fuzz.target import Target, running_target

NAMES = (
    "..",
    ".",
    "/",
    "../escaped",
    "a/../../escaped",
    "/tmp/escaped",
    "a\0b",
    "\0",
    "a\nb",
    "ä",
    "x" * 250,
)
DIRECTORIES = ("..", "../escaped", "/escaped", "{data}/../escaped", "{data}\0", "{data}/fuzz-0", "")
LONGEST = "x" * 249


def files(directory: Path) -> set[str]:
    """All paths below; partitions' own files left out, which change by themselves."""
    found = {str(path.relative_to(directory)) for path in directory.rglob("*")}
    return {path for path in found if not path.startswith("data/") or path.count("/") == 1}


@pytest.fixture
def room(tmp_path: Path) -> Path:
    """A directory around the broker's, in which whatever escapes is seen; not so long that 249 do not fit."""
    (tmp_path / "room").mkdir()
    (tmp_path / "room" / "kept").write_text("kept")
    return tmp_path / "room"


async def by_clients(target: Target) -> None:
    topics = [CreatableTopic(name=name, num_partitions=1, replication_factor=1) for name in NAMES]
    created = await target.ask(CreateTopicsRequest(topics=topics, timeout_ms=10_000), 7)
    assert {one.error_code for one in created.topics} == {ErrorCode.INVALID_TOPIC_EXCEPTION}
    named = [MetadataRequestTopic(name=name) for name in NAMES]
    known = await target.ask(MetadataRequest(topics=named, allow_auto_topic_creation=True), 8)
    assert {one.error_code for one in known.topics} == {ErrorCode.INVALID_TOPIC_EXCEPTION}
    deleted = await target.ask(DeleteTopicsRequest(topic_names=list(NAMES), timeout_ms=10_000), 5)
    assert {one.error_code for one in deleted.responses} <= {
        ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
        ErrorCode.INVALID_TOPIC_EXCEPTION,
    }


async def by_a_broker(target: Target) -> None:
    """As far as somebody gets who may do what brokers do, and claims to be a later controller."""
    state = LeaderAndIsrPartitionState(
        controller_epoch=1000,
        leader=0,
        leader_epoch=1000,
        isr=[0],
        partition_epoch=1000,
        replicas=[0],
        is_new=True,
    )
    request = LeaderAndIsrRequest(
        controller_id=0,
        controller_epoch=1000,
        broker_epoch=-1,
        type=0,
        topic_states=[LeaderAndIsrTopicState(name, bytes(16), [state]) for name in NAMES],
    )
    answer = await target.ask(request, 4)
    assert all(one.error_code for one in answer.partition_errors), answer
    stop = StopReplicaPartitionState(partition_index=0, leader_epoch=-2, delete_partition=True)
    await target.ask(
        StopReplicaRequest(
            controller_id=0,
            controller_epoch=1000,
            broker_epoch=-1,
            topic_states=[StopReplicaTopicState(name, [stop]) for name in NAMES],
        ),
        3,
    )


async def by_an_administrator(target: Target, data: Path) -> None:
    paths = [path.format(data=data) for path in DIRECTORIES]
    for path in paths:
        asked = AlterReplicaLogDir(path, [AlterReplicaLogDirTopic("fuzz", [0])])
        answer = await target.ask(AlterReplicaLogDirsRequest(dirs=[asked]), 1)
        (partition,) = answer.results[0].partitions
        assert partition.error_code == ErrorCode.LOG_DIR_NOT_FOUND, path


def test_nothing_outside_of_the_log_directories_is_touched(room: Path) -> None:
    async def test() -> None:
        async with running_target(room) as target:
            before = files(room)
            await by_clients(target)
            await by_a_broker(target)
            await by_an_administrator(target, room / "data")
            assert files(room) == before
            assert target.complaints() == []
            assert await target.is_well()

    asyncio.run(test())


def test_the_longest_name_that_is_allowed_has_a_directory(room: Path) -> None:
    async def test() -> None:
        async with running_target(room) as target:
            topic = CreatableTopic(name=LONGEST, num_partitions=1, replication_factor=1)
            created = await target.ask(CreateTopicsRequest(topics=[topic], timeout_ms=10_000), 7)
            assert created.topics[0].error_code == 0
            assert (room / "data" / f"{LONGEST}-0").is_dir()
            deleted = await target.ask(DeleteTopicsRequest(topic_names=[LONGEST], timeout_ms=10_000), 5)
            assert deleted.responses[0].error_code == 0
            async with asyncio.timeout(20):
                while list((room / "data").glob("xxx*-0")):  # noqa: ASYNC110 - renamed by the broker
                    await asyncio.sleep(0.01)
            assert target.complaints() == []

    asyncio.run(test())
