# SPDX-License-Identifier: Apache-2.0
"""Finding and stopping servers, in a /proc of the test's own: nothing of this machine is touched."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from commitlog.cli import processes, server_stop, zookeeper_stop
from commitlog.cli.processes import find, is_broker, is_zookeeper, signal_number

COMMANDS = {
    11: ["/opt/kafka/venv/bin/python3", "/opt/kafka/bin/kafka-server-start.sh", "config/server.properties"],
    12: ["python", "-m", "commitlog.cli.server_start", "-daemon", "config/server.properties"],
    13: ["/usr/bin/java", "-Xmx1G", "-cp", "libs/*", "kafka.Kafka", "config/server.properties"],
    14: ["bash", "-c", "bin/kafka-server-start.sh config/server.properties"],
    15: ["vim", "/opt/kafka/bin/kafka-server-start.sh"],
    16: ["grep", "kafka.Kafka"],
    17: [
        "/usr/bin/java",
        "-cp",
        "zookeeper.jar",
        "org.apache.zookeeper.server.quorum.QuorumPeerMain",
        "zoo.cfg",
    ],
    18: ["python3", "/opt/kafka/bin/zookeeper-server-start.sh", "config/zookeeper.properties"],
    19: ["python3", "/opt/kafka/bin/kafka-topics.sh", "--list"],
}


@pytest.fixture
def proc(tmp_path: Path) -> Path:
    for number, words in COMMANDS.items():
        (tmp_path / str(number)).mkdir()
        (tmp_path / str(number) / "cmdline").write_bytes(b"".join(word.encode() + b"\0" for word in words))
    (tmp_path / "2").mkdir()
    (tmp_path / "2" / "cmdline").write_bytes(b"")  # a kernel thread
    (tmp_path / "20").mkdir()  # gone between listing and reading
    (tmp_path / "self").mkdir()
    return tmp_path


def test_only_servers_are_found(proc: Path) -> None:
    assert find(is_broker, proc=proc) == [11, 12, 13]
    assert find(is_zookeeper, proc=proc) == [17]


@pytest.mark.parametrize(
    ("name", "number"),
    [
        ("TERM", signal.SIGTERM),
        ("SIGKILL", signal.SIGKILL),
        ("9", signal.SIGKILL),
        ("frob", None),
        ("0", None),
    ],
)
def test_the_signal_of_the_environment(
    monkeypatch: pytest.MonkeyPatch, name: str, number: signal.Signals | None
) -> None:
    monkeypatch.setenv("SIGNAL", name)
    assert signal_number() == number


@pytest.fixture
def killed(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, signal.Signals]]:
    """Signals are written down, not sent; process 13 is another user's, 12 has just ended."""
    sent: list[tuple[int, signal.Signals]] = []

    def kill(process_id: int, number: signal.Signals) -> None:
        if process_id == 13:
            raise PermissionError
        if process_id == 12:
            raise ProcessLookupError
        sent.append((process_id, number))

    monkeypatch.setattr(processes.os, "kill", kill)
    monkeypatch.delenv("SIGNAL", raising=False)
    return sent


def _seen(monkeypatch: pytest.MonkeyPatch, found: list[int]) -> None:
    monkeypatch.setattr(processes, "find", lambda _wanted: found)


def test_stop_signals_every_server(
    monkeypatch: pytest.MonkeyPatch, killed: list[tuple[int, signal.Signals]]
) -> None:
    _seen(monkeypatch, [11, 12])
    assert server_stop.main([]) == 0
    monkeypatch.setenv("SIGNAL", "INT")
    assert zookeeper_stop.main([]) == 0
    assert killed == [(11, signal.SIGTERM), (11, signal.SIGINT)]


def test_stop_without_a_server(
    monkeypatch: pytest.MonkeyPatch,
    killed: list[tuple[int, signal.Signals]],
    capsys: pytest.CaptureFixture[str],
) -> None:
    _seen(monkeypatch, [])
    assert server_stop.main([]) == 1
    assert zookeeper_stop.main([]) == 1
    assert capsys.readouterr().out == "No kafka server to stop\nNo zookeeper server to stop\n"
    assert killed == []


def test_what_may_not_be_stopped_is_told(
    monkeypatch: pytest.MonkeyPatch,
    killed: list[tuple[int, signal.Signals]],
    capsys: pytest.CaptureFixture[str],
) -> None:
    _seen(monkeypatch, [11, 13])
    assert server_stop.main([]) == 1
    assert capsys.readouterr().err == "process 13 belongs to another user: it was not stopped\n"
    assert [process_id for process_id, _ in killed] == [11]
    monkeypatch.setenv("SIGNAL", "frob")
    assert server_stop.main([]) == 1
    assert capsys.readouterr().err == "SIGNAL=frob: no such signal\n"
