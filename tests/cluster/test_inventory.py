# SPDX-License-Identifier: GPL-3.0-or-later
"""The inventory plugin against real brokers."""

from __future__ import annotations

import json
import os
import pathlib
import subprocess
import sys
from typing import Any

import pytest
from modules import Modules

ROOT = pathlib.Path(__file__).resolve().parents[2]


def inventory(path: pathlib.Path) -> tuple[dict[str, Any], str]:
    """What ansible-inventory makes of a file, and what it complained of."""
    done = subprocess.run(
        [str(pathlib.Path(sys.executable).parent / "ansible-inventory"), "-i", str(path), "--list"],
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
        env={**os.environ, "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), "ANSIBLE_INVENTORY_ENABLED": "commitlog.kafka.brokers"},
    )
    return json.loads(done.stdout), done.stderr


@pytest.mark.parametrize("by_zookeeper", [True, False])
def test_brokers_become_hosts(modules: Modules, tmp_path: pathlib.Path, by_zookeeper: bool) -> None:
    path = tmp_path / "lab.kafka.yml"
    where = {"zookeeper_connect": modules.zookeeper} if by_zookeeper else {"bootstrap_servers": modules.bootstrap}
    settings = {"plugin": "commitlog.kafka.brokers", "group": "lab", "groups": {"controller": "kafka_controller"}, **where}
    path.write_text(json.dumps({**settings, "compose": {"ansible_user": "'admin'"}}))
    found, _errors = inventory(path)
    assert sorted(found["lab"]["hosts"]) == sorted(modules.bootstrap)
    assert len(found["controller"]["hosts"]) == 1
    variables = found["_meta"]["hostvars"][modules.bootstrap[0]]
    assert variables["kafka_broker_id"] == 0
    # Newer versions of ansible-core mark what a template of the inventory made.
    assert variables["ansible_user"] in ("admin", {"__ansible_unsafe": "admin"})


def test_a_cluster_that_does_not_answer_is_named(modules: Modules, tmp_path: pathlib.Path) -> None:
    path = tmp_path / "gone.kafka.yml"
    path.write_text(json.dumps({"plugin": "commitlog.kafka.brokers", "bootstrap_servers": ["127.0.0.1:1"], "timeout": 1}))
    _found, errors = inventory(path)
    assert "no broker of 127.0.0.1:1 could be used over PLAINTEXT" in " ".join(errors.split())
