# SPDX-License-Identifier: Apache-2.0
"""Write numbered records and read them in a group until a file appears, while others log in anew all the time.

    steady_client.py SETTINGS TOPIC GROUP STOP_FILE OUTPUT

SETTINGS is JSON, of all clients. OUTPUT gets JSON: how many records were written and acknowledged, how many of those were not
read, the longest time (s) without an acknowledgement, how many newcomers logged in, wrote a record, logged in again and read it,
and every error that a client was told of.
"""

from __future__ import annotations

import json
import pathlib
import sys
import threading
import time
from typing import Any

from confluent_kafka import Consumer, KafkaError, Producer, TopicPartition

PERIOD_S = 0.02
DEADLINE_S = 4 * 3600
REST_S = 120
NEXT_S = 0.5
REFUSALS = (KafkaError._AUTHENTICATION, KafkaError.SASL_AUTHENTICATION_FAILED, KafkaError._SSL)


class Told:
    """What clients were told that is no matter of trying again."""

    def __init__(self) -> None:
        self.errors: list[str] = []

    def error(self, error: KafkaError) -> None:
        if error.fatal() or error.code() in REFUSALS:
            self.errors.append(str(error))


class Clients:
    """A producer and a consumer of one topic, which stay connected."""

    def __init__(self, settings: dict[str, Any], topic: str, group: str, told: Told) -> None:
        self.topic, self.told, self.mark = topic, told, f"{group}-"
        self.acknowledged: set[int] = set()
        self.read: set[int] = set()
        self.last = time.monotonic()
        self.longest = 0.0
        self.producer = Producer({**settings, "enable.idempotence": True, "linger.ms": 5})
        self.consumer = Consumer({**settings, "group.id": group, "auto.offset.reset": "earliest"})
        self.consumer.subscribe([topic])

    def delivered(self, number: int, error: KafkaError | None) -> None:
        if error is not None:
            self.told.errors.append(f"record {number}: {error}")
            return
        self.acknowledged.add(number)
        now = time.monotonic()
        self.longest, self.last = max(self.longest, now - self.last), now

    def write(self, number: int) -> None:
        value = f"{self.mark}{number}".encode()
        self.producer.produce(self.topic, value, on_delivery=lambda error, _message: self.delivered(number, error))
        self.producer.poll(0)

    def read_some(self, wait_s: float) -> bool:
        """Whether there was something to read."""
        message = self.consumer.poll(wait_s)
        if message is None:
            return False
        if message.error() is not None:
            self.told.errors.append(f"read: {message.error()}")
        elif (text := message.value().decode()).startswith(self.mark):
            self.read.add(int(text.removeprefix(self.mark)))
        return True

    def finish(self) -> None:
        self.producer.flush(REST_S)
        end = time.monotonic() + REST_S
        while not self.acknowledged <= self.read and time.monotonic() < end:
            self.read_some(1.0)
        self.consumer.close()


def newcomer(settings: dict[str, Any], topic: str, group: str) -> str:
    """Log in, write a record, log in again, read it. '' or what went wrong."""
    answers: list[tuple[Any, Any]] = []
    producer = Producer(settings)
    producer.produce(topic, b"newcomer", on_delivery=lambda *answer: answers.append(answer))
    producer.flush(REST_S)
    if not answers or answers[0][0] is not None:
        return f"newcomer: {answers[0][0] if answers else 'no answer'}"
    consumer = Consumer({**settings, "group.id": f"{group}-newcomers"})
    try:
        consumer.assign([TopicPartition(topic, answers[0][1].partition(), answers[0][1].offset())])
        message = consumer.poll(REST_S)
        if message is None or message.error() is not None:
            return f"newcomer reads: {message.error() if message else 'nothing'}"
        return "" if message.value() == b"newcomer" else f"newcomer reads another record: {message.value()!r}"
    finally:
        consumer.close()


def main() -> None:
    settings_file, topic, group, stop_file, output = sys.argv[1:]
    stop = pathlib.Path(stop_file)
    told = Told()
    settings = {**json.loads(pathlib.Path(settings_file).read_text()), "error_cb": told.error, "log_level": 0}
    clients = Clients(settings, topic, group, told)
    newcomers = 0
    end = time.monotonic() + DEADLINE_S

    def come_and_go() -> None:
        nonlocal newcomers
        while not stop.exists() and time.monotonic() < end:
            if said := newcomer(settings, topic, group):
                told.errors.append(said)
            else:
                newcomers += 1
            time.sleep(NEXT_S)

    coming = threading.Thread(target=come_and_go)
    coming.start()
    number = 0
    while not stop.exists() and time.monotonic() < end:
        clients.write(number)
        number += 1
        time.sleep(PERIOD_S)  # hosts and playbooks share the machine
        while clients.read_some(0):
            pass
    clients.finish()
    coming.join()
    result = {
        "acknowledged": len(clients.acknowledged),
        "written": number,
        "not_read": len(clients.acknowledged - clients.read),
        "newcomers": newcomers,
        "longest_pause_s": round(clients.longest, 1),
        "errors": told.errors[:10],
    }
    whole = pathlib.Path(f"{output}.part")
    whole.write_text(json.dumps(result))
    whole.rename(output)


main()
