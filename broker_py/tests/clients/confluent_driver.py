# SPDX-License-Identifier: Apache-2.0
"""The matrix's driver of confluent-kafka, that is of librdkafka."""

from __future__ import annotations

import time
from typing import Any

from confluent_kafka import (
    Consumer,
    ConsumerGroupTopicPartitions,
    KafkaError,
    Message,
    Producer,
    TopicPartition,
)
from confluent_kafka.admin import (
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewPartitions,
    NewTopic,
    OffsetSpec,
)

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


def dotted(settings: dict[str, Any]) -> dict[str, Any]:
    return {key.replace("_", "."): value for key, value in settings.items()}


def producer(bootstrap: str, **settings: Any) -> Producer:
    return Producer(
        {
            "bootstrap.servers": bootstrap,
            "log_level": 2,
            **dotted(settings),
        }
    )


def consumer(bootstrap: str, group: str, **settings: Any) -> Consumer:
    return Consumer(
        {
            "bootstrap.servers": bootstrap,
            "group.id": group,
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
            "heartbeat.interval.ms": 200,
            "log_level": 2,
            **dotted(settings),
        }
    )


def admin(setting: Setting) -> AdminClient:
    return AdminClient({"bootstrap.servers": setting.bootstrap, "log_level": 2})


def write(source: Producer, topic: str, values: list[str], **more: Any) -> None:
    failed: list[object] = []

    def delivered(error: KafkaError | None, _: Message) -> None:
        if error is not None:
            failed.append(error)

    for number, value in enumerate(values):
        source.produce(topic, value, key=f"key {number % 10}", on_delivery=delivered, **more)
    expect(source.flush(DEADLINE_S), 0, "records not delivered")
    expect(failed, [], "failed deliveries")


def take(reader: Consumer, count: int) -> list[Message]:
    found: list[Message] = []

    def enough() -> bool:
        message = reader.poll(0.1)
        if message is not None:
            expect(message.error(), None, "error of a fetch")
            found.append(message)
        return len(found) >= count

    until(enough, f"{count} records")
    return found


def read(setting: Setting, topic: str, count: int, **settings: Any) -> list[Message]:
    bootstrap = settings.pop("bootstrap", setting.bootstrap)
    reader = consumer(bootstrap, f"{setting.prefix}.reader", **settings)
    partitions = reader.list_topics(topic, DEADLINE_S).topics[topic].partitions
    reader.assign([TopicPartition(topic, number, 0) for number in partitions])
    try:
        return take(reader, count)
    finally:
        reader.close()


def values_of(messages: list[Message]) -> list[str]:
    return [message.value().decode() for message in messages]


def produce_consume(setting: Setting) -> None:
    topic = setting.topic("produce-consume")
    values = [f"value {number}" for number in range(COUNT)]
    write(producer(setting.servers[0]), topic, values)
    found = read(setting, topic, COUNT, bootstrap=setting.servers[-1])
    expect(sorted(values_of(found)), sorted(values), "values")
    for partition in (0, 1):
        numbers = [int(m.value().split()[1]) for m in found if m.partition() == partition]
        expect(numbers, sorted(numbers), "order")


def headers(setting: Setting) -> None:
    topic = setting.topic("headers")
    source = producer(setting.bootstrap)
    source.produce(topic, b"with", headers=[("one", b"1"), ("none", None)])
    source.produce(topic, None)
    source.flush(DEADLINE_S)
    first, second = read(setting, topic, 2)
    expect(first.headers(), [("one", b"1"), ("none", None)], "headers")
    expect((second.key(), second.value()), (None, None), "the empty record")


def codec(name: str) -> Any:
    def run(setting: Setting) -> None:
        values = codec_values(name)
        write(producer(setting.bootstrap, compression_type=name, linger_ms=50), setting.topic(name), values)
        expect(values_of(read(setting, setting.topic(name), len(values))), values, "values")
        others = values_of(read(setting, f"others.{name}", OTHERS_COUNT))
        expect(others, [f"other {number}" for number in range(OTHERS_COUNT)], "values of others")

    return run


