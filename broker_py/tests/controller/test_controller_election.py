# SPDX-License-Identifier: Apache-2.0
"""Who is the controller: races, sessions, zombies, and what a new one finds."""

from __future__ import annotations

import asyncio

import pytest

from commitlog.controller.context import TopicPartition
from commitlog.coordination import paths
from commitlog.coordination.documents import ControllerDocument, FeatureDocument
from commitlog.wire.errors import ErrorCode, KafkaError
from commitlog.wire.messages.leader_and_isr_request import LeaderAndIsrRequest
from commitlog.wire.messages.update_metadata_request import UpdateMetadataRequest
from tests.controller.cluster import Cluster
from tests.groups.virtual_loop import in_virtual_time


@in_virtual_time
async def test_one_of_many_is_elected() -> None:
    cluster = await Cluster().start(1, 2, 3, 4, 5)
    data, _ = await cluster.tool.get(paths.CONTROLLER)
    assert ControllerDocument.decode(data).broker_id == cluster.active.id
    assert await cluster.controller_epoch() == cluster.active.controller.controller_epoch == 1
    await cluster.close()


@in_virtual_time
async def test_every_death_of_the_controller_elects_another() -> None:
    cluster = await Cluster().start(1, 2, 3)
    for term in (1, 2, 3):
        assert cluster.active.controller.controller_epoch == term == await cluster.controller_epoch()
        await cluster.kill(cluster.active.id)
        await cluster.settle()
    assert not any(node.controller.is_active for node in cluster.nodes.values())
    await cluster.close()


@in_virtual_time
async def test_a_new_controller_sends_the_live_brokers_before_anything_else() -> None:
    cluster = await Cluster().start(1, 2)
    await cluster.create("t", [1, 2])
    fake = cluster.nodes[2].fake
    fake.requests.clear()
    await cluster.kill(1)
    await cluster.settle()
    assert cluster.active.id == 2
    kinds = [type(message) for message, _ in fake.requests]
    assert kinds[0] is UpdateMetadataRequest
    first = fake.requests[0][0]
    assert not first.topic_states
    assert [one.id for one in first.live_brokers] == [2]
    assert LeaderAndIsrRequest in kinds
    await cluster.close()


@in_virtual_time
async def test_deleting_the_znode_forces_an_election() -> None:
    cluster = await Cluster().start(1, 2, 3)
    await cluster.tool.delete(paths.CONTROLLER)
    await cluster.settle()
    assert cluster.active.controller.controller_epoch == 2
    await cluster.close()


@in_virtual_time
async def test_an_expired_session_ends_the_term_and_the_broker_stands_again() -> None:
    cluster = await Cluster().start(1, 2)
    first = cluster.active
    old_epoch = first.epoch
    first.expire_session()
    await cluster.settle()
    assert cluster.active is not first
    assert first.epoch > old_epoch
    assert not first.controller.is_active
    assert first.controller.controller_epoch == 0
    assert list(first.controller._store._handlers) == [paths.CONTROLLER], "a candidate watches nothing else"
    await cluster.kill(cluster.active.id)
    await cluster.settle()
    assert cluster.active is first
    assert first.controller.controller_epoch == 3
    await cluster.close()


@in_virtual_time
async def test_the_only_broker_is_elected_again_after_its_session_expired() -> None:
    cluster = await Cluster().start(1)
    await cluster.create("t", [1])
    cluster.nodes[1].expire_session()
    await cluster.settle()
    assert cluster.active.controller.controller_epoch == 2
    assert (await cluster.state("t")).leader == 1
    assert cluster.nodes[1].fake.hosted[TopicPartition("t", 0)].leader == 1
    await cluster.close()


@in_virtual_time
async def test_a_paused_controller_resigns_at_its_first_write_and_changes_nothing() -> None:
    """The zombie still believes; it learns better with the first answer of ZooKeeper."""
    cluster = await Cluster().start(1, 2, 3)
    await cluster.create("t", [1, 2, 3])
    zombie = cluster.active
    zombie.coordination.disconnect()
    await cluster.settle(30)  # longer than the session timeout
    others = [node for node in cluster.nodes.values() if node is not zombie and node.controller.is_active]
    assert len(others) == 1
    assert zombie.controller.is_active, "it cannot know yet"
    shutdown = asyncio.ensure_future(zombie.controller.controlled_shutdown(1, -1))
    await cluster.settle()
    before = await cluster.state("t")
    zombie.coordination.reconnect()
    with pytest.raises(KafkaError) as refused:
        await shutdown
    assert refused.value.code in (ErrorCode.STALE_CONTROLLER_EPOCH, ErrorCode.NOT_CONTROLLER)
    await cluster.settle()
    assert cluster.active is others[0]
    after = await cluster.state("t")
    assert after.controller_epoch == others[0].controller.controller_epoch
    assert after.leader_epoch >= before.leader_epoch
    await cluster.close()


