# SPDX-License-Identifier: GPL-3.0-or-later
"""Topics, brokers, replicas, groups and records: idempotent, and foreseen to the letter by check mode."""

from __future__ import annotations

import pathlib
import time

import pytest
from modules import Modules


def test_a_topic_is_made_changed_and_removed(modules: Modules) -> None:
    made = modules.changes("topic", placed=False, name="life", partitions=2, replication_factor=1)
    assert (made["before"], made["after"]["partitions"]) == ({}, 2)
    modules.changes("topic", name="life", config={"retention.ms": 5000, "cleanup.policy": ["compact", "delete"]})
    modules.changes("topic", name="life", config={"retention.ms": None})
    grown = modules.changes("topic", placed=False, name="life", partitions=3, replication_factor=2, throttle=10_000_000)
    assert sorted(len(brokers) for brokers in grown["after"]["replica_assignment"].values()) == [2, 2, 2]
    modules.changes("topic", name="life", replication_factor=1)
    assert modules("topic_info", name=["life"])["topics"][0]["config"] == {"cleanup.policy": "compact,delete"}
    assert modules.changes("topic", name="life", state="absent")["after"] == {}


def test_a_topic_takes_the_clusters_defaults_and_check_mode_knows_them(modules: Modules) -> None:
    made = modules.changes("topic", placed=False, name="defaults")
    assert (made["after"]["partitions"], made["after"]["replication_factor"]) == (1, 1)


def test_what_the_cluster_would_refuse_fails_in_check_mode_too(modules: Modules) -> None:
    assert "InvalidReplicationFactorError" in modules.fails("topic", name="many", replication_factor=7)
    assert "retention.ms" in modules.fails("topic", name="typo", config={"retention.ms": "soon"})
    modules("topic", name="shrink", partitions=2)
    assert "cannot take partitions away" in modules.fails("topic", name="shrink", partitions=1)


def test_partitions_go_where_the_assignment_says(modules: Modules) -> None:
    modules.changes("topic", name="placed", replica_assignment={"0": [0]})
    moved = modules.changes("topic", name="placed", replica_assignment={"0": [1, 0], "1": [0, 1]})
    assert moved["after"]["replica_assignment"] == {"0": [1, 0], "1": [0, 1]}


def test_a_hundred_topics_are_compared_in_three_seconds(modules: Modules) -> None:
    wanted = [
        {"name": f"many{n}", "partitions": 1, "replication_factor": 1, "config": {"retention.ms": n + 1}} for n in range(100)
    ]
    made = modules.changes("topics", placed=False, topics=wanted)
    assert len(made["created"]) == 100
    best = min(_seconds(lambda: modules("topics", topics=wanted)) for _ in range(3))
    assert best < 3


def _seconds(call: object) -> float:
    begun = time.monotonic()
    assert callable(call)
    call()
    return time.monotonic() - begun


def test_topics_that_are_not_listed_go_within_bounds(modules: Modules) -> None:
    existing = [topic["name"] for topic in modules("topic_info")["topics"]]
    keep = [{"name": name} for name in existing]
    modules("topics", topics=[*keep, {"name": "stray-a"}, {"name": "stray-b"}, {"name": "connect-x"}])
    purge = {"topics": keep, "purge": True, "protected": ["connect-*"]}
    assert "2 would be deleted and the limit is 1" in modules.fails("topics", **purge, max_deletions=1)
    assert modules.changes("topics", **purge)["deleted"] == ["stray-a", "stray-b"]
    assert "connect-x may not be deleted" in modules.fails(
        "topics", topics=[{"name": "connect-x", "state": "absent"}], protected=["connect-*"]
    )
    assert "x is listed twice" in modules.fails("topics", topics=[{"name": "x"}, {"name": "x"}])


def test_a_topic_is_described_with_its_offsets_and_what_is_wrong(modules: Modules) -> None:
    modules("topic", name="told", replica_assignment={"0": [0, 1]}, config={"min.insync.replicas": 2})
    modules("record", topic="told", value="one", state="written")
    found = modules("topic_info", name=["told", "nothing"], include_offsets=True)
    partition = found["topics"][0]["partitions"][0]
    assert (partition["earliest_offset"], partition["latest_offset"]) == (0, 1)
    assert (partition["at_min_isr"], partition["under_min_isr"], partition["offline"]) == (True, False, False)
    assert (found["changed"], found["missing"]) == (False, ["nothing"])


