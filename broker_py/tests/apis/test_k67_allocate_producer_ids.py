# SPDX-License-Identifier: Apache-2.0
"""AllocateProducerIds (67): blocks that no two brokers share."""

from __future__ import annotations

from collections.abc import Sequence

from commitlog.apis.k67_allocate_producer_ids import API
from commitlog.coordination import paths
from commitlog.coordination.client import Op, OpResult
from commitlog.coordination.documents import ProducerIdBlock
from commitlog.wire.errors import ErrorCode
from commitlog.wire.messages.allocate_producer_ids_request import AllocateProducerIdsRequest
from tests.apis.controller_services import ask, idle
from tests.controller.cluster import Cluster
from tests.groups.virtual_loop import in_virtual_time


@in_virtual_time
async def test_blocks_follow_each_other_over_controllers() -> None:
    cluster = await Cluster().start(1, 2)
    starts = []
    for broker in (1, 2, 2):
        message = AllocateProducerIdsRequest(broker, cluster.nodes[broker].epoch)
        answer = await ask(cluster, API, message, 0)
        assert (answer.error_code, answer.producer_id_len) == (ErrorCode.NONE, 1000)
        starts.append(answer.producer_id_start)
    await cluster.kill(cluster.active.id)
    await cluster.settle()
    node = cluster.active
    starts.append(
        (await ask(cluster, API, AllocateProducerIdsRequest(node.id, node.epoch), 0)).producer_id_start
    )
    assert starts == [0, 1000, 2000, 3000]
    data, _ = await cluster.tool.get(paths.LATEST_PRODUCER_ID_BLOCK)
    assert ProducerIdBlock.decode(data) == ProducerIdBlock(node.id, 3000, 3999)
    await cluster.close()


@in_virtual_time
async def test_a_block_that_an_older_broker_takes_at_the_same_moment_is_not_given_twice() -> None:
    cluster = await Cluster().start(1)
    client = cluster.nodes[1].coordination
    original = client.multi

    async def overtaken(ops: Sequence[Op]) -> list[OpResult]:
        if any(op.path == paths.LATEST_PRODUCER_ID_BLOCK for op in ops):
            client.multi = original  # type: ignore[method-assign]
            await cluster.tool.set(paths.LATEST_PRODUCER_ID_BLOCK, ProducerIdBlock(7, 0, 999).encode())
        return await original(ops)

    client.multi = overtaken  # type: ignore[method-assign]
    answer = await ask(cluster, API, AllocateProducerIdsRequest(1, cluster.nodes[1].epoch), 0)
    assert (answer.error_code, answer.producer_id_start) == (ErrorCode.NONE, 1000)
    data, _ = await cluster.tool.get(paths.LATEST_PRODUCER_ID_BLOCK)
    assert ProducerIdBlock.decode(data) == ProducerIdBlock(1, 1000, 1999)
    await cluster.close()


@in_virtual_time
async def test_refusals() -> None:
    cluster = await Cluster().start(1, 2)
    unknown = await ask(cluster, API, AllocateProducerIdsRequest(9, 1), 0)
    assert unknown.error_code == ErrorCode.BROKER_ID_NOT_REGISTERED
    stale = await ask(cluster, API, AllocateProducerIdsRequest(2, cluster.nodes[2].epoch - 1), 0)
    assert stale.error_code == ErrorCode.STALE_BROKER_EPOCH
    elsewhere = await ask(
        cluster, API, AllocateProducerIdsRequest(2, cluster.nodes[2].epoch), 0, idle(cluster)
    )
    assert elsewhere.error_code == ErrorCode.NOT_CONTROLLER
    await cluster.close()


@in_virtual_time
async def test_the_end_of_all_ids() -> None:
    cluster = await Cluster().start(1)
    last = ProducerIdBlock(1, 2**63 - 1001, 2**63 - 2)
    await cluster.tool.set(paths.LATEST_PRODUCER_ID_BLOCK, last.encode())
    answer = await ask(cluster, API, AllocateProducerIdsRequest(1, cluster.nodes[1].epoch), 0)
    assert answer.error_code == ErrorCode.UNKNOWN_SERVER_ERROR
    await cluster.close()


def test_only_brokers_may_ask() -> None:
    assert API.cluster_action
