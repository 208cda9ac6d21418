# SPDX-License-Identifier: Apache-2.0
"""MetadataCache: merge, removal, topic ids, listeners, waiting."""

from __future__ import annotations

import asyncio

from commitlog.replication.metadata_cache import ZERO_UUID, Endpoint, MetadataCache
from commitlog.wire.messages.update_metadata_request import (
    UpdateMetadataBroker,
    UpdateMetadataEndpoint,
    UpdateMetadataPartitionState,
    UpdateMetadataRequest,
    UpdateMetadataTopicState,
)
from tests.replication.virtual_time import run

ID = b"i" * 16


def state(
    index: int = 0, *, leader: int = 1, epoch: int = 3, topic: str = ""
) -> UpdateMetadataPartitionState:
    return UpdateMetadataPartitionState(
        topic_name=topic,
        partition_index=index,
        leader=leader,
        leader_epoch=epoch,
        isr=[1, 2],
        replicas=[1, 2],
        zk_version=4,
    )


def update(
    *states: UpdateMetadataPartitionState,
    topic: str = "t",
    topic_id: bytes = ID,
    brokers: tuple[int, ...] = (1, 2),
) -> UpdateMetadataRequest:
    topics = [UpdateMetadataTopicState(topic_name=topic, topic_id=topic_id, partition_states=list(states))]
    return UpdateMetadataRequest(
        controller_id=2,
        controller_epoch=1,
        topic_states=topics if states else [],
        live_brokers=[
            UpdateMetadataBroker(
                id=broker,
                rack=f"r{broker}",
                endpoints=[
                    UpdateMetadataEndpoint(port=9092, host=f"h{broker}", listener="CLIENT"),
                    UpdateMetadataEndpoint(port=9093, host=f"h{broker}", listener="", security_protocol=1),
                ],
            )
            for broker in brokers
        ],
    )


def test_partition_states_are_merged_and_brokers_replaced() -> None:
    cache = MetadataCache(1)
    cache.update(update(state(0), state(1)))
    cache.update(update(state(1, leader=2, epoch=4), brokers=(2,)))
    assert {index: p.leader for index, p in cache.partitions("t").items()} == {0: 1, 1: 2}
    assert [broker.id for broker in cache.alive_brokers()] == [2]
    assert cache.controller_id == 2
    assert not cache.is_alive(1)
    found = cache.partition_state("t", 1)
    assert found is not None
    assert (found.leader_epoch, found.isr, found.zk_version) == (4, (1, 2), 4)


def test_versions_that_do_not_group_by_topic_keep_the_known_id() -> None:
    cache = MetadataCache(1)
    cache.update(update(state(0)))
    cache.update(UpdateMetadataRequest(controller_id=1, ungrouped_partition_states=[state(1, topic="t")]))
    assert sorted(cache.partitions("t")) == [0, 1]
    assert cache.topic_id("t") == ID


def test_leader_minus_two_removes_the_partition_and_with_the_last_one_the_topic() -> None:
    cache = MetadataCache(1)
    cache.update(update(state(0), state(1)))
    assert cache.update(update(state(0, leader=-2))) == [("t", 0)]
    assert cache.topics() == ["t"]
    assert cache.topic_name(ID) == "t"
    assert cache.update(update(state(1, leader=-2))) == [("t", 1)]
    assert cache.topics() == []
    assert not cache.contains_topic("t")
    assert cache.topic_name(ID) is None
    assert cache.topic_id("t") == ZERO_UUID


def test_a_topic_made_anew_has_its_new_id_only() -> None:
    cache = MetadataCache(1)
    cache.update(update(state(0)))
    cache.update(update(state(0), topic_id=b"j" * 16))
    assert cache.topic_name(ID) is None
    assert cache.topic_name(b"j" * 16) == "t"
    cache.update(update(state(0), topic_id=ZERO_UUID))
    assert cache.topic_name(b"j" * 16) is None


def test_endpoints_by_listener_and_an_unnamed_one_by_its_protocol() -> None:
    cache = MetadataCache(1)
    cache.update(update(state()))
    assert cache.broker_endpoint(1, "CLIENT") == Endpoint("CLIENT", "h1", 9092, 0)
    assert cache.broker_endpoint(1, "SSL") == Endpoint("SSL", "h1", 9093, 1)
    assert cache.broker_endpoint(1, "OTHER") is None
    assert cache.broker_endpoint(3, "CLIENT") is None
    broker = cache.broker(2)
    assert broker is not None
    assert broker.rack == "r2"


def test_version_0_has_one_address_a_broker() -> None:
    cache = MetadataCache(1)
    cache.update(UpdateMetadataRequest(live_brokers=[UpdateMetadataBroker(id=5, v0_host="h", v0_port=1)]))
    assert cache.broker_endpoint(5, "PLAINTEXT") == Endpoint("PLAINTEXT", "h", 1)


def test_no_controller_is_none() -> None:
    cache = MetadataCache(1)
    cache.update(UpdateMetadataRequest(controller_id=-1))
    assert cache.controller_id is None


def test_wait_until_is_woken_by_the_update_that_makes_it_true() -> None:
    async def main() -> None:
        cache = MetadataCache(1)
        loop = asyncio.get_running_loop()
        loop.call_later(1, cache.update, update(brokers=(1,)))
        loop.call_later(2, cache.update, update(state()))
        assert await cache.wait_until(lambda c: c.contains_topic("t"), 5_000)
        assert loop.time() == 2
        assert not await cache.wait_until(lambda c: c.contains_topic("u"), 5_000)
        assert loop.time() == 7
        assert await cache.wait_until(lambda c: c.contains_topic("t"), 0)
        assert not await cache.wait_until(lambda c: c.contains_topic("u"), 0)

    run(main())
