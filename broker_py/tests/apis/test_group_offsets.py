# SPDX-License-Identifier: Apache-2.0
"""OffsetCommit (8), OffsetFetch (9) and OffsetDelete (47), at every version."""

from __future__ import annotations

import pytest

from commitlog.apis import k08_offset_commit, k09_offset_fetch, k47_offset_delete
from commitlog.coordination.client import ConnectionLoss
from commitlog.wire.errors import ErrorCode
from commitlog.wire.messages.offset_commit_request import (
    OffsetCommitRequest,
    OffsetCommitRequestPartition,
    OffsetCommitRequestTopic,
)
from commitlog.wire.messages.offset_commit_response import OffsetCommitResponse
from commitlog.wire.messages.offset_delete_request import (
    OffsetDeleteRequest,
    OffsetDeleteRequestPartition,
    OffsetDeleteRequestTopic,
)
from commitlog.wire.messages.offset_fetch_request import (
    OffsetFetchRequest,
    OffsetFetchRequestGroup,
    OffsetFetchRequestTopic,
    OffsetFetchRequestTopics,
)
from commitlog.wire.messages.offset_fetch_response import OffsetFetchResponse
from tests.apis.group_services import Broker, versions
from tests.groups.virtual_loop import in_virtual_time

E = ErrorCode
COMMIT, FETCH, DELETE = k08_offset_commit.API, k09_offset_fetch.API, k47_offset_delete.API
PATH = "/consumers/g/offsets/topic/1"


def commit_request(
    offsets: dict[tuple[str, int], int], *, metadata: str = "note", version: int = 9, group: str = "g"
) -> OffsetCommitRequest:
    topics: dict[str, OffsetCommitRequestTopic] = {}
    for (topic, index), offset in offsets.items():
        topics.setdefault(topic, OffsetCommitRequestTopic(name=topic)).partitions.append(
            OffsetCommitRequestPartition(
                partition_index=index,
                committed_offset=offset,
                committed_metadata=metadata,
                committed_leader_epoch=3 if version >= 6 else -1,
            )
        )
    return OffsetCommitRequest(group_id=group, topics=list(topics.values()))


def fetch_request(version: int, topic: str | None, *indexes: int, group: str = "g") -> OffsetFetchRequest:
    if version >= 8:
        topics = (
            None if topic is None else [OffsetFetchRequestTopics(name=topic, partition_indexes=list(indexes))]
        )
        return OffsetFetchRequest(groups=[OffsetFetchRequestGroup(group_id=group, topics=topics)])
    old = None if topic is None else [OffsetFetchRequestTopic(name=topic, partition_indexes=list(indexes))]
    return OffsetFetchRequest(group_id=group, topics=old)


def commit_errors(response: OffsetCommitResponse) -> dict[tuple[str, int], ErrorCode]:
    return {
        (topic.name, partition.partition_index): ErrorCode(partition.error_code)
        for topic in response.topics
        for partition in topic.partitions
    }


def fetched(response: OffsetFetchResponse) -> dict[int, tuple[int, str | None, ErrorCode]]:
    topics = response.groups[0].topics if response.groups else response.topics
    return {
        partition.partition_index: (
            partition.committed_offset,
            partition.metadata,
            ErrorCode(partition.error_code),
        )
        for topic in topics
        for partition in topic.partitions
    }


@pytest.mark.parametrize("version", versions(COMMIT, 1))
@in_virtual_time
async def test_commit_and_fetch(version: int) -> None:
    broker = await Broker().started()
    response = await broker.ask(COMMIT, commit_request({("topic", 1): 42}, version=version), version)
    assert commit_errors(response) == {("topic", 1): E.NONE}
    answer = await broker.ask(FETCH, fetch_request(version, "topic", 0, 1), version)
    assert fetched(answer) == {0: (-1, "", E.NONE), 1: (42, "note", E.NONE)}


@pytest.mark.parametrize("version", versions(FETCH, 2))
@in_virtual_time
async def test_fetch_all(version: int) -> None:
    broker = await Broker().started()
    await broker.ask(COMMIT, commit_request({("topic", 1): 42}), 9)
    answer = await broker.ask(FETCH, fetch_request(version, None), version)
    assert fetched(answer) == {1: (42, "note", E.NONE)}


@in_virtual_time
async def test_leader_epoch_comes_back() -> None:
    broker = await Broker().started()
    await broker.ask(COMMIT, commit_request({("topic", 1): 42}, version=6), 6)
    answer = await broker.ask(FETCH, fetch_request(5, "topic", 1), 5)
    assert answer.topics[0].partitions[0].committed_leader_epoch == 3


