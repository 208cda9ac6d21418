# SPDX-License-Identifier: Apache-2.0
"""`make bench-collection`: how long the collection takes on hosts, written to docs/bench/collection.md.

For 2, 4 and 6 hosts: `playbooks/cluster.yml` on hosts that have the packages of ZooKeeper, then again with nothing to change.
On two hosts also the topic module alone, and 100 topics in one task, made and then checked.
Hosts are containers, as those of `make cluster`.

collection.py [HOSTS ...]
"""

from __future__ import annotations

import json
import os
import re
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "vms"))

from cluster import LOGS, ansible, build_image, docker_answers, environment
from progress import StepFailedError, Steps

DIRECTORY = ROOT / ".cache" / "bench-collection"
PAGE = ROOT / "docs" / "bench" / "collection.md"
TOPICS = 100
PACKAGES = "default-jre-headless libzookeeper-java"
ZOOKEEPER_PACKAGES = (
    f"apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends {PACKAGES}"
)
RECAP = re.compile(r"ok=(\d+)\s+changed=(\d+)")
COLOURS = re.compile(r"\x1b\[[0-9;]*m")


@dataclass
class Row:
    """One measured command."""

    what: str
    hosts: int
    seconds: float
    cpu_s: float
    tasks: int
    changed: int


def write_inventory(count: int) -> Path:
    numbers = range(1, count + 1)
    hosts = {f"bench{number}": {"kafka_address": f"192.168.70.{9 + number}", "broker_id": number - 1} for number in numbers}
    inventory = {
        "all": {
            "vars": {
                "vm_network": {"name": "commitlog-bench", "subnet": "192.168.70.0/24", "gateway": "192.168.70.1"},
                "vm_image": "{{ lookup('ansible.builtin.env', 'VM_IMAGE') }}",
                "broker_controller_cache": str(DIRECTORY / "cache"),
            },
            "children": {
                "vms": {
                    "children": {"zookeeper": {"hosts": {"bench1": None}}, "kafka": {"hosts": hosts}},
                    "vars": {
                        "ansible_connection": "community.docker.docker",
                        "ansible_user": "root",
                        "ansible_become": False,
                        "ansible_python_interpreter": "/usr/bin/python3",
                    },
                }
            },
        }
    }
    path = DIRECTORY / "hosts.yml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump(inventory, sort_keys=False))
    return path


def timed(steps: Steps, what: str, hosts: int, command: list[str]) -> Row:
    before, started = os.times(), time.monotonic()
    output = COLOURS.sub("", steps.run(what, command, environment=environment(ANSIBLE_NOCOLOR="1")))
    seconds = time.monotonic() - started
    after = os.times()
    cpu = after.children_user + after.children_system - before.children_user - before.children_system
    changed = sum(int(found) for _, found in RECAP.findall(output))
    return Row(what, hosts, seconds, cpu, output.count("\nTASK ["), changed)


def write_play(name: str, tasks: list[dict[str, object]]) -> str:
    """A playbook that runs tasks where the brokers' tools have kafka-python; its path below the project."""
    play = {
        "name": name,
        "hosts": "bench1",
        "gather_facts": False,
        "vars": {"ansible_python_interpreter": "/opt/kafka/libs/venv/bin/python"},
        "module_defaults": {"group/commitlog.kafka.kafka": {"bootstrap_servers": ["192.168.70.10:9092"]}},
        "tasks": tasks,
    }
    path = DIRECTORY / f"{name}.yml"
    path.write_text(yaml.safe_dump([play], sort_keys=False))
    return str(path.relative_to(ROOT))


def measure(count: int, steps: Steps, image: str) -> list[Row]:
    inventory = write_inventory(count)
    steps.run(f"{count} hosts", ansible(inventory, "vms/create.yml"), environment=environment(VM_IMAGE=image))
    steps.run("ZooKeeper's packages", ["docker", "exec", "bench1", "sh", "-c", ZOOKEEPER_PACKAGES])
    cluster = ansible(inventory, "playbooks/cluster.yml")
    rows = [
        timed(steps, "cluster.yml, first run", count, cluster),
        timed(steps, "cluster.yml, nothing to change", count, cluster),
    ]
    if count == 2:
        one = [{"name": "One", "commitlog.kafka.topic": {"name": "one", "partitions": 1, "replication_factor": 2}}]
        names = [{"name": f"topic-{number}", "partitions": 1, "replication_factor": 2} for number in range(TOPICS)]
        many = [{"name": "Many", "commitlog.kafka.topics": {"topics": names}}]
        for what, tasks in (("topic, one", one), (f"topics, {TOPICS} in one task", many)):
            play = ansible(inventory, write_play(what.split(",")[0], tasks))
            rows += [timed(steps, f"{what}: made", count, play), timed(steps, f"{what}: checked", count, play)]
    steps.run("Removing the hosts", ansible(inventory, "vms/destroy.yml"), environment=environment())
    return rows


def write_page(rows: list[Row]) -> None:
    lines = [
        "# The collection's times",
        "",
        "Made by `make bench-collection`, on containers that run systemd, with the controller on the same machine;",
        "they had ZooKeeper's packages. CPU is that of the controller's processes. Seconds include the brokers' start",
        "and the wait until they serve.",
        "",
        "| what | hosts | seconds | controller's CPU seconds | tasks | changed |",
        "|---|---|---|---|---|---|",
    ]
    lines += [f"| {row.what} | {row.hosts} | {row.seconds:.1f} | {row.cpu_s:.1f} | {row.tasks} | {row.changed} |" for row in rows]
    PAGE.parent.mkdir(parents=True, exist_ok=True)
    PAGE.write_text("\n".join(lines) + "\n")
    (DIRECTORY / "rows.json").write_text(json.dumps([vars(row) for row in rows], indent=1))


def main() -> None:
    if not docker_answers():
        sys.exit("make: bench-collection needs a Docker engine, and none answers; start one (as root: dockerd)")
    counts = [int(argument) for argument in sys.argv[1:]] or [2, 4, 6]
    os.chdir(ROOT)
    steps = Steps(1 + sum(9 if count == 2 else 5 for count in counts), LOGS / "bench-collection")
    image = build_image(steps)
    rows = [row for count in counts for row in measure(count, steps, image)]
    write_page(rows)
    for row in rows:
        print(f"{row.what}, {row.hosts} hosts: {row.seconds:.1f} s, {row.tasks} tasks, changed={row.changed}")


if __name__ == "__main__":
    try:
        main()
    except StepFailedError:
        sys.exit(1)
