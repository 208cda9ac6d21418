# SPDX-License-Identifier: Apache-2.0
"""The actions of kafka-transactions.sh."""

from __future__ import annotations

import time
from argparse import Namespace
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from commitlog.cli.admin import (
    TRANSACTION,
    Admin,
    ErrorCode,
    KafkaError,
    TopicPartition,
    by_topic,
    check,
    connected,
)
from commitlog.cli.argparse4j import table
from commitlog.cli.java_order import partitions_in_hash_order
from commitlog.cli.jopt import ArgumentError
from commitlog.cli.topics_errors import FAILURES
from commitlog.wire.messages.describe_producers_request import DescribeProducersRequest, TopicRequest
from commitlog.wire.messages.describe_producers_response import DescribeProducersResponse, ProducerState
from commitlog.wire.messages.describe_transactions_request import DescribeTransactionsRequest
from commitlog.wire.messages.describe_transactions_response import TransactionState
from commitlog.wire.messages.list_transactions_request import ListTransactionsRequest
from commitlog.wire.messages.list_transactions_response import TransactionState as Listing
from commitlog.wire.messages.write_txn_markers_request import (
    WritableTxnMarker,
    WritableTxnMarkerTopic,
    WriteTxnMarkersRequest,
)

BATCH_SIZE = 500
MINUTE_MS = 60_000
NO_DURATION = -1


async def run(options: Namespace) -> None:
    actions = {
        "list": list_transactions,
        "describe": describe,
        "describe-producers": describe_producers,
        "abort": abort,
        "find-hanging": find_hanging,
    }
    _check(options)
    async with connected(options.bootstrap_server, options.command_config) as admin:
        await actions[options.command](admin, options)


def _check(options: Namespace) -> None:
    """What is wrong whatever the cluster says."""
    if options.command == "abort" and options.start_offset is None:
        if options.producer_id is None:
            raise ArgumentError(
                "The transaction to abort must be identified either with --start-offset (for brokers on 3.0 "
                "or "
                "above) or with --producer-id, --producer-epoch, and --coordinator-epoch (for older brokers)"
            )
        for name in ("producer_epoch", "coordinator_epoch"):
            if getattr(options, name) is None:
                raise ArgumentError(f"Missing required argument --{name.replace('_', '-')}")
    if options.command == "find-hanging":
        if options.topic is None and options.broker_id is None:
            raise ArgumentError(
                "The `find-hanging` command requires either --topic or --broker-id to limit the scope of "
                "the search"
            )
        if options.partition is not None and options.topic is None:
            raise ArgumentError("The --partition argument requires --topic to be provided")


@contextmanager
def _or_exit(what: str) -> Iterator[None]:
    """TransactionsCommand.printErrorAndExit."""
    try:
        yield
    except FAILURES as error:
        text = (error.message or error.code.message) if isinstance(error, KafkaError) else str(error)
        raise ArgumentError(f"{what}: {text}. Enable debug logging for additional detail.") from None


async def _listings(
    admin: Admin, producer_ids: Sequence[int] = (), duration: int = NO_DURATION
) -> list[tuple[int, Listing]]:
    found: list[tuple[int, Listing]] = []
    for node in await admin.nodes():
        while True:
            request = ListTransactionsRequest(
                producer_id_filters=list(producer_ids), duration_filter=duration
            )
            response = await admin.ask_node(node, request)
            if response.error_code != ErrorCode.COORDINATOR_LOAD_IN_PROGRESS:
                break
            await admin.back_off("listTransactions")
        check(response.error_code)
        found += [(node.id, listing) for listing in response.transaction_states]
    return found


async def list_transactions(admin: Admin, options: Namespace) -> None:
    duration = NO_DURATION if options.duration_filter is None else options.duration_filter
    with _or_exit("Failed to list transactions"):
        found = await _listings(admin, duration=duration)
    table(
        ("TransactionalId", "Coordinator", "ProducerId", "TransactionState"),
        [
            (one.transactional_id, str(broker), str(one.producer_id), one.transaction_state)
            for broker, one in found
        ],
    )


async def _described(admin: Admin, transactional_id: str) -> tuple[int, TransactionState]:
    request = DescribeTransactionsRequest(transactional_ids=[transactional_id])
    node, response = await admin.ask_coordinator(
        transactional_id, request, lambda found: found.transaction_states[0].error_code, TRANSACTION
    )
    state = response.transaction_states[0]
    if state.error_code == ErrorCode.TRANSACTIONAL_ID_NOT_FOUND:
        raise KafkaError(
            ErrorCode.TRANSACTIONAL_ID_NOT_FOUND,
            f"DescribeTransactions request for transactionalId `{transactional_id}` failed because the ID "
            "could not "
            "be found",
        )
    check(state.error_code)
    return node.id, state


