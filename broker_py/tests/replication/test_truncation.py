# SPDX-License-Identifier: Apache-2.0
"""Where a follower cuts its log, given what the leader said (KIP-101, KIP-279)."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from commitlog.replication.truncation import truncation_offset


class Epochs:
    """(epoch, start) entries with LeaderEpochFileCache.endOffsetFor's rules."""

    def __init__(self, *entries: tuple[int, int]) -> None:
        self.entries = entries

    def end_offset_for(self, epoch: int, log_end_offset: int) -> tuple[int, int]:
        if not self.entries or epoch > self.entries[-1][0]:
            return -1, -1
        if epoch == self.entries[-1][0]:
            return epoch, log_end_offset
        if epoch < self.entries[0][0]:
            return epoch, self.entries[0][1]
        known = max(e for e, _ in self.entries if e <= epoch)
        return known, next(start for e, start in self.entries if e > epoch)


def log(end: int, *entries: tuple[int, int]) -> Any:
    return SimpleNamespace(topic="t", partition=0, log_end_offset=end, leader_epochs=Epochs(*entries))


def test_same_epoch_cuts_to_the_smaller_end() -> None:
    assert truncation_offset(log(20, (0, 0), (1, 10)), 5, 1, 15) == (15, True)
    assert truncation_offset(log(20, (0, 0), (1, 10)), 5, 1, 30) == (20, True)
    assert truncation_offset(log(20, (0, 0), (1, 10)), 5, 0, 30) == (10, True)


def test_an_epoch_that_the_follower_never_saw_asks_again_from_its_own_one_below() -> None:
    # The leader answered with epoch 2; here are only 1 and 3: nothing of 3 can be common.
    assert truncation_offset(log(20, (1, 0), (3, 12)), 5, 2, 15) == (12, False)


def test_a_leader_without_an_answer_leaves_the_initial_offset() -> None:
    assert truncation_offset(log(20, (1, 0)), 7, -1, -1) == (7, True)


def test_version_0_answers_an_offset_without_its_epoch() -> None:
    assert truncation_offset(log(20, (1, 0)), 7, -1, 15) == (15, True)
    assert truncation_offset(log(20, (1, 0)), 7, -1, 25) == (20, True)


def test_a_follower_whose_epochs_end_before_the_leaders_uses_the_offset_alone() -> None:
    assert truncation_offset(log(20, (1, 0)), 7, 4, 15) == (15, True)
