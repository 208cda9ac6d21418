# SPDX-License-Identifier: Apache-2.0
"""TxnOffsetCommit (28), at every version, up to what OffsetFetch shows."""

from __future__ import annotations

import pytest

from commitlog.apis import k09_offset_fetch
from commitlog.apis.k28_txn_offset_commit import API, error_response
from commitlog.wire.errors import ErrorCode
from commitlog.wire.messages.offset_fetch_request import (
    OffsetFetchRequest,
    OffsetFetchRequestGroup,
    OffsetFetchRequestTopics,
)
from commitlog.wire.messages.txn_offset_commit_request import (
    TxnOffsetCommitRequest,
    TxnOffsetCommitRequestPartition,
    TxnOffsetCommitRequestTopic,
)
from tests.apis.group_services import Broker, versions
from tests.groups.virtual_loop import in_virtual_time

E = ErrorCode
PRODUCER = 77


def request(*indexes: int, metadata: str | None = "note", group: str = "group") -> TxnOffsetCommitRequest:
    return TxnOffsetCommitRequest(
        transactional_id="t",
        group_id=group,
        producer_id=PRODUCER,
        producer_epoch=3,
        topics=[
            TxnOffsetCommitRequestTopic(
                name="topic",
                partitions=[
                    TxnOffsetCommitRequestPartition(
                        partition_index=index, committed_offset=10 + index, committed_metadata=metadata
                    )
                    for index in indexes
                ],
            )
        ],
    )


async def commit(broker: Broker, version: int, asked: TxnOffsetCommitRequest) -> dict[int, ErrorCode]:
    answer = await broker.ask(API, asked, version)
    (topic,) = answer.topics
    return {one.partition_index: ErrorCode(one.error_code) for one in topic.partitions}


async def fetch(broker: Broker, *, require_stable: bool) -> tuple[int, ErrorCode]:
    asked = OffsetFetchRequest(
        groups=[
            OffsetFetchRequestGroup(
                group_id="group", topics=[OffsetFetchRequestTopics(name="topic", partition_indexes=[0])]
            )
        ],
        require_stable=require_stable,
    )
    answer = await broker.ask(k09_offset_fetch.API, asked, 8)
    (one,) = answer.groups[0].topics[0].partitions
    return one.committed_offset, ErrorCode(one.error_code)


@pytest.mark.parametrize("version", versions(API))
@pytest.mark.parametrize("committed", [True, False])
@in_virtual_time
async def test_offsets_count_from_the_commit_marker_on(version: int, committed: bool) -> None:
    broker = await Broker().started()
    assert await commit(broker, version, request(0, 1)) == {0: E.NONE, 1: E.NONE}
    assert await fetch(broker, require_stable=False) == (-1, E.NONE)
    assert await fetch(broker, require_stable=True) == (-1, E.UNSTABLE_OFFSET_COMMIT)
    partition = broker.harness.groups.partition_for("group")
    broker.harness.groups.on_transaction_completed(PRODUCER, [partition], committed=committed)
    assert await fetch(broker, require_stable=True) == (10 if committed else -1, E.NONE)


@pytest.mark.parametrize("version", versions(API))
@in_virtual_time
async def test_partitions_that_do_not_exist(version: int) -> None:
    broker = await Broker().started()
    assert await commit(broker, version, request(0, 9)) == {0: E.NONE, 9: E.UNKNOWN_TOPIC_OR_PARTITION}
    assert await commit(broker, version, request(9)) == {9: E.UNKNOWN_TOPIC_OR_PARTITION}


@pytest.mark.parametrize("version", versions(API))
@in_virtual_time
async def test_loading_is_told_to_those_who_understand_it(version: int) -> None:
    broker = await Broker().started()
    partition = broker.harness.groups.partition_for("group")
    broker.harness.groups.on_resignation(partition, 1)
    assert await commit(broker, version, request(0)) == {0: E.NOT_COORDINATOR}
    broker.harness.groups.on_election(partition, 2)
    error = E.COORDINATOR_LOAD_IN_PROGRESS if version >= 2 else E.COORDINATOR_NOT_AVAILABLE
    assert await commit(broker, version, request(0)) == {0: error}


@in_virtual_time
async def test_notes_have_a_limit() -> None:
    broker = await Broker(offset_metadata_max_bytes=4).started()
    assert await commit(broker, 3, request(0, metadata="long note")) == {0: E.OFFSET_METADATA_TOO_LARGE}
    assert await commit(broker, 3, request(0, metadata=None)) == {0: E.NONE}


def test_one_error_for_the_whole_request() -> None:
    answer = error_response(request(0, 1), E.UNKNOWN_SERVER_ERROR, None)
    assert [one.error_code for one in answer.topics[0].partitions] == [E.UNKNOWN_SERVER_ERROR] * 2


@in_virtual_time
async def test_no_group_and_a_partition_named_twice() -> None:
    broker = await Broker().started()
    assert await commit(broker, 4, request(0, group="")) == {0: E.INVALID_GROUP_ID}
    asked = request(0, 0)
    response = await broker.ask(API, asked, 4)
    assert [len(topic.partitions) for topic in response.topics] == [1]


@in_virtual_time
async def test_a_group_without_members_takes_them_from_anybody() -> None:
    broker = await Broker().started()
    asked = request(0)
    asked.member_id = "somebody"
    assert await commit(broker, 4, asked) == {0: E.NONE}
