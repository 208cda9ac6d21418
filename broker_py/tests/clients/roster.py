# SPDX-License-Identifier: Apache-2.0
"""The clients of the matrix: where each comes from, its pinned version, how its driver is started.

Python's are in .venv; `make client-libs` (fetch.py) puts the others into .cache/clients. A client whose
runtime or library is not there is skipped, and says what is missing.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

HERE = Path(__file__).parent
CACHE = HERE.parents[2] / ".cache" / "clients"
NODE = CACHE / "node"
HOW = "run `make client-libs`"
JAVA_VERSIONS = ("0.8.1.1", "2.1.1", "3.9.1", "4.4.0")


@dataclass(frozen=True)
class Client:
    """One row."""

    name: str
    command: Callable[[], list[str]]
    version: Callable[[], str]
    missing: Callable[[], str | None]

    @property
    def prefix(self) -> str:
        """Of its topics."""
        return re.sub("[^a-z0-9.]", "-", self.name.lower())


def _absent(program: str, *files: Path) -> Callable[[], str | None]:
    def missing() -> str | None:
        if shutil.which(program) is None:
            return f"{program} is not on the path"
        lost = [file for file in files if not file.exists()]
        return f"{lost[0].relative_to(HERE.parents[2])} is not there ({HOW})" if lost else None

    return missing


def _python(package: str, module: str) -> Client:
    def version() -> str:
        found = metadata.version(package)
        if package == "confluent-kafka":
            from confluent_kafka import libversion

            found += f" (librdkafka {libversion()[0]})"
        return found

    return Client(
        package,
        lambda: [sys.executable, "-m", f"tests.clients.{module}"],
        version,
        lambda: None,
    )


def _kcat_version() -> str:
    said = subprocess.run(["kcat", "-V"], capture_output=True, text=True, check=True).stdout
    found = re.search(r"Version (\S+).*librdkafka (\S+)", said)
    return f"{found[1]} (librdkafka {found[2]})" if found else "?"


def _kcat() -> Client:
    def missing() -> str | None:
        return None if shutil.which("kcat") else "kcat is not on the path (Debian's package kcat)"

    return Client("kcat", lambda: [sys.executable, "-m", "tests.clients.kcat_driver"], _kcat_version, missing)


def _node(package: str, driver: str) -> Client:
    directory = NODE / "node_modules" / package

    def version() -> str:
        return str(json.loads((directory / "package.json").read_text())["version"])

    command = ["node", str(NODE / driver)]
    return Client(package, lambda: command, version, _absent("node", directory, NODE / driver))


def _go(name: str, module: str) -> Client:
    binary = CACHE / "go" / name

    def version() -> str:
        found = re.search(rf"{re.escape(module)} v(\S+)", (HERE / "go" / "go.mod").read_text())
        return found[1] if found else "?"

    # What has been built runs without the compiler.
    return Client(name, lambda: [str(binary)], version, _absent(str(binary)))


def _java(version: str, main: str) -> Client:
    libs, classes = CACHE / f"java-{version}", CACHE / f"java-{version}-classes"
    options = ["-Xmx192m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto"]
    if version < "1":  # its snappy-java reaches into the class loader
        options += ["--add-opens", "java.base/java.lang=ALL-UNNAMED"]
    command = ["java", *options, "-cp", f"{classes}:{libs}/*", main]
    return Client(f"Java {version}", lambda: command, lambda: "", _absent("java", libs, classes))


ROSTER = (
    _python("confluent-kafka", "confluent_driver"),
    _python("kafka-python", "kafka_python_driver"),
    _python("aiokafka", "aiokafka_driver"),
    _kcat(),
    _node("kafkajs", "kafkajs.mjs"),
    _node("@platformatic/kafka", "platformatic.mjs"),
    _go("franz-go", "github.com/twmb/franz-go"),
    _go("sarama", "github.com/IBM/sarama"),
    *(_java(version, "OldDriver" if version < "1" else "Driver") for version in JAVA_VERSIONS),
)
