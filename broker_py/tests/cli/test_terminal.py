# SPDX-License-Identifier: Apache-2.0
"""Every command answers --help and --version, and ends quietly when it is interrupted or nobody reads on."""

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


def main_of(entry_point: str) -> Callable[[Sequence[str]], int]:
    module, _, name = entry_point.partition(":")
    main: Callable[[Sequence[str]], int] = getattr(importlib.import_module(module), name)
    return main


@pytest.mark.parametrize("name", COMMANDS)
def test_help_and_version(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    main = main_of(COMMANDS[name])
    assert main(["--help"]) == 0
    captured = capsys.readouterr()
    assert len(captured.out.splitlines()) > 2
    assert captured.out.endswith("\n")
    assert not captured.out.endswith("\n\n")
    assert captured.err == ""
    assert main(["--version"]) == 0
    assert capsys.readouterr().out.startswith("3.9.0 (commitlog ")


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_reader_that_is_gone(unbuffered: str) -> None:
    module = COMMANDS["kafka-topics.sh"].partition(":")[0]
    reading, writing = os.pipe()
    os.close(reading)
    try:
        done = subprocess.run(
            [sys.executable, "-m", module, "--help"],
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
