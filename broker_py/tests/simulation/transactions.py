# SPDX-License-Identifier: Apache-2.0
"""Transactions in a simulated cluster: what is committed is there to be seen, all of it, and nothing else.

The producer keeps to what Kafka's does up to KIP-890, part 1: whenever the fate of a request is not known it
asks for a new epoch before it begins the next transaction, since a late EndTxn would end that one.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field
from enum import Enum, auto

from commitlog.records.batch import build_batch, decode_records, iterate_headers
from commitlog.records.control import parse_marker
from commitlog.wire.client import BrokerConnection
from commitlog.wire.errors import ErrorCode, KafkaError
from commitlog.wire.messages.add_partitions_to_txn_request import (
    AddPartitionsToTxnRequest,
    AddPartitionsToTxnTopic,
)
from commitlog.wire.messages.end_txn_request import EndTxnRequest
from commitlog.wire.messages.fetch_request import FetchPartition, FetchRequest, FetchTopic
from commitlog.wire.messages.find_coordinator_request import FindCoordinatorRequest
from commitlog.wire.messages.init_producer_id_request import InitProducerIdRequest
from commitlog.wire.messages.produce_request import PartitionProduceData, ProduceRequest, TopicProduceData
from tests.simulation.checker import Violation
from tests.simulation.workload import ACKS_ALL, KNOWN_LATER, PRODUCE_TIMEOUT_MS, Client, History

TRANSACTION_TIMEOUT_MS = 5_000
TRANSACTION_KEY = 1
READ_COMMITTED = 1
_AGAIN = (
    ErrorCode.CONCURRENT_TRANSACTIONS,
    ErrorCode.COORDINATOR_LOAD_IN_PROGRESS,
    ErrorCode.COORDINATOR_NOT_AVAILABLE,
    ErrorCode.NOT_COORDINATOR,
    ErrorCode.NOT_ENOUGH_REPLICAS,
    ErrorCode.REQUEST_TIMED_OUT,
)


class Fate(Enum):
    """What became of a transaction, as its producer knows."""

    COMMITTED = auto()
    ABORTED = auto()
    UNKNOWN = auto()


@dataclass(slots=True)
class Transaction:
    """Its values by partition, in their order; and what its producer read in the course of it."""

    values: dict[int, list[bytes]] = field(default_factory=dict)
    fate: Fate = Fate.UNKNOWN
    asked_to_commit: bool = False
    seen: list[bytes] = field(default_factory=list)


class Ledger:
    """All transactions of a run, and whose each value is."""

    def __init__(self) -> None:
        self.transactions: list[Transaction] = []
        self.writers: dict[bytes, Transaction] = {}

    def add(self, transaction: Transaction) -> None:
        self.transactions.append(transaction)
        for values in transaction.values.values():
            self.writers.update(dict.fromkeys(values, transaction))

    def read(self, key: bytes | None, reader: object) -> None:
        """Somebody is shown a record as committed."""
        writer = self.writers.get(key or b"")
        if writer is not None and not writer.asked_to_commit:
            raise Violation(f"{reader} reads {key!r} before its producer has asked to commit it")

    def check_cycles(self) -> None:
        """No two committed transactions have read, directly or through others, of each other (G1c)."""
        sources = {
            id(one): [self.writers[key] for key in one.seen if key in self.writers]
            for one in self.transactions
            if one.fate is Fate.COMMITTED
        }
        done: set[int] = set()
        for first in self.transactions:
            path: dict[int, Transaction] = {}
            stack = [(first, False)]
            while stack:
                one, left = stack.pop()
                if left:
                    del path[id(one)]
                    done.add(id(one))
                    continue
                if id(one) in path:
                    raise Violation(f"transactions have read of each other: {list(path.values())}")
                if id(one) in done:
                    continue
                path[id(one)] = one
                stack.append((one, True))
                stack += [(source, False) for source in sources.get(id(one), [])]


class TransactionalProducer:
    """One transaction after the other, over one or more partitions."""

    def __init__(self, client: Client, history: History, ledger: Ledger) -> None:
        self.stopping = False
        self.readers = [CommittedReader(client, partition, ledger) for partition in range(history.partitions)]
        self._ledger = ledger
        self.client = client
        self._history = history
        self._id = client.host.name
        self._coordinator: tuple[str, int] | None = None
        self._producer_id, self._epoch = -1, -1
        self._sequences: dict[int, int] = {}
        self._count = 0

    async def run(self) -> None:
        client = self.client
        fresh = False
        while not self.stopping:
            await client.pause(0.3)
            if not fresh:
                await self._renew()
            fresh = await self._one()
        await self._renew()

    async def _renew(self) -> None:
        """A new epoch: whatever is open is aborted, whatever is under way is fenced."""
        request = InitProducerIdRequest(
            transactional_id=self._id, transaction_timeout_ms=TRANSACTION_TIMEOUT_MS
        )
        while True:
            try:
                response = await (await self._to_coordinator()).send(request)
                if response.error_code == ErrorCode.NONE:
                    self._producer_id, self._epoch = response.producer_id, response.producer_epoch
                    self._sequences.clear()
                    return
                if response.error_code not in _AGAIN:
                    raise Violation(f"{self._id}: InitProducerId gives {ErrorCode.of(response.error_code)!r}")
            except KNOWN_LATER:
                pass
            self._coordinator = None
            await self.client.pause()

    async def _one(self) -> bool:
        """One transaction; False when a new epoch is needed before the next."""
        rng = self.client.rng
        transaction = Transaction()
        for partition in sorted(rng.sample(range(self._history.partitions), rng.randint(1, 2))):
            values = []
            for _ in range(rng.randint(1, 3)):
                values.append(f"{self._id}/{partition}/{self._count}".encode())
                self._count += 1
            transaction.values[partition] = values
            self._history.sent[partition].update(values)
        self._ledger.add(transaction)
        commit = rng.randrange(4) > 0
        try:
            await self._write(transaction)
        except KNOWN_LATER:
            # Not one request to commit it was made, and none will be.
            transaction.fate = Fate.ABORTED
            await self.client.retry_refresh()
            return False
        await self._look_around(transaction)
        transaction.asked_to_commit = commit
        sure, transaction.fate = await self._end(commit)
        return sure

    async def _look_around(self, transaction: Transaction) -> None:
        """Read on, within the transaction, in what is committed."""
        for reader in self.readers:
            known = len(reader.read)
            with contextlib.suppress(*KNOWN_LATER):
                await reader.fetch(max_wait_ms=20)
            transaction.seen += [key for _, key in reader.read[known:] if key is not None]

    async def _write(self, transaction: Transaction) -> None:
        topic = self._history.topic
        request = AddPartitionsToTxnRequest(
            v3_and_below_transactional_id=self._id,
            v3_and_below_producer_id=self._producer_id,
            v3_and_below_producer_epoch=self._epoch,
            v3_and_below_topics=[AddPartitionsToTxnTopic(name=topic, partitions=list(transaction.values))],
        )
        for _ in range(20):
            answer = await (await self._to_coordinator()).send(request, 3)
            results = answer.results_by_topic_v3_and_below[0].results_by_partition
            errors = {one.partition_error_code for one in results} - {0, ErrorCode.OPERATION_NOT_ATTEMPTED}
            if errors != {ErrorCode.CONCURRENT_TRANSACTIONS}:
                break
            await self.client.pause()  # the markers of the transaction before are on their way
        if errors:
            self._coordinator = None
            raise KafkaError(ErrorCode.of(min(errors)))
        for partition, values in transaction.values.items():
            await self._produce(partition, values)

    async def _produce(self, partition: int, values: list[bytes]) -> None:
        records = build_batch(
            [(1_700_000_000_000, value, b"in a transaction", []) for value in values],
            producer_id=self._producer_id,
            producer_epoch=self._epoch,
            base_sequence=self._sequences.get(partition, 0),
            is_transactional=True,
        )
        data = PartitionProduceData(index=partition, records=bytes(records))
        request = ProduceRequest(
            transactional_id=self._id,
            acks=ACKS_ALL,
            timeout_ms=PRODUCE_TIMEOUT_MS,
            topic_data=[TopicProduceData(name=self._history.topic, partition_data=[data])],
        )
        answer = await (await self.client.to_leader(partition)).send(request)
        error = answer.responses[0].partition_responses[0].error_code
        if error:
            raise KafkaError(ErrorCode.of(error))
        self._sequences[partition] = self._sequences.get(partition, 0) + len(values)

    async def _end(self, commit: bool) -> tuple[bool, Fate]:
        """(whether one request was enough, the outcome)."""
        request = EndTxnRequest(
            transactional_id=self._id,
            producer_id=self._producer_id,
            producer_epoch=self._epoch,
            committed=commit,
        )
        sure = True
        while True:
            try:
                response = await (await self._to_coordinator()).send(request)
                if response.error_code == ErrorCode.NONE:
                    return sure, Fate.COMMITTED if commit else Fate.ABORTED
                if response.error_code not in _AGAIN:
                    # Its time was over, and the coordinator has aborted it; unless an earlier try was heard.
                    return False, Fate.UNKNOWN if commit else Fate.ABORTED
            except KNOWN_LATER:
                pass
            sure = False
            self._coordinator = None
            await self.client.pause()

    async def _to_coordinator(self) -> BrokerConnection:
        if self._coordinator is None:
            connection = await self.client.to_any()
            request = FindCoordinatorRequest(key=self._id, key_type=TRANSACTION_KEY)
            response = await connection.send(request, 3)
            if response.error_code:
                raise KafkaError(ErrorCode.of(response.error_code))
            self._coordinator = (response.host, response.port)
        return await self.client.connect(self._coordinator)


class CommittedReader:
    """Reads one partition with read_committed, and leaves out what was aborted, as Kafka's consumer does."""

    def __init__(self, client: Client, partition: int, ledger: Ledger) -> None:
        self.stopping = False
        self._ledger = ledger
        self.partition = partition
        self.read: list[tuple[int, bytes | None]] = []
        self.position = 0
        self.client = client

    async def run(self) -> None:
        while not self.stopping:
            try:
                if not await self.fetch():
                    await self.client.retry_refresh()
            except KNOWN_LATER:
                await self.client.retry_refresh()

    async def fetch(self, max_wait_ms: int = 500) -> bool:
        """Ask once; False when that brought an error."""
        client = self.client
        connection = await client.to_leader(self.partition)
        partition = FetchPartition(
            partition=self.partition, fetch_offset=self.position, partition_max_bytes=4096
        )
        request = FetchRequest(
            replica_id=-1,
            max_wait_ms=max_wait_ms,
            min_bytes=1,
            isolation_level=READ_COMMITTED,
            topics=[FetchTopic(topic=client.topic, partitions=[partition])],
        )
        response = await connection.send(request, 12)
        if response.error_code or not response.responses or response.responses[0].partitions[0].error_code:
            return False
        data = response.responses[0].partitions[0]
        aborted = sorted((one.first_offset, one.producer_id) for one in data.aborted_transactions or [])
        self._take(bytes(data.records or b""), aborted)  # type: ignore[arg-type]
        return True

    def _take(self, records: bytes, aborted: list[tuple[int, int]]) -> None:
        open_aborts: set[int] = set()
        for at, header in iterate_headers(records):
            while aborted and aborted[0][0] <= header.last_offset:
                open_aborts.add(aborted.pop(0)[1])
            batch = decode_records(records, at, header)
            if header.is_control:
                marker = parse_marker(batch[0])
                if marker is not None and not marker[0]:
                    open_aborts.discard(header.producer_id)
            elif not (header.is_transactional and header.producer_id in open_aborts):
                shown = [(one.offset, one.key) for one in batch if one.offset >= self.position]
                for _, key in shown:
                    self._ledger.read(key, self.client.host)
                self.read += shown
            self.position = max(self.position, header.next_offset)


