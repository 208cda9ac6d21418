# SPDX-License-Identifier: Apache-2.0
"""The gates: when a broker may be stopped, and when it is what it was; on clusters as ZooKeeper describes them."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path
from typing import Any

import pytest

FILES = Path(__file__).resolve().parents[2] / "roles" / "broker" / "files"


def load(name: str) -> Any:
    spec = importlib.util.spec_from_file_location(name, FILES / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


probe = load("cluster_probe")
metadata = load("cluster_metadata")


class Missing(probe.NoNodeError, metadata.NoNode):  # type: ignore[misc, name-defined]
    """As kazoo says it, whom the probe asks, and as the broker's own client does."""


class ZooKeeper:
    """The few operations of kazoo, and those of cluster_metadata.py, on a dictionary from path to document."""

    def __init__(self, znodes: dict[str, Any]) -> None:
        self.znodes = {path: json.dumps(value).encode() if value is not None else b"" for path, value in znodes.items()}

    def get(self, path: str) -> tuple[bytes, None]:
        if path not in self.znodes:
            raise Missing
        return self.znodes[path], None

    def get_async(self, path: str) -> Any:
        outer = self

        class Answer:
            def get(self, timeout: float) -> tuple[bytes, None]:
                return outer.get(path)

        return Answer()

    def get_children(self, path: str) -> list[str]:
        found = {node[len(path) + 1 :].split("/")[0] for node in self.znodes if node.startswith(path + "/")}
        if not found and path not in self.znodes:
            raise Missing
        return list(found)

    def put(self, path: str, data: bytes) -> None:
        self.znodes[path] = data

    def announce(self, prefix: str, data: bytes) -> None:
        self.znodes[f"{prefix}{len(self.znodes):010d}"] = data


class Told(ZooKeeper):
    """As cluster_metadata.py asks."""

    def get(self, path: str) -> Any:
        return super().get(path)[0]

    def children(self, path: str) -> list[str]:
        return self.get_children(path)


def znodes(isr: list[int], min_isr: int | None = None, **more: Any) -> dict[str, Any]:
    """Three brokers, topic `a` with one partition of three replicas."""
    return {
        **{f"/brokers/ids/{broker}": {"endpoints": [f"PLAINTEXT://kafka{broker}:9092"]} for broker in (1, 2, 3)},
        "/controller": {"brokerid": 1},
        "/brokers/topics/a": {"partitions": {"0": [1, 2, 3]}, **more},
        "/brokers/topics/a/partitions/0/state": {"isr": isr, "leader": isr[0]},
        "/config/topics/a": {"config": {} if min_isr is None else {"min.insync.replicas": str(min_isr)}},
    }


def cluster(described: dict[str, Any], min_isr: int = 1) -> Any:
    return probe.read_cluster(ZooKeeper(described), min_isr)


def test_a_broker_of_a_whole_cluster_may_stop() -> None:
    probe.may_stop(cluster(znodes([1, 2, 3], 2)), 2, False)


def test_nothing_may_stop_while_another_replica_is_behind() -> None:
    with pytest.raises(
        probe.NotYetError, match=r"1 partitions are under-replicated: a-0 \(replicas \[1, 2, 3\], in sync \[1, 2\]\)"
    ):
        probe.may_stop(cluster(znodes([1, 2])), 2, False)


def test_the_one_that_is_behind_may_stop() -> None:
    probe.may_stop(cluster(znodes([1, 2], 2)), 3, False)


@pytest.mark.parametrize(
    ("own", "brokers", "server", "refused"),
    [(3, None, 1, True), (None, "3", 1, True), (None, None, 3, True), (2, "3", 3, False), (None, "2", 3, False)],
)
def test_min_insync_replicas_is_the_topics_else_the_clusters_else_the_files(
    own: int | None, brokers: str | None, server: int, refused: bool
) -> None:
    described = znodes([1, 2, 3], own)
    if brokers is not None:
        described["/config/brokers/<default>"] = {"config": {"min.insync.replicas": brokers}}
    if not refused:
        probe.may_stop(cluster(described, server), 2, False)
        return
    with pytest.raises(probe.NeverError, match=r"a-0 \(3 replicas, 3 needed\).*broker_allow_unavailable"):
        probe.may_stop(cluster(described, server), 2, False)
    probe.may_stop(cluster(described, server), 2, True)


@pytest.mark.parametrize(
    "change",
    [
        {"/brokers/topics/a": {"partitions": {"0": [1, 2, 3]}, "adding_replicas": {"0": [3]}, "removing_replicas": {}}},
        {"/admin/reassign_partitions": {"version": 1, "partitions": [{"topic": "a", "partition": 0, "replicas": [1, 2]}]}},
    ],
)
def test_nothing_may_stop_while_replicas_move(change: dict[str, Any]) -> None:
    moving = cluster({**znodes([1, 2, 3]), **change})
    with pytest.raises(probe.NotYetError, match="replicas of 1 partitions are being moved: a-0"):
        probe.may_stop(moving, 2, False)
    with pytest.raises(probe.NotYetError, match="being moved"):
        probe.settled(moving)


