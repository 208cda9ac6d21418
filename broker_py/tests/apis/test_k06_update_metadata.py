# SPDX-License-Identifier: Apache-2.0
"""UpdateMetadata (6), at every version, against a real replica manager."""

from __future__ import annotations

from pathlib import Path

import pytest

from commitlog.apis.k06_update_metadata import API
from commitlog.wire.errors import ErrorCode
from commitlog.wire.messages.update_metadata_request import (
    UpdateMetadataBroker,
    UpdateMetadataEndpoint,
    UpdateMetadataPartitionState,
    UpdateMetadataRequest,
    UpdateMetadataTopicState,
)
from tests.apis.controller_services import ask_services, versions
from tests.replication.cluster import Cluster, scenario


def request(version: int, epoch: int, leader: int = 5) -> UpdateMetadataRequest:
    broker = UpdateMetadataBroker(id=5)
    if version == 0:
        broker.v0_host, broker.v0_port = "b5", 9095
    else:
        listener = "PLAINTEXT" if version >= 3 else ""
        broker.endpoints = [UpdateMetadataEndpoint(port=9095, host="b5", listener=listener)]
    message = UpdateMetadataRequest(controller_id=5, controller_epoch=epoch, live_brokers=[broker])
    state = UpdateMetadataPartitionState(partition_index=0, leader=leader, isr=[5], replicas=[5])
    if version >= 5:
        message.topic_states = [UpdateMetadataTopicState("new", b"i" * 16, [state])]
    else:
        state.topic_name = "new"
        message.ungrouped_partition_states = [state]
    return message


@pytest.mark.parametrize("version", versions(API))
def test_the_cache_learns_and_forgets(tmp_path: Path, version: int) -> None:
    async def main(cluster: Cluster) -> None:
        node = cluster.nodes[0]
        epoch = node.replicas.controller_epoch
        answer = await ask_services(node.services, API, request(version, epoch), version)
        assert answer.error_code == ErrorCode.NONE
        cache = node.replicas.metadata
        told = cache.partition_state("new", 0)
        assert told is not None
        assert told.leader == 5
        assert cache.controller_id == 5
        endpoint = cache.broker_endpoint(5, "PLAINTEXT")
        assert endpoint is not None
        assert (endpoint.host, endpoint.port) == ("b5", 9095)
        if version >= 7:
            assert cache.topic_name(b"i" * 16) == "new"
        await ask_services(node.services, API, request(version, epoch, leader=-2), version)
        assert not cache.contains_topic("new")

    scenario(tmp_path, main)


@pytest.mark.parametrize("version", versions(API))
def test_an_old_controller_is_refused(tmp_path: Path, version: int) -> None:
    async def main(cluster: Cluster) -> None:
        node = cluster.nodes[0]
        answer = await ask_services(node.services, API, request(version, -1), version)
        assert answer.error_code == ErrorCode.STALE_CONTROLLER_EPOCH
        assert not node.replicas.metadata.contains_topic("new")

    scenario(tmp_path, main)


def test_only_brokers_may_ask() -> None:
    assert API.cluster_action