def visible(data: bytes | bytearray, where: str) -> list[tuple[int, bytes | None]]:
    """What read_committed shows of a log: (offset, key) in the log's order. Nothing may be open in it."""
    shown: list[tuple[int, bytes | None]] = []
    pending: dict[int, list[tuple[int, bytes | None]]] = {}
    for at, header in iterate_headers(data):
        records = decode_records(data, at, header)
        keys = [(one.offset, one.key) for one in records]
        if header.is_control:
            marker = parse_marker(records[0])
            ended = pending.pop(header.producer_id, [])
            if marker is not None and marker[0]:
                shown += ended
        elif header.is_transactional:
            pending.setdefault(header.producer_id, []).extend(keys)
        else:
            shown += keys
    if pending:
        raise Violation(f"{where}: transactions of {sorted(pending)} have no end")
    return sorted(shown)


def check_transactions(
    transactions: list[Transaction],
    shown: dict[int, list[tuple[int, bytes | None]]],
    readers: list[CommittedReader],
) -> None:
    """All of a committed transaction is shown, in its order; nothing of an aborted one; readers saw that."""
    for reader in readers:
        expected = [one for one in shown[reader.partition] if one[0] < reader.position]
        if reader.read != expected:
            wrong = sorted(set(reader.read) ^ set(expected))[:3]
            raise Violation(f"read_committed of partition {reader.partition} differs from the log in {wrong}")
    keys = {partition: [key for _, key in records] for partition, records in shown.items()}
    for transaction in transactions:
        found = {
            partition: [key for key in keys[partition] if key in set(values)]
            for partition, values in transaction.values.items()
        }
        nothing = not any(found.values())
        if transaction.fate is Fate.ABORTED and not nothing:
            raise Violation(f"an aborted transaction is shown: {found}")
        if found != transaction.values and not (transaction.fate is not Fate.COMMITTED and nothing):
            raise Violation(f"a transaction is {transaction.fate}: {transaction.values}, shown is {found}")
