# SPDX-License-Identifier: Apache-2.0
"""Writes samples.txt: what Apache Kafka's own classes make of every sample message, at every version.

Needs a JDK and the jars of org.apache.kafka:kafka_2.13:3.9.1 with their dependencies; run it when a schema
changes: `PYTHONPATH=. python tests/wire/kafka_bytes/write_samples.py '/path/to/libs/*'` in broker_py.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from tests.wire.samples import every_version, full_sample, sparse_sample, to_kafka_json

HERE = Path(__file__).parent


def main(classpath: str) -> None:
    lines = []
    for spec, version in every_version():
        for make in (full_sample, sparse_sample):
            text = json.dumps(to_kafka_json(make(spec, version), spec.root, version))
            lines.append(f"{spec.name} {version} {text}\n")
    command = ["java", "-cp", classpath, str(HERE / "KafkaBytes.java")]
    done = subprocess.run(command, input="".join(lines), text=True, stdout=subprocess.PIPE, check=True)
    (HERE / "samples.txt").write_text(done.stdout, encoding="ascii")


if __name__ == "__main__":
    main(sys.argv[1])
