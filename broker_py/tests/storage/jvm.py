# SPDX-License-Identifier: Apache-2.0
"""Apache Kafka's own code as a judge: needs java and Kafka's jars (in COMMITLOG_KAFKA_LIBS)."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

LIBS = os.environ.get("COMMITLOG_KAFKA_LIBS", "/tmp/kafka-jvm/libs")


def require_kafka() -> None:
    """Skip, saying what is missing."""
    if shutil.which("java") is None:
        pytest.skip("java is not installed: the JVM's verdict on our files is not asked for")
    if not list(Path(LIBS).glob("kafka_2.13-3.9*.jar")):
        pytest.skip(f"no Apache Kafka 3.9 jars in {LIBS} (COMMITLOG_KAFKA_LIBS): the JVM is not asked")


def dump(*files: Path | str, options: tuple[str, ...] = ()) -> str:
    """What kafka-dump-log.sh says of files."""
    command = [
        "java", "-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-cp", f"{LIBS}/*",
        "kafka.tools.DumpLogSegments", *options, "--files", ",".join(map(str, files)),
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def reference(directory: Path, script: list[str], *config: str, opened: str = "clean 0") -> list[str]:
    """What Kafka's own log answers to a script (see ReferenceLog.java) in a partition directory."""
    command = [
        "java", "-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-cp", f"{LIBS}/*",
        str(Path(__file__).with_name("ReferenceLog.java")), str(directory), *opened.split(" "), *config,
    ]  # fmt: skip
    text = "\n".join(script) + "\n"
    done = subprocess.run(command, input=text, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stderr
    return [line for line in done.stdout.splitlines() if not line.startswith(("log4j", "SLF4J"))]
