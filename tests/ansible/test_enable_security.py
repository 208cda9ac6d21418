# SPDX-License-Identifier: Apache-2.0
"""Which steps enable_security.yml takes, by what hosts are configured with, and what it refuses before anything is changed."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from plays import ROOT, Outcome

PLAYBOOK = ROOT / "playbooks" / "enable_security.yml"
PLAINTEXT = "listeners=PLAINTEXT://:9092\n"
BROKER = "# cluster_security: tls_scram, step {step} of 3\nlisteners=SASL_SSL://:9093\n"
ZOOKEEPER = {
    0: "clientPort=2181\n",
    1: "clientPort=2181\nsecureClientPort=2182\nsslQuorum=false\n",
    2: "clientPort=2181\nsecureClientPort=2182\nsslQuorum=true\n",
    3: "secureClientPort=2182\nsslQuorum=true\n",
}


def run(tmp_path: Path, brokers: tuple[int, int], zookeeper: int, playbook: Path, *flags: str, **variables: Any) -> Outcome:
    hosts = {}
    for name, step in zip(("kafka1", "kafka2"), brokers, strict=True):
        config = tmp_path / name / "config"
        config.mkdir(parents=True)
        (config / "server.properties").write_text(BROKER.format(step=step) if step else PLAINTEXT)
        hosts[name] = {"kafka_home": str(tmp_path / name)}
    (tmp_path / "kafka1" / "config" / "zookeeper.properties").write_text(ZOOKEEPER[zookeeper])
    given = {
        "cluster_security": "tls_scram",
        "ansible_connection": "local",
        "ansible_become": False,
        "ansible_python_interpreter": sys.executable,
        **variables,
    }
    groups = {"zookeeper": {"hosts": {"kafka1": {}}}, "kafka": {"hosts": hosts}}
    (tmp_path / "hosts.yml").write_text(json.dumps({"all": {"vars": given, "children": groups}}))
    command = [
        str(Path(sys.executable).parent / "ansible-playbook"),
        "-i",
        str(tmp_path / "hosts.yml"),
        "-v",
        *flags,
        str(playbook),
    ]
    environment = {**os.environ, "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), "ANSIBLE_NOCOLOR": "1"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False, timeout=100)
    return Outcome(done.returncode, done.stdout + done.stderr)


@pytest.mark.parametrize(
    ("brokers", "zookeeper", "flags", "expected"),
    [
        ((0, 0), 0, ["--check"], [1]),
        ((1, 1), 1, [], [1, 2]),
        ((2, 1), 2, ["--extra-vars", "security_close_plaintext=true"], [2, 3]),
        ((2, 2), 3, [], [3]),
    ],
    ids=[
        "in check mode what the others go on from is not there",
        "killed, perhaps before the last broker was restarted",
        "killed in step 2, and then asked to close the old listener",
        "killed in step 3",
    ],
)
def test_it_goes_on_from_what_is_there(
    tmp_path: Path, brokers: tuple[int, int], zookeeper: int, flags: list[str], expected: list[int]
) -> None:
    tasks = [{"ansible.builtin.include_tasks": str(ROOT / "playbooks" / "tasks" / "security_steps.yml")}]
    play = tmp_path / "play.yml"
    play.write_text(json.dumps([{"hosts": "zookeeper:kafka", "gather_facts": False, "tasks": tasks}]))
    done = run(tmp_path, brokers, zookeeper, play, *flags)
    assert done.status == 0, done.output
    (chosen,) = set(re.findall(r'"enable_security_steps": (\[[^]]*\])', done.output))
    assert json.loads(chosen) == expected
    assert ("Step 1 follows, as it would be done" in done.output) == (expected == [1])


def test_it_takes_all_hosts_or_none(tmp_path: Path) -> None:
    done = run(tmp_path, (0, 0), 0, PLAYBOOK, "--limit", "kafka1,localhost")
    assert done.status != 0
    assert "--limit: leaves out kafka2, and a step is one of all hosts. Nothing was changed." in " ".join(done.output.split())
    assert "enable_security_steps" not in done.output


def test_it_wants_one_mode(tmp_path: Path) -> None:
    done = run(tmp_path, (0, 0), 0, PLAYBOOK, cluster_security="plaintext")
    assert done.status != 0
    assert "every broker needs the same one, tls_scram or mtls. Nothing was changed." in " ".join(done.output.split())
