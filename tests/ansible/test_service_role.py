# SPDX-License-Identifier: Apache-2.0
"""The role service, with the process manager: starts what is not there, restarts what is stale, leaves alone what is right."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from plays import Outcome, apply_role


class Service:
    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.control = directory / "run" / "sleeper.sh"
        for name in ("run", "logs"):
            (directory / name).mkdir()

    def apply(self, *flags: str, **variables: Any) -> Outcome:
        wanted: dict[str, Any] = {
            "service_name": "sleeper",
            "service_description": "A process that sleeps",
            "service_command": ["/usr/bin/sleep", f"{1000}.{abs(hash(self.directory)) % 10**6}"],
            "service_run_dir": str(self.directory / "run"),
            "service_log_dir": str(self.directory / "logs"),
            "service_manager": "process",
            "service_digest": "one",
            **variables,
        }
        return apply_role("service", self.directory, {"here": {}}, *flags, **wanted)

    def pid(self) -> str:
        """The process id, or nothing when it does not run."""
        done = subprocess.run([self.control, "status"], capture_output=True, text=True, check=True)
        return done.stdout.partition("MainPID=")[2].strip()

    def tell(self, verb: str) -> None:
        subprocess.run([self.control, verb], check=True, timeout=60)


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    made = Service(tmp_path)
    yield made
    if made.control.exists():
        made.tell("stop")


def test_a_life(service: Service) -> None:
    checked = service.apply("--check", "--diff")
    assert checked.status == 0, checked.output
    assert not service.control.exists()

    first = service.apply()
    assert first.status == 0, first.output
    pid = service.pid()
    assert pid
    assert service.apply().changed == 0
    assert service.pid() == pid

    assert "would restart sleeper" in service.apply("--check", service_digest="two").output
    assert service.pid() == pid
    assert service.apply(service_digest="two").changed > 0
    restarted = service.pid()
    assert restarted not in ("", pid)

    service.tell("kill")
    assert service.pid() == ""
    (service.directory / "run" / "sleeper.pid").write_text("1\n")
    assert service.pid() == "", "another process has the number"
    assert service.apply(service_digest="two").status == 0
    assert service.pid() not in ("", restarted)


def test_one_that_cannot_start_says_why(service: Service) -> None:
    failed = service.apply(service_command=["/usr/bin/sleep", "not-a-time"])
    assert failed.status != 0
    assert "sleeper did not start. It said:" in failed.output
    assert "invalid time interval" in failed.output