def test_the_cluster_says_how_it_is_and_who_may_stop(modules: Modules) -> None:
    modules("topic", name="tight", replica_assignment={"0": [0, 1]}, config={"min.insync.replicas": 2})
    found = modules("cluster_info", expected_brokers=[0, 1])
    assert (found["health"], found["reasons"], found["changed"]) == ("healthy", [], False)
    assert found["controller_id"] in (0, 1)
    assert [broker["can_stop"] for broker in found["brokers"]] == [False, False]
    assert all("tight-0" in broker["under_min_isr_if_stopped"] for broker in found["brokers"])
    missing = modules("cluster_info", expected_brokers=[0, 1, 9])
    assert (missing["health"], missing["missing_brokers"]) == ("degraded", [9])


def test_replicas_are_drained_spread_and_led_by_whom_they_should(modules: Modules) -> None:
    modules("topic", name="moves", replica_assignment={"0": [0], "1": [0], "2": [1]})
    only = {"topics": ["moves"]}
    drained = modules.changes("partition_reassignment", strategy="drain", drain_brokers=[0], **only, throttle=50_000_000)
    assert drained["after"] == {"moves": {"0": [1], "1": [1]}}
    assert drained["moved"] == {"partitions": 2, "replicas": 2}
    spread = modules.changes("partition_reassignment", strategy="spread", **only)
    assert spread["moved"]["replicas"] in (1, 2), "one to even out the topic, another if broker 1 has more of all topics"
    modules.changes(
        "partition_reassignment", strategy="assignment", assignment={"moves": {"0": [0, 1], "1": [1, 0], "2": [1, 0]}}
    )
    modules("leader_election", topics=["moves"])
    modules.changes("partition_reassignment", strategy="assignment", assignment={"moves": {"2": [0, 1]}})
    elected = modules.changes("leader_election", topics=["moves"])
    assert (elected["before"], elected["after"]) == ({"moves": {"2": 1}}, {"moves": {"2": 0}})
    left = modules("topic_info", name=["moves"])["topics"][0]["config"]
    assert left == {}, "the throttle is gone"
    assert not modules("partition_reassignment", state="absent")["changed"]


def test_catching_up_is_held_back_until_it_is_not(modules: Modules) -> None:
    modules("topic", name="behind", replica_assignment={"0": [0, 1]})
    modules("topic", name="elsewhere", replica_assignment={"0": [0]})
    limited = modules.changes("replication_throttle", brokers=[1], rate=10_000_000)
    assert limited["before"] == {"brokers": {}, "topics": {}}
    rate = {"follower.replication.throttled.rate": "10000000", "leader.replication.throttled.rate": "10000000"}
    assert limited["after"]["brokers"] == {"0": rate, "1": rate}
    named = {"follower.replication.throttled.replicas": "0:1", "leader.replication.throttled.replicas": "0:0"}
    assert limited["after"]["topics"]["behind"] == named
    assert "elsewhere" not in limited["after"]["topics"]
    assert modules("topic_info", name=["behind"])["topics"][0]["config"] == named
    faster = modules.changes("replication_throttle", brokers=[1], rate=20_000_000)
    assert [request["broker"] for request in faster["requests"]] == ["0", "1"]
    modules.changes("replication_throttle", state="absent")
    assert modules("topic_info", name=["behind"])["topics"][0]["config"] == {}
    assert not modules("replication_throttle", brokers=[9], rate=1)["changed"], "who has nothing has nothing to copy"
    assert "rate: 0 is not a positive number" in modules.fails("replication_throttle", brokers=[1], rate=0)


def test_a_throttle_that_an_earlier_run_left_goes_with_the_next_reassignment(modules: Modules) -> None:
    modules("topic", name="left", replica_assignment={"0": [0]})
    modules("replication_throttle", brokers=[1], rate=10_000_000)
    assert modules("replication_throttle", state="absent", check=True)["changed"]
    modules("partition_reassignment", strategy="assignment", assignment={"left": {"0": [1]}}, throttle=50_000_000)
    assert not modules("replication_throttle", state="absent", check=True)["changed"]


