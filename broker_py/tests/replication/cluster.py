# SPDX-License-Identifier: Apache-2.0
"""Brokers wired together in one process: real logs, API handlers and wire codec, but no sockets.

A connection is a direct call through encode and decode on both ways, so that what a follower sends
is what its version allows. The controller is a table with the rules of KafkaController.alterPartition.
"""

from __future__ import annotations

import asyncio
import random
import uuid
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from commitlog.apis import (
    k00_produce,
    k01_fetch,
    k02_list_offsets,
    k21_delete_records,
    k23_offset_for_leader_epoch,
    k27_write_txn_markers,
    k61_describe_producers,
)
from commitlog.apis.registry import Api
from commitlog.apis.services import RequestContext
from commitlog.config.broker import BrokerConfig
from commitlog.config.topic import TopicConfig
from commitlog.records.batch import build_batch, decode_records, iterate_headers
from commitlog.replication.fetch import DelayedFetch, FetchIsolation, FetchParams, FetchPartition, FetchResult
from commitlog.replication.fetch_session import FetchSessionCache
from commitlog.replication.metadata_cache import ZERO_UUID, Endpoint, MetadataCache
from commitlog.replication.partition import Partition
from commitlog.replication.replica_manager import AppendResult, ReplicaManager
from commitlog.security.principal import ANONYMOUS
from commitlog.storage.disk import LocalDisk
from commitlog.storage.log import Log
from commitlog.storage.log_manager import LogManager
from commitlog.storage.log_manager_settings import LogManagerSettings
from commitlog.wire import frames
from commitlog.wire.errors import ErrorCode
from commitlog.wire.messages import alter_partition_response as alter_response
from commitlog.wire.messages.alter_partition_request import AlterPartitionRequest
from commitlog.wire.messages.leader_and_isr_request import (
    LeaderAndIsrPartitionState,
    LeaderAndIsrRequest,
    LeaderAndIsrTopicState,
)
from commitlog.wire.messages.leader_and_isr_response import LeaderAndIsrResponse
from commitlog.wire.messages.stop_replica_request import (
    StopReplicaPartitionState,
    StopReplicaRequest,
    StopReplicaTopicState,
)
from commitlog.wire.messages.update_metadata_request import (
    UpdateMetadataBroker,
    UpdateMetadataEndpoint,
    UpdateMetadataPartitionState,
    UpdateMetadataRequest,
    UpdateMetadataTopicState,
)
from commitlog.wire.regions import FileRegion
from tests.replication.virtual_time import run

LISTENER = "PLAINTEXT"
EPOCH_MS = 1_700_000_000_000
LATENCY_S = 0.0005
APIS: dict[int, Api] = {
    api.key: api
    for api in (
        k00_produce.API,
        k01_fetch.API,
        k02_list_offsets.API,
        k21_delete_records.API,
        k23_offset_for_leader_epoch.API,
        k27_write_txn_markers.API,
        k61_describe_producers.API,
    )
}


class FastDisk(LocalDisk):
    """A disk that does not sync: these tests lose no power."""

    def fsync_dir(self, path: str) -> None: ...

    def write_atomic(self, path: str, data: bytes) -> None:
        temporary = Path(path + ".tmp")
        temporary.write_bytes(data)
        temporary.replace(path)


def now_ms() -> int:
    return EPOCH_MS + round(asyncio.get_running_loop().time() * 1000)


def make_config(broker_id: int, log_dirs: Sequence[Path], **overrides: object) -> BrokerConfig:
    properties = {
        "broker.id": str(broker_id),
        "zookeeper.connect": "localhost:2181",
        "log.dirs": ",".join(map(str, log_dirs)),
        "listeners": f"{LISTENER}://127.0.0.1:{9092 + broker_id}",
        **{name.replace("_", "."): str(value) for name, value in overrides.items()},
    }
    return BrokerConfig.from_properties(properties)


@dataclass
class PartitionRecord:
    """What ZooKeeper would say of one partition."""

    replicas: list[int]
    leader: int
    isr: list[int]
    leader_epoch: int = 0
    partition_epoch: int = 0
    topic_id: bytes = ZERO_UUID


