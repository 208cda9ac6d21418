# SPDX-License-Identifier: Apache-2.0
"""Which request versions a follower sends at which inter.broker.protocol.version (Kafka's MetadataVersion).

Followers do not negotiate: the version follows from the configuration alone, so that a cluster can be
upgraded broker by broker. AlterPartition is the exception: it is negotiated with ApiVersions, and the
configuration only says whether topic ids may be used.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from dataclasses import dataclass
from functools import cache

# Every release and feature level that 3.9 accepts, oldest first.
LEVELS = [
    "0.8.0",
    "0.8.1",
    "0.8.2",
    "0.9.0",
    "0.10.0-IV0",
    "0.10.0-IV1",
    "0.10.1-IV0",
    "0.10.1-IV1",
    "0.10.1-IV2",
    "0.10.2-IV0",
    "0.11.0-IV0",
    "0.11.0-IV1",
    "0.11.0-IV2",
    "1.0-IV0",
    "1.1-IV0",
    "2.0-IV0",
    "2.0-IV1",
    "2.1-IV0",
    "2.1-IV1",
    "2.1-IV2",
    "2.2-IV0",
    "2.2-IV1",
    "2.3-IV0",
    "2.3-IV1",
    "2.4-IV0",
    "2.4-IV1",
    "2.5-IV0",
    "2.6-IV0",
    "2.7-IV0",
    "2.7-IV1",
    "2.7-IV2",
    "2.8-IV0",
    "2.8-IV1",
    "3.0-IV0",
    "3.0-IV1",
    "3.1-IV0",
    "3.2-IV0",
    "3.3-IV0",
    "3.3-IV1",
    "3.3-IV2",
    "3.3-IV3",
    "3.4-IV0",
    "3.5-IV0",
    "3.5-IV1",
    "3.5-IV2",
    "3.6-IV0",
    "3.6-IV1",
    "3.6-IV2",
    "3.7-IV0",
    "3.7-IV1",
    "3.7-IV2",
    "3.7-IV3",
    "3.7-IV4",
    "3.8-IV0",
    "3.9-IV0",
]
_RANK = {level: rank for rank, level in enumerate(LEVELS)}
_RELEASE = re.compile(r"0\.\d+\.\d+|\d+\.\d+")

_FETCH = (
    ("0.8.0", 0),
    ("0.9.0", 1),
    ("0.10.0-IV0", 2),
    ("0.10.1-IV1", 3),
    ("0.11.0-IV0", 4),
    ("0.11.0-IV1", 5),
    ("1.1-IV0", 7),
    ("2.0-IV1", 8),
    ("2.1-IV2", 10),
    ("2.3-IV1", 11),
    ("2.7-IV1", 12),
    ("3.1-IV0", 13),
    ("3.5-IV0", 14),
    ("3.5-IV1", 15),
    ("3.7-IV4", 16),
    ("3.9-IV0", 17),
)
_OFFSET_FOR_LEADER_EPOCH = (
    ("0.8.0", 0),
    ("2.0-IV0", 1),
    ("2.1-IV1", 2),
    ("2.3-IV1", 3),
    ("2.8-IV0", 4),
)
_LIST_OFFSETS = (
    ("0.8.0", 0),
    ("0.10.1-IV2", 1),
    ("0.11.0-IV0", 2),
    ("2.0-IV1", 3),
    ("2.1-IV1", 4),
    ("2.2-IV1", 5),
    ("2.8-IV0", 6),
    ("3.0-IV1", 7),
    ("3.5-IV0", 8),
    ("3.9-IV0", 9),
)


@dataclass(frozen=True, slots=True)
class InterBrokerVersion:
    """What a follower and a leader may use at one inter.broker.protocol.version."""

    level: str
    fetch: int
    offset_for_leader_epoch: int
    list_offsets: int
    truncation_on_fetch: bool
    """KIP-595's diverging epoch in Fetch 12+: no OffsetForLeaderEpoch round before the first fetch."""
    offset_for_leader_epoch_supported: bool
    """KIP-101 wants epochs in the batches: before 0.11 a follower truncates to its high watermark."""
    topic_ids: bool
    leader_recovery: bool

    @staticmethod
    @cache
    def of(text: str) -> InterBrokerVersion:
        """The level of a configured value: "3.9", "3.9-IV0", "3.9.1" or "0.10.2"."""
        rank = _rank(text)
        return InterBrokerVersion(
            level=LEVELS[rank],
            fetch=_version(_FETCH, rank),
            offset_for_leader_epoch=_version(_OFFSET_FOR_LEADER_EPOCH, rank),
            list_offsets=_version(_LIST_OFFSETS, rank),
            truncation_on_fetch=rank >= _RANK["2.7-IV1"],
            offset_for_leader_epoch_supported=rank >= _RANK["0.11.0-IV2"],
            topic_ids=rank >= _RANK["2.8-IV0"],
            leader_recovery=rank >= _RANK["3.2-IV0"],
        )


def _rank(text: str) -> int:
    """The exact level, or the last level of a release named without one (as "3.7" means 3.7-IV4)."""
    if text in _RANK:
        return _RANK[text]
    release = _RELEASE.match(text)
    if release is not None and "-" not in text:
        ranks = [rank for level, rank in _RANK.items() if level.split("-")[0] == release[0]]
        if ranks:
            return ranks[-1]
    raise ValueError(f"Version {text} is not a valid inter.broker.protocol.version")


def _version(table: tuple[tuple[str, int], ...], rank: int) -> int:
    ranks = [_RANK[level] for level, _ in table]
    return table[bisect_right(ranks, rank) - 1][1]
