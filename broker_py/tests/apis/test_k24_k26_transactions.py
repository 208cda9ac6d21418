# SPDX-License-Identifier: Apache-2.0
"""AddPartitionsToTxn (24), AddOffsetsToTxn (25), EndTxn (26), at every version."""

from __future__ import annotations

import pytest

from commitlog.apis import k24_add_partitions_to_txn, k25_add_offsets_to_txn, k26_end_txn
from commitlog.wire.errors import ErrorCode
from commitlog.wire.messages.add_offsets_to_txn_request import AddOffsetsToTxnRequest
from commitlog.wire.messages.add_partitions_to_txn_request import (
    AddPartitionsToTxnRequest,
    AddPartitionsToTxnTopic,
    AddPartitionsToTxnTransaction,
)
from commitlog.wire.messages.end_txn_request import EndTxnRequest
from tests.apis.group_services import versions
from tests.apis.transaction_services import TransactionBroker
from tests.groups.virtual_loop import in_virtual_time
from tests.transactions.harness import ID, TP0, TP1

E = ErrorCode
Errors = dict[tuple[str, int], ErrorCode]


async def add(
    broker: TransactionBroker,
    version: int,
    producer: tuple[int, int],
    *partitions: tuple[str, int],
    verify_only: bool = False,
    name: str = ID,
) -> Errors:
    topics = [AddPartitionsToTxnTopic(name=topic, partitions=[index]) for topic, index in partitions]
    if version >= 4:
        request = AddPartitionsToTxnRequest(
            transactions=[
                AddPartitionsToTxnTransaction(
                    transactional_id=name,
                    producer_id=producer[0],
                    producer_epoch=producer[1],
                    verify_only=verify_only,
                    topics=topics,
                )
            ]
        )
    else:
        request = AddPartitionsToTxnRequest(
            v3_and_below_transactional_id=name,
            v3_and_below_producer_id=producer[0],
            v3_and_below_producer_epoch=producer[1],
            v3_and_below_topics=topics,
        )
    answer = await broker.ask(k24_add_partitions_to_txn.API, request, version)
    results = answer.results_by_topic_v3_and_below
    if version >= 4:
        (transaction,) = answer.results_by_transaction
        assert transaction.transactional_id == name
        results = transaction.topic_results
    return {
        (topic.name, one.partition_index): ErrorCode(one.partition_error_code)
        for topic in results
        for one in topic.results_by_partition
    }


@pytest.mark.parametrize("version", versions(k24_add_partitions_to_txn.API))
@in_virtual_time
async def test_partitions_are_added(version: int) -> None:
    broker = await TransactionBroker().started()
    producer = broker.transactions.initialized()
    assert await add(broker, version, producer, TP0, TP1) == {TP0: E.NONE, TP1: E.NONE}
    assert broker.transactions.metadata_of().partitions == {TP0, TP1}


@pytest.mark.parametrize("version", versions(k24_add_partitions_to_txn.API))
@in_virtual_time
async def test_all_or_none(version: int) -> None:
    broker = await TransactionBroker().started()
    producer = broker.transactions.initialized()
    missing = ("topic", 9)
    assert await add(broker, version, producer, TP0, missing) == {
        TP0: E.OPERATION_NOT_ATTEMPTED,
        missing: E.UNKNOWN_TOPIC_OR_PARTITION,
    }
    assert broker.transactions.state() == "Empty"


@pytest.mark.parametrize("version", versions(k24_add_partitions_to_txn.API))
@in_virtual_time
async def test_fenced_producers_are_told_so_as_their_version_knows_it(version: int) -> None:
    broker = await TransactionBroker().started()
    producer_id, epoch = broker.transactions.initialized()
    error = E.PRODUCER_FENCED if version >= 2 else E.INVALID_PRODUCER_EPOCH
    assert await add(broker, version, (producer_id, epoch + 1), TP0) == {TP0: error}


@pytest.mark.parametrize("version", versions(k24_add_partitions_to_txn.API))
@in_virtual_time
async def test_the_answer_waits_for_the_log(version: int) -> None:
    broker = await TransactionBroker().started()
    producer = broker.transactions.initialized()
    replicas = broker.transactions.replicas
    replicas.hold = True
    broker.transactions.loop.call_later(2, lambda: broker.transactions.loop.create_task(replicas.release()))
    before = broker.transactions.now_ms()
    assert await add(broker, version, producer, TP0) == {TP0: E.NONE}
    assert broker.transactions.now_ms() - before >= 2_000


