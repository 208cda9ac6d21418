# SPDX-License-Identifier: Apache-2.0
"""Who gives no time is told that it is over; everyone else waits for the cache."""

from __future__ import annotations

import asyncio

from commitlog.apis.topic_waits import wait_for_leaders, wait_until_gone
from commitlog.replication.metadata_cache import MetadataCache
from commitlog.wire.messages.update_metadata_request import (
    UpdateMetadataPartitionState,
    UpdateMetadataRequest,
    UpdateMetadataTopicState,
)
from tests.groups.virtual_loop import in_virtual_time


def tell(cache: MetadataCache, topic: str, *leaders: int) -> None:
    states = [UpdateMetadataPartitionState(partition_index=n, leader=one) for n, one in enumerate(leaders)]
    cache.update(
        UpdateMetadataRequest(topic_states=[UpdateMetadataTopicState(topic, partition_states=states)])
    )


@in_virtual_time
async def test_no_time_means_timed_out_even_when_it_is_done() -> None:
    cache = MetadataCache(1)
    tell(cache, "t", 1)
    assert await wait_for_leaders(cache, {"t": 1}, 0) == {"t"}
    assert await wait_until_gone(cache, ["u"], 0) == {"u"}


@in_virtual_time
async def test_every_partition_needs_a_leader() -> None:
    cache = MetadataCache(1)
    waiting = asyncio.ensure_future(wait_for_leaders(cache, {"t": 2, "never": 1}, 5000))
    await asyncio.sleep(1)
    tell(cache, "t", 1, -1)
    await asyncio.sleep(1)
    assert not waiting.done()
    tell(cache, "t", 1, 2)
    assert await waiting == {"never"}
    assert asyncio.get_running_loop().time() == 1005
    assert await wait_for_leaders(cache, {"t": 2}, 5000) == set()


@in_virtual_time
async def test_gone_is_gone_from_the_cache() -> None:
    cache = MetadataCache(1)
    tell(cache, "t", 1)
    tell(cache, "u", 1)
    waiting = asyncio.ensure_future(wait_until_gone(cache, ["t", "u"], 5000))
    await asyncio.sleep(1)
    tell(cache, "t", -2)
    assert await waiting == {"u"}
