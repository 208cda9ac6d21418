# SPDX-License-Identifier: Apache-2.0
"""Clients of a simulated cluster: producers and consumers.

They speak through `commitlog.wire.client`, on hosts of their own, and behave as Kafka's clients do: leaders
from Metadata, retries until it is known what became of a request. What the cluster promised them is written
down in a `History`.
"""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from commitlog.records.batch import build_batch, decode_records, iterate_headers
from commitlog.wire.client import BrokerConnection
from commitlog.wire.errors import ErrorCode, KafkaError
from commitlog.wire.messages.fetch_request import FetchPartition, FetchRequest, FetchTopic
from commitlog.wire.messages.init_producer_id_request import InitProducerIdRequest
from commitlog.wire.messages.metadata_request import MetadataRequest, MetadataRequestTopic
from commitlog.wire.messages.produce_request import PartitionProduceData, ProduceRequest, TopicProduceData
from commitlog.wire.messages.produce_response import PartitionProduceResponse

if TYPE_CHECKING:
    from tests.simulation.checker import Checker
    from tests.simulation.cluster import Cluster

T = TypeVar("T")

REQUEST_TIMEOUT_MS = 2_500
PRODUCE_TIMEOUT_MS = 1_500
RETRY_S = 0.15
WINDOW = 3
PACE_S = 0.25
PATIENCE = 10
ACKS_ALL = -1

KNOWN_LATER = (OSError, TimeoutError, KafkaError)
"""What says nothing of the request's fate, or that another broker should be asked."""


@dataclass(slots=True)
class History:
    """What clients tried and what they were promised, by partition."""

    topic: str
    partitions: int
    promised: dict[int, dict[bytes, int]] = field(default_factory=dict)
    """Acknowledged with acks=all: value to offset (-1 where a duplicate was acknowledged without one)."""
    sent: dict[int, set[bytes]] = field(default_factory=dict)
    in_order: dict[int, list[list[bytes]]] = field(default_factory=dict)
    """Of each idempotent producer, what it sent in its order: there at most once."""
    on_acknowledged: Callable[[int, int], None] = lambda partition, offset: None
    """Told of every record that was acknowledged with acks=all: (partition, offset)."""

    def __post_init__(self) -> None:
        for partition in range(self.partitions):
            self.promised[partition] = {}
            self.sent[partition] = set()
            self.in_order[partition] = []


class Client:
    """One client process: a host, its connections, and what it believes of the cluster."""

    def __init__(self, cluster: Cluster, name: str, topic: str) -> None:
        self.host = cluster.loop.network.add_host(name)
        self.rng = random.Random(f"{name} {cluster.loop.seed}")
        self.topic = topic
        self.leaders: dict[int, tuple[int, int]] = {}
        self._name = name
        self._bootstrap = cluster.addresses
        self._brokers: dict[int, tuple[str, int]] = {}
        self._connections: dict[tuple[str, int], BrokerConnection] = {}
        self._tasks: list[asyncio.Task[None]] = []

    def start(self, work: Coroutine[Any, Any, None]) -> None:
        self._tasks.append(self.host.spawn(work))

    @property
    def idle(self) -> bool:
        """All its work is done. What made a task fail is raised."""
        for task in self._tasks:
            if task.done():
                task.result()
        return all(task.done() for task in self._tasks)

    async def pause(self, seconds: float = RETRY_S) -> None:
        await asyncio.sleep(self.rng.uniform(0.5, 1.5) * seconds)

    async def connect(self, address: tuple[str, int]) -> BrokerConnection:
        known = self._connections.get(address)
        if known is not None and not known.closed:
            return known
        opened = await BrokerConnection.open(
            *address, self._name, connect_timeout_ms=1_000, request_timeout_ms=REQUEST_TIMEOUT_MS
        )
        await opened.negotiate()
        self._connections[address] = opened
        return opened

    async def to_any(self) -> BrokerConnection:
        return await self.connect(self.rng.choice(self._bootstrap))

    async def to_broker(self, broker_id: int) -> BrokerConnection:
        address = self._brokers.get(broker_id)
        if address is None:
            raise ConnectionError(f"broker {broker_id} is not known")
        return await self.connect(address)

    async def refresh(self) -> None:
        """Ask somebody for the leaders; KafkaError or OSError when that does not help."""
        connection = await self.to_any()
        request = MetadataRequest(
            topics=[MetadataRequestTopic(name=self.topic)], allow_auto_topic_creation=False
        )
        response = await connection.send(request)
        self._brokers = {broker.node_id: (broker.host, broker.port) for broker in response.brokers}
        for topic in response.topics:
            for partition in topic.partitions:
                # As Kafka's clients do: news of an older leader epoch is no news.
                known = self.leaders.get(partition.partition_index, (-1, -1))
                if partition.leader_epoch >= known[1]:
                    self.leaders[partition.partition_index] = (partition.leader_id, partition.leader_epoch)

    async def to_leader(self, partition: int) -> BrokerConnection:
        if self.leaders.get(partition, (-1, -1))[0] < 0:
            await self.refresh()
        leader, _ = self.leaders.get(partition, (-1, -1))
        if leader < 0:
            raise KafkaError(ErrorCode.LEADER_NOT_AVAILABLE)
        return await self.to_broker(leader)

    async def retry_refresh(self) -> None:
        """After a failure: wait a little and look who leads now."""
        await self.pause()
        try:
            await self.refresh()
        except KNOWN_LATER:
            await self.pause()