class Node:
    """One broker: its disk outlives it, everything else is made anew when it restarts."""

    def __init__(
        self, cluster: Cluster, broker_id: int, log_dir: Path, settings: Mapping[str, object]
    ) -> None:
        self.cluster = cluster
        self.id = broker_id
        self.log_dir = log_dir
        self.settings = dict(settings)
        self.alive = False
        self.replicas: ReplicaManager
        self.logs: LogManager
        self.services: Any
        self.sent: list[tuple[int, int]] = []  # (api key, version) of every request received

    async def start(self) -> None:
        self.log_dirs = [
            self.log_dir,
            *(self.log_dir.with_name(f"{self.log_dir.name}-{name}") for name in self.cluster.more_log_dirs),
        ]
        config = make_config(self.id, self.log_dirs, **self.settings)
        self.log_dir.mkdir(parents=True, exist_ok=True)
        rng = random.Random(self.id)
        topics = self.cluster.topic_configs
        self.logs = LogManager(
            FastDisk(),
            [str(path) for path in self.log_dirs],
            broker_id=self.id,
            cluster_id="cluster",
            topic_config=lambda topic: TopicConfig.build(config, topics.get(topic, {})),
            settings=LogManagerSettings(),
            now_ms=now_ms,
            rng=rng,
            on_log_dir_failure=self._log_dir_failed,
        )
        await self.logs.load()
        metadata = MetadataCache(self.id)
        self.replicas = ReplicaManager(
            config, self.logs, metadata, connect=self._connect, now_ms=now_ms, rng=rng
        )
        self.services = SimpleNamespace(
            config=config,
            broker_id=self.id,
            metadata=metadata,
            replicas=self.replicas,
            verifier=SimpleNamespace(is_enabled=False),
            fetch_sessions=FetchSessionCache(1000, 120_000, now_ms, rng),
            now_ms=now_ms,
            rng=rng,
        )
        self.replicas.start()
        self.alive = True

    def _log_dir_failed(self, log_dir: str) -> None:
        self.replicas.handle_log_dir_failure(log_dir)

    async def kill(self) -> None:
        """kill -9: nobody is told, nothing is written, connections break."""
        self.alive = False
        self.cluster.break_connections(self.id)
        await self.replicas.fetchers.stop()
        await self.replicas.alter_log_dirs.stop()
        await self.replicas.isr_changes.stop()
        task = self.replicas._isr_task
        assert task is not None
        task.cancel()
        await self.logs.shutdown(clean=False)

    async def stop(self) -> None:
        self.alive = False
        self.cluster.break_connections(self.id)
        await self.replicas.stop()
        await self.logs.shutdown()

    async def _connect(self, broker_id: int, endpoint: Endpoint) -> DirectConnection:
        await asyncio.sleep(LATENCY_S)
        if not self.cluster.reachable(self.id, broker_id):
            raise ConnectionError(f"broker {broker_id} is not reachable")
        connection = DirectConnection(self.cluster, self.id, broker_id)
        self.cluster.connections.append(connection)
        return connection

    def throttle(self, **rates: int) -> None:
        """What kafka-configs makes of this broker's dynamic settings."""
        names = {name: f"{name.replace('_', '.')}" for name in rates}
        config = self.replicas.config
        config.update_dynamic({}, {names[name]: str(rate) for name, rate in rates.items()})
        self.replicas.quotas.config_changed()

    def partition(self, topic: str, index: int = 0) -> Partition:
        return self.replicas.partition(topic, index)

    def log(self, topic: str, index: int = 0) -> Log:
        return self.partition(topic, index).log_or_raise()

    def values(self, topic: str, index: int = 0) -> list[bytes | None]:
        """Every record value in the log, committed or not."""
        log = self.log(topic, index)
        values: list[bytes | None] = []
        offset = log.log_start_offset
        while offset < log.log_end_offset:  # a read ends with its segment
            read = log.read(offset, 1 << 30, upper_offset=log.log_end_offset)
            data = b"".join(region.read() for region in read.regions)
            for position, header in iterate_headers(data):
                values += [record.value for record in decode_records(data, position, header)]
                offset = header.next_offset
        return values

    def append(
        self, topic: str, *values: bytes, index: int = 0, acks: int = -1, timeout_ms: int = 30_000
    ) -> list[AppendResult] | asyncio.Future[list[AppendResult]]:
        batch = build_batch([(now_ms(), None, value, ()) for value in values])
        return self.replicas.append_records(acks=acks, timeout_ms=timeout_ms, entries=[(topic, index, batch)])

    async def produce(
        self, topic: str, *values: bytes, index: int = 0, acks: int = -1, timeout_ms: int = 30_000
    ) -> AppendResult:
        outcome = self.append(topic, *values, index=index, acks=acks, timeout_ms=timeout_ms)
        return (outcome if isinstance(outcome, list) else await outcome)[0]

    def fetch(
        self,
        topic: str,
        offset: int,
        *,
        index: int = 0,
        max_wait_ms: int = 0,
        min_bytes: int = 1,
        max_bytes: int = 1 << 20,
        replica_id: int = -1,
        isolation_level: int = 0,
        version: int = 12,
        current_leader_epoch: int = -1,
        last_fetched_epoch: int = -1,
        rack: str = "",
    ) -> list[FetchResult] | DelayedFetch:
        params = FetchParams(
            version,
            replica_id,
            max_wait_ms,
            min_bytes,
            max_bytes,
            FetchIsolation.of(replica_id, isolation_level),
            rack,
        )
        request = FetchPartition(
            topic,
            index,
            ZERO_UUID,
            offset,
            max_bytes,
            0,
            current_leader_epoch,
            last_fetched_epoch,
        )
        return self.replicas.fetch(params, [request])

    async def call(self, request: Any, version: int) -> Any:
        """A client's request, through the codec of that version."""
        return await DirectConnection(self.cluster, -1, self.id).send(request, version)


