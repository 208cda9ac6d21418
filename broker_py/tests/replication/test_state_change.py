# SPDX-License-Identifier: Apache-2.0
"""Every check of LeaderAndIsr, StopReplica and UpdateMetadata, and what they leave behind."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest

from commitlog.replication.metadata_cache import ZERO_UUID
from commitlog.replication.partition import Partition
from commitlog.wire.errors import ErrorCode, KafkaError
from commitlog.wire.messages.leader_and_isr_request import LeaderAndIsrRequest
from commitlog.wire.messages.leader_and_isr_response import LeaderAndIsrResponse
from commitlog.wire.messages.stop_replica_request import (
    StopReplicaPartitionV0,
    StopReplicaRequest,
    StopReplicaTopicV1,
)
from tests.replication.cluster import Cluster, Node, scenario
from tests.replication.virtual_time import until


def errors(response: LeaderAndIsrResponse) -> list[int]:
    return [p.error_code for t in response.topics for p in t.partition_errors] or [
        p.error_code for p in response.partition_errors
    ]


def apply(node: Node, request: LeaderAndIsrRequest, version: int = 7) -> LeaderAndIsrResponse:
    return node.replicas.become_leader_or_follower(request, version)


def code_of(node: Node, topic: str = "t") -> ErrorCode:
    with pytest.raises(KafkaError) as error:
        node.replicas.partition(topic, 0)
    return error.value.code


def test_a_stale_broker_epoch_is_refused_and_a_newer_one_is_not(tmp_path: Path) -> None:
    async def main(cluster: Cluster) -> None:
        cluster.create_topic("t", [0, 1])
        node = cluster.nodes[0]
        node.replicas.broker_epoch = 10
        request = cluster.leader_and_isr_request("t")
        request.topic_states[0].partition_states[0].leader_epoch = 5
        request.broker_epoch = 9
        response = apply(node, request)
        assert response.error_code == ErrorCode.STALE_BROKER_EPOCH
        assert errors(response) == [ErrorCode.STALE_BROKER_EPOCH]
        assert node.partition("t").leader_epoch == 0
        request.broker_epoch = 11
        assert errors(apply(node, request)) == [ErrorCode.NONE]
        assert node.partition("t").leader_epoch == 5
        stop = StopReplicaRequest(broker_epoch=9)
        assert node.replicas.stop_replicas(stop).error_code == ErrorCode.STALE_BROKER_EPOCH
        update = cluster.update_metadata_request()
        update.broker_epoch = 9
        assert node.replicas.update_metadata(update).error_code == ErrorCode.STALE_BROKER_EPOCH

    scenario(tmp_path, main)


def test_an_older_controller_is_refused_and_the_newest_remembered(tmp_path: Path) -> None:
    async def main(cluster: Cluster) -> None:
        cluster.controller_epoch = 7
        cluster.create_topic("t", [0, 1])
        node = cluster.nodes[0]
        request = cluster.leader_and_isr_request("t")
        request.controller_epoch = 6
        response = apply(node, request)
        assert response.error_code == ErrorCode.STALE_CONTROLLER_EPOCH
        assert errors(response) == [ErrorCode.STALE_CONTROLLER_EPOCH]
        stop = node.replicas.stop_replicas(StopReplicaRequest(controller_epoch=6))
        assert stop.error_code == ErrorCode.STALE_CONTROLLER_EPOCH
        update = cluster.update_metadata_request()
        update.controller_epoch = 6
        assert node.replicas.update_metadata(update).error_code == ErrorCode.STALE_CONTROLLER_EPOCH
        update.controller_epoch = 8
        assert node.replicas.update_metadata(update).error_code == ErrorCode.NONE
        assert node.replicas.controller_epoch == 8

    scenario(tmp_path, main)


@pytest.mark.parametrize("leader_epoch", [3, 4])
def test_a_leader_epoch_must_be_newer(tmp_path: Path, leader_epoch: int) -> None:
    async def main(cluster: Cluster) -> None:
        cluster.create_topic("t", [0, 1])
        cluster.partitions["t", 0].leader_epoch = 3
        cluster.elect("t", 0)
        request = cluster.leader_and_isr_request("t")
        state = request.topic_states[0].partition_states[0]
        state.leader_epoch, state.leader = leader_epoch, 1
        assert errors(apply(cluster.nodes[0], request)) == [ErrorCode.STALE_CONTROLLER_EPOCH]
        assert cluster.nodes[0].partition("t").is_leader

    scenario(tmp_path, main)


def test_a_broker_that_is_no_replica_does_not_become_one(tmp_path: Path) -> None:
    async def main(cluster: Cluster) -> None:
        cluster.create_topic("t", [0, 1])
        request = cluster.leader_and_isr_request("t")
        assert errors(apply(cluster.nodes[2], request)) == [ErrorCode.UNKNOWN_TOPIC_OR_PARTITION]
        assert cluster.nodes[2].replicas.hosted_partition("t", 0) is None
        assert code_of(cluster.nodes[2]) is ErrorCode.NOT_LEADER_OR_FOLLOWER
        assert code_of(cluster.nodes[2], "unknown") is ErrorCode.UNKNOWN_TOPIC_OR_PARTITION

    scenario(tmp_path, main)


def test_another_topic_of_the_same_name_is_refused(tmp_path: Path) -> None:
    async def main(cluster: Cluster) -> None:
        cluster.create_topic("t", [0, 1])
        cluster.partitions["t", 0].topic_id = b"x" * 16
        cluster.partitions["t", 0].leader_epoch = 5
        request = cluster.leader_and_isr_request("t")
        assert errors(apply(cluster.nodes[0], request)) == [ErrorCode.INCONSISTENT_TOPIC_ID]
        assert cluster.nodes[0].partition("t").leader_epoch == 0

    scenario(tmp_path, main)


def test_a_topic_id_that_comes_later_is_taken_without_a_new_epoch(tmp_path: Path) -> None:
    async def main(cluster: Cluster) -> None:
        cluster.create_topic("t", [0, 1], with_id=False)
        await cluster.nodes[0].produce("t", b"a")
        cluster.partitions["t", 0].topic_id = b"x" * 16
        cluster.update_metadata()
        answers = cluster.leader_and_isr("t")
        assert [errors(response) for response in answers.values()] == [[0], [0]]
        assert {node.partition("t").topic_id for node in (cluster.nodes[0], cluster.nodes[1])} == {b"x" * 16}
        assert errors(cluster.leader_and_isr("t")[0]) == [ErrorCode.STALE_CONTROLLER_EPOCH]
        cluster.nodes[0].sent.clear()
        await cluster.nodes[0].produce("t", b"b")
        await until(lambda: (1, 17) in cluster.nodes[0].sent)
        await cluster.nodes[0].produce("t", b"c")

    scenario(tmp_path, main)


def test_a_topic_id_that_comes_with_a_new_epoch_is_taken_too(tmp_path: Path) -> None:
    async def main(cluster: Cluster) -> None:
        cluster.create_topic("t", [0, 1], with_id=False)
        cluster.partitions["t", 0].topic_id = b"x" * 16
        cluster.elect("t", 1)
        assert {cluster.nodes[broker].log("t").topic_id for broker in (0, 1)} == {b"x" * 16}

    scenario(tmp_path, main)


def test_a_follower_of_an_unknown_leader_has_at_least_its_log(tmp_path: Path) -> None:
    async def main(cluster: Cluster) -> None:
        await cluster.nodes[0].kill()
        cluster.update_metadata()
        cluster.create_topic("t", [0, 1])
        partition = cluster.nodes[1].partition("t")
        assert partition.log is not None
        assert partition.leader_id is None
        # Once the leader is known, the same epoch is news.
        await cluster.nodes[0].start()
        cluster.update_metadata()
        cluster.leader_and_isr("t")
        assert partition.leader_id == 0
        cluster.elect("t", 0, isr=[0, 1])
        assert (await cluster.nodes[0].produce("t", b"a")).error is ErrorCode.NONE

    scenario(tmp_path, main)


def test_a_partition_epoch_that_ran_ahead_keeps_the_newer_isr(tmp_path: Path) -> None:
    async def main(cluster: Cluster) -> None:
        cluster.create_topic("t", [0, 1])
        cluster.nodes[0].partition("t").partition_epoch = 9
        cluster.elect("t", 0, isr=[0])
        assert cluster.nodes[0].partition("t").isr == (0, 1)

    scenario(tmp_path, main)


@pytest.mark.parametrize("version", [4, 5])
def test_the_response_is_by_name_until_version_4_and_by_id_from_5(tmp_path: Path, version: int) -> None:
    async def main(cluster: Cluster) -> None:
        topic_id = cluster.create_topic("t", [0, 1])
        cluster.partitions["t", 0].leader_epoch += 1
        response = cluster.leader_and_isr("t", version=version)[0]
        if version >= 5:
            assert [t.topic_id for t in response.topics] == [topic_id]
            assert response.partition_errors == []
        else:
            assert [(p.topic_name, p.partition_index) for p in response.partition_errors] == [("t", 0)]
            assert response.topics == []

    scenario(tmp_path, main)


def test_old_versions_list_partitions_without_topics(tmp_path: Path) -> None:
    async def main(cluster: Cluster) -> None:
        cluster.create_topic("t", [0, 1], with_id=False)
        request = cluster.leader_and_isr_request("t")
        state = request.topic_states.pop().partition_states[0]
        state.topic_name, state.leader, state.leader_epoch = "t", 1, 4
        request.ungrouped_partition_states.append(state)
        assert errors(apply(cluster.nodes[0], request, 1)) == [ErrorCode.NONE]
        assert cluster.nodes[0].partition("t").leader_id == 1

    scenario(tmp_path, main)


def test_listeners_hear_what_was_won_and_lost(tmp_path: Path) -> None:
    async def main(cluster: Cluster) -> None:
        heard: list[tuple[list[str], list[str], int]] = []

        def listen(leaders: Sequence[Partition], followers: Sequence[Partition]) -> None:
            epoch = max(partition.leader_epoch for partition in (*leaders, *followers))
            heard.append(([p.topic for p in leaders], [p.topic for p in followers], epoch))

        cluster.nodes[0].replicas.add_leadership_listener(
            lambda leaders, followers: listen(leaders, followers) if leaders or followers else None
        )
        cluster.create_topic("t", [0, 1])
        cluster.elect("t", 0)
        cluster.elect("t", 1)
        cluster.stop_replica("t", 0, delete=True)
        assert heard == [(["t"], [], 0), ([], ["t"], 2), ([], ["t"], 2)]

    scenario(tmp_path, main)


def test_stop_replica_stops_fetching_and_keeps_the_log(tmp_path: Path) -> None:
    async def main(cluster: Cluster) -> None:
        cluster.create_topic("t", [0, 1])
        await cluster.nodes[0].produce("t", b"a")
        response = cluster.stop_replica("t", 1, delete=False, leader_epoch=0)
        assert [p.error_code for p in response.partition_errors] == [ErrorCode.NONE]
        cluster.nodes[0].append("t", b"b", acks=1)
        await asyncio.sleep(5)
        assert cluster.nodes[1].values("t") == [b"a"]

    scenario(tmp_path, main)


def test_stop_replica_deletes(tmp_path: Path) -> None:
    async def main(cluster: Cluster) -> None:
        cluster.create_topic("t", [0, 1])
        waiting = cluster.nodes[0].fetch("t", 0, max_wait_ms=60_000)
        assert not isinstance(waiting, list)
        response = cluster.stop_replica("t", 0, delete=True, leader_epoch=-2)
        assert [p.error_code for p in response.partition_errors] == [ErrorCode.NONE]
        assert cluster.nodes[0].replicas.hosted_partition("t", 0) is None
        assert cluster.nodes[0].logs.get_log("t", 0) is None
        assert (await waiting)[0].error is ErrorCode.NOT_LEADER_OR_FOLLOWER
        # A log that no partition stands for (the topic was deleted while this broker was away) goes too.
        assert cluster.stop_replica("t", 0, delete=True).partition_errors[0].error_code == 0

    scenario(tmp_path, main)


def test_stop_replica_of_an_older_epoch_is_fenced(tmp_path: Path) -> None:
    async def main(cluster: Cluster) -> None:
        cluster.create_topic("t", [0, 1])
        cluster.elect("t", 0)
        for epoch, expected in (
            (0, ErrorCode.FENCED_LEADER_EPOCH),
            (1, ErrorCode.NONE),
            (-1, ErrorCode.NONE),
        ):
            response = cluster.stop_replica("t", 0, delete=False, leader_epoch=epoch)
            assert response.partition_errors[0].error_code == expected

    scenario(tmp_path, main)


def test_stop_replica_of_old_versions(tmp_path: Path) -> None:
    async def main(cluster: Cluster) -> None:
        cluster.create_topic("t", [0, 1], partitions=2)
        node = cluster.nodes[0]
        request = StopReplicaRequest(
            controller_epoch=1,
            delete_partitions=True,
            ungrouped_partitions=[StopReplicaPartitionV0(topic_name="t", partition_index=0)],
        )
        node.replicas.stop_replicas(request)
        request = StopReplicaRequest(
            controller_epoch=1,
            delete_partitions=True,
            topics=[StopReplicaTopicV1(name="t", partition_indexes=[1])],
        )
        node.replicas.stop_replicas(request)
        assert list(node.replicas.partitions()) == []

    scenario(tmp_path, main)


def test_deleted_partitions_are_told_to_listeners(tmp_path: Path) -> None:
    async def main(cluster: Cluster) -> None:
        cluster.create_topic("t", [0, 1])
        heard: list[Sequence[tuple[str, int]]] = []
        cluster.nodes[0].replicas.add_deletion_listener(heard.append)
        cluster.partitions["t", 0].leader = -2
        cluster.update_metadata()
        assert heard == [[("t", 0)]]

    scenario(tmp_path, main)


def test_a_failed_log_directory_takes_its_partitions_offline(tmp_path: Path) -> None:
    async def main(cluster: Cluster) -> None:
        cluster.create_topic("t", [0, 1])
        cluster.create_topic("u", [1, 0])
        node = cluster.nodes[0]
        waiting = node.fetch("t", 0, max_wait_ms=60_000)
        assert not isinstance(waiting, list)
        resigned: list[tuple[str, int]] = []
        node.replicas.add_leadership_listener(
            lambda _, followers: resigned.extend((one.topic, one.leader_epoch) for one in followers)
        )
        node.replicas.handle_log_dir_failure(str(node.log_dir))
        assert resigned == [("t", 0), ("u", 0)]
        assert (await waiting)[0].error is ErrorCode.KAFKA_STORAGE_ERROR
        assert code_of(node) is ErrorCode.KAFKA_STORAGE_ERROR
        assert (await node.produce("t", b"a")).error is ErrorCode.KAFKA_STORAGE_ERROR
        cluster.partitions["t", 0].leader_epoch = 9
        assert errors(cluster.leader_and_isr("t", to=[0])[0]) == [ErrorCode.KAFKA_STORAGE_ERROR]
        stopped = cluster.stop_replica("t", 0, delete=True).partition_errors[0]
        assert stopped.error_code == ErrorCode.KAFKA_STORAGE_ERROR
        assert len(node.replicas.fetchers) == 0

    scenario(tmp_path, main)


def test_the_high_watermark_survives_a_restart(tmp_path: Path) -> None:
    async def main(cluster: Cluster) -> None:
        cluster.create_topic("t", [0])
        await cluster.nodes[0].produce("t", b"a", b"b")
        await cluster.nodes[0].stop()
        await cluster.nodes[0].start()
        log = cluster.nodes[0].logs.get_log("t", 0)
        assert log is not None
        assert log.high_watermark == 2

    scenario(tmp_path, main, 0)


def test_stopping_answers_everybody_who_waits(tmp_path: Path) -> None:
    async def main(cluster: Cluster) -> None:
        cluster.create_topic("t", [0, 1])
        cluster.partition_network(0, 1)
        fetch = cluster.nodes[0].fetch("t", 0, max_wait_ms=60_000)
        produce = cluster.nodes[0].append("t", b"a", timeout_ms=60_000)
        delete = cluster.nodes[0].replicas.delete_records(60_000, [("t", 0, 0)])
        assert not isinstance(fetch, list)
        assert not isinstance(produce, list)
        assert not isinstance(delete, list)
        await cluster.nodes[0].stop()
        assert (await fetch)[0].error is ErrorCode.NONE
        assert (await produce)[0].error is ErrorCode.REQUEST_TIMED_OUT
        assert (await delete)[0].error is ErrorCode.REQUEST_TIMED_OUT

    scenario(tmp_path, main)


def test_without_ids_nothing_is_inconsistent(tmp_path: Path) -> None:
    async def main(cluster: Cluster) -> None:
        cluster.create_topic("t", [0, 1])
        cluster.partitions["t", 0].topic_id = ZERO_UUID
        cluster.elect("t", 1)
        assert cluster.nodes[0].partition("t").leader_id == 1

    scenario(tmp_path, main)
