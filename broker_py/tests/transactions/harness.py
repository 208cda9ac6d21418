# SPDX-License-Identifier: Apache-2.0
"""A coordinator with a replica manager in memory, and partition leaders that take markers as told."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any, cast

from commitlog.replication.metadata_cache import MetadataCache
from commitlog.replication.replica_manager import AppendResult
from commitlog.transactions.coordinator import ProducerIdAndEpoch, TransactionCoordinator
from commitlog.transactions.log_writer import TRANSACTIONS_TOPIC
from commitlog.transactions.metadata import TransactionMetadata
from commitlog.transactions.records import read_key, read_value
from commitlog.wire.errors import ErrorCode, KafkaError
from commitlog.wire.messages.update_metadata_request import (
    UpdateMetadataBroker,
    UpdateMetadataEndpoint,
    UpdateMetadataPartitionState,
    UpdateMetadataRequest,
    UpdateMetadataTopicState,
)
from commitlog.wire.messages.write_txn_markers_request import WriteTxnMarkersRequest
from commitlog.wire.messages.write_txn_markers_response import (
    WritableTxnMarkerPartitionResult,
    WritableTxnMarkerResult,
    WritableTxnMarkerTopicResult,
    WriteTxnMarkersResponse,
)
from tests.groups.harness import FakeReplicas, MemoryLog, settle

ID = "txn"
START_MS = 1_700_000_000_000
TIMEOUT_MS = 60_000
TP0, TP1 = ("topic", 0), ("topic", 1)
PARTITIONS = 5

E = ErrorCode


def make_config(**changes: object) -> Any:
    settings: dict[str, object] = {
        "broker_id": 1,
        "inter_broker_listener_name": "PLAINTEXT",
        "request_timeout_ms": 30_000,
        "transaction_state_log_num_partitions": PARTITIONS,
        "transaction_state_log_load_buffer_size": 5 * 1024 * 1024,
        "transaction_max_timeout_ms": 900_000,
        "transaction_abort_timed_out_transaction_cleanup_interval_ms": 10_000,
        "transaction_remove_expired_transaction_cleanup_interval_ms": 3_600_000,
        "transactional_id_expiration_ms": 604_800_000,
    }
    return SimpleNamespace(**{**settings, **changes})


class TransactionReplicas(FakeReplicas):
    """The same for `__transaction_state`."""

    def log(self, partition: int) -> MemoryLog:
        return self.logs.setdefault(partition, MemoryLog(partition, TRANSACTIONS_TOPIC))

    def partition(self, topic: str, partition: int) -> Any:
        assert topic == TRANSACTIONS_TOPIC
        if partition not in self.logs:
            raise KafkaError(ErrorCode.NOT_LEADER_OR_FOLLOWER)
        return SimpleNamespace(topic=topic, partition=partition, log=self.logs[partition])

    def append_records(
        self, *, entries: Sequence[tuple[str, int, bytearray]], **how: Any
    ) -> list[AppendResult] | asyncio.Future[list[AppendResult]]:
        ((topic, partition, batch),) = entries
        assert topic == TRANSACTIONS_TOPIC
        assert how["acks"] == -1
        assert how["origin"] == "coordinator"
        self.appends.append({**how, "partition": partition})
        if self.error is not ErrorCode.NONE:
            return [AppendResult(error=self.error)]
        base_offset = self.log(partition).append(batch)
        if not self.hold:
            return [AppendResult(base_offset=base_offset)]
        future: asyncio.Future[list[AppendResult]] = asyncio.get_running_loop().create_future()
        self.held.append((future, base_offset))
        return future


class FakeLeader:
    """A broker that leads partitions: answers markers at once, with the errors it is told to."""

    def __init__(self, broker_id: int) -> None:
        self.id = broker_id
        self.markers: list[tuple[int, int, bool, int, tuple[tuple[str, int], ...]]] = []
        """(producer id, epoch, committed, coordinator epoch, partitions) of each marker that came."""
        self.errors: list[ErrorCode] = []
        """The next answers' errors; afterwards none."""
        self.unreachable = False
        self.gate: asyncio.Event | None = None

    async def send(self, request: WriteTxnMarkersRequest, version: int | None = None) -> Any:
        if self.unreachable:
            raise ConnectionError("gone")
        if self.gate is not None:
            await self.gate.wait()
        error = self.errors.pop(0) if self.errors else ErrorCode.NONE
        response = WriteTxnMarkersResponse()
        for marker in request.markers:
            partitions = tuple(
                (each.name, index) for each in marker.topics for index in each.partition_indexes
            )
            self.markers.append(
                (
                    marker.producer_id,
                    marker.producer_epoch,
                    marker.transaction_result,
                    marker.coordinator_epoch,
                    partitions,
                )
            )
            response.markers.append(
                WritableTxnMarkerResult(
                    producer_id=marker.producer_id,
                    topics=[
                        WritableTxnMarkerTopicResult(
                            name=topic,
                            partitions=[
                                WritableTxnMarkerPartitionResult(partition_index=index, error_code=error)
                            ],
                        )
                        for topic, index in partitions
                    ],
                )
            )
        return response

    def close(self) -> None:
        pass


