# SPDX-License-Identifier: Apache-2.0
"""Transactional records are appended once the transaction's coordinator has confirmed them (KIP-890, part 1).

Kafka's ReplicaManager.handleProduceAppend, for the requests that bring them. What would open a transaction
in a partition is asked about; what goes on with one is not.
"""

from __future__ import annotations

from collections.abc import Sequence

from commitlog.apis.services import Services
from commitlog.records.header import CorruptBatch, read_header
from commitlog.replication.produce import AppendResult, Entry
from commitlog.transactions.verification import Verification
from commitlog.wire.errors import ErrorCode

TopicPartition = tuple[str, int]

_UNABLE = frozenset(
    {
        ErrorCode.CONCURRENT_TRANSACTIONS,
        ErrorCode.NETWORK_EXCEPTION,
        ErrorCode.COORDINATOR_LOAD_IN_PROGRESS,
        ErrorCode.COORDINATOR_NOT_AVAILABLE,
        ErrorCode.NOT_COORDINATOR,
    }
)


def begin_verification(
    services: Services, partition: TopicPartition, producer_id: int, producer_epoch: int
) -> Verification | None:
    """None when there is nothing to ask: the transaction is open there, or the append will say what is
    wrong."""
    hosted = services.replicas.hosted_partition(*partition)
    if hosted is None or hosted.log is None or not hosted.is_leader:
        return None
    return Verification.begin(partition, hosted.log.producer_states, producer_id, producer_epoch)


def unverified(services: Services, entries: Sequence[Entry]) -> list[Verification]:
    """Those of a Produce that would open a transaction."""
    if not services.verifier.is_enabled:
        return []
    found = []
    for topic, index, records in entries:
        try:
            header = read_header(records)
        except CorruptBatch:
            continue
        if header.magic >= 2 and header.is_transactional:
            one = begin_verification(services, (topic, index), header.producer_id, header.producer_epoch)
            if one is not None:
                found.append(one)
    return found


async def refusals(
    services: Services, transactional_id: str, asked: Sequence[Verification], *, knows_abortable: bool
) -> dict[TopicPartition, AppendResult]:
    """What may not be appended. The rest is to be appended in the turn of the loop in which this returns."""
    refused: dict[TopicPartition, AppendResult] = {}
    producers: dict[tuple[int, int], list[TopicPartition]] = {}
    for one in asked:
        producers.setdefault((one.producer_id, one.producer_epoch), []).append(one.partition)
    for (producer_id, epoch), partitions in producers.items():
        errors = await services.verifier.verify(
            transactional_id, producer_id, epoch, partitions, knows_abortable=knows_abortable
        )
        refused.update((each, refusal(error)) for each, error in errors.items() if error)
    for one in asked:
        if one.partition not in refused and not one.still_holds():
            refused[one.partition] = AppendResult(
                ErrorCode.INVALID_TXN_STATE, error_message="Record was not part of an ongoing transaction"
            )
    return refused


def refusal(error: ErrorCode) -> AppendResult:
    """What is only out of reach now is told as NOT_ENOUGH_REPLICAS: every producer tries that again, and
    does not ask for metadata first."""
    if error is ErrorCode.INVALID_TXN_STATE:
        return AppendResult(error, error_message="Partition was not added to the transaction")
    if error in _UNABLE:
        return AppendResult(
            ErrorCode.NOT_ENOUGH_REPLICAS,
            error_message="Unable to verify the partition has been added to the transaction. Underlying "
            f"error: {error.name}",
        )
    return AppendResult(error)
