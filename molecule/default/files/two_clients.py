# SPDX-License-Identifier: Apache-2.0
"""Write with one client library through one broker, read with the other through the other broker; both ways, in groups.

two_clients.py BOOTSTRAP BOOTSTRAP
"""

from __future__ import annotations

import sys
import time
import uuid

import confluent_kafka
import kafka

TOPIC = "test"
DEADLINE_S = 60


def write_with_kafka_python(bootstrap: str, values: list[bytes]) -> None:
    producer = kafka.KafkaProducer(bootstrap_servers=bootstrap, acks="all")
    for sent in [producer.send(TOPIC, value=value, key=b"from kafka-python", headers=[("n", b"1")]) for value in values]:
        sent.get(timeout=DEADLINE_S)
    producer.close()


def write_with_confluent_kafka(bootstrap: str, values: list[bytes]) -> None:
    failures: list[str] = []
    producer = confluent_kafka.Producer({"bootstrap.servers": bootstrap, "enable.idempotence": True, "compression.type": "lz4"})
    for value in values:
        producer.produce(TOPIC, value=value, on_delivery=lambda error, _: failures.append(str(error)) if error else None)
    left = producer.flush(DEADLINE_S)
    assert not left, f"{left} records were not acknowledged"
    assert not failures, failures


def read_with_kafka_python(bootstrap: str, group: str, wanted: set[bytes]) -> set[bytes]:
    consumer = kafka.KafkaConsumer(TOPIC, bootstrap_servers=bootstrap, group_id=group, auto_offset_reset="earliest")
    found: set[bytes] = set()
    deadline = time.monotonic() + DEADLINE_S
    while not wanted <= found and time.monotonic() < deadline:
        for records in consumer.poll(timeout_ms=500).values():
            found.update(record.value for record in records)
    consumer.commit()
    consumer.close()
    return found


def read_with_confluent_kafka(bootstrap: str, group: str, wanted: set[bytes]) -> set[bytes]:
    consumer = confluent_kafka.Consumer({"bootstrap.servers": bootstrap, "group.id": group, "auto.offset.reset": "earliest"})
    consumer.subscribe([TOPIC])
    found: set[bytes] = set()
    deadline = time.monotonic() + DEADLINE_S
    while not wanted <= found and time.monotonic() < deadline:
        message = consumer.poll(0.5)
        if message is not None and not message.error():
            found.add(message.value())
    consumer.commit(asynchronous=False)
    consumer.close()
    return found


def main() -> None:
    first, second = sys.argv[1:3]
    run = uuid.uuid4().hex
    for write, read in (
        (write_with_kafka_python, read_with_confluent_kafka),
        (write_with_confluent_kafka, read_with_kafka_python),
    ):
        values = [f"{run} {write.__name__} {number}".encode() for number in range(100)]
        write(first, values)
        missing = set(values) - read(second, f"{run}-{read.__name__}", set(values))
        if missing:
            sys.exit(f"{write.__name__} through {first}: {read.__name__} through {second} misses {len(missing)} of {len(values)}")


main()
