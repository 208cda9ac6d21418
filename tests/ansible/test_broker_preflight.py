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
