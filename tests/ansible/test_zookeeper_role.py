# SPDX-License-Identifier: Apache-2.0
"""What the role zookeeper writes: the article's file for one server, an ensemble's for three."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from plays import apply_role

ONE = {"zk1": {"kafka_address": "192.0.2.1"}}
THREE = {f"zk{number}": {"kafka_address": f"192.0.2.{number}"} for number in (1, 2, 3)}


def write(tmp_path: Path, hosts: dict[str, dict[str, Any]], **variables: Any) -> dict[str, dict[str, str]]:
    """The settings that each host gets."""
    for host in hosts:
        (tmp_path / host / "config").mkdir(parents=True, exist_ok=True)
    places = {"kafka_home": f"{tmp_path}/{{{{ inventory_hostname }}}}", "kafka_service_manager": "process"}
    places["zookeeper_data_dir"] = places["kafka_home"]
    done = apply_role("zookeeper", tmp_path, hosts, tasks_from="configure", **places, **variables)
    assert done.status == 0, done.output
    settings = {}
    for host in hosts:
        lines = (tmp_path / host / "config" / "zookeeper.properties").read_text().splitlines()
        settings[host] = dict(line.split("=", 1) for line in lines if not line.startswith("#"))
    return settings


def test_one_server_has_the_keys_of_the_article(tmp_path: Path) -> None:
    settings = write(tmp_path, ONE, zookeeper_properties={"tickTime": 500, "readonlymode.enabled": True})["zk1"]
    assert settings["dataDir"] == f"{tmp_path}/zk1"
    assert settings["clientPort"] == "2181"
    assert settings["tickTime"] == "500"
    assert settings["readonlymode.enabled"] == "true"
    assert "clientPortAddress" not in settings
    assert not any(key.startswith("server.") for key in settings)
    assert not (tmp_path / "zk1" / "myid").exists()


def test_members_of_an_ensemble_agree(tmp_path: Path) -> None:
    """The second and third are numbered by their place, the first by the inventory."""
    hosts = {**THREE, "zk1": {**THREE["zk1"], "zookeeper_id": 11}}
    settings = write(tmp_path, hosts)
    members = {f"server.{member}": f"192.0.2.{number}:2888:3888" for number, member in ((1, 11), (2, 2), (3, 3))}
    for host, member in (("zk1", "11"), ("zk2", "2"), ("zk3", "3")):
        assert {key: value for key, value in settings[host].items() if key.startswith("server.")} == members
        assert (tmp_path / host / "myid").read_text() == member
