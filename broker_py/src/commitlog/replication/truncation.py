# SPDX-License-Identifier: Apache-2.0
"""To which offset a follower cuts its log when the leader has said where an epoch ends (KIP-101, KIP-279)."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from commitlog.storage.log import Log

logger = logging.getLogger("commitlog.replication.truncation")

UNDEFINED_EPOCH = -1
UNDEFINED_OFFSET = -1


def truncation_offset(
    log: Log, fetch_offset: int, leader_epoch: int, leader_end_offset: int
) -> tuple[int, bool]:
    """(offset, complete): incomplete means that the leader must be asked again about the epoch that is now
    the latest.

    The leader answered for the largest epoch it has that is not above ours. If we have that very epoch, the
    common part ends at the smaller of both ends of it. If we do not, nothing after our own largest epoch
    below it can be common.
    """
    end = log.log_end_offset
    if leader_end_offset == UNDEFINED_OFFSET:
        # The leader has no epochs at all, or only younger ones.
        return fetch_offset, True
    if leader_epoch == UNDEFINED_EPOCH:
        # OffsetForLeaderEpoch 0 answers without an epoch.
        return min(leader_end_offset, end), True
    epoch, epoch_end = log.leader_epochs.end_offset_for(leader_epoch, end)
    if epoch == UNDEFINED_EPOCH:
        logger.warning(
            "Leader replied with epoch %d below any epoch of %s-%d; its offset %d alone is used for "
            "truncation",
            leader_epoch,
            log.topic,
            log.partition,
            leader_end_offset,
        )
        return min(leader_end_offset, end), True
    if epoch != leader_epoch:
        return min(epoch_end, end), False
    return min(epoch_end, leader_end_offset, end), True