def test_what_is_being_moved_is_behind_and_the_cluster_whole_all_the_same() -> None:
    """So that a reassignment which was interrupted can be taken up."""
    moved = {"partitions": {"0": [1, 2, 3]}, "adding_replicas": {"0": [3]}, "removing_replicas": {}}
    probe.whole(cluster({**znodes([1, 2]), "/brokers/topics/a": moved}))
    with pytest.raises(probe.NotYetError, match="1 partitions are under-replicated"):
        probe.whole(cluster(znodes([1, 2])))


def test_nothing_may_stop_without_a_controller() -> None:
    described = znodes([1, 2, 3])
    del described["/controller"]
    with pytest.raises(probe.NotYetError, match="no controller"):
        probe.may_stop(cluster(described), 2, False)


def test_topics_that_are_being_deleted_hold_nobody_up() -> None:
    probe.may_stop(cluster({**znodes([1]), "/admin/delete_topics/a": None}), 2, False)


def test_a_broker_is_back_when_it_is_registered_and_in_sync() -> None:
    probe.in_sync(cluster(znodes([1, 2, 3])), 3)
    with pytest.raises(probe.NotYetError, match="not in sync in 1 partitions: a-0"):
        probe.in_sync(cluster(znodes([1, 2])), 3)
    gone = znodes([1, 2])
    del gone["/brokers/ids/3"]
    with pytest.raises(probe.NotYetError, match="not registered"):
        probe.in_sync(cluster(gone), 3)


def test_a_broker_is_empty_when_no_partition_names_it() -> None:
    probe.empty(cluster(znodes([1, 2, 3])), 4)
    with pytest.raises(probe.NotYetError, match="still has replicas of 1 partitions: a-0"):
        probe.empty(cluster(znodes([1, 2, 3])), 3)


ACL = {"principal": "User:a", "permissionType": "Allow", "operation": "Read", "host": "*"}
TOLD = {
    "/config/brokers/<default>": {"config": {"log.cleaner.threads": "2", "listener.name.x.ssl.keystore.password": "secret"}},
    "/config/users/alice": {
        "config": {"producer_byte_rate": "1024", "SCRAM-SHA-256": "salt=a,stored_key=b,server_key=c,iterations=4096"}
    },
    "/config/clients/app": {"config": {"request_percentage": "50"}},
    "/kafka-acl/Topic/a": {"version": 1, "acls": [ACL]},
    "/kafka-acl-extended/prefixed/Group/g": {"version": 1, "acls": [ACL]},
}


def test_a_backup_has_what_the_cluster_was_told_and_no_secret() -> None:
    dumped = metadata.dump(Told({**znodes([1, 2, 3], 2), **TOLD}))
    assert dumped["topics"] == [{"name": "a", "partitions": 1, "replication_factor": 3, "config": {"min.insync.replicas": "2"}}]
    assert dumped["assignment"] == {"a": {"0": [1, 2, 3]}}
    assert dumped["brokers"] == {"<default>": {"log.cleaner.threads": "2"}}
    assert dumped["quotas"] == {"users/alice": {"producer_byte_rate": "1024"}, "clients/app": {"request_percentage": "50"}}
    assert dumped["users"] == {"alice": {"SCRAM-SHA-256": 4096}}
    assert [(acl["pattern"], acl["resource"], acl["name"]) for acl in dumped["acls"]] == [
        ("literal", "Topic", "a"),
        ("prefixed", "Group", "g"),
    ]
    for secret in ("salt", "stored_key", "=c", "secret"):
        assert secret not in json.dumps(dumped)


def test_quotas_and_acls_come_back_with_notifications_and_only_once() -> None:
    backup = metadata.dump(Told({**znodes([1, 2, 3]), **TOLD}))
    empty = Told({"/config/users/alice": {"config": {"SCRAM-SHA-256": "kept"}}})
    assert metadata.restore_quotas(empty, backup["quotas"], True) == ["quotas of clients/app", "quotas of users/alice"]
    assert metadata.restore_quotas(empty, backup["quotas"], False) == ["quotas of clients/app", "quotas of users/alice"]
    assert len(metadata.restore_acls(empty, backup["acls"], False)) == 2
    assert json.loads(empty.znodes["/config/users/alice"])["config"] == {"SCRAM-SHA-256": "kept", "producer_byte_rate": "1024"}
    told = [data for path, data in empty.znodes.items() if "change" in path and data]
    assert b'{"version":2,"entity_path":"users/alice"}' in told
    assert b"Topic:a" in told
    assert b'{"version":1,"resourceType":"GROUP","name":"g","patternType":"PREFIXED"}' in told
    assert metadata.restore_quotas(empty, backup["quotas"], False) == metadata.restore_acls(empty, backup["acls"], False) == []