@in_virtual_time
async def test_several_groups_in_one_request() -> None:
    broker = await Broker().started()
    await broker.ask(COMMIT, commit_request({("topic", 0): 1}, group="a"), 9)
    await broker.ask(COMMIT, commit_request({("topic", 0): 2}, group="b"), 9)
    request = OffsetFetchRequest(
        groups=[OffsetFetchRequestGroup(group_id=group, topics=None) for group in ("a", "b", "c")]
    )
    answer = await broker.ask(FETCH, request, 8)
    assert [
        (group.group_id, [each.committed_offset for topic in group.topics for each in topic.partitions])
        for group in answer.groups
    ] == [("a", [1]), ("b", [2]), ("c", [])]


@pytest.mark.parametrize("version", versions(COMMIT))
@in_virtual_time
async def test_commit_refuses_what_does_not_exist_and_takes_the_rest(version: int) -> None:
    broker = await Broker().started()
    asked = {("topic", 1): 5, ("topic", 2): 6, ("none", 0): 7}
    response = await broker.ask(COMMIT, commit_request(asked, version=version), version)
    assert commit_errors(response) == {
        ("topic", 1): E.NONE,
        ("topic", 2): E.UNKNOWN_TOPIC_OR_PARTITION,
        ("none", 0): E.UNKNOWN_TOPIC_OR_PARTITION,
    }
    assert len(response.topics) == 2, "one entry a topic"


@in_virtual_time
async def test_the_same_when_the_coordinator_waits() -> None:
    broker = await Broker().started()
    broker.harness.replicas.hold = True
    loop = broker.harness.loop
    loop.call_later(1, lambda: loop.create_task(broker.harness.replicas.release()))
    response = await broker.ask(COMMIT, commit_request({("topic", 1): 5, ("topic", 2): 6}), 9)
    assert commit_errors(response) == {("topic", 1): E.NONE, ("topic", 2): E.UNKNOWN_TOPIC_OR_PARTITION}


@in_virtual_time
async def test_commit_of_nothing_that_exists_does_not_ask_the_coordinator() -> None:
    broker = await Broker().started()
    response = await broker.ask(COMMIT, commit_request({("none", 0): 7}, group="g"), 9)
    assert commit_errors(response) == {("none", 0): E.UNKNOWN_TOPIC_OR_PARTITION}
    assert broker.harness.state("g") == "Dead"


@pytest.mark.parametrize("version", versions(FETCH, 1))
@in_virtual_time
async def test_error_of_the_group_is_where_the_version_looks_for_it(version: int) -> None:
    broker = await Broker().started()
    broker.harness.groups.on_resignation(broker.harness.groups.partition_for("g"), None)
    answer = await broker.ask(FETCH, fetch_request(version, "topic", 0, 1), version)
    if version == 1:
        assert fetched(answer) == {0: (-1, "", E.NOT_COORDINATOR), 1: (-1, "", E.NOT_COORDINATOR)}
    elif version < 8:
        assert (answer.error_code, answer.topics) == (E.NOT_COORDINATOR, [])
    else:
        assert (answer.groups[0].group_id, answer.groups[0].error_code) == ("g", E.NOT_COORDINATOR)


@pytest.mark.parametrize("version", versions(COMMIT))
def test_commit_error_of_the_whole_request_is_in_every_partition(version: int) -> None:
    request = commit_request({("topic", 1): 5, ("none", 0): 7}, version=version)
    response = k08_offset_commit.error_response(request, E.UNKNOWN_SERVER_ERROR, None)
    assert set(commit_errors(response).values()) == {E.UNKNOWN_SERVER_ERROR}


@pytest.mark.parametrize("version", versions(FETCH))
def test_fetch_error_of_the_whole_request(version: int) -> None:
    request = fetch_request(version, "topic", 0)
    response = k09_offset_fetch.error_response(request, E.UNKNOWN_SERVER_ERROR, None)
    found = [response.error_code, *(group.error_code for group in response.groups)]
    assert E.UNKNOWN_SERVER_ERROR in found