async def describe(admin: Admin, options: Namespace) -> None:
    name = options.transactional_id
    with _or_exit(f"Failed to describe transaction state of transactional-id `{name}`"):
        coordinator, state = await _described(admin, name)
    started = state.transaction_start_time_ms
    begun, duration = "None", "None"
    if started >= 0:
        begun, duration = str(started), str(_now_ms() - started)
    partitions = partitions_in_hash_order(
        TopicPartition(topic.topic, number) for topic in state.topics for number in topic.partitions
    )
    table(
        (
            "CoordinatorId",
            "TransactionalId",
            "ProducerId",
            "ProducerEpoch",
            "TransactionState",
            "TransactionTimeoutMs",
            "CurrentTransactionStartTimeMs",
            "TransactionDurationMs",
            "TopicPartitions",
        ),
        [
            (
                str(coordinator),
                name,
                str(state.producer_id),
                str(state.producer_epoch),
                state.transaction_state,
                str(state.transaction_timeout_ms),
                begun,
                duration,
                ",".join(map(str, partitions)),
            )
        ],
    )


def _now_ms() -> int:
    return int(time.time() * 1000)


Producers = dict[TopicPartition, list[ProducerState]]


async def _producers(admin: Admin, partitions: Sequence[TopicPartition], broker: int | None) -> Producers:
    """Active producers of the partitions, at their leaders or at one broker."""

    def make(topics: Mapping[str, list[int]]) -> DescribeProducersRequest:
        return DescribeProducersRequest(
            topics=[TopicRequest(name=topic, partition_indexes=numbers) for topic, numbers in topics.items()]
        )

    def read(
        response: DescribeProducersResponse,
    ) -> Iterator[tuple[TopicPartition, int, list[ProducerState]]]:
        for topic in response.topics:
            for one in topic.partitions:
                yield TopicPartition(topic.name, one.partition_index), one.error_code, one.active_producers

    found: Producers = {}
    if broker is not None:
        admin.begin_call()
        response = await admin.ask_broker(broker, make(by_topic(partitions)))
        for partition, code, producers in read(response):
            check(code)
            found[partition] = producers
        return found
    for partition, result in (await admin.ask_leaders(partitions, make, read)).items():
        if isinstance(result, KafkaError):
            raise result
        found[partition] = result
    return found


async def describe_producers(admin: Admin, options: Namespace) -> None:
    partition = TopicPartition(options.topic, options.partition)
    where = "leader" if options.broker_id is None else f"broker {options.broker_id}"
    with _or_exit(f"Failed to describe producers for partition {partition} on {where}"):
        found = await _producers(admin, [partition], options.broker_id)
    table(
        (
            "ProducerId",
            "ProducerEpoch",
            "LatestCoordinatorEpoch",
            "LastSequence",
            "LastTimestamp",
            "CurrentTransactionStartOffset",
        ),
        [
            (
                str(one.producer_id),
                str(one.producer_epoch),
                str(one.coordinator_epoch),
                str(one.last_sequence),
                str(one.last_timestamp),
                "None" if one.current_txn_start_offset < 0 else str(one.current_txn_start_offset),
            )
            for one in found[partition]
        ],
    )


@dataclass(frozen=True, slots=True)
class AbortSpec:
    """AbortTransactionSpec."""

    partition: TopicPartition
    producer_id: int
    producer_epoch: int
    coordinator_epoch: int

    def __str__(self) -> str:
        return (
            f"AbortTransactionSpec(topicPartition={self.partition}, producerId={self.producer_id}, "
            "producerEpoch="
            f"{self.producer_epoch}, coordinatorEpoch={self.coordinator_epoch})"
        )


async def abort(admin: Admin, options: Namespace) -> None:
    partition = TopicPartition(options.topic, options.partition)
    if options.start_offset is None:
        epoch = max(0, options.coordinator_epoch)
        spec = AbortSpec(partition, options.producer_id, options.producer_epoch, epoch)
    else:
        spec = await _spec_at(admin, partition, options.start_offset)
    with _or_exit(f"Failed to abort transaction {spec}"):
        await _write_marker(admin, spec)


async def _spec_at(admin: Admin, partition: TopicPartition, start_offset: int) -> AbortSpec:
    with _or_exit(f"Failed to validate producer state for partition {partition}"):
        found = await _producers(admin, [partition], None)
    for one in found[partition]:
        if one.current_txn_start_offset == start_offset:
            return AbortSpec(partition, one.producer_id, one.producer_epoch, max(0, one.coordinator_epoch))
    raise ArgumentError(
        f"Could not find any open transactions starting at offset {start_offset} on partition {partition}"
    )


