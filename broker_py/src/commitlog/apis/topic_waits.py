# SPDX-License-Identifier: Apache-2.0
"""Waiting until the cluster has done what was asked for topics (Kafka: DelayedCreatePartitions,
DelayedDeleteTopics).

CreateTopics, CreatePartitions and DeleteTopics answer when this broker's own metadata cache shows the result,
so that a client that goes on at once finds what it made.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from commitlog.replication.metadata_cache import NO_LEADER, MetadataCache


async def wait_for_leaders(metadata: MetadataCache, topics: Mapping[str, int], timeout_ms: int) -> set[str]:
    """Wait until partitions 0 to n-1 of each topic have a leader; the topics that have not in time."""

    def lacking(cache: MetadataCache) -> set[str]:
        return {topic for topic, count in topics.items() if not _all_led(cache, topic, count)}

    # As in Kafka, who gives no time gets REQUEST_TIMED_OUT at once.
    if timeout_ms <= 0:
        return set(topics)
    await metadata.wait_until(lambda cache: not lacking(cache), timeout_ms)
    return lacking(metadata)


def _all_led(cache: MetadataCache, topic: str, count: int) -> bool:
    states = [cache.partition_state(topic, partition) for partition in range(count)]
    return all(state is not None and state.leader != NO_LEADER for state in states)


async def wait_until_gone(metadata: MetadataCache, topics: Sequence[str], timeout_ms: int) -> set[str]:
    """Wait until the cache knows none of the topics; those that it still knows in the end."""

    def remaining(cache: MetadataCache) -> set[str]:
        return {topic for topic in topics if cache.contains_topic(topic)}

    if timeout_ms <= 0:
        return set(topics)
    await metadata.wait_until(lambda cache: not remaining(cache), timeout_ms)
    return remaining(metadata)