def test_moving_to_brokers_that_are_not_there_is_refused(modules: Modules) -> None:
    modules("topic", name="stays", replica_assignment={"0": [0]})
    assert "[9] are not alive" in modules.fails("partition_reassignment", strategy="spread", brokers=[0, 9])
    wanted = {"stays": {"0": [0, 9]}}
    assert "[9] are not alive" in modules.fails("partition_reassignment", strategy="assignment", assignment=wanted)
    assert "fits no topic" in modules.fails("partition_reassignment", strategy="spread", topics=["no-such-*"])


def test_settings_of_brokers_change_while_they_run(modules: Modules) -> None:
    modules.changes("broker_config", config={"log.cleaner.threads": 2})
    changed = modules.changes("broker_config", brokers=[1], config={"log.cleaner.threads": 3})
    assert changed["after"] == {"1": {"log.cleaner.threads": "3"}}
    assert modules("broker_info", brokers=[1])["brokers"][0]["dynamic_config"] == {"log.cleaner.threads": "3"}
    modules.changes("broker_config", brokers=[1], config={"log.cleaner.threads": None})
    modules.changes("broker_config", config={"log.cleaner.threads": None})
    assert "unknown broker setting log.cleaner.treads" in modules.fails("broker_config", config={"log.cleaner.treads": 2})


def test_brokers_are_described_with_what_they_hold(modules: Modules) -> None:
    found = modules("broker_info", brokers=[0, 9], include_log_dirs=True)
    assert (found["missing"], found["changed"]) == ([9], False)
    directory = found["brokers"][0]["log_dirs"][0]
    assert directory["error"] is None
    assert directory["replicas"] > 0
    assert found["brokers"][0]["config"]["broker.id"] == "0"


def test_a_group_goes_where_it_is_told(modules: Modules, tmp_path: pathlib.Path) -> None:
    modules("topic", name="read", replica_assignment={"0": [0]})
    for text in ("a", "b", "c"):
        modules("record", topic="read", value=text)
    group = {"name": "readers"}
    reset = modules.changes("consumer_group", **group, topics=["read"], reset_to="latest")
    assert reset["after"] == {"state": "Empty", "offsets": {"read": {"0": 3}}}
    moved = modules("consumer_group", **group, shift_by=-2)
    assert moved["after"]["offsets"] == {"read": {"0": 1}}
    found = modules("consumer_group_info", name=["readers", "nobody"])
    assert (found["groups"][0]["lag"], found["missing"]) == (2, ["nobody"])
    modules.changes("consumer_group", **group, offsets={"read": {"0": 2}})
    modules.changes("consumer_group", **group, to_timestamp="2020-01-01T00:00:00Z")
    exported = tmp_path / "offsets.csv"
    exported.write_text("read,0,700\n")
    assert modules.changes("consumer_group", **group, from_file=str(exported))["after"]["offsets"] == {"read": {"0": 3}}
    modules.changes("consumer_group", **group, state="absent", topics=["read"])
    modules.changes("consumer_group", **group, topics=["read"], reset_to="earliest")
    assert modules.changes("consumer_group", **group, state="absent")["after"] == {}


def test_a_record_comes_back_as_it_was_written(modules: Modules) -> None:
    modules("topic", name="smoke", replica_assignment={"0": [0, 1]})
    assert modules("record", check=True, topic="smoke", value="not written")["record"]["offset"] is None
    there = modules("record", topic="smoke", key="k", value="grüße", headers={"h": "1"})
    assert (there["record"]["offset"], there["changed"]) == (0, True)
    read = modules("record", topic="smoke", state="read", key="k")
    assert (read["record"]["value"], read["record"]["headers"], read["changed"]) == ("grüße", {"h": "1"}, False)
    assert "not found in the cluster" in modules.fails("record", topic="absent", value="x")


def test_brokers_are_found_in_zookeeper(modules: Modules) -> None:
    assert len(modules("cluster_info", zookeeper_connect=modules.zookeeper)["brokers"]) == 2


@pytest.mark.parametrize("name", ["topic_info", "cluster_info", "broker_info", "consumer_group_info", "quota_info", "user_info"])
def test_info_modules_change_nothing_and_say_so(modules: Modules, name: str) -> None:
    for check in (False, True):
        result = modules(name, check=check)
        assert result["changed"] is False
        assert "diff" not in result
