# SPDX-License-Identifier: Apache-2.0
"""AlterPartition (56), at every version; the checks themselves are tested with controller.isr_changes."""

from __future__ import annotations

import pytest

from commitlog.apis.k56_alter_partition import API
from commitlog.wire.errors import ErrorCode
from commitlog.wire.messages.alter_partition_request import (
    AlterPartitionRequest,
    BrokerState,
    PartitionData,
    TopicData,
)
from tests.apis.controller_services import ask, idle, versions
from tests.controller.cluster import Cluster
from tests.groups.virtual_loop import in_virtual_time


def request(cluster: Cluster, version: int, isr: list[int]) -> AlterPartitionRequest:
    data = PartitionData(partition_index=0)
    if version >= 3:
        data.new_isr_with_epochs = [BrokerState(one) for one in isr]
    else:
        data.new_isr = isr
    topic = TopicData(partitions=[data])
    if version >= 2:
        topic.topic_id = cluster.active.fake.metadata.topic_id("t")
    else:
        topic.topic_name = "t"
    return AlterPartitionRequest(1, cluster.nodes[1].epoch, [topic])


@pytest.mark.parametrize("version", versions(API))
@in_virtual_time
async def test_shrink(version: int) -> None:
    cluster = await Cluster().start(1, 2)
    await cluster.create("t", [1, 2])
    message = request(cluster, version, [1])
    answer = await ask(cluster, API, message, version)
    (topic,) = answer.topics
    assert (topic.topic_name, topic.topic_id) == (message.topics[0].topic_name, message.topics[0].topic_id)
    (result,) = topic.partitions
    assert (result.error_code, result.isr, result.partition_epoch) == (ErrorCode.NONE, [1], 1)
    assert (await cluster.state("t")).isr == (1,)
    await cluster.close()


@in_virtual_time
async def test_another_broker() -> None:
    cluster = await Cluster().start(1, 2)
    await cluster.create("t", [1, 2])
    answer = await ask(cluster, API, request(cluster, 3, [1]), 3, idle(cluster))
    assert (answer.error_code, answer.topics) == (ErrorCode.NOT_CONTROLLER, [])
    await cluster.close()


def test_only_brokers_may_ask() -> None:
    assert API.cluster_action


@pytest.mark.parametrize("version", [0, 3])
@in_virtual_time
async def test_each_partition_once_and_no_topic_without_any(version: int) -> None:
    cluster = await Cluster().start(1, 2)
    await cluster.create("t", [1, 2])
    message = request(cluster, version, [1, 2])
    message.topics *= 2
    answer = await ask(cluster, API, message, version)
    assert [len(topic.partitions) for topic in answer.topics] == [1]
    message.topics[0].partitions = []
    assert (await ask(cluster, API, message, version)).topics == []
    await cluster.close()
