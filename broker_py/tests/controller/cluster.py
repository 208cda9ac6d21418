# SPDX-License-Identifier: Apache-2.0
"""A cluster of real controllers over in-memory coordination, with brokers that only remember what they are
told.

Run it under virtual time: ``settle()`` lets everything happen that happens within a second.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from commitlog.config.broker import BrokerConfig
from commitlog.controller.context import TopicPartition
from commitlog.controller.controller import KafkaController
from commitlog.controller.topic_admin import NewTopic, TopicAdmin
from commitlog.coordination import paths
from commitlog.coordination.client import CoordinationError, NodeExists, NoNode, SessionState, ensure_path
from commitlog.coordination.documents import BrokerRegistration, Endpoint, PartitionState
from commitlog.coordination.memory import MemoryCoordination, MemoryEnsemble
from commitlog.replication.metadata_cache import MetadataCache
from commitlog.wire.errors import ErrorCode
from commitlog.wire.frames import decode_request, decode_request_header, encode_request
from commitlog.wire.messages.alter_partition_request import (
    AlterPartitionRequest,
    BrokerState,
    PartitionData,
    TopicData,
)
from commitlog.wire.messages.alter_partition_response import AlterPartitionResponse
from commitlog.wire.messages.leader_and_isr_request import LeaderAndIsrPartitionState, LeaderAndIsrRequest
from commitlog.wire.messages.leader_and_isr_response import (
    LeaderAndIsrPartitionError,
    LeaderAndIsrResponse,
    LeaderAndIsrTopicError,
)
from commitlog.wire.messages.stop_replica_request import StopReplicaRequest
from commitlog.wire.messages.stop_replica_response import StopReplicaPartitionError, StopReplicaResponse
from commitlog.wire.messages.update_metadata_request import UpdateMetadataRequest
from commitlog.wire.messages.update_metadata_response import UpdateMetadataResponse


@dataclass
class FakeBroker:
    """The part of a broker that a controller sees."""

    id: int
    alive: bool = True
    metadata: MetadataCache = field(init=False)
    requests: list[tuple[Any, int]] = field(default_factory=list)
    hosted: dict[TopicPartition, LeaderAndIsrPartitionState] = field(default_factory=dict)
    deleted: list[TopicPartition] = field(default_factory=list)
    lost_disks: set[TopicPartition] = field(default_factory=set)
    refuse_deletion: bool = False
    controller_epoch: int = 0

    def __post_init__(self) -> None:
        self.metadata = MetadataCache(self.id)

    def handle(self, message: Any, version: int) -> Any:
        self.requests.append((message, version))
        if message.controller_epoch < self.controller_epoch:
            answers = (UpdateMetadataResponse, LeaderAndIsrResponse, StopReplicaResponse)
            kinds = (UpdateMetadataRequest, LeaderAndIsrRequest, StopReplicaRequest)
            answer: Any = answers[kinds.index(type(message))]
            return answer(error_code=ErrorCode.STALE_CONTROLLER_EPOCH)
        self.controller_epoch = message.controller_epoch
        if isinstance(message, UpdateMetadataRequest):
            self.metadata.update(message)
            return UpdateMetadataResponse()
        if isinstance(message, LeaderAndIsrRequest):
            return self._leader_and_isr(message, version)
        assert isinstance(message, StopReplicaRequest)
        return self._stop_replica(message)

    def _leader_and_isr(self, request: LeaderAndIsrRequest, version: int) -> LeaderAndIsrResponse:
        response = LeaderAndIsrResponse()
        for topic in request.topic_states:
            errors = []
            for state in topic.partition_states:
                name = TopicPartition(topic.topic_name, state.partition_index)
                code = ErrorCode.KAFKA_STORAGE_ERROR if name in self.lost_disks else ErrorCode.NONE
                errors.append(
                    LeaderAndIsrPartitionError(
                        topic_name=topic.topic_name, partition_index=name.partition, error_code=code
                    )
                )
                if code == ErrorCode.NONE:
                    self.hosted[name] = state
            if version >= 5:
                response.topics.append(LeaderAndIsrTopicError(topic.topic_id, errors))
            else:
                response.partition_errors += errors
        return response

    def _stop_replica(self, request: StopReplicaRequest) -> StopReplicaResponse:
        response = StopReplicaResponse()
        for topic in request.topic_states:
            for state in topic.partition_states:
                name = TopicPartition(topic.topic_name, state.partition_index)
                code = ErrorCode.NONE
                if state.delete_partition and self.refuse_deletion:
                    code = ErrorCode.KAFKA_STORAGE_ERROR
                elif state.delete_partition:
                    self.deleted.append(name)
                    self.hosted.pop(name, None)
                response.partition_errors.append(StopReplicaPartitionError(*name, error_code=code))
        return response

    def sent(self, kind: type) -> list[Any]:
        return [message for message, _ in self.requests if isinstance(message, kind)]

    def leads(self) -> set[TopicPartition]:
        return {name for name, state in self.hosted.items() if state.leader == self.id}


class FakeLink:
    """A connection that carries real frames."""

    def __init__(self, broker: FakeBroker) -> None:
        self._broker = broker

    async def send(self, msg: Any, version: int | None = None) -> Any:
        assert version is not None, "the controller does not negotiate"
        frame = memoryview(encode_request(msg, version, 1, "controller"))[4:]
        await asyncio.sleep(0.001)
        if not self._broker.alive:
            raise ConnectionError("the broker is down")
        header = decode_request_header(frame)
        response = self._broker.handle(decode_request(header, frame), version)
        await asyncio.sleep(0.001)
        return response

    def close(self) -> None:
        pass


class Node:
    """One broker: a session, a registration, a controller, and a fake rest."""

    def __init__(self, cluster: Cluster, broker_id: int, properties: dict[str, str]) -> None:
        self.id = broker_id
        self._cluster = cluster
        self._properties = properties
        self.fake = FakeBroker(broker_id)
        self.epoch = -1
        self.coordination: MemoryCoordination
        self.controller: KafkaController
        self._expired = asyncio.Event()
        self._sessions: asyncio.Task[None] | None = None

    async def start(self) -> None:
        cluster = self._cluster
        self.coordination = cluster.ensemble.client(f"broker-{self.id}")
        await self.coordination.start()
        for path in paths.PERSISTENT_PATHS:
            await ensure_path(self.coordination, path)
        await self.register()
        defaults = {
            "broker.id": str(self.id),
            "zookeeper.connect": "memory",
            "listeners": "PLAINTEXT://b:9092",
        }
        self.controller = KafkaController(
            BrokerConfig.from_properties(defaults | self._properties),
            self.coordination,
            self.id,
            self.epoch,
            now_ms=lambda: 1_700_000_000_000,
            rng=cluster.rng,
            connect=cluster.connect,
        )
        self.fake = FakeBroker(self.id, hosted={}, lost_disks=self.fake.lost_disks, deleted=self.fake.deleted)
        self.coordination.add_session_listener(self._session_changed)
        self._sessions = asyncio.get_running_loop().create_task(self._watch_session())
        await self.controller.start()

    async def register(self, rack: str | None = None, port: int = 9092) -> None:
        endpoint = Endpoint("PLAINTEXT", f"b{self.id}", port, "PLAINTEXT")
        data = BrokerRegistration(self.id, (endpoint,), rack=rack).encode()
        path = paths.broker_id(self.id)
        try:
            await self.coordination.create(path, data, ephemeral=True)
        except NodeExists:  # of this session, when the reply was lost, or of one that is about to end
            found = await self.coordination.exists(path)
            if found is None or found.ephemeral_owner != self.coordination.session_id:
                raise
        stat = await self.coordination.exists(path)
        assert stat is not None
        self.epoch = stat.czxid

    def _session_changed(self, state: SessionState) -> None:
        if state is SessionState.EXPIRED:
            self._expired.set()

    async def _watch_session(self) -> None:
        while True:
            await self._expired.wait()
            self._expired.clear()
            try:
                await self.controller.on_session_expired()
                await self.coordination.wait_connected()
                await self.register()
                await self.controller.on_session_restored(self.epoch)
            except CoordinationError:
                self._expired.set()  # as the broker does: once more
                await asyncio.sleep(0.1)

    def expire_session(self) -> None:
        self._cluster.ensemble.expire(self.coordination.session_id)

    async def stop(self) -> None:
        """As a process that ends: the session ends, the requests in flight are lost."""
        self.fake.alive = False
        if self._sessions is not None:
            self._sessions.cancel()
        await self.controller.stop()
        await self.coordination.close()


class Cluster:
    def __init__(self, seed: int = 0, **properties: str) -> None:
        self.rng = random.Random(seed)
        self.ensemble = MemoryEnsemble()
        self.properties = {name.replace("_", "."): value for name, value in properties.items()}
        self.nodes: dict[int, Node] = {}
        self.tool: MemoryCoordination
        self.admin: TopicAdmin

    async def start(self, *broker_ids: int) -> Cluster:
        self.tool = self.ensemble.client("tool")
        await self.tool.start()
        config = BrokerConfig.from_properties({"broker.id": "0", "zookeeper.connect": "x"} | self.properties)
        self.admin = TopicAdmin(config, self.tool, rng=self.rng)
        for broker_id in broker_ids:
            await self.add(broker_id)
        await self.settle()
        return self

    async def add(self, broker_id: int) -> Node:
        node = self.nodes.get(broker_id)
        if node is None:
            node = self.nodes[broker_id] = Node(self, broker_id, self.properties)
        await node.start()
        return node

    async def kill(self, broker_id: int) -> None:
        await self.nodes[broker_id].stop()

    async def connect(self, broker_id: int, endpoint: Endpoint) -> FakeLink:
        assert endpoint.host == f"b{broker_id}"
        await asyncio.sleep(0.001)
        if not self.nodes[broker_id].fake.alive:
            raise ConnectionRefusedError(f"broker {broker_id} is down")
        return FakeLink(self.nodes[broker_id].fake)

    async def settle(self, seconds: float = 1.0) -> None:
        await asyncio.sleep(seconds)

    @property
    def active(self) -> Node:
        active = [node for node in self.nodes.values() if node.controller.is_active]
        assert len(active) == 1, f"{len(active)} active controllers"
        return active[0]

    async def create(self, topic: str, *assignment: list[int], **configs: str) -> None:
        settings: dict[str, str | None] = {name.replace("_", "."): value for name, value in configs.items()}
        await self.admin.create_topic(
            NewTopic(topic, assignments=dict(enumerate(assignment)), configs=settings)
        )
        await self.settle()

    async def state(self, topic: str, partition: int = 0) -> PartitionState:
        data, _ = await self.tool.get(paths.partition_state(topic, partition))
        return PartitionState.decode(topic, partition, data)

    async def partition_epoch(self, topic: str, partition: int = 0) -> int:
        _, stat = await self.tool.get(paths.partition_state(topic, partition))
        return stat.version

    async def exists(self, path: str) -> bool:
        return await self.tool.exists(path) is not None

    async def controller_epoch(self) -> int:
        try:
            data, _ = await self.tool.get(paths.CONTROLLER_EPOCH)
        except NoNode:
            return 0
        return int(data)

    async def alter_isr(
        self,
        topic: str,
        isr: Iterable[int],
        *,
        leader: int | None = None,
        leader_epoch: int | None = None,
        partition_epoch: int | None = None,
        broker_epoch: int | None = None,
        recovery: int = 0,
        version: int = 3,
    ) -> AlterPartitionResponse:
        """What a leader sends; everything left out is as ZooKeeper has it."""
        state = await self.state(topic)
        sender = self.nodes[state.leader if leader is None else leader]
        current = await self.partition_epoch(topic)
        data = PartitionData(
            partition_index=0,
            leader_epoch=state.leader_epoch if leader_epoch is None else leader_epoch,
            leader_recovery_state=recovery,
            partition_epoch=current if partition_epoch is None else partition_epoch,
        )
        if version >= 3:
            data.new_isr_with_epochs = [BrokerState(one) for one in isr]
        else:
            data.new_isr = list(isr)
        topic_id = self.active.fake.metadata.topic_id(topic)
        request = AlterPartitionRequest(
            broker_id=sender.id,
            broker_epoch=sender.epoch if broker_epoch is None else broker_epoch,
            topics=[TopicData(topic_name=topic, topic_id=topic_id, partitions=[data])],
        )
        return await self.active.controller.alter_partition(request, version)

    async def close(self) -> None:
        for node in self.nodes.values():
            if node.fake.alive:
                await node.stop()
        await self.tool.close()
