# SPDX-License-Identifier: Apache-2.0
"""What rotate_secrets.yml refuses, before a password is made on the controller or a host is changed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from plays import ROOT, Outcome

SERVER = "# cluster_security: {mode}, step 3 of 3\nlisteners=SASL_SSL://:9093\n"
JAAS = """KafkaServer {
  org.apache.kafka.common.security.scram.ScramLoginModule required
  username="broker" password="quo\\"ted password";
};
Client {
  org.apache.zookeeper.server.auth.DigestLoginModule required
  username="kafka" password="towards-zookeeper";
};
"""


def rotate(tmp_path: Path, *flags: str, mode: str = "tls_scram", there: bool = True, **variables: Any) -> Outcome:
    config = tmp_path / "home" / "config"
    (config / "security").mkdir(parents=True)
    if there:
        (config / "server.properties").write_text(SERVER.format(mode=mode))
        (config / "security" / "broker.jaas").write_text(JAAS)
    hosts = {name: {"kafka_address": f"192.0.2.{index}"} for index, name in enumerate(("kafka1", "kafka2"), 1)}
    given = {
        "cluster_security": mode,
        "kafka_home": str(tmp_path / "home"),
        "kafka_service_manager": "process",
        "security_controller_directory": str(tmp_path / "controller"),
        "ansible_connection": "local",
        "ansible_python_interpreter": sys.executable,
        **variables,
    }
    groups = {"zookeeper": {"hosts": {"kafka1": {}}}, "kafka": {"hosts": hosts}}
    (tmp_path / "hosts.yml").write_text(json.dumps({"all": {"vars": given, "children": groups}}))
    command = [str(Path(sys.executable).parent / "ansible-playbook"), "-i", str(tmp_path / "hosts.yml"), "-vv", *flags]
    environment = {**os.environ, "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), "ANSIBLE_NOCOLOR": "1"}
    playbook = str(ROOT / "playbooks" / "rotate_secrets.yml")
    done = subprocess.run([*command, playbook], capture_output=True, text=True, env=environment, check=False, timeout=100)
    return Outcome(done.returncode, done.stdout + done.stderr)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"mode": "plaintext"}, "cluster_security: is plaintext, and there are no passwords"),
        ({"mode": "mtls", "kafka_distribution": "apache"}, "there is none to change"),
        ({"mode": "mtls", "rotate_users": {"alice": "wonderland"}}, "with cluster_security: mtls users have no passwords"),
        ({"security_broker_user": "broker2"}, "security_broker_user: is set in the inventory"),
        ({"there": False}, "has no broker yet"),
        ({"security_broker_password": 'quo"ted password'}, "security_broker_password: is the one that brokers log in with"),
        ({"security_admin_password": "toofew7"}, "security_admin_password: will not do"),
    ],
    ids=[
        "plaintext",
        "nothing to change",
        "users without passwords",
        "a fixed user",
        "no broker",
        "the password in use",
        "too short",
    ],
)
def test_it_refuses(tmp_path: Path, wrong: dict[str, Any], said: str) -> None:
    done = rotate(tmp_path, **wrong)
    assert done.status != 0
    assert said in " ".join(done.output.split()), done.output
    assert "Nothing was changed" in done.output
    assert not (tmp_path / "controller").exists()
    assert done.changed == 0
    for secret in ("ted password", "towards-zookeeper", "wonderland", "toofew7"):
        assert secret not in done.output


@pytest.mark.parametrize(("limit", "left_out"), [("kafka1,localhost", "kafka2"), ("kafka", "localhost")])
def test_it_changes_all_hosts_or_none(tmp_path: Path, limit: str, left_out: str) -> None:
    done = rotate(tmp_path, "--limit", limit)
    assert done.status != 0
    assert f"--limit: leaves out {left_out}, and a password changes on all hosts or on none" in done.output
    assert not (tmp_path / "controller").exists()
