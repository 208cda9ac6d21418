# SPDX-License-Identifier: Apache-2.0
"""kafka-topics.sh from the outside: exit status, one line for an error, and a quick start."""

from __future__ import annotations

import subprocess
import sys

import pytest

from commitlog.cli.topics import main


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (
            ["--list", "--zookeeper", "cafka1.invalid:2181"],
            "Error while executing topic command : Unable to connect to ZooKeeper at cafka1.invalid:2181: "
            "unknown host cafka1.invalid",
        ),
        (
            ["--list", "--bootstrap-server", "cafka1.invalid:9092"],
            "Error while executing topic command : Couldn't resolve server cafka1.invalid:9092 from "
            "bootstrap.servers as DNS resolution failed for cafka1.invalid",
        ),
        (
            ["--list", "--bootstrap-server", "127.0.0.1:1", "--command-config", "/none.properties"],
            "Error while executing topic command : /none.properties: cannot be read: No such file or "
            "directory",
        ),
    ],
)
def test_what_goes_wrong_is_one_line_and_status_1(
    capsys: pytest.CaptureFixture[str], arguments: list[str], line: str
) -> None:
    """On standard output, as Kafka says it."""
    assert main(arguments) == 1
    captured = capsys.readouterr()
    assert captured.out == f"{line}\n"
    assert captured.err == ""


def test_an_option_without_its_argument(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--list", "--zookeeper", "kafka1:2181", "--topic"]) == 1
    assert capsys.readouterr() == ("", "Option topic requires an argument\n")


def test_help_and_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 1
    assert capsys.readouterr().err.startswith("Create, delete, describe, or change a topic.\nOption ")
    assert main(["--help"]) == 1
    assert capsys.readouterr().err.startswith(
        "This tool helps to create, delete, describe, or change a topic."
    )
    assert main(["--version"]) == 0
    assert capsys.readouterr().out.startswith("3.9.")


def test_nothing_is_loaded_before_it_is_needed() -> None:
    program = (
        "import sys; from commitlog.cli.topics import main; main(['--list']); "
        "print(sorted({'asyncio', 'kazoo', 'commitlog.wire.codec', 'commitlog.controller'} & "
        "set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
