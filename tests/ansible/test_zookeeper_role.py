# SPDX-License-Identifier: Apache-2.0
"""What the role zookeeper writes: the article's file for one server, an ensemble's for three."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
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


def preflight(tmp_path: Path, hosts: dict[str, dict[str, Any]], data_dir: Path) -> str:
    """What the role says before it changes anything; the facts of `live` are given."""
    myid = data_dir / "myid"
    survey = {"texts": {str(myid): myid.read_text() if myid.exists() else ""}}
    facts = {"zookeeper_serving": False, "zookeeper_running_members": {}, "__zookeeper_survey": survey}
    hosts = {name: {**facts, **variables} for name, variables in hosts.items()}
    done = apply_role("zookeeper", tmp_path, hosts, tasks_from="preflight", zookeeper_data_dir=str(data_dir))
    assert (done.status == 0) == ("fatal:" not in done.output)
    return done.output if done.status else ""


def serving(hosts: dict[str, dict[str, Any]], members: list[int]) -> dict[str, dict[str, Any]]:
    """The hosts, of which these serve in an ensemble of these."""
    running = {str(member): f"192.0.2.{member}" for member in members} if len(members) > 1 else {}
    facts = {"zookeeper_serving": True, "zookeeper_running_members": running}
    return {name: {**variables, **(facts if int(name[-1]) in members else {})} for name, variables in hosts.items()}


@pytest.mark.parametrize("members", [[1, 2], [1, 2, 3]])
def test_an_ensemble_may_change_by_one_member(tmp_path: Path, members: list[int]) -> None:
    assert preflight(tmp_path, serving(THREE, members), tmp_path) == ""


def test_two_members_at_once_could_be_another_majority(tmp_path: Path) -> None:
    """From one to three: the two new ones would be a majority that knows nothing of what the old one has."""
    said = preflight(tmp_path, serving(THREE, [1]), tmp_path)
    assert "has 192.0.2.1 and would have 192.0.2.1, 192.0.2.2, 192.0.2.3; change it by one member at a time" in said


def test_a_member_keeps_its_id_when_places_change(tmp_path: Path) -> None:
    (tmp_path / "myid").write_text("7")
    assert "belongs to member 7, and would become member 1; set zookeeper_id" in preflight(tmp_path, ONE, tmp_path)


WRONG = {
    "zookeeper_client_port": (0, "'0' is no port; allowed are 1 to 65535"),
    "zookeeper_bind_address": ("10.0.0.1/24", "'10.0.0.1/24' will not do"),
    "zookeeper_home": ("/opt/a b", "'/opt/a b' will not do; allowed is an absolute path"),
    "zookeeper_user": ("zoo keeper", "'zoo keeper' will not do"),
    "zookeeper_service_name": ("zoo/keeper", "'zoo/keeper' will not do"),
    "zookeeper_heap": ("much", "'much' will not do; allowed is a size as -Xmx takes it, such as 256m"),
    "zookeeper_start_timeout": (-5, "'-5' will not do; allowed is a whole number from 1 on"),
    "zookeeper_id": (256, "'256' is no id of a member; allowed are 1 to 255"),
}
WRONG_PROPERTIES = {
    "dataDir": ("/data", "'/data' is not for this map; set zookeeper_data_dir instead"),
    "server.9": ("zk9:2888:3888", "'zk9:2888:3888' is not for this map; set zookeeper_members instead"),
    "ticktime": (500, "ZooKeeper has no setting of this name; it has tickTime"),
    "initLimit": ("long", "'long' will not do; allowed is a whole number"),
    "4lw.commands.whitelist": (None, "will not do; allowed is one value, in one line"),
}


def test_every_wrong_variable_is_named_with_its_value_and_what_is_allowed(tmp_path: Path) -> None:
    wrong = {name: value for name, (value, _message) in WRONG.items()}
    properties = {name: value for name, (value, _message) in WRONG_PROPERTIES.items()}
    said = preflight(tmp_path, {"zk1": {**ONE["zk1"], **wrong, "zookeeper_properties": properties}}, tmp_path)
    for name, (_value, message) in WRONG.items():
        assert f"zk1: {name}: {message}" in said, name
    for name, (_value, message) in WRONG_PROPERTIES.items():
        assert f"zk1: zookeeper_properties: {name}: {message}" in said, name


def test_two_members_and_two_ports_are_not_the_same(tmp_path: Path) -> None:
    hosts = {**THREE, "zk1": {**THREE["zk1"], "zookeeper_id": 2, "zookeeper_peer_port": 3888}}
    said = preflight(tmp_path, hosts, tmp_path)
    assert "zk1: zookeeper_id: 2 is also that of zk2; each member needs its own" in said
    assert "2181, 2182, 3888, 3888 will not do; allowed are four different ports" in said
