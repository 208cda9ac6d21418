# SPDX-License-Identifier: Apache-2.0
"""Clients over their quota: what they are told, and how long they wait, whether they heed it or not."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import confluent_kafka
import pytest

from commitlog.apis.k10_find_coordinator import KeyType
from commitlog.records.batch import build_batch
from commitlog.wire.client import BrokerConnection
from commitlog.wire.errors import ErrorCode
from commitlog.wire.messages.alter_client_quotas_request import (
    AlterClientQuotasRequest,
    EntityData,
    EntryData,
    OpData,
)
from commitlog.wire.messages.create_topics_request import CreatableTopic, CreateTopicsRequest
from commitlog.wire.messages.fetch_request import FetchPartition, FetchRequest, FetchTopic, ReplicaState
from commitlog.wire.messages.find_coordinator_request import FindCoordinatorRequest
from commitlog.wire.messages.metadata_request import MetadataRequest
from commitlog.wire.messages.produce_request import (
    PartitionProduceData,
    ProduceRequest,
    TopicProduceData,
)
from tests.end_to_end.cluster import Cluster, running_cluster, wait_until
from tests.real_zookeeper import ZooKeeperProcess

# Two windows of a second: 20 kB may come at once.
SETTINGS = {
    "quota.window.num": "2",
    "controller.quota.window.num": "2",
    "auto.create.topics.enable": "false",
    "transaction.state.log.num.partitions": "8",
    "transaction.state.log.replication.factor": "1",
}
RATE = 20_000
NOW_MS = 1_700_000_000_000


@pytest.fixture(scope="module")
def cluster(zookeeper: ZooKeeperProcess, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with running_cluster(tmp_path_factory.mktemp("quotas"), zookeeper, 1, SETTINGS) as running:

        async def create(connection: BrokerConnection) -> None:
            await connection.send(CreateTopicsRequest([CreatableTopic("t", 1, 1)], 10_000))

        ask(running, "setup", create)
        yield running


def ask(cluster: Cluster, client_id: str, talk: Callable[[BrokerConnection], Awaitable[Any]]) -> Any:
    async def main() -> Any:
        connection = await BrokerConnection.open("127.0.0.1", cluster.brokers[0].port, client_id)
        try:
            return await talk(connection)
        finally:
            connection.close()

    return asyncio.run(main())


def limit(cluster: Cluster, entity: dict[str, str | None], key: str, value: float) -> None:
    """Set a quota, and wait until it is in force."""
    entry = EntryData([EntityData(*one) for one in entity.items()], [OpData(key=key, value=value)])

    async def alter(connection: BrokerConnection) -> None:
        answer = await connection.send(AlterClientQuotasRequest([entry], False))
        assert answer.entries[0].error_code == ErrorCode.NONE

    ask(cluster, "setup", alter)
    (name,) = entity.values()
    said = f"client-id {name} to {value}" if "client-id" in entity else f"ips/{name}"
    wait_until(lambda: said in cluster.brokers[0].output, f"the quota of {name} to be in force")


def produce_request(size: int, acks: int = 1) -> ProduceRequest:
    batch = build_batch([(NOW_MS, None, bytes(size), ())])
    return ProduceRequest(
        acks=acks,
        timeout_ms=10_000,
        topic_data=[TopicProduceData("t", [PartitionProduceData(0, memoryview(batch))])],
    )


async def until_answered(connection: BrokerConnection, begun: float) -> float:
    """The seconds until this connection is listened to again."""
    await connection.send(MetadataRequest(topics=[]))
    return time.monotonic() - begun


def test_a_producer_over_its_quota_is_told_and_is_not_listened_to_for_as_long(cluster: Cluster) -> None:
    limit(cluster, {"client-id": "loud"}, "producer_byte_rate", RATE)

    async def talk(connection: BrokerConnection) -> tuple[int, float]:
        begun = time.monotonic()
        answer = await connection.send(produce_request(30_000))
        assert answer.responses[0].partition_responses[0].error_code == ErrorCode.NONE
        return answer.throttle_time_ms, await until_answered(connection, begun)

    told_ms, waited_s = ask(cluster, "loud", talk)
    # 30 kB and a header in a window of a second, where 20 kB are allowed.
    assert 500 <= told_ms <= 600
    assert waited_s >= told_ms / 1000
    assert ask(cluster, "quiet", talk)[0] == 0


def test_a_producer_that_waits_for_no_answer_is_muted_too(cluster: Cluster) -> None:
    limit(cluster, {"client-id": "hasty"}, "producer_byte_rate", RATE)

    async def talk(connection: BrokerConnection) -> float:
        await connection.negotiate()
        begun = time.monotonic()
        connection._write(produce_request(30_000, acks=0), 9)
        return await until_answered(connection, begun)

    assert ask(cluster, "hasty", talk) >= 0.5


def test_a_consumer_over_its_quota_is_given_nothing_until_it_may_have_it(cluster: Cluster) -> None:
    limit(cluster, {"client-id": "greedy"}, "consumer_byte_rate", RATE)

    async def fill(connection: BrokerConnection) -> int:
        answer = await connection.send(produce_request(15_000))
        await connection.send(produce_request(15_000))
        return int(answer.responses[0].partition_responses[0].base_offset)

    offset = ask(cluster, "setup", fill)

    async def talk(connection: BrokerConnection) -> tuple[list[tuple[int, int]], float]:
        found = []
        begun = 0.0
        for position in (offset, offset + 1, offset + 1):
            wanted = FetchPartition(0, fetch_offset=position, partition_max_bytes=1)
            request = FetchRequest(
                max_wait_ms=0,
                min_bytes=1,
                max_bytes=1 << 20,
                session_epoch=-1,
                replica_state=ReplicaState(replica_id=-1),
                topics=[FetchTopic(topic="t", partitions=[wanted])],
            )
            before, begun = begun, time.monotonic()
            answer = await connection.send(request, 12)
            size = sum(len(one.records or b"") for topic in answer.responses for one in topic.partitions)
            found.append((size, answer.throttle_time_ms))
        return found, time.monotonic() - before

    ((first, _), (second, told_ms), (third, _)), waited_s = ask(cluster, "greedy", talk)
    assert first > 15_000
    assert second == 0
    assert told_ms > 0
    assert waited_s >= told_ms / 1000
    assert third > 15_000


def test_creating_partitions_over_the_quota_is_refused_with_its_error(cluster: Cluster) -> None:
    limit(cluster, {"client-id": "admin"}, "controller_mutation_rate", 1.0)

    def create(name: str, version: int) -> Callable[[BrokerConnection], Awaitable[tuple[int, int]]]:
        async def talk(connection: BrokerConnection) -> tuple[int, int]:
            answer = await connection.send(CreateTopicsRequest([CreatableTopic(name, 4, 1)], 10_000), version)
            return answer.topics[0].error_code, answer.throttle_time_ms

        return talk

    assert ask(cluster, "admin", create("many", 7)) == (ErrorCode.NONE, 0)
    code, told_ms = ask(cluster, "admin", create("more", 7))
    assert code == ErrorCode.THROTTLING_QUOTA_EXCEEDED
    assert 0 < told_ms <= 2000
    # An older client does not know the error: it is served, and waits.
    code, told_ms = ask(cluster, "admin", create("older", 5))
    assert code == ErrorCode.NONE
    assert told_ms > 2000


def test_topics_that_come_into_being_weigh_on_what_is_created_next(cluster: Cluster) -> None:
    limit(cluster, {"client-id": "curious"}, "controller_mutation_rate", 1.0)

    async def talk(connection: BrokerConnection) -> tuple[int, int]:
        found = await connection.send(FindCoordinatorRequest(key="t", key_type=KeyType.TRANSACTION), 3)
        answer = await connection.send(CreateTopicsRequest([CreatableTopic("heard-of", 1, 1)], 10_000), 7)
        return found.throttle_time_ms, answer.topics[0].error_code

    assert ask(cluster, "curious", talk) == (0, ErrorCode.THROTTLING_QUOTA_EXCEEDED)


def test_a_real_producer_heeds_its_quota(cluster: Cluster) -> None:
    limit(cluster, {"client-id": "real"}, "producer_byte_rate", RATE)
    throttled: list[float] = []
    producer = confluent_kafka.Producer(
        {
            "bootstrap.servers": cluster.bootstrap,
            "client.id": "real",
            "linger.ms": 0,
            "throttle_cb": lambda event: throttled.append(event.throttle_time),
        }
    )
    begun = time.monotonic()
    for _ in range(4):
        producer.produce("t", bytes(15_000))
        producer.flush(30)
    took_s = time.monotonic() - begun
    wait_until(lambda: producer.poll(0.05) or throttled, "the producer to be told", 5)
    # 60 kB at 20 kB a second, of which 20 kB come at once; the last answer is not waited for.
    assert took_s > 1.0
    assert max(throttled) > 0.2


def test_connections_of_an_address_come_no_faster_than_its_quota(cluster: Cluster) -> None:
    limit(cluster, {"ip": "127.0.0.1"}, "connection_creation_rate", 2)
    port = cluster.brokers[0].port

    async def main() -> tuple[int, float]:
        begun = time.monotonic()
        served = 0

        async def one() -> None:
            nonlocal served
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"\0\0\0\x0a" + b"\0\x12\0\0\0\0\0\1\xff\xff")
            try:
                served += bool(await reader.read(4))
            except ConnectionError:
                return
            finally:
                writer.close()

        await asyncio.gather(*(one() for _ in range(10)))
        return served, time.monotonic() - begun

    served, took_s = asyncio.run(main())
    assert 1 <= served <= 4
    # Those that were refused were left waiting first.
    assert took_s >= 0.2
    limit_off = AlterClientQuotasRequest(
        [EntryData([EntityData("ip", "127.0.0.1")], [OpData(key="connection_creation_rate", remove=True)])],
        False,
    )

    def back() -> bool:
        async def talk(connection: BrokerConnection) -> bool:
            return not (await connection.send(limit_off)).entries[0].error_code

        return bool(ask(cluster, "setup", talk))

    wait_until(back, "the quota to be taken away")
