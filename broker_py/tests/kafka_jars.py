# SPDX-License-Identifier: Apache-2.0
"""Where Apache Kafka's jars are, for the tests marked `jvm`.

`make jvm-libs` fetches them from Maven Central into .cache/kafka-jvm; COMMITLOG_KAFKA_LIBS names another
directory with the jars of 3.9. Where they or a JRE are missing the tests are skipped, and say so.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

CACHE = Path(__file__).parents[2] / ".cache" / "kafka-jvm"
LIBS = Path(os.environ.get("COMMITLOG_KAFKA_LIBS", CACHE / "libs"))
LIBS_0_8 = Path(os.environ.get("COMMITLOG_KAFKA_0_8_LIBS", CACHE / "libs-0.8"))
LIBS_2_1 = CACHE / "libs-2.1"
LIBS_4 = CACHE / "libs-4"

# A small heap, and start-up before throughput: every JVM of the tests is short-lived.
FAST_START = ["-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto"]


def missing(libs: Path = LIBS, jar: str = "kafka_2.13-3.9*.jar") -> str | None:
    """Why Kafka's own code cannot be asked here; None when it can."""
    if shutil.which("java") is None:
        return "java is not installed (default-jre-headless)"
    if not list(libs.glob(jar)):
        return f"no {jar} in {libs} (run `make jvm-libs`)"
    return None


def java(heap_mb: int, *, libs: Path = LIBS, options: tuple[str, ...] = ()) -> list[str]:
    """The command line up to the main class."""
    return ["java", f"-Xmx{heap_mb}m", *FAST_START, *options, "-cp", f"{libs}/*"]
