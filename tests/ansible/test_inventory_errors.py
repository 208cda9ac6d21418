# SPDX-License-Identifier: Apache-2.0
"""A wrong inventory stops playbooks/cluster.yml before any host is touched, with the host and the key in one line."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]


def two_brokers(**hosts: dict[str, Any]) -> dict[str, Any]:
    """The article's inventory, on addresses where nothing is, with changes to its hosts."""
    variables = {
        "kafka1": {"kafka_address": "127.9.9.10", "broker_id": 0},
        "kafka2": {"kafka_address": "127.9.9.11", "broker_id": 1},
    }
    for host, changes in hosts.items():
        variables[host] = {**variables.get(host, {}), **changes}
    return {"all": {"children": {"zookeeper": {"hosts": {"kafka1": {}}}, "kafka": {"hosts": variables}}}}


def play(inventory: dict[str, Any], tmp_path: Path) -> subprocess.CompletedProcess[str]:
    hosts = tmp_path / "hosts.yml"
    hosts.write_text(json.dumps(inventory))
    command = [str(Path(sys.executable).parent / "ansible-playbook"), "-i", str(hosts), str(ROOT / "playbooks" / "cluster.yml")]
    # A connection would fail at once, and loudly: nothing but the inventory's check may run.
    environment = {**os.environ, "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), "ANSIBLE_NOCOLOR": "1"}
    more = ["--extra-vars", '{"ansible_connection": "local", "ansible_python_interpreter": "/nonexistent/python"}']
    return subprocess.run([*command, *more], capture_output=True, text=True, env=environment, cwd=ROOT, check=False, timeout=100)


def without_zookeeper() -> dict[str, Any]:
    inventory = two_brokers()
    del inventory["all"]["children"]["zookeeper"]
    return inventory


WRONG = {
    "no ZooKeeper": (without_zookeeper(), "kafka1: broker_zookeeper_connect: not set, and the group zookeeper has no host"),
    "no broker": ({"all": {"children": {"zookeeper": {"hosts": {"kafka1": {}}}}}}, "inventory: kafka: the group has no host"),
    "one id twice": (two_brokers(kafka2={"broker_id": 0}), "kafka2: broker_id: 0 is also that of kafka1"),
    "no id": (two_brokers(kafka2={"broker_id": "two"}), "kafka2: broker_id: 'two' is no broker id"),
    "one address twice": (two_brokers(kafka2={"kafka_address": "127.9.9.10"}), "kafka2: kafka_address: 127.9.9.10 is also that"),
    "no valid name": (two_brokers(kafka2={"kafka_hostname": "kafka_2"}), "kafka2: kafka_hostname: 'kafka_2' is no valid"),
    "one name twice": (two_brokers(kafka2={"kafka_hostname": "kafka1"}), "kafka2: kafka_hostname: kafka1 is also that of kafka1"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_inventory_is_refused_before_anything_else(case: str, tmp_path: Path) -> None:
    inventory, message = WRONG[case]
    done = play(inventory, tmp_path)
    assert done.returncode != 0
    assert message in done.stdout + done.stderr
    assert "Gathering Facts" not in done.stdout


def test_every_wrong_variable_of_playbooks_is_named_at_once(tmp_path: Path) -> None:
    topic = {"name": "a", "partitions": 0, "replication_factor": 3, "config": {"retention.mss": 1}}
    wrong = {
        "kafka_tune": "maybe",
        "reassignment_throttle": "fast",
        "hosts_extra": [{"address": "127.9.9.12"}],
        "cluster_topic": topic,
    }
    done = play(two_brokers(kafka1=wrong, kafka2={"kafka_address": "nowhere at all"}), tmp_path)
    assert done.returncode != 0
    assert "Gathering Facts" not in done.stdout
    for message in (
        "kafka1: kafka_tune: 'maybe' will not do; allowed are true and false",
        "kafka1: reassignment_throttle: 'fast' will not do; allowed is a whole number from 1 on",
        "kafka1: hosts_extra: '{'address': '127.9.9.12'}' will not do; allowed is an address with a list of its names",
        "kafka2: kafka_address: 'nowhere at all' is no address",
        "kafka1: cluster_topic: partitions: '0' will not do; allowed is a whole number from 1 on",
        "kafka1: cluster_topic: replication_factor: '3' will not do; allowed are 1 to 2, the number of brokers",
        "kafka1: cluster_topic: config: retention.mss: '1': Kafka 3.9 has no setting of topics of this name",
    ):
        assert message in done.stdout + done.stderr


@pytest.mark.parametrize(
    ("topic", "message"),
    [
        ("test", "kafka1: cluster_topic: 'test' will not do; allowed is a map with the name"),
        ({"name": "a/b"}, "kafka1: cluster_topic: '{'name': 'a/b'}' will not do"),
        ({"name": "a", "replicas": 2}, "kafka1: cluster_topic: replicas: not known; allowed are name, partitions"),
    ],
)
def test_a_topic_that_cannot_be_made_is_refused(topic: Any, message: str, tmp_path: Path) -> None:
    done = play(two_brokers(kafka1={"cluster_topic": topic}), tmp_path)
    assert done.returncode != 0
    assert message in done.stdout + done.stderr


def test_a_right_inventory_passes_the_check(tmp_path: Path) -> None:
    done = play(two_brokers(), tmp_path)
    assert "Gathering Facts" in done.stdout