class Member:
    """A member of a group that is polled only here."""

    def __init__(self, setting: Setting, group: str, topic: str, **settings: Any) -> None:
        self.consumer = consumer(setting.bootstrap, group, session_timeout_ms=10_000, **settings)
        self.lost: set[int] = set()
        self.consumer.subscribe([topic], on_revoke=self._revoked)
        self.values: list[str] = []

    def _revoked(self, _: Consumer, partitions: list[TopicPartition]) -> None:
        self.lost.update(each.partition for each in partitions)

    def poll(self) -> None:
        message = self.consumer.poll(0.05)
        if message is not None and message.error() is None:
            self.values.append(message.value().decode())

    def owned(self) -> set[int]:
        self.poll()
        return {each.partition for each in self.consumer.assignment()}

    def commit(self) -> None:
        self.consumer.commit(asynchronous=False)

    def close(self) -> None:
        self.consumer.close()


def shared(setting: Setting, feature: str, **settings: Any) -> None:
    topic = setting.topic(feature)
    source = producer(setting.bootstrap)

    def write_to(value: str, partition: int) -> None:
        source.produce(topic, value, partition=partition)
        expect(source.flush(DEADLINE_S), 0, "records not delivered")

    share_and_resume(
        lambda: Member(setting, topic, topic, **settings), write_to, cooperative=feature == "cooperative"
    )


def rebalance(setting: Setting) -> None:
    shared(setting, "rebalance")


def cooperative(setting: Setting) -> None:
    shared(setting, "cooperative", partition_assignment_strategy="cooperative-sticky")


def static_member(setting: Setting) -> None:
    topic = setting.topic("static-member")
    return_in_session(lambda instance: Member(setting, topic, topic, group_instance_id=instance))


def idempotence(setting: Setting) -> None:
    topic = setting.topic("idempotence")
    values = [f"value {number}" for number in range(COUNT)]
    write(producer(setting.bootstrap, enable_idempotence=True), topic, values)
    expect(values_of(read(setting, topic, COUNT)), values, "values")


def transactions(setting: Setting) -> None:
    topic = setting.topic("transactions")
    source = producer(setting.bootstrap, transactional_id=topic)
    source.init_transactions(DEADLINE_S)
    for name, end in (("a", "commit"), ("b", "abort"), ("c", "commit")):
        source.begin_transaction()
        write(source, topic, [f"{name}{number}" for number in range(10)])
        (source.commit_transaction if end == "commit" else source.abort_transaction)(DEADLINE_S)
    committed = {f"{name}{number}" for name in "ac" for number in range(10)}
    found = values_of(read(setting, topic, 20, isolation_level="read_committed"))
    expect(set(found), committed, "read_committed")
    found = values_of(read(setting, topic, 30, isolation_level="read_uncommitted"))
    expect(set(found), committed | {f"b{number}" for number in range(10)}, "read_uncommitted")


def transactional_offsets(setting: Setting) -> None:
    topic = group = setting.topic("transactional-offsets")
    source = producer(setting.bootstrap, transactional_id=topic)
    source.init_transactions(DEADLINE_S)
    member = Member(setting, group, topic)
    until(member.owned, "an assignment")
    for offset, end in ((5, "commit"), (9, "abort")):
        source.begin_transaction()
        write(source, topic, [f"until {offset}"])
        source.send_offsets_to_transaction(
            [TopicPartition(topic, 0, offset)], member.consumer.consumer_group_metadata(), DEADLINE_S
        )
        (source.commit_transaction if end == "commit" else source.abort_transaction)(DEADLINE_S)
    # The marker reaches __consumer_offsets after the producer has been answered, as in Kafka.
    until(
        lambda: member.consumer.committed([TopicPartition(topic, 0)], DEADLINE_S)[0].offset == 5,
        "the committed transaction's offset",
    )
    member.close()