class DirectConnection:
    """What BrokerConnection is to a follower, without a socket."""

    def __init__(self, cluster: Cluster, source: int, target: int) -> None:
        self._cluster = cluster
        self.source = source
        self.target = target
        self._closed: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def negotiate(self) -> Mapping[int, tuple[int, int]]:
        return {AlterPartitionRequest.API_KEY: (0, self._cluster.alter_partition_version)}

    async def send(self, msg: Any, version: int | None = None) -> Any:
        assert version is not None
        await self._travel()
        node = self._cluster.nodes[self.target]
        node.sent.append((msg.API_KEY, version))
        frame = bytearray(frames.encode_request(msg, version, 7, f"broker-{self.source}-fetcher"))
        view = memoryview(frame)[4:]
        header = frames.decode_request_header(view)
        response = await self._answer(node, header, frames.decode_request(header, view))
        if response is None:
            return None
        parts = frames.encode_response(response, version, header.correlation_id)
        payload = b"".join(part.read() if isinstance(part, FileRegion) else bytes(part) for part in parts)
        await self._travel()
        correlation_id, answer = frames.decode_response(msg.API_KEY, version, memoryview(payload)[4:])
        assert correlation_id == 7
        return answer

    async def _travel(self) -> None:
        await asyncio.sleep(LATENCY_S)
        if self._closed.done() or not self._cluster.reachable(self.source, self.target):
            raise ConnectionError(f"connection to {self.target} is broken")

    async def _answer(self, node: Node, header: frames.RequestHeader, request: Any) -> Any:
        if isinstance(request, AlterPartitionRequest):
            return self._cluster.alter_partition(request, header.api_version)
        context = RequestContext(header, "127.0.0.1", 1, LISTENER, ANONYMOUS, "", self.close)
        outcome = APIS[header.api_key].handle(node.services, context, request)
        if not isinstance(outcome, Awaitable):
            return outcome
        waiting = asyncio.ensure_future(outcome)
        await asyncio.wait([waiting, self._closed], return_when=asyncio.FIRST_COMPLETED)
        if not waiting.done():
            waiting.cancel()
            raise ConnectionError(f"connection to {self.target} was closed")
        return waiting.result()

    def close(self) -> None:
        if not self._closed.done():
            self._closed.set_result(None)