class Harness:
    """A coordinator that owns every partition of `__transaction_state`, unless told otherwise."""

    def __init__(self, *, replicas: TransactionReplicas | None = None, **settings: object) -> None:
        self.config = make_config(**settings)
        self.replicas = TransactionReplicas() if replicas is None else replicas
        self.metadata = MetadataCache(1)
        self.leaders = {broker_id: FakeLeader(broker_id) for broker_id in (1, 2)}
        self.tell_metadata({"topic": [1, 2], "__consumer_offsets": [2]})
        self.loop = asyncio.get_running_loop()
        self._begin = self.loop.time()
        self.producer_ids = iter(range(1000, 2000))
        self.no_producer_id: ErrorCode | None = None
        self.coordinator = TransactionCoordinator(
            self.config,
            cast(Any, self.replicas),
            self.metadata,
            next_producer_id=self.next_producer_id,
            connect=self.connect,
            now_ms=self.now_ms,
        )

    def next_producer_id(self) -> int:
        if self.no_producer_id is not None:
            raise KafkaError(self.no_producer_id)
        return next(self.producer_ids)

    async def connect(self, broker_id: int, endpoint: object) -> FakeLeader:
        return self.leaders[broker_id]

    def now_ms(self) -> int:
        return START_MS + round((self.loop.time() - self._begin) * 1000)

    def tell_metadata(self, leaders: dict[str, list[int]], alive: tuple[int, ...] = (1, 2)) -> None:
        """Topics with the leader of each partition; -2 deletes one."""
        self.metadata.update(
            UpdateMetadataRequest(
                topic_states=[
                    UpdateMetadataTopicState(
                        topic_name=topic,
                        partition_states=[
                            UpdateMetadataPartitionState(partition_index=index, leader=leader)
                            for index, leader in enumerate(found)
                        ],
                    )
                    for topic, found in leaders.items()
                ],
                live_brokers=[
                    UpdateMetadataBroker(
                        id=broker_id,
                        endpoints=[UpdateMetadataEndpoint(port=9092, host="h", listener="PLAINTEXT")],
                    )
                    for broker_id in alive
                ],
            )
        )

    async def started(self, epoch: int = 0) -> Harness:
        self.coordinator.start()
        for partition in range(PARTITIONS):
            self.replicas.log(partition)
            self.coordinator.on_election(partition, epoch)
        await self.loaded()
        return self

    async def loaded(self) -> None:
        for _ in range(1_000):
            if not self.coordinator.cache.is_loading:
                await settle()
                return
            await asyncio.sleep(0)
        raise AssertionError("the transactions are never loaded")

    async def pass_ms(self, delay_ms: int) -> None:
        await asyncio.sleep(delay_ms / 1000)
        await settle()

    # -- what producers do

    def init(
        self, expected: tuple[int, int] | None = None, *, name: str | None = ID, timeout_ms: int = TIMEOUT_MS
    ) -> Any:
        found = None if expected is None else ProducerIdAndEpoch(*expected)
        return self.coordinator.init_producer_id(name, timeout_ms, found)

    def initialized(self, expected: tuple[int, int] | None = None, *, name: str = ID) -> tuple[int, int]:
        """(producer id, epoch) of an InitProducerId that is answered at once."""
        answer = self.init(expected, name=name)
        assert isinstance(answer, ProducerIdAndEpoch)
        assert answer.error is E.NONE, answer
        return answer.producer_id, answer.epoch

    def add(self, producer: tuple[int, int], *partitions: tuple[str, int], name: str = ID) -> Any:
        return self.coordinator.add_partitions(name, *producer, partitions or (TP0,))

    def verify(self, producer: tuple[int, int], *partitions: tuple[str, int], name: str = ID) -> Any:
        return self.coordinator.verify_partitions(name, *producer, partitions or (TP0,))

    def end(self, producer: tuple[int, int], *, commit: bool = True, name: str = ID) -> Any:
        return self.coordinator.end_transaction(name, *producer, commit=commit)

    def ongoing(self, *partitions: tuple[str, int], name: str = ID) -> tuple[int, int]:
        producer = self.initialized(name=name)
        assert self.add(producer, *partitions, name=name) is E.NONE
        return producer

    # -- what is

    def metadata_of(self, name: str = ID) -> TransactionMetadata:
        _, metadata = self.coordinator.cache.find(name)
        assert metadata is not None
        return metadata

    def state(self, name: str = ID) -> str:
        return self.metadata_of(name).state.label

    def logged(self, name: str = ID) -> list[str | None]:
        """The states of the id in the log, None for a tombstone."""
        found: list[str | None] = []
        for record in self.replicas.log(self.coordinator.partition_for(name)).records():
            assert record.key is not None
            if read_key(record.key) == name:
                value = record.value
                found.append(None if value is None else read_value(name, value).state.label)
        return found