@dataclass(slots=True)
class _Batch:
    values: list[bytes]
    sequence: int


class Producer:
    """Produces to one partition until it is told to stop, and then until everything is settled.

    Idempotent, it keeps up to WINDOW batches under way and repeats, in order, whatever was not acknowledged.
    Otherwise what failed is given up: it may be in the log, or not.
    """

    def __init__(
        self,
        client: Client,
        name: str,
        history: History,
        partition: int,
        *,
        acks: int = ACKS_ALL,
        idempotent: bool = True,
    ) -> None:
        self.stopping = False
        self._name = name
        self._client = client
        self._history = history
        self._partition = partition
        self._acks = acks
        self._idempotent = idempotent
        self._producer_id = -1
        self._count = 0
        self._sequence = 0
        self._refusals = 0
        self._waiting: deque[_Batch] = deque()
        self._order: list[bytes] = []

    async def run(self) -> None:
        while not (self.stopping and not self._waiting):
            if self._idempotent and self._producer_id < 0:
                await self._init_producer_id()
                continue
            if not self.stopping:
                await self._client.pause(PACE_S)
            while not self.stopping and len(self._waiting) < WINDOW and self._client.rng.randrange(3):
                self._waiting.append(self._new_batch())
            if not self._waiting:
                continue
            try:
                settled = await self._send()
            except KNOWN_LATER:
                settled = False
            if not settled:
                if not self._idempotent:
                    self._waiting.clear()
                await self._client.retry_refresh()

    async def _init_producer_id(self) -> None:
        try:
            connection = await self._client.to_any()
            request = InitProducerIdRequest(transactional_id=None, transaction_timeout_ms=60_000)
            response = await connection.send(request)
            if response.error_code == ErrorCode.NONE:
                self._producer_id = response.producer_id
                self._sequence = self._refusals = 0
                self._order = []
                self._history.in_order[self._partition].append(self._order)
                return
        except KNOWN_LATER:
            pass
        await self._client.pause()

    def _new_batch(self) -> _Batch:
        rng = self._client.rng
        values = []
        sequence = self._sequence
        for _ in range(rng.randint(1, 4)):
            values.append(f"{self._name}/{self._partition}/{self._count}".encode())
            self._count += 1
        self._sequence += len(values)
        self._order.extend(values)
        self._history.sent[self._partition].update(values)
        return _Batch(values, sequence)

    async def _send(self) -> bool:
        """Send everything that waits, note what was acknowledged; False when something was not."""
        connection = await self._client.to_leader(self._partition)
        batches = list(self._waiting)
        answers = await asyncio.gather(
            *(connection.send(self._request(batch)) for batch in batches), return_exceptions=True
        )
        for batch, answer in zip(batches, answers, strict=True):
            if isinstance(answer, BaseException):
                if not isinstance(answer, KNOWN_LATER):
                    raise answer
                return False
            if not self._settle(batch, answer.responses[0].partition_responses[0]):
                return False
            self._waiting.popleft()
        return True

    def _request(self, batch: _Batch) -> ProduceRequest:
        timestamp = 1_700_000_000_000
        padding = b"." * self._client.rng.randint(0, 120)
        records = build_batch(
            [(timestamp, value, padding, []) for value in batch.values],
            producer_id=self._producer_id,
            producer_epoch=0 if self._idempotent else -1,
            base_sequence=batch.sequence if self._idempotent else -1,
        )
        data = PartitionProduceData(index=self._partition, records=bytes(records))
        return ProduceRequest(
            acks=self._acks,
            timeout_ms=PRODUCE_TIMEOUT_MS,
            topic_data=[TopicProduceData(name=self._history.topic, partition_data=[data])],
        )

    def _settle(self, batch: _Batch, answer: PartitionProduceResponse) -> bool:
        error = answer.error_code
        if error == ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER:
            self._refused()
        if error not in (ErrorCode.NONE, ErrorCode.DUPLICATE_SEQUENCE_NUMBER):
            return False
        self._refusals = 0
        if self._acks == ACKS_ALL:
            for index, value in enumerate(batch.values):
                known = answer.base_offset >= 0 and error == ErrorCode.NONE
                offset = answer.base_offset + index if known else -1
                self._history.promised[self._partition][value] = offset
                if known:
                    self._history.on_acknowledged(self._partition, offset)
        return True

    def _refused(self) -> None:
        """A leader may be behind, and say so in the next answer. But one that was started again remembers
        only the last batch of a producer (that is all a snapshot has): if several were under way, their fate
        will never be known, and Kafka's producer begins anew too (KIP-360)."""
        self._refusals += 1
        if self._refusals > PATIENCE and len(self._waiting) > 1:
            self._waiting.clear()
            self._producer_id = -1