class TestZooKeeper:
    """Version 0 is for 0.8 clients, whose offsets are in ZooKeeper."""

    @in_virtual_time
    async def test_commit_writes_decimal_text_where_0_8_looks(self) -> None:
        broker = await Broker().started()
        for offset in (41, 42):
            response = await broker.ask(COMMIT, commit_request({("topic", 1): offset}, version=0), 0)
            assert commit_errors(response) == {("topic", 1): E.NONE}
        assert (await broker.zookeeper.get(PATH))[0] == b"42"
        assert broker.harness.replicas.appends == []

    @in_virtual_time
    async def test_fetch_reads_what_a_0_8_consumer_wrote(self) -> None:
        broker = await Broker().started()
        await broker.zookeeper.create(PATH, b"17", make_parents=True)
        answer = await broker.ask(FETCH, fetch_request(0, "topic", 0, 1, 2), 0)
        missing = (-1, "", E.UNKNOWN_TOPIC_OR_PARTITION)
        assert fetched(answer) == {0: missing, 1: (17, "", E.NONE), 2: missing}

    @in_virtual_time
    async def test_version_1_does_not_see_it(self) -> None:
        broker = await Broker().started()
        await broker.ask(COMMIT, commit_request({("topic", 1): 41}, version=0), 0)
        assert fetched(await broker.ask(FETCH, fetch_request(1, "topic", 1), 1)) == {1: (-1, "", E.NONE)}

    @in_virtual_time
    async def test_metadata_has_its_limit_here_too(self) -> None:
        broker = await Broker(offset_metadata_max_bytes=10).started()
        request = commit_request({("topic", 1): 41}, metadata="x" * 11, version=0)
        response = await broker.ask(COMMIT, request, 0)
        assert commit_errors(response) == {("topic", 1): E.OFFSET_METADATA_TOO_LARGE}
        assert await broker.zookeeper.exists(PATH) is None

    @in_virtual_time
    async def test_what_is_no_number_is_an_error(self) -> None:
        broker = await Broker().started()
        await broker.zookeeper.create(PATH, b"soon", make_parents=True)
        answer = await broker.ask(FETCH, fetch_request(0, "topic", 1), 0)
        assert fetched(answer) == {1: (-1, "", E.UNKNOWN_SERVER_ERROR)}

    @in_virtual_time
    async def test_lost_connection_is_waited_for(self, monkeypatch: pytest.MonkeyPatch) -> None:
        broker = await Broker().started()
        await broker.ask(COMMIT, commit_request({("topic", 1): 41}, version=0), 0)
        failures = [ConnectionLoss(PATH)]
        real = broker.zookeeper.set

        async def flaky(path: str, data: bytes, version: int = -1) -> object:
            if failures:
                raise failures.pop()
            return await real(path, data, version)

        monkeypatch.setattr(broker.zookeeper, "set", flaky)
        response = await broker.ask(COMMIT, commit_request({("topic", 1): 42}, version=0), 0)
        assert commit_errors(response) == {("topic", 1): E.NONE}
        assert (await broker.zookeeper.get(PATH))[0] == b"42"


@in_virtual_time
async def test_a_partition_named_twice_is_answered_once() -> None:
    broker = await Broker().started()
    twice = commit_request({("topic", 0): 1})
    twice.topics += commit_request({("topic", 0): 2}).topics
    response = await broker.ask(COMMIT, twice, 8)
    assert [len(topic.partitions) for topic in response.topics] == [1]
    for version in (1, 8):
        response = await broker.ask(FETCH, fetch_request(version, "topic", 0, 0), version)
        assert fetched(response) == {0: (2, "note", E.NONE)}
        topics = response.groups[0].topics if version == 8 else response.topics
        assert [len(topic.partitions) for topic in topics] == [1]
    twice = TestOffsetDelete.request(("topic", 0), ("topic", 0))
    response = await broker.ask(DELETE, twice, 0)
    assert [len(topic.partitions) for topic in response.topics] == [1]


class TestOffsetDelete:
    @staticmethod
    def request(*partitions: tuple[str, int], group: str = "g") -> OffsetDeleteRequest:
        return OffsetDeleteRequest(
            group_id=group,
            topics=[
                OffsetDeleteRequestTopic(
                    name=topic, partitions=[OffsetDeleteRequestPartition(partition_index=index)]
                )
                for topic, index in partitions
            ],
        )

    @in_virtual_time
    async def test_what_does_not_exist_is_told_and_the_rest_deleted(self) -> None:
        broker = await Broker().started()
        await broker.ask(COMMIT, commit_request({("topic", 0): 1, ("topic", 1): 2}), 9)
        response = await broker.ask(DELETE, self.request(("topic", 0), ("none", 0)), 0)
        assert {topic.name: topic.partitions[0].error_code for topic in response.topics} == {
            "topic": E.NONE,
            "none": E.UNKNOWN_TOPIC_OR_PARTITION,
        }
        assert fetched(await broker.ask(FETCH, fetch_request(8, None), 8)) == {1: (2, "note", E.NONE)}

    @in_virtual_time
    async def test_error_of_the_group_stands_alone(self) -> None:
        broker = await Broker().started()
        response = await broker.ask(DELETE, self.request(("topic", 0), ("none", 0), group="who"), 0)
        assert (response.error_code, response.topics) == (E.GROUP_ID_NOT_FOUND, [])