async def _write_marker(admin: Admin, spec: AbortSpec) -> None:
    def make(topics: Mapping[str, list[int]]) -> WriteTxnMarkersRequest:
        marker = WritableTxnMarker(
            producer_id=spec.producer_id,
            producer_epoch=spec.producer_epoch,
            coordinator_epoch=spec.coordinator_epoch,
            transaction_result=False,
            topics=[
                WritableTxnMarkerTopic(name=topic, partition_indexes=numbers)
                for topic, numbers in topics.items()
            ],
        )
        return WriteTxnMarkersRequest(markers=[marker])

    results = await admin.ask_leaders(
        [spec.partition],
        make,
        lambda response: (
            (TopicPartition(topic.name, one.partition_index), one.error_code, None)
            for marker in response.markers
            for topic in marker.topics
            for one in topic.partitions
        ),
    )
    for result in results.values():
        if isinstance(result, KafkaError):
            raise result


@dataclass(frozen=True, slots=True)
class Open:
    """A transaction that is open in a partition."""

    partition: TopicPartition
    producer: ProducerState


async def find_hanging(admin: Admin, options: Namespace) -> None:
    """Open longer than any transaction may be, and not known to a coordinator as still to be ended there."""
    partitions = await _searched(admin, options)
    limit_ms = options.max_transaction_timeout * MINUTE_MS
    candidates: list[Open] = []
    for start in range(0, len(partitions), BATCH_SIZE):
        batch = partitions[start : start + BATCH_SIZE]
        shown = "Optional.empty" if options.broker_id is None else f"Optional[{options.broker_id}]"
        with _or_exit(f"Failed to describe producers for {len(batch)} partitions on broker {shown}"):
            found = await _producers(admin, batch, options.broker_id)
        now_ms = _now_ms()
        candidates += [
            Open(partition, one)
            for partition in partitions_in_hash_order(found)
            for one in found[partition]
            if one.current_txn_start_offset >= 0 and now_ms - one.last_timestamp > limit_ms
        ]
    expected = await _expected(admin, sorted({one.producer.producer_id for one in candidates}))
    hanging = [one for one in candidates if one.partition not in expected.get(one.producer.producer_id, ())]
    _print_hanging(hanging)


async def _searched(admin: Admin, options: Namespace) -> list[TopicPartition]:
    if options.partition is not None:
        return [TopicPartition(options.topic, options.partition)]
    if options.topic is not None:
        with _or_exit("Failed to describe 1 topics"):
            topics = await admin.describe_topics([options.topic])
    else:
        with _or_exit("Failed to list topics"):
            topics = await admin.all_topics()
    return [
        TopicPartition(topic.name or "", one.partition_index)
        for topic in topics
        for one in topic.partitions
        if options.broker_id is None or options.broker_id in one.replica_nodes
    ]


async def _expected(admin: Admin, producer_ids: Sequence[int]) -> dict[int, set[TopicPartition]]:
    """The partitions that a coordinator will still write a marker to, by producer."""
    if not producer_ids:
        return {}
    with _or_exit(f"Failed to list transactions for {len(producer_ids)} producers"):
        listings = await _listings(admin, producer_ids)
    names = {one.producer_id: one.transactional_id for _, one in listings if one.producer_id in producer_ids}
    expected: dict[int, set[TopicPartition]] = {}
    with _or_exit(f"Failed to describe {len(names)} transactions"):
        for producer_id, name in names.items():
            try:
                _, state = await _described(admin, name)
            except KafkaError as error:
                if error.code != ErrorCode.TRANSACTIONAL_ID_NOT_FOUND:
                    raise
            else:
                expected[producer_id] = {
                    TopicPartition(topic.topic, number)
                    for topic in state.topics
                    for number in topic.partitions
                }
    return expected


def _print_hanging(hanging: Sequence[Open]) -> None:
    now_ms = _now_ms()
    table(
        (
            "Topic",
            "Partition",
            "ProducerId",
            "ProducerEpoch",
            "CoordinatorEpoch",
            "StartOffset",
            "LastTimestamp",
            "Duration(min)",
        ),
        [
            (
                one.partition.topic,
                str(one.partition.partition),
                str(one.producer.producer_id),
                str(one.producer.producer_epoch),
                str(one.producer.coordinator_epoch),
                str(one.producer.current_txn_start_offset),
                str(one.producer.last_timestamp),
                str((now_ms - one.producer.last_timestamp) // MINUTE_MS),
            )
            for one in hanging
        ],
    )