@dataclass
class Cluster:
    """Nodes, the network between them, and a controller."""

    directory: Path
    settings: Mapping[str, object] = field(default_factory=dict)
    nodes: dict[int, Node] = field(default_factory=dict)
    partitions: dict[tuple[str, int], PartitionRecord] = field(default_factory=dict)
    topic_configs: dict[str, Mapping[str, str]] = field(default_factory=dict)
    connections: list[DirectConnection] = field(default_factory=list)
    cut: set[frozenset[int]] = field(default_factory=set)
    racks: dict[int, str] = field(default_factory=dict)
    more_log_dirs: tuple[str, ...] = ()
    """Directories that every broker has beside its first one."""
    controller_epoch: int = 1
    alter_partition_version: int = 3
    alter_partition_errors: list[ErrorCode] = field(default_factory=list)
    alter_partition_requests: list[AlterPartitionRequest] = field(default_factory=list)

    async def start(self, *broker_ids: int) -> None:
        for broker_id in broker_ids:
            node = Node(self, broker_id, self.directory / f"broker-{broker_id}", self.settings)
            self.nodes[broker_id] = node
            await node.start()
        self.update_metadata()

    async def stop(self) -> None:
        for node in self.nodes.values():
            if node.alive:
                await node.stop()

    # --- the network ----------------------------------------------------------------------------------------

    def reachable(self, source: int, target: int) -> bool:
        return self.nodes[target].alive and frozenset({source, target}) not in self.cut

    def partition_network(self, a: int, b: int) -> None:
        self.cut.add(frozenset({a, b}))
        for connection in self.connections:
            if {connection.source, connection.target} == {a, b}:
                connection.close()

    def break_connections(self, broker_id: int) -> None:
        for connection in self.connections:
            if broker_id in (connection.source, connection.target):
                connection.close()

    # --- the controller -------------------------------------------------------------------------------------

    @property
    def alive(self) -> list[int]:
        return [node.id for node in self.nodes.values() if node.alive]

    def create_topic(
        self,
        topic: str,
        replicas: Sequence[int],
        *,
        partitions: int = 1,
        with_id: bool = True,
        **config: object,
    ) -> bytes:
        topic_id = uuid.uuid5(uuid.NAMESPACE_OID, topic).bytes if with_id else ZERO_UUID
        self.topic_configs[topic] = {name.replace("_", "."): str(value) for name, value in config.items()}
        for index in range(partitions):
            self.partitions[topic, index] = PartitionRecord(
                list(replicas), replicas[0], [b for b in replicas if b in self.alive], topic_id=topic_id
            )
        self.update_metadata()
        for index in range(partitions):
            self.leader_and_isr(topic, index, is_new=True)
        return topic_id

    async def crash(self, broker_id: int, *, unclean: bool = False) -> None:
        """kill -9, and what the controller does: elect from the ISR, or from all that live when unclean."""
        await self.nodes[broker_id].kill()
        self.update_metadata()
        for (topic, index), record in self.partitions.items():
            if broker_id not in record.replicas:
                continue
            isr = [broker for broker in record.isr if broker in self.alive]
            candidates = [broker for broker in record.replicas if broker in isr]
            if not candidates and unclean:
                candidates = isr = [broker for broker in record.replicas if broker in self.alive][:1]
            # The last of the ISR stays in it: only it can say what was committed.
            leader = record.leader if record.leader in isr else next(iter(candidates), -1)
            self.elect(topic, leader, isr or record.isr, index)

    async def recover(self, broker_id: int, *, unclean: bool = False) -> None:
        """The broker is back: it gets its partitions, and leads those that had nobody left."""
        await self.nodes[broker_id].start()
        self.update_metadata()
        for (topic, index), record in self.partitions.items():
            if broker_id not in record.replicas:
                continue
            if record.leader == -1 and (broker_id in record.isr or unclean):
                self.elect(topic, broker_id, [broker_id], index)
            else:
                self.leader_and_isr(topic, index, to=[broker_id])

    def elect(self, topic: str, leader: int, isr: Sequence[int] | None = None, index: int = 0) -> None:
        """A new leader, with a new epoch; everybody alive is told."""
        record = self.partitions[topic, index]
        record.leader = leader
        record.leader_epoch += 1
        record.partition_epoch += 1
        if isr is not None:
            record.isr = list(isr)
        self.update_metadata()
        self.leader_and_isr(topic, index)

    def leader_and_isr(
        self,
        topic: str,
        index: int = 0,
        *,
        to: Sequence[int] | None = None,
        is_new: bool = False,
        version: int = 7,
    ) -> dict[int, LeaderAndIsrResponse]:
        record = self.partitions[topic, index]
        answers = {}
        for broker_id in record.replicas if to is None else to:
            if self.nodes[broker_id].alive:
                request = self.leader_and_isr_request(topic, index, is_new=is_new)
                answers[broker_id] = self.nodes[broker_id].replicas.become_leader_or_follower(
                    request, version
                )
        return answers

    def leader_and_isr_request(
        self, topic: str, index: int = 0, *, is_new: bool = False
    ) -> LeaderAndIsrRequest:
        record = self.partitions[topic, index]
        state = LeaderAndIsrPartitionState(
            partition_index=index,
            controller_epoch=self.controller_epoch,
            leader=record.leader,
            leader_epoch=record.leader_epoch,
            isr=list(record.isr),
            partition_epoch=record.partition_epoch,
            replicas=list(record.replicas),
            is_new=is_new,
        )
        return LeaderAndIsrRequest(
            controller_id=0,
            controller_epoch=self.controller_epoch,
            topic_states=[
                LeaderAndIsrTopicState(topic_name=topic, topic_id=record.topic_id, partition_states=[state])
            ],
        )

    def update_metadata(self, *, to: Sequence[int] | None = None) -> None:
        request = self.update_metadata_request()
        for broker_id in self.alive if to is None else to:
            assert self.nodes[broker_id].replicas.update_metadata(request).error_code == 0

    def update_metadata_request(self) -> UpdateMetadataRequest:
        topics: dict[str, UpdateMetadataTopicState] = {}
        for (topic, index), record in self.partitions.items():
            state = topics.setdefault(
                topic, UpdateMetadataTopicState(topic_name=topic, topic_id=record.topic_id)
            )
            state.partition_states.append(
                UpdateMetadataPartitionState(
                    partition_index=index,
                    controller_epoch=self.controller_epoch,
                    leader=record.leader,
                    leader_epoch=record.leader_epoch,
                    isr=list(record.isr),
                    zk_version=record.partition_epoch,
                    replicas=list(record.replicas),
                )
            )
        return UpdateMetadataRequest(
            controller_id=self.alive[0] if self.alive else -1,
            controller_epoch=self.controller_epoch,
            topic_states=list(topics.values()),
            live_brokers=[
                UpdateMetadataBroker(
                    id=broker_id,
                    rack=self.racks.get(broker_id),
                    endpoints=[
                        UpdateMetadataEndpoint(port=9092 + broker_id, host="127.0.0.1", listener=LISTENER)
                    ],
                )
                for broker_id in self.alive
            ],
        )

    def stop_replica(
        self, topic: str, broker_id: int, *, delete: bool, leader_epoch: int = -1, index: int = 0
    ) -> Any:
        state = StopReplicaPartitionState(
            partition_index=index, leader_epoch=leader_epoch, delete_partition=delete
        )
        request = StopReplicaRequest(
            controller_epoch=self.controller_epoch,
            topic_states=[StopReplicaTopicState(topic_name=topic, partition_states=[state])],
        )
        return self.nodes[broker_id].replicas.stop_replicas(request)

    def alter_partition(
        self, request: AlterPartitionRequest, version: int
    ) -> alter_response.AlterPartitionResponse:
        """KafkaController.alterPartition, with errors to order."""
        self.alter_partition_requests.append(request)
        response = alter_response.AlterPartitionResponse()
        names = {record.topic_id: topic for (topic, _), record in self.partitions.items()}
        for topic in request.topics:
            name = topic.topic_name if version < 2 else names.get(topic.topic_id, "")
            answer = alter_response.TopicData(topic_name=topic.topic_name, topic_id=topic.topic_id)
            response.topics.append(answer)
            for data in topic.partitions:
                isr = (
                    [state.broker_id for state in data.new_isr_with_epochs] if version >= 3 else data.new_isr
                )
                record = self.partitions[name, data.partition_index]
                error = self._alter_error(record, data.leader_epoch, data.partition_epoch, isr)
                if error is ErrorCode.NONE and list(isr) != record.isr:
                    record.isr = list(isr)
                    record.partition_epoch += 1
                answer.partitions.append(
                    alter_response.PartitionData(
                        partition_index=data.partition_index,
                        error_code=error,
                        leader_id=record.leader,
                        leader_epoch=record.leader_epoch,
                        isr=list(record.isr),
                        partition_epoch=record.partition_epoch,
                    )
                )
        return response

    def _alter_error(
        self, record: PartitionRecord, leader_epoch: int, partition_epoch: int, isr: Sequence[int]
    ) -> ErrorCode:
        if self.alter_partition_errors:
            return self.alter_partition_errors.pop(0)
        if leader_epoch > record.leader_epoch:
            return ErrorCode.NOT_CONTROLLER
        if leader_epoch < record.leader_epoch:
            return ErrorCode.FENCED_LEADER_EPOCH
        if list(isr) == record.isr:
            return ErrorCode.NONE
        if partition_epoch < record.partition_epoch:
            return ErrorCode.INVALID_UPDATE_VERSION
        if any(broker_id not in self.alive for broker_id in isr):
            return ErrorCode.INELIGIBLE_REPLICA
        return ErrorCode.NONE


def scenario(
    path: Path,
    main: Callable[[Cluster], Awaitable[None]],
    *brokers: int,
    more_log_dirs: tuple[str, ...] = (),
    **settings: object,
) -> None:
    """Run one story over brokers 0, 1 and 2 (or those named) in virtual time."""

    async def body() -> None:
        cluster = Cluster(path, settings, more_log_dirs=more_log_dirs)
        await cluster.start(*(brokers or (0, 1, 2)))
        await main(cluster)
        await cluster.stop()

    run(body())
