# SPDX-License-Identifier: Apache-2.0
"""A whole broker in this process, over the ensemble in memory: start, what stops it from starting, stop."""

from __future__ import annotations

import asyncio
import errno
import os
import random
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from commitlog.config.broker import BrokerConfig
from commitlog.coordination.memory import MemoryCoordination, MemoryEnsemble
from commitlog.records.batch import build_batch
from commitlog.server import broker as broker_module
from commitlog.server.broker import Broker
from commitlog.server.clock import now_ms
from commitlog.server.errors import StartupError
from commitlog.storage.disk import Disk, LocalDisk
from commitlog.wire.client import BrokerConnection
from commitlog.wire.errors import ErrorCode
from commitlog.wire.messages.create_topics_request import CreatableTopic, CreateTopicsRequest
from commitlog.wire.messages.fetch_request import FetchPartition, FetchRequest, FetchTopic
from commitlog.wire.messages.metadata_request import MetadataRequest, MetadataRequestTopic
from commitlog.wire.messages.metadata_response import MetadataResponse
from commitlog.wire.messages.produce_request import PartitionProduceData, ProduceRequest, TopicProduceData
from tests.real_zookeeper import free_port


class World:
    """An ensemble, and brokers that are stopped at the end."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.ensemble = MemoryEnsemble(now_ms=now_ms)
        self.brokers: list[Broker] = []

    def broker(self, broker_id: int = 1, disk: Disk | None = None, **settings: str) -> Broker:
        values = {
            "broker.id": str(broker_id),
            "listeners": f"PLAINTEXT://127.0.0.1:{free_port()}",
            "log.dirs": str(self.directory / f"data{broker_id}"),
            "zookeeper.connect": "ensemble:2181",
            "controlled.shutdown.retry.backoff.ms": "10",
            **{name.replace("_", "."): value for name, value in settings.items()},
        }
        broker = Broker(
            BrokerConfig.from_properties(values),
            disk=disk or LocalDisk(),
            coordination=self.ensemble.client(f"broker{broker_id}", session_timeout_ms=1_000),
            now_ms=now_ms,
            rng=random.Random(broker_id),
        )
        self.brokers.append(broker)
        return broker

    async def client(self) -> MemoryCoordination:
        client = self.ensemble.client("test")
        await client.start()
        return client


Test = Callable[[World], Coroutine[Any, Any, None]]


def run(directory: Path, test: Test) -> None:
    async def main() -> None:
        world = World(directory)
        try:
            async with asyncio.timeout(30):
                await test(world)
        finally:
            for broker in world.brokers:
                await broker.stop()

    asyncio.run(main())


async def until(condition: Callable[[], object]) -> None:
    while not condition():  # noqa: ASYNC110 - it looks into objects that set no event
        await asyncio.sleep(0.01)


async def ask(broker: Broker, request: Any, version: int) -> Any:
    listener = broker.listeners[0]
    connection = await BrokerConnection.open("127.0.0.1", listener.port, "test")
    try:
        return await connection.send(request, version)
    finally:
        connection.close()


async def metadata(broker: Broker, *topics: str) -> MetadataResponse:
    request = MetadataRequest(topics=[MetadataRequestTopic(name=topic) for topic in topics])
    response = await ask(broker, request, 12)
    assert isinstance(response, MetadataResponse)
    return response


def test_two_brokers_form_a_cluster_and_one_leaves(tmp_path: Path) -> None:
    async def test(world: World) -> None:
        first, second = world.broker(1), world.broker(2)
        await first.start()
        await second.start()
        cache = first.services.metadata
        assert await cache.wait_until(lambda known: len(known.alive_brokers()) == 2, 10_000)
        response = await metadata(first)
        assert [broker.node_id for broker in response.brokers] == [1, 2]
        assert response.cluster_id == second.services.cluster_id
        await second.stop()
        world.brokers.remove(second)
        assert await cache.wait_until(lambda known: len(known.alive_brokers()) == 1, 10_000)

    run(tmp_path, test)


def test_a_topic_that_is_asked_for_comes_into_being_on_every_broker(tmp_path: Path) -> None:
    async def test(world: World) -> None:
        first = world.broker(1, num_partitions="2", default_replication_factor="2")
        second = world.broker(2, num_partitions="2", default_replication_factor="2")
        await first.start()
        await second.start()
        for broker in world.brokers:
            cache = broker.services.metadata
            assert await cache.wait_until(lambda known: len(known.alive_brokers()) == 2, 10_000)
        # One is the controller and writes the znodes itself, the other one asks it.
        for number, broker in enumerate(world.brokers):
            name = f"topic{number}"
            errors = {ErrorCode(topic.error_code) for topic in (await metadata(broker, name)).topics}
            assert errors <= {ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, ErrorCode.LEADER_NOT_AVAILABLE}
            cache = broker.services.metadata
            assert await cache.wait_until(lambda known, name=name: len(known.partitions(name)) == 2, 10_000)
            (topic,) = (await metadata(broker, name)).topics
            assert topic.error_code == ErrorCode.NONE
            assert [sorted(partition.replica_nodes) for partition in topic.partitions] == [[1, 2], [1, 2]]
        assert [one.error_code for one in (await metadata(first, "b@d")).topics] == [17]

    run(tmp_path, test)


def test_too_few_brokers_for_the_default_replication_factor(tmp_path: Path) -> None:
    async def test(world: World) -> None:
        broker = world.broker(1, default_replication_factor="3")
        await broker.start()
        assert await broker.wait_known(10_000)
        (topic,) = (await metadata(broker, "wanted")).topics
        assert topic.error_code == ErrorCode.INVALID_REPLICATION_FACTOR

    run(tmp_path, test)


def test_an_expired_session_is_followed_by_a_new_registration_and_election(tmp_path: Path) -> None:
    async def test(world: World) -> None:
        broker = world.broker()
        await broker.start()
        assert await broker.wait_known(10_000)
        first = broker.epoch
        request = CreateTopicsRequest(
            topics=[CreatableTopic(name="t", num_partitions=1, replication_factor=1)], timeout_ms=10_000
        )
        assert (await ask(broker, request, 7)).topics[0].error_code == ErrorCode.NONE
        client = await world.client()
        _, stat = await client.get("/brokers/ids/1")
        world.ensemble.expire(stat.ephemeral_owner)
        await until(lambda: broker.epoch != first and broker.services.controller.is_active)
        _, stat = await client.get("/brokers/ids/1")
        assert stat.czxid == broker.epoch == broker.services.broker_epoch() > first
        # The new controller's requests carry the new epoch, and the broker leads again.
        cache = broker.services.metadata
        assert await cache.wait_until(lambda known: known.is_alive(1), 10_000)
        (topic,) = (await metadata(broker, "t")).topics
        assert [partition.leader_id for partition in topic.partitions] == [1]

    run(tmp_path, test)


class FullDisk(LocalDisk):
    """A disk that has no room for anything new."""

    def write_atomic(self, path: str, data: bytes) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), path)


def test_a_full_disk_is_one_line(tmp_path: Path) -> None:
    async def test(world: World) -> None:
        broker = world.broker(disk=FullDisk())
        with pytest.raises(StartupError, match="No space left on device") as error:
            await broker.start()
        assert "data1" in str(error.value)
        assert "\n" not in str(error.value)
        assert await (await world.client()).exists("/brokers/ids/1") is None

    run(tmp_path, test)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"inter_broker_protocol_version": "2.6"},
            r"inter\.broker\.protocol\.version=2\.6: .* 2\.7-IV2 or higher",
        ),
        (
            {"listeners": "SSL://127.0.0.1:0", "security_inter_broker_protocol": "SSL"},
            "ssl.keystore.location: a listener with TLS needs a keystore",
        ),
    ],
)
def test_what_is_not_served_stops_the_start_before_anything_is_touched(
    tmp_path: Path, settings: dict[str, str], message: str
) -> None:
    async def test(world: World) -> None:
        with pytest.raises(StartupError, match=message):
            await world.broker(**settings).start()
        assert not os.listdir(tmp_path)

    run(tmp_path, test)


def test_a_broker_that_has_left_holds_nobody_up(tmp_path: Path) -> None:
    """After its controlled shutdown it is no follower any more: acks=all must not wait for it."""

    async def test(world: World) -> None:
        first, second = world.broker(1), world.broker(2)
        await first.start()
        await second.start()
        cache = first.services.metadata
        assert await cache.wait_until(lambda known: len(known.alive_brokers()) == 2, 10_000)
        topic = CreatableTopic(name="t", num_partitions=8, replication_factor=2)
        active = first if first.services.controller.is_active else second
        await ask(active, CreateTopicsRequest(topics=[topic], timeout_ms=10_000), 7)
        await second.stop()
        world.brokers.remove(second)
        batch = bytes(build_batch([(1, None, b"value", ())]))
        partitions = [PartitionProduceData(index=index, records=batch) for index in range(8)]
        request = ProduceRequest(
            acks=-1, timeout_ms=20_000, topic_data=[TopicProduceData(name="t", partition_data=partitions)]
        )
        (answer,) = (await ask(first, request, 9)).responses
        assert [partition.error_code for partition in answer.partition_responses] == [0] * 8

    run(tmp_path, test)


def test_a_broker_stops_following_before_it_asks_to_leave(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would follow what it hands over, and a follower that is caught up is waited for."""

    async def test(world: World) -> None:
        broker = world.broker()
        await broker.start()
        seen: list[bool] = []

        async def looked_at(*_: object) -> bool:
            seen.append(broker.services.replicas._stopping)
            return True

        monkeypatch.setattr(broker_module, "controlled_shutdown", looked_at)
        await broker.stop()
        assert seen == [True]
        world.brokers.remove(broker)

    run(tmp_path, test)


