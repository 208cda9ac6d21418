# SPDX-License-Identifier: Apache-2.0
"""The matrix's driver of kafka-python."""

from __future__ import annotations

import time
from typing import Any

from kafka import ConsumerRebalanceListener, KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import ConfigResource, ConfigResourceType, NewTopic
from kafka.coordinator.assignors.cooperative_sticky import CooperativeStickyAssignor
from kafka.structs import OffsetAndMetadata

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


def producer(setting: Setting, **settings: Any) -> KafkaProducer:
    return KafkaProducer(**{"bootstrap_servers": setting.servers, "acks": "all", **settings})


def consumer(setting: Setting, *topics: str, **settings: Any) -> KafkaConsumer:
    defaults: dict[str, Any] = {
        "bootstrap_servers": setting.servers,
        "auto_offset_reset": "earliest",
        "enable_auto_commit": False,
        "session_timeout_ms": 10_000,
        "heartbeat_interval_ms": 200,
    }
    return KafkaConsumer(*topics, **{**defaults, **settings})


def write(source: KafkaProducer, topic: str, values: list[str], **more: Any) -> None:
    sent = [source.send(topic, value.encode(), **more) for value in values]
    for each in sent:
        each.get(DEADLINE_S)


def read(setting: Setting, topic: str, count: int, **settings: Any) -> list[Any]:
    reader = consumer(setting, **settings)
    reader.assign([TopicPartition(topic, number) for number in reader.partitions_for_topic(topic)])
    reader.seek_to_beginning()
    found: list[Any] = []

    def enough() -> bool:
        for records in reader.poll(200).values():
            found.extend(records)
        return len(found) >= count

    try:
        until(enough, f"{count} records")
    finally:
        reader.close()
    return found


def values_of(records: list[Any]) -> list[str]:
    return [record.value.decode() for record in records]


def produce_consume(setting: Setting) -> None:
    topic = setting.topic("produce-consume")
    source = producer(setting, bootstrap_servers=setting.servers[0])
    sent = [source.send(topic, f"value {n}".encode(), key=f"key {n % 10}".encode()) for n in range(COUNT)]
    for each in sent:
        each.get(DEADLINE_S)
    found = read(setting, topic, COUNT, bootstrap_servers=setting.servers[-1])
    expect(sorted(values_of(found)), sorted(f"value {number}" for number in range(COUNT)), "values")
    for partition in (0, 1):
        numbers = [int(r.value.split()[1]) for r in found if r.partition == partition]
        expect(numbers, sorted(numbers), "order")


def headers(setting: Setting) -> None:
    topic = setting.topic("headers")
    source = producer(setting)
    source.send(topic, b"with", headers=[("one", b"1"), ("empty", b"")]).get(DEADLINE_S)
    source.send(topic, None, key=b"gone").get(DEADLINE_S)
    first, second = read(setting, topic, 2)
    expect(list(first.headers), [("one", b"1"), ("empty", b"")], "headers")
    expect((second.key, second.value), (b"gone", None), "the record without a value")


def codec(name: str) -> Any:
    def run(setting: Setting) -> None:
        values = codec_values(name)
        write(producer(setting, compression_type=name, linger_ms=50), setting.topic(name), values)
        expect(values_of(read(setting, setting.topic(name), len(values))), values, "values")
        others = values_of(read(setting, f"others.{name}", OTHERS_COUNT))
        expect(others, [f"other {number}" for number in range(OTHERS_COUNT)], "values of others")

    return run


class Member(ConsumerRebalanceListener):  # type: ignore[misc]
    """A member of a group that is polled only here."""

    def __init__(self, setting: Setting, topic: str, **settings: Any) -> None:
        self.consumer = consumer(setting, group_id=topic, **settings)
        self.values: list[str] = []
        self.lost: set[int] = set()
        self.consumer.subscribe([topic], listener=self)

    def on_partitions_revoked(self, revoked: Any) -> None:
        self.lost.update(each.partition for each in revoked)

    def on_partitions_assigned(self, assigned: Any) -> None:
        pass

    def owned(self) -> set[int]:
        # Shorter polls end in the middle of a rebalance, and what is answered between two of them is thrown
        # away, whoever the broker is (docs/compatibility.md).
        for records in self.consumer.poll(500).values():
            self.values += values_of(records)
        return {each.partition for each in self.consumer.assignment()}

    def commit(self) -> None:
        self.consumer.commit()

    def close(self) -> None:
        self.consumer.close()


def shared(setting: Setting, feature: str, **settings: Any) -> None:
    topic = setting.topic(feature)
    source = producer(setting)
    share_and_resume(
        lambda: Member(setting, topic, **settings),
        lambda value, partition: source.send(topic, value.encode(), partition=partition).get(DEADLINE_S),
        cooperative=feature == "cooperative",
    )


def rebalance(setting: Setting) -> None:
    shared(setting, "rebalance")


def cooperative(setting: Setting) -> None:
    shared(setting, "cooperative", partition_assignment_strategy=[CooperativeStickyAssignor])


def static_member(setting: Setting) -> None:
    topic = setting.topic("static-member")
    return_in_session(lambda instance: Member(setting, topic, group_instance_id=instance))


