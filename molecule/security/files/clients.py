# SPDX-License-Identifier: Apache-2.0
"""Two client libraries at a secured cluster: who belongs writes and reads, everybody else is refused with Kafka's error.

usage: clients.py BOOTSTRAP CA_FILE WRONG_CA_FILE, with the passwords of alice and mallory in the environment
"""

from __future__ import annotations

import ipaddress
import os
import sys
import time
from typing import Any

import confluent_kafka
import kafka
from kafka.errors import KafkaError

TOPIC, GROUP = "test", "guests"
WAIT_S = 60
QUICK_S = 12


def librdkafka(bootstrap: str, ca: str, user: str, password: str, **more: Any) -> dict[str, Any]:
    return {
        "bootstrap.servers": bootstrap,
        "security.protocol": "SASL_SSL",
        "sasl.mechanism": "SCRAM-SHA-512",
        "sasl.username": user,
        "sasl.password": password,
        "ssl.ca.location": ca,
        **more,
    }


def pure_python(bootstrap: str, ca: str, user: str, password: str, **more: Any) -> dict[str, Any]:
    return {
        "bootstrap_servers": bootstrap,
        "security_protocol": "SASL_SSL",
        "sasl_mechanism": "SCRAM-SHA-512",
        "sasl_plain_username": user,
        "sasl_plain_password": password,
        "ssl_cafile": ca,
        **more,
    }


def produce_with_librdkafka(settings: dict[str, Any], value: bytes, wait_s: int) -> str:
    """'' when the record was acknowledged, else why not."""
    said: list[str] = []
    answers: list[Any] = []
    producer = confluent_kafka.Producer({**settings, "error_cb": lambda error: said.append(str(error)), "log_level": 0})
    producer.produce(TOPIC, value, on_delivery=lambda error, _: answers.append(error))
    deadline = time.monotonic() + wait_s
    while not answers and time.monotonic() < deadline and not (said and wait_s == QUICK_S):
        producer.poll(0.2)
    producer.purge()
    if answers and answers[0] is None:
        return ""
    return "; ".join([*said, *(str(answer) for answer in answers)]) or "no answer"


def consume_with_librdkafka(settings: dict[str, Any], wanted: set[bytes]) -> None:
    consumer = confluent_kafka.Consumer({**settings, "group.id": GROUP, "auto.offset.reset": "earliest"})
    consumer.subscribe([TOPIC])
    found: set[bytes] = set()
    deadline = time.monotonic() + WAIT_S
    while not wanted <= found:
        assert time.monotonic() < deadline, f"confluent-kafka read {found}, and {wanted} was written"
        message = consumer.poll(1)
        if message is not None:
            assert message.error() is None, message.error()
            found.add(message.value())
    consumer.close()


def consume_with_kafka_python(settings: dict[str, Any], wanted: set[bytes]) -> None:
    consumer = kafka.KafkaConsumer(**settings, group_id=GROUP + "-2", auto_offset_reset="earliest")
    consumer.subscribe([TOPIC])
    found: set[bytes] = set()
    deadline = time.monotonic() + WAIT_S
    while not wanted <= found:
        assert time.monotonic() < deadline, f"kafka-python read {found}, and {wanted} was written"
        for records in consumer.poll(1000).values():
            found |= {record.value for record in records}
    consumer.close()


def refused(what: str, said: str, *words: str) -> None:
    assert said, f"{what}: was let in"
    assert any(word in said for word in words), f"{what}: refused with '{said}', and one of {words} was expected"
    print(f"{what}: {said.splitlines()[0][:160]}")


def kafka_python_says(settings: dict[str, Any]) -> str:
    try:
        producer = kafka.KafkaProducer(**settings, max_block_ms=QUICK_S * 1000)
    except KafkaError as error:
        return repr(error)
    try:
        producer.send(TOPIC, b"no").get(timeout=QUICK_S)
    except KafkaError as error:
        return repr(error)
    finally:
        producer.close(timeout=1)
    return ""


def main() -> None:
    bootstrap, ca, wrong_ca = sys.argv[1:]
    alice, mallory = os.environ["ALICE"], os.environ["MALLORY"]
    host, _, port = bootstrap.split(",")[0].rpartition(":")
    # Another way to write the address: it resolves, and stands in no certificate.
    misnamed = f"{int(ipaddress.ip_address(host))}:{port}"

    assert (said := produce_with_librdkafka(librdkafka(bootstrap, ca, "alice", alice), b"one", WAIT_S)) == "", said
    producer = kafka.KafkaProducer(**pure_python(bootstrap, ca, "alice", alice), max_block_ms=WAIT_S * 1000)
    producer.send(TOPIC, b"two").get(timeout=WAIT_S)
    producer.close()
    consume_with_librdkafka(librdkafka(bootstrap, ca, "alice", alice), {b"one", b"two"})
    consume_with_kafka_python(pure_python(bootstrap, ca, "alice", alice), {b"one", b"two"})
    print("alice: wrote and read with both libraries")

    wrong = librdkafka(bootstrap, ca, "alice", "wrong")
    refused("confluent-kafka, wrong password", produce_with_librdkafka(wrong, b"no", QUICK_S), "uthentication failed")
    # This library tries again until its time is up, and keeps the broker's reason to its log.
    said = kafka_python_says(pure_python(bootstrap, ca, "alice", "wrong"))
    refused("kafka-python, wrong password", said, "Authentication", "Unable to bootstrap")
    strange = librdkafka(bootstrap, wrong_ca, "alice", alice)
    refused("confluent-kafka, another authority", produce_with_librdkafka(strange, b"no", QUICK_S), "certificate verify failed")
    named = librdkafka(misnamed, ca, "alice", alice)
    refused(
        "confluent-kafka, another host name",
        produce_with_librdkafka(named, b"no", QUICK_S),
        "certificate verify failed",
        "hostname",
    )
    nobody = librdkafka(bootstrap, ca, "mallory", mallory, **{"message.timeout.ms": 8000})
    refused(
        "confluent-kafka, no ACL",
        produce_with_librdkafka(nobody, b"no", WAIT_S),
        "TOPIC_AUTHORIZATION_FAILED",
        "authorization failed",
    )
    refused("kafka-python, no ACL", kafka_python_says(pure_python(bootstrap, ca, "mallory", mallory)), "TopicAuthorizationFailed")
    plaintext = {"bootstrap.servers": bootstrap}
    # The broker ends the connection, and says no word to who does not speak TLS.
    said = produce_with_librdkafka(plaintext, b"no", QUICK_S)
    refused("confluent-kafka, no TLS", said, "isconnected", "brokers are down", "SSL")


if __name__ == "__main__":
    main()
