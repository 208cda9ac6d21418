# SPDX-License-Identifier: Apache-2.0
"""Write numbered records until a file appears, with a client's default settings, and say what came of them.

    steady_producer.py BOOTSTRAP TOPIC STOP_FILE OUTPUT

A producer that is left over from a run that failed ends, and says nothing, when the next one begins with the same OUTPUT.
OUTPUT gets JSON: `acknowledged`, the numbers that were; `errors`, what deliveries reported; `fatal`, whether it could not go on.
"""

from __future__ import annotations

import json
import os
import pathlib
import sys
import time

from confluent_kafka import KafkaError, Producer

PERIOD_S = 0.02
DEADLINE_S = 1800


def main() -> None:
    bootstrap, topic, stop, output = sys.argv[1:]
    acknowledged: list[int] = []
    errors: list[str] = []
    fatal = False

    def delivered(number: int, error: KafkaError | None) -> None:
        if error is None:
            acknowledged.append(number)
        else:
            errors.append(f"{number}: {error}")

    def reported(error: KafkaError) -> None:
        nonlocal fatal
        fatal = fatal or error.fatal()

    producer = Producer({"bootstrap.servers": bootstrap, "enable.idempotence": True, "error_cb": reported, "linger.ms": 5})
    deadline = time.monotonic() + DEADLINE_S
    latest = pathlib.Path(f"{output}.producer")
    latest.write_text(str(os.getpid()))
    number = 0
    while not pathlib.Path(stop).exists() and time.monotonic() < deadline:
        producer.produce(topic, str(number).encode(), on_delivery=lambda error, _, number=number: delivered(number, error))
        number += 1
        producer.poll(PERIOD_S)
        if latest.read_text() != str(os.getpid()):
            sys.exit("another producer has begun")
    left = producer.flush(120)
    result = {"acknowledged": acknowledged, "errors": errors, "fatal": fatal, "written": number, "left": left}
    whole = pathlib.Path(f"{output}.part")
    whole.write_text(json.dumps(result))
    whole.rename(output)


main()
