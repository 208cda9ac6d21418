# SPDX-License-Identifier: Apache-2.0
"""ControlledShutdown (7), at every version."""

from __future__ import annotations

import pytest

from commitlog.apis.k07_controlled_shutdown import API
from commitlog.wire.errors import ErrorCode
from commitlog.wire.messages.controlled_shutdown_request import ControlledShutdownRequest
from tests.apis.controller_services import ask, idle, versions
from tests.controller.cluster import Cluster
from tests.groups.virtual_loop import in_virtual_time


@pytest.mark.parametrize("version", versions(API))
@in_virtual_time
async def test_what_can_move_moves_and_the_rest_is_named(version: int) -> None:
    cluster = await Cluster().start(1, 2, 3)
    await cluster.create("moves", [2, 3])
    await cluster.create("stays", [2, 3])
    await cluster.alter_isr("stays", (2,))
    answer = await ask(cluster, API, ControlledShutdownRequest(2, cluster.nodes[2].epoch), version)
    assert answer.error_code == ErrorCode.NONE
    assert [(one.topic_name, one.partition_index) for one in answer.remaining_partitions] == [("stays", 0)]
    assert (await cluster.state("moves")).leader == 3
    await cluster.close()


@in_virtual_time
async def test_errors() -> None:
    cluster = await Cluster().start(1, 2)
    stale = await ask(cluster, API, ControlledShutdownRequest(2, cluster.nodes[2].epoch - 1), 3)
    assert stale.error_code == ErrorCode.STALE_BROKER_EPOCH
    unknown = await ask(cluster, API, ControlledShutdownRequest(7, 1), 3)
    assert unknown.error_code == ErrorCode.BROKER_NOT_AVAILABLE
    elsewhere = await ask(cluster, API, ControlledShutdownRequest(2, 1), 3, idle(cluster))
    assert elsewhere.error_code == ErrorCode.STALE_CONTROLLER_EPOCH
    await cluster.close()


def test_only_brokers_may_ask() -> None:
    assert API.cluster_action
