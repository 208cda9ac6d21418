# SPDX-License-Identifier: Apache-2.0
"""What the broker role says of its variables before it touches a host."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from plays import Outcome, apply_role

GOOD = {"broker_id": 0, "kafka_address": "192.168.10.10"}


def preflight(tmp_path: Path, **host: Any) -> Outcome:
    hosts = {"kafka1": {**GOOD, **host}, "kafka2": {"broker_id": 1, "kafka_address": "192.168.10.11"}}
    return apply_role("broker", tmp_path, hosts, "--limit", "kafka1", tasks_from="preflight")


def test_zero_is_a_broker_id(tmp_path: Path) -> None:
    done = preflight(tmp_path)
    assert done.status == 0, done.output


def test_all_that_cannot_work_is_named_at_once(tmp_path: Path) -> None:
    done = preflight(tmp_path, broker_id=1, broker_log_dirs=["data"])
    assert done.status != 0
    assert "kafka1: broker_id: 1 is also that of kafka2; each broker needs its own" in done.output
    assert "kafka1: broker_log_dirs: ['data'] will not do" in done.output


WRONG = {
    "broker_port": (70000, "'70000' is no port; allowed are 1 to 65535"),
    "broker_open_files": (0, "'0' will not do; allowed is a whole number from 1 on"),
    "broker_isr_timeout": (-1, "'-1' will not do"),
    "broker_offsets_replication_factor": (3, "'3' will not do; allowed are 1 to 2, the number of brokers"),
    "broker_bind_address": ("10.0.0.1:9092", "'10.0.0.1:9092' will not do; allowed is an address or a name"),
    "broker_home": ("opt/kafka", "'opt/kafka' will not do; allowed is an absolute path"),
    "broker_python": ("/usr/bin/../python 3", "'/usr/bin/../python 3' will not do"),
    "broker_user": ("kafka:kafka", "'kafka:kafka' will not do; allowed are at most 32 letters"),
    "broker_service_name": ("the broker", "'the broker' will not do; allowed are letters"),
    "broker_extras": (["tools"], "['tools'] will not do; allowed are admin, tools, of which the playbooks need admin"),
    "broker_environment": ({"A B": "1", "C": "1\n2"}, "'A B' will not do; allowed are letters"),
    "broker_super_users": (["admin"], "'admin' will not do; allowed is a principal, such as User:admin"),
    "broker_rack": (" r1", "' r1' will not do"),
    "broker_zookeeper_connect": ("zk1:2181,,zk2/kafka", "'zk1:2181,,zk2/kafka' will not do"),
    "broker_zookeeper_members": (["zk9"], "zk9 will not do; allowed are hosts of the inventory"),
    "broker_log_dirs": (["/var/lib/"], "/var/lib is a directory of the system or of the program"),
}


def test_every_wrong_variable_is_named_with_its_value_and_what_is_allowed(tmp_path: Path) -> None:
    done = preflight(tmp_path, **{name: value for name, (value, _message) in WRONG.items()})
    assert done.status != 0
    for name, (_value, message) in WRONG.items():
        assert f"kafka1: {name}: {message}" in done.output, name
    assert "'C' will not do" in done.output


def test_a_value_of_another_type_is_named_by_the_argument_spec(tmp_path: Path) -> None:
    for name, value in (("broker_zookeeper_port", "2181x"), ("broker_install_from", "disk"), ("broker_manage_packages", "maybe")):
        done = preflight(tmp_path, **{name: value})
        assert done.status != 0
        assert name in done.output
        assert value in done.output


def test_no_directory_of_the_system_or_the_program_is_given_to_the_broker(tmp_path: Path) -> None:
    places = ["/", "/etc", "/opt/kafka", "/opt/kafka/libs/", "/data/kafka"]
    done = preflight(tmp_path, broker_log_dirs=places, broker_service_name="zookeeper")
    assert done.status != 0
    assert "kafka1: broker_service_name: 'zookeeper' is also ZooKeeper's; each needs its own" in done.output
    assert "kafka1: broker_log_dirs: /, /etc, /opt/kafka, /opt/kafka/libs is a directory of the system" in done.output


def test_a_python_that_is_not_there_is_named_before_anything_is_changed(tmp_path: Path) -> None:
    hosts = {"kafka1": {**GOOD, "broker_python": "/nonexistent/python3"}}
    done = apply_role("broker", tmp_path, hosts, tasks_from="survey")
    assert done.status != 0
    said = "kafka1: broker_python: /nonexistent/python3 does not run here; allowed is one that is there, 3.11 or newer."
    assert said in " ".join(done.output.split())


def test_a_tarball_is_what_its_digest_says(tmp_path: Path) -> None:
    tarball = tmp_path / "kafka.tgz"
    tarball.write_bytes(b"of Apache's making")
    right = f"sha256:{hashlib.sha256(tarball.read_bytes()).hexdigest()}"
    apache = {"broker_distribution": "apache", "broker_apache_file": str(tarball)}
    done = preflight(tmp_path, **apache, broker_apache_checksum=right)
    assert done.status == 0, done.output
    done = preflight(tmp_path, **apache, broker_apache_checksum="sha256:0123")
    assert f"kafka1: broker_apache_file: {tarball} has the digest {right[7:]}" in done.output
    assert "and broker_apache_checksum is sha256:0123" in done.output
    tarball.unlink()
    done = preflight(tmp_path, **apache, broker_apache_checksum=right)
    assert f"kafka1: broker_apache_file: '{tarball}' is no file of the controller" in done.output
