# SPDX-License-Identifier: Apache-2.0
"""Every command answers --help and --version, and ends quietly when it is interrupted or nobody reads on.

tests/jvm/test_how_tools_end.py compares what they say with Apache Kafka's.
"""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
import tomllib
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from commitlog.cli import terminal

PYPROJECT = Path(__file__).parents[2] / "pyproject.toml"
COMMANDS: dict[str, str] = tomllib.loads(PYPROJECT.read_text())["project"]["scripts"]

OF_SCRIPTS = {"kafka-server-stop.sh", "zookeeper-server-start.sh", "zookeeper-server-stop.sh"}
"""Kafka's are of the shell, and know no options."""
WITHOUT_VERSION = {
    "kafka-cluster.sh",
    "kafka-e2e-latency.sh",
    "kafka-features.sh",
    "kafka-producer-perf-test.sh",
    "kafka-verifiable-consumer.sh",
    "kafka-verifiable-producer.sh",
}
BY_ARGPARSE4J = WITHOUT_VERSION - {"kafka-e2e-latency.sh"} | {"kafka-transactions.sh"}


def main_of(entry_point: str) -> Callable[[Sequence[str]], int]:
    module, _, name = entry_point.partition(":")
    main: Callable[[Sequence[str]], int] = getattr(importlib.import_module(module), name)
    return main


@pytest.mark.parametrize("name", COMMANDS)
def test_help_and_version(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """--help is on standard output where argparse4j prints it, else on standard error, and it is a mistake.
    Some have no --version."""
    main = main_of(COMMANDS[name])
    assert main(["--help"]) == (0 if name in OF_SCRIPTS else 1)
    captured = capsys.readouterr()
    silent, told = (captured.err, captured.out)
    if name not in BY_ARGPARSE4J and name not in OF_SCRIPTS:
        silent, told = told, silent
    assert (len(told.splitlines()) > 2, silent) == (name != "kafka-e2e-latency.sh", "")
    assert told.endswith("\n")
    assert not told.endswith("\n\n")
    status = main(["--version"])
    captured = capsys.readouterr()
    if name in WITHOUT_VERSION:
        assert (status, captured.out) == (1, "")
    else:
        assert status == 0
        assert captured.out.startswith("3.9.0 (commitlog ")


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_reader_that_is_gone(unbuffered: str) -> None:
    module = COMMANDS["kafka-topics.sh"].partition(":")[0]
    reading, writing = os.pipe()
    os.close(reading)
    try:
        done = subprocess.run(
            [sys.executable, "-m", module, "--version"],
            check=False,
            stdout=writing,
            stderr=subprocess.PIPE,
            env={**os.environ, "PYTHONUNBUFFERED": unbuffered},
        )
    finally:
        os.close(writing)
    assert (done.returncode, done.stderr) == (141, b"")


def test_an_interrupt_shows_no_stack_trace(capsys: pytest.CaptureFixture[str]) -> None:
    def interrupted(_: Sequence[str]) -> int:
        raise KeyboardInterrupt

    assert terminal.run(interrupted, [], help_text=str) == 130
    assert capsys.readouterr() == ("", "")


def test_the_background_needs_a_place_for_the_output(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    properties = tmp_path / "server.properties"
    properties.write_text("zookeeper.connect=kafka1:2181\n")
    monkeypatch.setenv("LOG_DIR", str(tmp_path / "file"))
    assert main_of(COMMANDS["kafka-server-start.sh"])(["-daemon", str(properties)]) == 1
    assert capsys.readouterr().err == f"{tmp_path / 'file'}: File exists\n"
