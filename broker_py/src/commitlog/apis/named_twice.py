# SPDX-License-Identifier: Apache-2.0
"""What a request names twice is done and answered once, as Kafka's maps of its partitions make of it: the
last of each counts, in the place of the first.
"""

from __future__ import annotations

from typing import Any, Protocol, TypeVar


class _Topic(Protocol):
    name: str
    partitions: list[Any]
    """Of structs with a partition_index."""


Topic = TypeVar("Topic", bound=_Topic)


def named_once(topics: list[Topic]) -> list[Topic]:
    """One entry a topic, in it one a partition."""
    found: dict[str, Topic] = {}
    for topic in topics:
        first = found.setdefault(topic.name, topic)
        if first is not topic:
            first.partitions = [*first.partitions, *topic.partitions]
    for topic in found.values():
        if len(topic.partitions) > 1:
            topic.partitions = list({one.partition_index: one for one in topic.partitions}.values())
    return list(found.values())
