# SPDX-License-Identifier: Apache-2.0
"""One result for every topic of a request, whatever it asks for (ZkAdminManager.createTopics and
createPartitions): a topic that is named more than once is refused as a whole."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol, TypeVar


class NamedTopic(Protocol):
    """A topic's part of a request."""

    name: str


T = TypeVar("T", bound=NamedTopic)
R = TypeVar("R")


async def change_topics(
    topics: Sequence[T], change: Callable[[T], Awaitable[R]], refuse_duplicate: Callable[[str], R]
) -> dict[str, R]:
    """The results by name, in the request's order."""
    times_named = Counter(topic.name for topic in topics)
    results: dict[str, R] = {}
    for topic in topics:
        if topic.name in results:
            continue
        if times_named[topic.name] > 1:
            results[topic.name] = refuse_duplicate(topic.name)
        else:
            results[topic.name] = await change(topic)
    return results
