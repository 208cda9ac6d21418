# SPDX-License-Identifier: Apache-2.0
"""A running broker's files are written in its turn: the gate is asked while all is as it was, and closed it leaves it so."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from commitlog.config import properties
from plays import Outcome, apply_role

OLD = "broker.id=1\n"
# What java.util.Properties would read otherwise than it stands there.
ODD = {
    "broker.rack": " Zürich, \\left",
    "ssl.keystore.key": "-----BEGIN\nMII=\n",
    "sasl.jaas.config": 'x required password="a\\"b";',
}
# In the place of the broker's Python: notes what is asked, and what server.properties then is.
PROBE = """#!/bin/sh
home={home}
for question; do :; done
case " $* " in *" may-stop "*) question=may-stop ;; *" in-sync "*) question=in-sync ;; *) question=ready ;; esac
echo "$question $(sha1sum <"$home/config/server.properties")" >>"$home/asked"
[ "$question" != may-stop ] || [ ! -e "$home/closed" ] || {{ echo 'broker 1 cannot be spared' >&2; exit 1; }}
"""
BROKER = """#!/bin/sh
while :; do sleep 1; done
"""


class Host:
    """One where a broker ran with another configuration."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.config = home / "config" / "server.properties"
        self.control = home / "run" / "kafka.sh"
        for name in ("bin", "config", "run", "logs", "libs/venv-new/bin"):
            (home / name).mkdir(parents=True)
        self.config.write_text(OLD)
        (home / "libs" / "venv").symlink_to("venv-new")
        for name, text in (("python", PROBE.format(home=home)), ("kafka-server-start.sh", BROKER)):
            file = home / "libs" / "venv-new" / "bin" / name
            file.write_text(text)
            file.chmod(0o755)

    def apply(self) -> Outcome:
        found = {"applied": "what it was started with", "installed": ["venv-new"], "wrong_directories": [], "state": "activating"}
        prepared = {"broker_live": True, "service_wanted": "what is wanted", "__broker_survey": found}
        sums = {"__broker_program_id": "new", "__broker_properties": "new"}
        own = {"broker_id": 1, "kafka_address": "127.0.0.1", "broker_log_dirs": [f"{self.home}/data"], "broker_properties": ODD}
        where = {"kafka_home": str(self.home), "kafka_service_manager": "process"}
        return apply_role("broker", self.home, {"kafka1": {**own, **where, **prepared, **sums}}, tasks_from="apply")

    def asked(self) -> list[tuple[str, bool]]:
        """The questions in their order, and whether server.properties was the old one."""
        old = subprocess.run(["sha1sum"], input=OLD, capture_output=True, text=True, check=True).stdout.split()[0]
        lines = [line.split() for line in (self.home / "asked").read_text().splitlines()]
        return [(question, digest == old) for question, digest, _ in lines]


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Host]:
    made = Host(tmp_path)
    yield made
    if made.control.exists():
        subprocess.run([made.control, "stop"], check=True, timeout=60)


def test_a_gate_that_stays_closed_leaves_everything_as_it_was(host: Host) -> None:
    (host.home / "closed").touch()
    done = host.apply()
    assert done.status != 0
    assert "kafka1: the broker was not stopped and the run ends here. broker 1 cannot be spared" in " ".join(done.output.split())
    assert host.config.read_text() == OLD
    assert not host.control.exists()
    assert host.asked() == [("may-stop", True)]


def test_files_are_written_after_the_gate_was_opened_and_before_it_is_asked_again(host: Host) -> None:
    done = host.apply()
    assert done.status == 0, done.output
    assert host.asked() == [("may-stop", True), ("ready", False), ("in-sync", False)]
    read = properties.load(str(host.config))
    assert {name: read[name] for name in ODD} == ODD
    assert "ActiveState=active" in subprocess.run([host.control, "status"], capture_output=True, text=True, check=True).stdout