class Consumer:
    """Reads one partition from its start, from the leader or from any replica, until told to stop."""

    def __init__(self, client: Client, checker: Checker, partition: int, replicas: list[int]) -> None:
        self.stopping = False
        self.position = 0
        self.partition = partition
        self.offsets: list[int] = []
        """Of the records that were read, as they came."""
        self._client = client
        self._checker = checker
        self._replicas = replicas

    async def run(self) -> None:
        while not self.stopping:
            try:
                if not await self._fetch():
                    await self._client.retry_refresh()
            except KNOWN_LATER:
                await self._client.retry_refresh()

    async def _fetch(self) -> bool:
        client = self._client
        connection = await client.to_leader(self.partition)
        epoch = client.leaders[self.partition][1]
        if client.rng.randrange(4) == 0:
            # Any replica may be read from (KIP-392).
            connection = await client.to_broker(client.rng.choice(self._replicas))
        partition = FetchPartition(
            partition=self.partition,
            fetch_offset=self.position,
            current_leader_epoch=epoch,
            partition_max_bytes=4096,
        )
        request = FetchRequest(
            replica_id=-1,
            max_wait_ms=500,
            min_bytes=1,
            topics=[FetchTopic(topic=client.topic, partitions=[partition])],
        )
        response = await connection.send(request, 12)
        if response.error_code or not response.responses:
            return False
        data = response.responses[0].partitions[0]
        if data.error_code:
            return False
        records = bytes(data.records or b"")  # type: ignore[arg-type]
        for at, header in iterate_headers(records):
            for record in decode_records(records, at, header):
                if record.offset >= self.position and not header.is_control:
                    self._checker.consumed(self.partition, record.offset, record.key)
                    self.offsets.append(record.offset)
            self.position = max(self.position, header.next_offset)
        return True
