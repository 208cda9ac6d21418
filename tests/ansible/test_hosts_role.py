# SPDX-License-Identifier: Apache-2.0
"""The role hosts on a file of this test's own."""

from __future__ import annotations

from pathlib import Path

from plays import apply_role

HOSTS = {
    "a": {"kafka_address": "192.0.2.10", "kafka_hostname": "kafka1"},
    "b": {"kafka_address": "192.0.2.11", "kafka_hostname": "kafka2"},
}
BEFORE = "127.0.0.1 localhost\n127.0.1.1 kafka1.example.com kafka1\n127.0.1.1 kafka10\n"
AFTER = """127.0.0.1 localhost
127.0.1.1 kafka10
# BEGIN commitlog.kafka
192.0.2.10 kafka1
192.0.2.11 kafka2
192.0.2.12 other other.example.com
# END commitlog.kafka
"""


def test_members_are_named_once_and_the_loopback_line_goes(tmp_path: Path) -> None:
    file = tmp_path / "hosts"
    file.write_text(BEFORE)
    variables = {"hosts_file": str(file), "hosts_extra": [{"address": "192.0.2.12", "names": ["other", "other.example.com"]}]}
    checked = apply_role("hosts", tmp_path, HOSTS, "--check", "--diff", "--limit=a", **variables)
    assert checked.status == 0, checked.output
    assert checked.changed == 2
    assert file.read_text() == BEFORE
    first = apply_role("hosts", tmp_path, HOSTS, "--limit=a", **variables)
    assert first.status == 0, first.output
    assert file.read_text() == AFTER
    assert apply_role("hosts", tmp_path, HOSTS, "--limit=a", **variables).changed == 0
