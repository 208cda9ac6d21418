# SPDX-License-Identifier: Apache-2.0
"""StopReplica (5), at every version, against a real replica manager."""

from __future__ import annotations

from pathlib import Path

import pytest

from commitlog.apis.k05_stop_replica import API
from commitlog.wire.errors import ErrorCode
from commitlog.wire.messages.stop_replica_request import (
    StopReplicaPartitionState,
    StopReplicaPartitionV0,
    StopReplicaRequest,
    StopReplicaTopicState,
    StopReplicaTopicV1,
)
from tests.apis.controller_services import ask_services, versions
from tests.replication.cluster import Cluster, scenario


def request(version: int, *, delete: bool, **head: int) -> StopReplicaRequest:
    message = StopReplicaRequest(controller_id=0, **head)  # type: ignore[arg-type]
    if version >= 3:
        state = StopReplicaPartitionState(0, -2 if delete else -1, delete)
        message.topic_states = [StopReplicaTopicState("t", [state])]
        return message
    message.delete_partitions = delete
    if version == 0:
        message.ungrouped_partitions = [StopReplicaPartitionV0("t", 0)]
    else:
        message.topics = [StopReplicaTopicV1("t", [0])]
    return message


@pytest.mark.parametrize("version", versions(API))
@pytest.mark.parametrize("delete", [False, True])
def test_a_partition_stops_and_goes_if_it_shall(tmp_path: Path, version: int, delete: bool) -> None:
    async def main(cluster: Cluster) -> None:
        cluster.create_topic("t", [0, 1])
        node = cluster.nodes[0]
        epoch = node.replicas.controller_epoch
        answer = await ask_services(
            node.services, API, request(version, delete=delete, controller_epoch=epoch), version
        )
        assert answer.error_code == ErrorCode.NONE
        assert [(one.topic_name, one.error_code) for one in answer.partition_errors] == [("t", 0)]
        assert (node.replicas.hosted_partition("t", 0) is None) is delete

    scenario(tmp_path, main)


@pytest.mark.parametrize("version", versions(API))
def test_an_old_controller_is_refused(tmp_path: Path, version: int) -> None:
    async def main(cluster: Cluster) -> None:
        cluster.create_topic("t", [0, 1])
        node = cluster.nodes[0]
        answer = await ask_services(
            node.services, API, request(version, delete=True, controller_epoch=-1), version
        )
        assert answer.error_code == ErrorCode.STALE_CONTROLLER_EPOCH
        assert node.replicas.hosted_partition("t", 0) is not None

    scenario(tmp_path, main)


def test_only_brokers_may_ask() -> None:
    assert API.cluster_action