@in_virtual_time
async def test_a_controller_that_is_deposed_unawares_resigns_when_it_writes() -> None:
    cluster = await Cluster().start(1)
    await cluster.create("t", [1])
    # Another's election, of which no watch told: the fence alone must stop the old one.
    await cluster.tool.set(paths.CONTROLLER_EPOCH, b"9")
    await cluster.create("u", [1])
    assert not await cluster.exists(paths.partition_state("u", 0))
    assert not cluster.nodes[1].controller.is_active
    await cluster.close()


@in_virtual_time
async def test_a_short_disconnection_changes_nothing() -> None:
    cluster = await Cluster().start(1, 2)
    active = cluster.active
    active.coordination.disconnect()
    await cluster.settle(3)
    active.coordination.reconnect()
    await cluster.settle()
    assert cluster.active is active
    assert await cluster.controller_epoch() == 1
    await cluster.create("t", [1, 2])
    assert (await cluster.state("t")).leader == 1
    await cluster.close()


@in_virtual_time
async def test_what_happened_during_a_disconnection_is_seen_after_it() -> None:
    cluster = await Cluster().start(1, 2)
    active = cluster.active
    active.coordination.disconnect()
    await cluster.create("t", [1, 2])
    active.coordination.reconnect()
    await cluster.settle()
    assert (await cluster.state("t")).isr == (1, 2)
    await cluster.close()


@in_virtual_time
async def test_requests_to_a_broker_that_is_not_controller_are_refused() -> None:
    cluster = await Cluster().start(1, 2)
    (idle,) = [node for node in cluster.nodes.values() if not node.controller.is_active]
    with pytest.raises(KafkaError) as refused:
        await idle.controller.elect_leaders(None, None)  # type: ignore[arg-type]
    assert refused.value.code is ErrorCode.NOT_CONTROLLER
    with pytest.raises(KafkaError) as refused:
        await idle.controller.controlled_shutdown(1, -1)
    assert refused.value.code is ErrorCode.STALE_CONTROLLER_EPOCH
    response = await idle.controller.alter_partition(None, 3)  # type: ignore[arg-type]
    assert response.error_code == ErrorCode.NOT_CONTROLLER
    await cluster.close()


@in_virtual_time
async def test_feature_znode_is_made_and_kept() -> None:
    cluster = await Cluster().start(1)
    data, _ = await cluster.tool.get(paths.FEATURE)
    assert FeatureDocument.decode(data) == FeatureDocument(1, {}, 2)
    await cluster.tool.set(paths.FEATURE, FeatureDocument(0, {}, 1).encode())
    await cluster.tool.delete(paths.CONTROLLER)
    await cluster.settle()
    data, again = await cluster.tool.get(paths.FEATURE)
    assert FeatureDocument.decode(data) == FeatureDocument(1, {}, 2)
    await cluster.tool.delete(paths.CONTROLLER)
    await cluster.settle()
    assert (await cluster.tool.get(paths.FEATURE))[1].version == again.version, "nothing to write"
    await cluster.close()


@in_virtual_time
async def test_a_failover_that_fails_gives_the_office_up() -> None:
    cluster = await Cluster().start(1)
    node = cluster.nodes[1]

    async def fail() -> None:
        raise RuntimeError("on purpose")

    working = node.controller._load_context
    node.controller._load_context = fail  # type: ignore[method-assign]
    await cluster.tool.delete(paths.CONTROLLER)
    await cluster.settle(10)
    assert 5 < await cluster.controller_epoch() < 15, "it tries again and again, but not in a hurry"
    node.controller._load_context = working  # type: ignore[method-assign]
    await cluster.settle(2)
    assert cluster.active is node
    await cluster.create("t", [1])
    assert (await cluster.state("t")).leader == 1
    await cluster.close()
