# SPDX-License-Identifier: Apache-2.0
"""Fill a topic with records that do not compress: fill.py BOOTSTRAP TOPIC MEGABYTES"""

from __future__ import annotations

import os
import sys

from confluent_kafka import Producer

SIZE = 100_000


def main() -> None:
    bootstrap, topic, megabytes = sys.argv[1:]
    failures: list[str] = []
    producer = Producer({"bootstrap.servers": bootstrap, "linger.ms": 5, "acks": "all"})
    for number in range(int(megabytes) * 1_000_000 // SIZE):
        key = str(number).encode()
        producer.produce(
            topic, os.urandom(SIZE), key, on_delivery=lambda error, _: failures.append(str(error)) if error else None
        )
        producer.poll(0)
    left = producer.flush(120)
    if left or failures:
        sys.exit(f"{left} records were not delivered; {failures[:3]}")


main()