def idempotence(setting: Setting) -> None:
    topic = setting.topic("idempotence")
    values = [f"value {number}" for number in range(COUNT)]
    write(producer(setting, enable_idempotence=True), topic, values)
    expect(values_of(read(setting, topic, COUNT)), values, "values")


def transactions(setting: Setting) -> None:
    topic = setting.topic("transactions")
    source = producer(setting, transactional_id=topic)
    source.init_transactions()
    for name, end in (("a", "commit"), ("b", "abort"), ("c", "commit")):
        source.begin_transaction()
        write(source, topic, [f"{name}{number}" for number in range(10)])
        (source.commit_transaction if end == "commit" else source.abort_transaction)()
    committed = {f"{name}{number}" for name in "ac" for number in range(10)}
    found = values_of(read(setting, topic, 20, isolation_level="read_committed"))
    expect(set(found), committed, "read_committed")
    found = values_of(read(setting, topic, 30))
    expect(set(found), committed | {f"b{number}" for number in range(10)}, "read_uncommitted")


def transactional_offsets(setting: Setting) -> None:
    topic = setting.topic("transactional-offsets")
    source = producer(setting, transactional_id=topic)
    source.init_transactions()
    member = Member(setting, topic)
    until(member.owned, "an assignment")
    partition = TopicPartition(topic, 0)
    for offset, end in ((5, "commit"), (9, "abort")):
        source.begin_transaction()
        write(source, topic, [f"until {offset}"])
        offsets = {partition: OffsetAndMetadata(offset, "", -1)}
        source.send_offsets_to_transaction(offsets, member.consumer.group_metadata())
        (source.commit_transaction if end == "commit" else source.abort_transaction)()
    until(lambda: member.consumer.committed(partition) == 5, "the committed transaction's offset")
    member.close()


def offsets_by_time(setting: Setting) -> None:
    topic = setting.topic("offsets-by-time")
    now = int(time.time() * 1000)
    source = producer(setting)
    for number in range(3):
        source.send(topic, b"x", timestamp_ms=now + number * 1000).get(DEADLINE_S)
    reader = consumer(setting)
    partition = TopicPartition(topic, 0)
    expect(reader.beginning_offsets([partition]), {partition: 0}, "earliest")
    expect(reader.end_offsets([partition]), {partition: 3}, "latest")
    expect(reader.offsets_for_times({partition: now + 500})[partition].offset, 1, "the first not older")
    reader.close()


def topics(setting: Setting) -> None:
    client, topic = KafkaAdminClient(bootstrap_servers=setting.servers), setting.topic("topics")

    def partitions() -> int:
        found = [each for each in client.describe_topics() if each["name"] == topic]
        return len(found[0]["partitions"]) if found else 0

    client.create_topics(
        [NewTopic(topic, num_partitions=3, replication_factor=2, topic_configs={"retention.ms": "60000"})]
    )
    until(lambda: partitions() == 3, "three partitions")
    client.create_partitions({topic: 5})
    until(lambda: partitions() == 5, "five partitions")
    client.delete_topics([topic])
    until(lambda: partitions() == 0, "the topic to be gone")
    client.close()


def configs(setting: Setting) -> None:
    client, topic = KafkaAdminClient(bootstrap_servers=setting.servers), setting.topic("configs")
    client.alter_configs([ConfigResource(ConfigResourceType.TOPIC, topic, {"max.message.bytes": "2000000"})])

    def described() -> Any:
        found = client.describe_configs([ConfigResource(ConfigResourceType.TOPIC, topic)])
        return found["topic"][topic].get("max.message.bytes", {}).get("value")

    until(lambda: described() == "2000000", "the new value")
    found = client.describe_configs([ConfigResource(ConfigResourceType.BROKER, "0")], config_filter="all")
    expect(found["broker"]["0"]["broker.id"]["value"], "0", "broker.id")
    client.close()


def groups_admin(setting: Setting) -> None:
    client, topic = KafkaAdminClient(bootstrap_servers=setting.servers), setting.topic("groups-admin")
    write(producer(setting), topic, ["a", "b"])
    member = Member(setting, topic)
    until(lambda: member.owned() and len(member.values) == 2, "two records")
    member.commit()
    expect(topic in {each["group_id"] for each in client.list_groups()}, True, "the group in the list")
    described = client.describe_groups([topic])[topic]
    expect((described["group_state"], len(described["members"])), ("Stable", 1), "the group")
    member.close()
    offsets = client.list_group_offsets({topic: None})[topic]
    expect({each.offset for each in offsets.values()}, {2}, "offsets")
    client.delete_groups([topic])
    expect(topic in {each["group_id"] for each in client.list_groups()}, False, "the group in the list")
    client.close()


def delete_records(setting: Setting) -> None:
    client, topic = KafkaAdminClient(bootstrap_servers=setting.servers), setting.topic("delete-records")
    write(producer(setting), topic, [str(number) for number in range(10)])
    partition = TopicPartition(topic, 0)
    client.delete_records({partition: 4})
    reader = consumer(setting)
    expect(reader.beginning_offsets([partition]), {partition: 4}, "earliest")
    reader.close()
    client.close()


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