def test_parked_requests_end_with_their_connection(tmp_path: Path) -> None:
    async def test(world: World) -> None:
        broker = world.broker()
        await broker.start()
        assert await broker.wait_known(10_000)
        topic = CreatableTopic(name="t", num_partitions=1, replication_factor=1)
        await ask(broker, CreateTopicsRequest(topics=[topic], timeout_ms=10_000), 7)
        waiting = broker.services.replicas.partition("t", 0).waiting.fetches
        connection = await BrokerConnection.open("127.0.0.1", broker.listeners[0].port, "test")
        fetch = FetchRequest(
            max_wait_ms=2**31 - 1,
            min_bytes=1,
            topics=[FetchTopic(topic="t", partitions=[FetchPartition(partition_max_bytes=1_000)])],
        )
        asking = asyncio.create_task(connection.send(fetch, 11))
        await until(lambda: waiting)
        connection.close()
        await until(lambda: not waiting)
        await asyncio.gather(asking, return_exceptions=True)

    run(tmp_path, test)


def test_what_was_started_is_stopped_when_the_start_fails(tmp_path: Path) -> None:
    async def test(world: World) -> None:
        first = world.broker(1)
        await first.start()
        taken = f"PLAINTEXT://127.0.0.1:{first.listeners[0].port}"
        second = world.broker(2, listeners=taken)
        with pytest.raises(StartupError, match="failed to bind to"):
            await second.start()
        sessions = len(world.ensemble.sessions())
        assert sessions == 1
        # The lock is released and the data usable: the same directory starts elsewhere.
        third = world.broker(2)
        await third.start()

    run(tmp_path, test)


def test_a_dynamic_setting_changes_a_running_broker(tmp_path: Path) -> None:
    async def test(world: World) -> None:
        broker = world.broker()
        await broker.start()
        assert await broker.wait_known(10_000)
        configs = broker.services.topic_admin.entity_configs
        await configs.change("brokers", "<default>", {"log.retention.ms": "12345", "max.connections": "99"})
        await until(lambda: broker.config.log_retention_ms == 12345)
        assert broker._connection_quotas.limits.max_connections == 99
        assert broker._topic_configs.config("any").retention_ms == 12345

    run(tmp_path, test)
