# SPDX-License-Identifier: Apache-2.0
"""When a follower counts as caught up, and which set the high watermark honours meanwhile."""

from __future__ import annotations

from commitlog.replication.isr import IsrState, RemoteReplica

LAG_MS = 30_000


def test_at_the_leaders_end_it_is_caught_up_now() -> None:
    replica = RemoteReplica(2)
    replica.fetched(10, 0, 10, now_ms=1_000)
    assert replica.last_caught_up_ms == 1_000
    assert (replica.log_end_offset, replica.log_start_offset) == (10, 0)


def test_one_fetch_behind_it_was_caught_up_at_the_previous_fetch() -> None:
    replica = RemoteReplica(2)
    replica.fetched(5, 0, 10, now_ms=1_000)
    replica.fetched(10, 0, 20, now_ms=2_000)
    assert replica.last_caught_up_ms == 1_000


def test_a_follower_that_never_reaches_what_the_leader_had_is_not_caught_up() -> None:
    replica = RemoteReplica(2)
    replica.fetched(5, 0, 10, now_ms=1_000)
    replica.fetched(9, 0, 20, now_ms=2_000)
    assert replica.last_caught_up_ms == 0


def test_the_same_end_is_in_sync_however_long_ago() -> None:
    replica = RemoteReplica(2)
    replica.fetched(10, 0, 10, now_ms=1_000)
    assert replica.is_caught_up(10, 1_000_000, LAG_MS)
    assert replica.is_caught_up(11, 1_000 + LAG_MS, LAG_MS)
    assert not replica.is_caught_up(11, 1_001 + LAG_MS, LAG_MS)


def test_a_new_leader_knows_nothing_and_gives_only_the_isr_time() -> None:
    replica = RemoteReplica(2)
    replica.fetched(10, 3, 10, now_ms=1_000)
    replica.reset(now_ms=5_000, leader_end_offset=12, is_new_leader=True, in_sync=False)
    assert (replica.log_end_offset, replica.log_start_offset, replica.last_caught_up_ms) == (-1, -1, 0)
    replica.reset(now_ms=5_000, leader_end_offset=12, is_new_leader=True, in_sync=True)
    assert replica.last_caught_up_ms == 5_000


def test_a_leader_elected_again_keeps_what_it_knows() -> None:
    replica = RemoteReplica(2)
    replica.fetched(10, 3, 10, now_ms=1_000)
    replica.reset(now_ms=5_000, leader_end_offset=12, is_new_leader=False, in_sync=True)
    assert (replica.log_end_offset, replica.log_start_offset) == (10, 3)
    assert (replica.last_caught_up_ms, replica.last_fetch_ms) == (5_000, 5_000)
    assert replica.last_fetch_leader_end_offset == 12


def test_an_expansion_counts_at_once_and_a_shrink_only_when_confirmed() -> None:
    assert IsrState((1,), (1, 2)).maximal == {1, 2}
    assert IsrState((1, 2), (1,)).maximal == {1, 2}
    assert IsrState((1, 2)).maximal == {1, 2}
    assert IsrState((1,), (1, 2)).in_flight
    assert not IsrState((1,)).in_flight
