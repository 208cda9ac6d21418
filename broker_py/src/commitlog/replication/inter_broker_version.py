# SPDX-License-Identifier: Apache-2.0
"""Which request versions a follower sends at which inter.broker.protocol.version (Kafka's MetadataVersion).

Followers do not negotiate: the version follows from the configuration alone, so that a cluster can be
upgraded broker by broker. AlterPartition is the exception: it is negotiated with ApiVersions, and the
configuration only says whether topic ids may be used.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from functools import cache

from commitlog.config.metadata_version import METADATA_VERSIONS, rank

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
        level = rank(text)
        return InterBrokerVersion(
            level=METADATA_VERSIONS[level],
            fetch=_version(_FETCH, level),
            offset_for_leader_epoch=_version(_OFFSET_FOR_LEADER_EPOCH, level),
            list_offsets=_version(_LIST_OFFSETS, level),
            truncation_on_fetch=level >= rank("2.7-IV1"),
            offset_for_leader_epoch_supported=level >= rank("0.11.0-IV2"),
            topic_ids=level >= rank("2.8-IV0"),
            leader_recovery=level >= rank("3.2-IV0"),
        )


def _version(table: tuple[tuple[str, int], ...], level: int) -> int:
    ranks = [rank(first) for first, _ in table]
    return table[bisect_right(ranks, level) - 1][1]
