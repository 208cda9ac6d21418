# SPDX-License-Identifier: Apache-2.0
"""What holds of every playbook that changes hosts one by one: who comes last, and that nothing follows a failure."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.inventory.manager import InventoryManager
from ansible.parsing.dataloader import DataLoader

ROOT = Path(__file__).resolve().parents[2]
PLAYS = [
    pytest.param(play, id=f"{path.stem}: {play['name']}")
    for path in sorted((ROOT / "playbooks").glob("*.yml"))
    for play in yaml.safe_load(path.read_text())
    if "serial" in play
]
# What comes later, and what before it.
ORDER = [
    ("kafka_live_controller", "kafka_live_other"),
    ("kafka_change_controller", "kafka_change_other"),
    ("kafka_change_other", "kafka_change_failing"),
    ("zookeeper_live_leader", "zookeeper_live_follower"),
]


@pytest.mark.parametrize("play", PLAYS)
def test_what_is_done_one_by_one_ends_with_the_first_failure(play: dict[str, Any]) -> None:
    assert play["serial"] == 1
    assert play["any_errors_fatal"] is True


@pytest.mark.parametrize("play", PLAYS)
def test_what_is_down_comes_first_and_the_controller_and_the_leader_last(play: dict[str, Any]) -> None:
    assert "order" not in play
    for later, before in ORDER:
        if later in play["hosts"]:
            assert -1 < play["hosts"].index(f"'{before}'") < play["hosts"].index(f"'{later}'")


def test_hosts_are_taken_in_the_order_of_the_groups(tmp_path: Path) -> None:
    """On which the order above rests: a list of groups, the one that comes first in the inventory named last."""
    hosts = tmp_path / "hosts.ini"
    hosts.write_text("[kafka]\nkafka1\nkafka2\nkafka3\n[kafka_live_controller]\nkafka1\n[kafka_live_other]\nkafka2\nkafka3\n")
    inventory = InventoryManager(DataLoader(), str(hosts))
    chosen = inventory.get_hosts(["kafka_live_other", "kafka_live_controller"])
    assert [host.name for host in chosen] == ["kafka2", "kafka3", "kafka1"]
