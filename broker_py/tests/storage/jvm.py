# SPDX-License-Identifier: Apache-2.0
"""Apache Kafka's own code as a judge of files: needs java and Kafka's jars (`make jvm-libs`)."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests import kafka_jars


def require_kafka() -> None:
    """Skip, saying what is missing."""
    reason = kafka_jars.missing()
    if reason is not None:
        pytest.skip(f"the JVM's verdict on our files is not asked for: {reason}")


def dump(*files: Path | str, options: tuple[str, ...] = ()) -> str:
    """What kafka-dump-log.sh says of files."""
    command = [*kafka_jars.java(256), "kafka.tools.DumpLogSegments", *options]
    command += ["--files", ",".join(map(str, files))]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def reference(directory: Path, script: list[str], *config: str, opened: str = "clean 0") -> list[str]:
    """What Kafka's own log answers to a script (see ReferenceLog.java) in a partition directory."""
    script_path = Path(__file__).with_name("ReferenceLog.java")
    command = [*kafka_jars.java(256), str(script_path), str(directory), *opened.split(" "), *config]
    text = "\n".join(script) + "\n"
    done = subprocess.run(command, input=text, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stderr
    return [line for line in done.stdout.splitlines() if not line.startswith(("log4j", "SLF4J"))]