@pytest.mark.parametrize("version", versions(k24_add_partitions_to_txn.API, 4))
@in_virtual_time
async def test_brokers_verify_before_they_append(version: int) -> None:
    broker = await TransactionBroker().started()
    producer = broker.transactions.ongoing(TP0)
    found = await add(broker, version, producer, TP0, TP1, verify_only=True)
    assert found == {TP0: E.NONE, TP1: E.TRANSACTION_ABORTABLE}
    assert broker.transactions.metadata_of().partitions == {TP0}


@in_virtual_time
async def test_several_transactions_each_with_its_own_answer() -> None:
    broker = await TransactionBroker().started()
    producer = broker.transactions.ongoing(TP0)
    transactions = [
        AddPartitionsToTxnTransaction(
            transactional_id=name,
            producer_id=producer[0],
            producer_epoch=producer[1],
            verify_only=True,
            topics=[AddPartitionsToTxnTopic(name="topic", partitions=[0])],
        )
        for name in (ID, "nobody")
    ]
    request = AddPartitionsToTxnRequest(transactions=transactions)
    answer = await broker.ask(k24_add_partitions_to_txn.API, request, 4)
    assert [
        (one.transactional_id, one.topic_results[0].results_by_partition[0].partition_error_code)
        for one in answer.results_by_transaction
    ] == [(ID, E.NONE), ("nobody", E.INVALID_PRODUCER_ID_MAPPING)]


@pytest.mark.parametrize("version", versions(k25_add_offsets_to_txn.API))
@in_virtual_time
async def test_a_groups_partition_of_the_offsets_topic_joins_the_transaction(version: int) -> None:
    broker = await TransactionBroker().started()
    producer_id, epoch = broker.transactions.initialized()
    for asked, error in ((epoch, E.NONE), (epoch + 1, E.PRODUCER_FENCED)):
        request = AddOffsetsToTxnRequest(
            transactional_id=ID, producer_id=producer_id, producer_epoch=asked, group_id="g"
        )
        answer = await broker.ask(k25_add_offsets_to_txn.API, request, version)
        if error is E.PRODUCER_FENCED and version < 2:
            error = E.INVALID_PRODUCER_EPOCH
        assert answer.error_code == error
    partition = broker.harness.groups.partition_for("g")
    assert broker.transactions.metadata_of().partitions == {("__consumer_offsets", partition)}


@pytest.mark.parametrize("version", versions(k26_end_txn.API))
@pytest.mark.parametrize("commit", [True, False])
@in_virtual_time
async def test_the_end(version: int, commit: bool) -> None:
    broker = await TransactionBroker().started()
    producer_id, epoch = broker.transactions.ongoing(TP0)

    async def end(epoch: int) -> ErrorCode:
        request = EndTxnRequest(
            transactional_id=ID, producer_id=producer_id, producer_epoch=epoch, committed=commit
        )
        return ErrorCode((await broker.ask(k26_end_txn.API, request, version)).error_code)

    assert await end(epoch + 1) is (E.PRODUCER_FENCED if version >= 2 else E.INVALID_PRODUCER_EPOCH)
    assert await end(epoch) is E.NONE
    assert broker.transactions.logged()[2] == ("PrepareCommit" if commit else "PrepareAbort")


@in_virtual_time
async def test_the_answer_names_what_the_request_named() -> None:
    broker = await TransactionBroker().started()
    producer_id, epoch = broker.transactions.initialized()
    request = AddPartitionsToTxnRequest(
        v3_and_below_transactional_id=ID,
        v3_and_below_producer_id=producer_id,
        v3_and_below_producer_epoch=epoch,
        v3_and_below_topics=[
            AddPartitionsToTxnTopic(TP0[0], [TP0[1]]),
            AddPartitionsToTxnTopic(TP0[0], [TP0[1], TP0[1]]),
            AddPartitionsToTxnTopic("none of it", []),
        ],
    )
    answer = await broker.ask(k24_add_partitions_to_txn.API, request, 3)
    named = [(one.name, len(one.results_by_partition)) for one in answer.results_by_topic_v3_and_below]
    assert named == [(TP0[0], 1), (TP0[0], 2), ("none of it", 0)]
