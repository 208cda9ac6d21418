# SPDX-License-Identifier: Apache-2.0
"""Four clients of the field, each with its default settings, behind two verbs: produce and consume as a
group.
"""

from __future__ import annotations

import asyncio
import subprocess
import time
from collections.abc import Callable, Sequence
from typing import Protocol

import confluent_kafka
import kafka
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from tests.end_to_end.cluster import DEADLINE_S


class Client(Protocol):
    def produce(self, bootstrap: str, topic: str, values: Sequence[str]) -> None:
        """Produce all of them; returns when they are acknowledged."""

    def consume(self, bootstrap: str, topic: str, group: str, count: int) -> list[str]:
        """Join the group, read ``count`` records from where it stands, commit, leave."""


class KafkaPython:
    def produce(self, bootstrap: str, topic: str, values: Sequence[str]) -> None:
        producer = kafka.KafkaProducer(bootstrap_servers=bootstrap.split(","), acks="all")
        futures = [producer.send(topic, value.encode()) for value in values]
        for future in futures:
            future.get(timeout=DEADLINE_S)
        producer.close()

    def consume(self, bootstrap: str, topic: str, group: str, count: int) -> list[str]:
        consumer = kafka.KafkaConsumer(
            topic,
            bootstrap_servers=bootstrap.split(","),
            group_id=group,
            auto_offset_reset="earliest",
            consumer_timeout_ms=int(DEADLINE_S * 1000),
        )
        values: list[str] = []
        for record in consumer:
            values.append(record.value.decode())
            if len(values) == count:
                break
        consumer.commit()
        consumer.close()
        return values


class Confluent:
    def produce(self, bootstrap: str, topic: str, values: Sequence[str]) -> None:
        producer = confluent_kafka.Producer({"bootstrap.servers": bootstrap, "log_level": 0})
        errors: list[object] = []

        def delivered(error: object, message: object) -> None:
            if error is not None:
                errors.append(error)

        for value in values:
            producer.produce(topic, value.encode(), on_delivery=delivered)
        assert producer.flush(DEADLINE_S) == 0
        assert not errors

    def consume(self, bootstrap: str, topic: str, group: str, count: int) -> list[str]:
        consumer = confluent_kafka.Consumer(
            {
                "bootstrap.servers": bootstrap,
                "group.id": group,
                "auto.offset.reset": "earliest",
                "log_level": 0,
            }
        )
        consumer.subscribe([topic])
        values: list[str] = []
        deadline = time.monotonic() + DEADLINE_S
        while len(values) < count and time.monotonic() < deadline:
            message = consumer.poll(0.2)
            if message is not None and message.error() is None:
                values.append(message.value().decode())
        if values:
            consumer.commit(asynchronous=False)
        consumer.close()
        return values


class AioKafka:
    def produce(self, bootstrap: str, topic: str, values: Sequence[str]) -> None:
        async def run() -> None:
            async with AIOKafkaProducer(bootstrap_servers=bootstrap) as producer:
                await asyncio.gather(*(producer.send_and_wait(topic, value.encode()) for value in values))

        asyncio.run(asyncio.wait_for(run(), DEADLINE_S))

    def consume(self, bootstrap: str, topic: str, group: str, count: int) -> list[str]:
        async def run() -> list[str]:
            consumer = AIOKafkaConsumer(
                topic, bootstrap_servers=bootstrap, group_id=group, auto_offset_reset="earliest"
            )
            async with consumer:
                values = [(await consumer.getone()).value.decode() for _ in range(count)]
                await consumer.commit()
                return values

        return asyncio.run(asyncio.wait_for(run(), DEADLINE_S))


class Kcat:
    """kcat (kafkacat), the C client that people type."""

    def produce(self, bootstrap: str, topic: str, values: Sequence[str]) -> None:
        text = "".join(f"{value}\n" for value in values)
        command = ["kcat", "-b", bootstrap, "-P", "-t", topic]
        subprocess.run(command, input=text, text=True, check=True, timeout=DEADLINE_S)

    def consume(self, bootstrap: str, topic: str, group: str, count: int) -> list[str]:
        command = ["kcat", "-b", bootstrap, "-q", "-c", str(count)]
        command += ["-X", "auto.offset.reset=earliest", "-G", group, topic]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, timeout=DEADLINE_S)
        return done.stdout.splitlines()


CLIENTS: dict[str, Callable[[], Client]] = {
    "kafka-python": KafkaPython,
    "confluent-kafka": Confluent,
    "aiokafka": AioKafka,
    "kcat": Kcat,
}