def offsets_by_time(setting: Setting) -> None:
    topic = setting.topic("offsets-by-time")
    now = int(time.time() * 1000)
    source = producer(setting.bootstrap)
    for number in range(3):
        source.produce(topic, f"{number}", timestamp=now + number * 1000, partition=0)
    source.flush(DEADLINE_S)
    reader = consumer(setting.bootstrap, topic)
    expect(reader.get_watermark_offsets(TopicPartition(topic, 0), DEADLINE_S), (0, 3), "earliest and latest")
    found = reader.offsets_for_times([TopicPartition(topic, 0, now + 500)], DEADLINE_S)
    expect([each.offset for each in found], [1], "the first not older")
    reader.close()
    client = admin(setting)
    newest = client.list_offsets({TopicPartition(topic, 0): OffsetSpec.max_timestamp()})
    expect([each.result(DEADLINE_S).offset for each in newest.values()], [2], "the newest")


def topics(setting: Setting) -> None:
    client, topic = admin(setting), setting.topic("topics")

    def partitions() -> int:
        found = client.list_topics(timeout=DEADLINE_S).topics.get(topic)
        return len(found.partitions) if found else 0

    client.create_topics([NewTopic(topic, 3, 2, config={"retention.ms": "60000"})])[topic].result(DEADLINE_S)
    until(lambda: partitions() == 3, "three partitions")
    client.create_partitions([NewPartitions(topic, 5)])[topic].result(DEADLINE_S)
    until(lambda: partitions() == 5, "five partitions")
    client.delete_topics([topic])[topic].result(DEADLINE_S)
    until(lambda: partitions() == 0, "the topic to be gone")


def configs(setting: Setting) -> None:
    client, topic = admin(setting), setting.topic("configs")

    def described(kind: Any, name: str) -> Any:
        return next(iter(client.describe_configs([ConfigResource(kind, name)]).values())).result(DEADLINE_S)

    resource = ConfigResource(ConfigResource.Type.TOPIC, topic)
    resource.add_incremental_config(
        ConfigEntry("max.message.bytes", "2000000", incremental_operation=AlterConfigOpType.SET)
    )
    next(iter(client.incremental_alter_configs([resource]).values())).result(DEADLINE_S)
    until(
        lambda: described(ConfigResource.Type.TOPIC, topic)["max.message.bytes"].value == "2000000",
        "the new value",
    )
    expect(described(ConfigResource.Type.BROKER, "0")["broker.id"].value, "0", "broker.id")


def groups_admin(setting: Setting) -> None:
    client, topic = admin(setting), setting.topic("groups-admin")
    group = topic
    write(producer(setting.bootstrap), topic, ["a", "b"])
    member = Member(setting, group, topic)
    until(lambda: member.poll() or len(member.values) == 2, "two records")
    member.commit()
    listed = client.list_consumer_groups().result(DEADLINE_S)
    expect(group in {each.group_id for each in listed.valid}, True, "the group in the list")
    described = client.describe_consumer_groups([group])[group].result(DEADLINE_S)
    expect((described.state.name, len(described.members)), ("STABLE", 1), "the group")
    member.close()
    offsets = client.list_consumer_group_offsets([ConsumerGroupTopicPartitions(group)])[group].result(
        DEADLINE_S
    )
    expect([each.offset for each in offsets.topic_partitions], [2], "offsets")
    client.delete_consumer_groups([group])[group].result(DEADLINE_S)
    listed = client.list_consumer_groups().result(DEADLINE_S)
    expect(group in {each.group_id for each in listed.valid}, False, "the group in the list")


def delete_records(setting: Setting) -> None:
    topic = setting.topic("delete-records")
    write(producer(setting.bootstrap), topic, [str(number) for number in range(10)])
    client = admin(setting)
    done = client.delete_records([TopicPartition(topic, 0, 4)])
    expect([each.result(DEADLINE_S).low_watermark for each in done.values()], [4], "the low watermark")
    reader = consumer(setting.bootstrap, topic)
    expect(reader.get_watermark_offsets(TopicPartition(topic, 0), DEADLINE_S), (4, 10), "earliest and latest")
    reader.close()


FEATURES = {
    "produce-consume": produce_consume,
    "headers": headers,
    **{name: codec(name) for name in CODECS},
    "rebalance": rebalance,
    "cooperative": cooperative,
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
    drive(FEATURES, {})
