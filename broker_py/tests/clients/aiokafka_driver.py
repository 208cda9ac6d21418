# SPDX-License-Identifier: Apache-2.0
"""The matrix's driver of aiokafka."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRebalanceListener, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewPartitions, NewTopic, RecordsToDelete
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from tests.clients.driving import (
    COUNT,
    DEADLINE_S,
    Setting,
    codec_values,
    drive,
    expect,
    return_in_session,
    share_and_resume,
    until,
)
from tests.clients.features import CODECS, OTHERS_COUNT
from tests.clients.features import FEATURES as ASKED

loop = asyncio.new_event_loop()
asyncio.set_event_loop(loop)


def wait(awaitable: Awaitable[Any]) -> Any:
    return loop.run_until_complete(asyncio.wait_for(awaitable, DEADLINE_S))


def producing(run: Callable[[Setting], Awaitable[None]]) -> Callable[[Setting], None]:
    return lambda setting: wait(run(setting))


async def write(setting: Setting, topic: str, values: list[str], **settings: Any) -> None:
    async with AIOKafkaProducer(
        **{"bootstrap_servers": setting.servers, "acks": "all", **settings}
    ) as source:
        sent = [await source.send(topic, value.encode(), key=value.split()[-1].encode()) for value in values]
        await asyncio.gather(*sent)


async def read(setting: Setting, topic: str, count: int, **settings: Any) -> list[Any]:
    reader = AIOKafkaConsumer(
        **{"bootstrap_servers": setting.servers, "auto_offset_reset": "earliest", **settings}
    )
    async with reader:
        count_of = {feature.name: feature.partitions for feature in ASKED}
        numbers = range(count_of.get(topic.removeprefix(f"{setting.prefix}."), 1))
        partitions = [TopicPartition(topic, number) for number in numbers]
        reader.assign(partitions)
        await reader.seek_to_beginning(*partitions)
        return [await reader.getone() for _ in range(count)]


def values_of(records: list[Any]) -> list[str]:
    return [record.value.decode() for record in records]


@producing
async def produce_consume(setting: Setting) -> None:
    topic = setting.topic("produce-consume")
    values = [f"value {number}" for number in range(COUNT)]
    async with AIOKafkaProducer(bootstrap_servers=setting.servers[0], acks="all") as source:
        sent = [
            await source.send(topic, v.encode(), key=f"key {n % 10}".encode()) for n, v in enumerate(values)
        ]
        await asyncio.gather(*sent)
    found = await read(setting, topic, COUNT, bootstrap_servers=setting.servers[-1])
    expect(sorted(values_of(found)), sorted(values), "values")
    for partition in (0, 1):
        numbers = [int(record.value.split()[1]) for record in found if record.partition == partition]
        expect(numbers, sorted(numbers), "order")


@producing
async def headers(setting: Setting) -> None:
    topic = setting.topic("headers")
    async with AIOKafkaProducer(bootstrap_servers=setting.servers) as source:
        await source.send_and_wait(topic, b"with", headers=[("one", b"1"), ("none", None)])
        await source.send_and_wait(topic, None, key=b"gone")
    first, second = await read(setting, topic, 2)
    expect(list(first.headers), [("one", b"1"), ("none", None)], "headers")
    expect((second.key, second.value), (b"gone", None), "the record without a value")


def codec(name: str) -> Callable[[Setting], None]:
    @producing
    async def run(setting: Setting) -> None:
        values = codec_values(name)
        await write(setting, setting.topic(name), values, compression_type=name, linger_ms=50)
        expect(values_of(await read(setting, setting.topic(name), len(values))), values, "values")
        others = values_of(await read(setting, f"others.{name}", OTHERS_COUNT))
        expect(others, [f"other {number}" for number in range(OTHERS_COUNT)], "values of others")

    return run


class Member(ConsumerRebalanceListener):  # type: ignore[misc]
    """A member of a group; the event loop runs only while it is polled."""

    def __init__(self, setting: Setting, topic: str, **settings: Any) -> None:
        self.values: list[str] = []
        self.lost: set[int] = set()
        self.consumer = AIOKafkaConsumer(
            bootstrap_servers=setting.servers,
            group_id=topic,
            auto_offset_reset="earliest",
            enable_auto_commit=False,
            heartbeat_interval_ms=200,
            loop=loop,
            **settings,
        )
        self.consumer.subscribe([topic], listener=self)
        self.started = loop.create_task(self.consumer.start())

    def on_partitions_revoked(self, revoked: Any) -> None:
        self.lost.update(each.partition for each in revoked)

    def on_partitions_assigned(self, assigned: Any) -> None:
        pass

    def owned(self) -> set[int]:
        if not self.started.done():
            wait(asyncio.sleep(0.05))
            return set()
        for records in wait(self.consumer.getmany(timeout_ms=50)).values():
            self.values += values_of(records)
        return {each.partition for each in self.consumer.assignment()}

    def commit(self) -> None:
        wait(self.consumer.commit())

    def close(self) -> None:
        wait(self.consumer.stop())


def rebalance(setting: Setting) -> None:
    topic = setting.topic("rebalance")
    source = AIOKafkaProducer(bootstrap_servers=setting.servers, loop=loop)
    wait(source.start())
    share_and_resume(
        lambda: Member(setting, topic),
        lambda value, partition: wait(source.send_and_wait(topic, value.encode(), partition=partition)),
    )
    wait(source.stop())


def static_member(setting: Setting) -> None:
    topic = setting.topic("static-member")
    return_in_session(lambda instance: Member(setting, topic, group_instance_id=instance))


@producing
async def idempotence(setting: Setting) -> None:
    topic = setting.topic("idempotence")
    values = [f"value {number}" for number in range(COUNT)]
    await write(setting, topic, values, enable_idempotence=True)
    expect(values_of(await read(setting, topic, COUNT)), values, "values")


@producing
async def transactions(setting: Setting) -> None:
    topic = setting.topic("transactions")
    async with AIOKafkaProducer(bootstrap_servers=setting.servers, transactional_id=topic) as source:
        for name, end in (("a", "commit"), ("b", "abort"), ("c", "commit")):
            await source.begin_transaction()
            for number in range(10):
                await source.send_and_wait(topic, f"{name}{number}".encode())
            await (source.commit_transaction() if end == "commit" else source.abort_transaction())
    committed = {f"{name}{number}" for name in "ac" for number in range(10)}
    found = values_of(await read(setting, topic, 20, isolation_level="read_committed"))
    expect(set(found), committed, "read_committed")
    found = values_of(await read(setting, topic, 30))
    expect(set(found), committed | {f"b{number}" for number in range(10)}, "read_uncommitted")


@producing
async def transactional_offsets(setting: Setting) -> None:
    topic = setting.topic("transactional-offsets")
    partition = TopicPartition(topic, 0)
    async with AIOKafkaProducer(bootstrap_servers=setting.servers, transactional_id=topic) as source:
        for offset, end in ((5, "commit"), (9, "abort")):
            await source.begin_transaction()
            await source.send_and_wait(topic, b"x")
            await source.send_offsets_to_transaction({partition: offset}, topic)
            await (source.commit_transaction() if end == "commit" else source.abort_transaction())
    async with AIOKafkaConsumer(bootstrap_servers=setting.servers, group_id=topic) as reader:
        while await reader.committed(partition) != 5:  # noqa: ASYNC110 - it is the cluster that changes
            await asyncio.sleep(0.02)


@producing
async def offsets_by_time(setting: Setting) -> None:
    topic = setting.topic("offsets-by-time")
    now = int(time.time() * 1000)
    partition = TopicPartition(topic, 0)
    async with AIOKafkaProducer(bootstrap_servers=setting.servers) as source:
        for number in range(3):
            await source.send_and_wait(topic, b"x", timestamp_ms=now + number * 1000)
    async with AIOKafkaConsumer(bootstrap_servers=setting.servers) as reader:
        expect(await reader.beginning_offsets([partition]), {partition: 0}, "earliest")
        expect(await reader.end_offsets([partition]), {partition: 3}, "latest")
        found = await reader.offsets_for_times({partition: now + 500})
        expect(found[partition].offset, 1, "the first not older")


def administering(run: Callable[[AIOKafkaAdminClient, Setting], None]) -> Callable[[Setting], None]:
    def started(setting: Setting) -> None:
        async def start() -> AIOKafkaAdminClient:
            client = AIOKafkaAdminClient(bootstrap_servers=setting.servers)
            await client.start()
            return client

        client = wait(start())
        try:
            run(client, setting)
        finally:
            wait(client.close())

    return started


@administering
def topics(client: AIOKafkaAdminClient, setting: Setting) -> None:
    topic = setting.topic("topics")

    def partitions() -> int:
        if topic not in wait(client.list_topics()):
            return 0
        return len(wait(client.describe_topics([topic]))[0]["partitions"])

    new = NewTopic(
        name=topic, num_partitions=3, replication_factor=2, topic_configs={"retention.ms": "60000"}
    )
    wait(client.create_topics([new]))
    until(lambda: partitions() == 3, "three partitions")
    wait(client.create_partitions({topic: NewPartitions(5)}))
    until(lambda: partitions() == 5, "five partitions")
    wait(client.delete_topics([topic]))
    until(lambda: partitions() == 0, "the topic to be gone")


@administering
def configs(client: AIOKafkaAdminClient, setting: Setting) -> None:
    topic = setting.topic("configs")

    def described(kind: ConfigResourceType, name: str, key: str) -> Any:
        (answer,) = wait(client.describe_configs([ConfigResource(kind, name)]))
        return {entry[0]: entry[1] for entry in answer.resources[0][4]}[key]

    altered = ConfigResource(ConfigResourceType.TOPIC, topic, configs={"max.message.bytes": "2000000"})
    wait(client.alter_configs([altered]))
    until(
        lambda: described(ConfigResourceType.TOPIC, topic, "max.message.bytes") == "2000000", "the new value"
    )
    expect(described(ConfigResourceType.BROKER, "0", "broker.id"), "0", "broker.id")


@administering
def groups_admin(client: AIOKafkaAdminClient, setting: Setting) -> None:
    topic = setting.topic("groups-admin")
    wait(write(setting, topic, ["a", "b"]))
    member = Member(setting, topic)
    until(lambda: member.owned() and len(member.values) == 2, "two records")
    member.commit()
    expect(topic in {each[0] for each in wait(client.list_consumer_groups())}, True, "the group in the list")
    (described,) = wait(client.describe_consumer_groups([topic]))
    expect((described.groups[0][2], len(described.groups[0][5])), ("Stable", 1), "the group")
    offsets = wait(client.list_consumer_group_offsets(topic))
    expect({each.offset for each in offsets.values()}, {2}, "offsets")
    member.close()


@administering
def delete_records(client: AIOKafkaAdminClient, setting: Setting) -> None:
    topic = setting.topic("delete-records")
    wait(write(setting, topic, [str(number) for number in range(10)]))
    partition = TopicPartition(topic, 0)
    expect(
        wait(client.delete_records({partition: RecordsToDelete(before_offset=4)})),
        {partition: 4},
        "low watermarks",
    )


FEATURES = {
    "produce-consume": produce_consume,
    "headers": headers,
    **{name: codec(name) for name in CODECS},
    "rebalance": rebalance,
    "static-member": static_member,
    "idempotence": idempotence,
    "transactions": transactions,
    "transactional-offsets": transactional_offsets,
    "offsets-by-time": offsets_by_time,
    "topics": topics,
    "configs": configs,
    "groups-admin": groups_admin,
    "delete-records": delete_records,
}

if __name__ == "__main__":
    drive(FEATURES, {"cooperative": "its assignors are eager"})
