# SPDX-License-Identifier: Apache-2.0
"""Fetch sessions on the server's side: what is told, what is left out, who is evicted, which errors."""

from __future__ import annotations

import random
from collections.abc import Sequence

import pytest

from commitlog.replication.fetch import FetchPartition, FetchResult
from commitlog.replication.fetch_session import FINAL_EPOCH, FetchContext, FetchSessionCache, Key, next_epoch
from commitlog.replication.metadata_cache import ZERO_UUID
from commitlog.wire.errors import ErrorCode

EVICTION_MS = 120_000
ID = b"t" * 16


class Clock:
    now = 1_000

    def __call__(self) -> int:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def cache(clock: Clock) -> FetchSessionCache:
    return FetchSessionCache(3, EVICTION_MS, clock, random.Random(1))


def wanted(topic: str, offset: int = 0, *, partition: int = 0, topic_id: bytes = ZERO_UUID) -> FetchPartition:
    return FetchPartition(topic, partition, topic_id, offset, 1_000)


def context(
    cache: FetchSessionCache,
    session_id: int,
    epoch: int,
    *requests: FetchPartition,
    forgotten: Sequence[Key] = (),
    version: int = 12,
    follower: bool = False,
    names: dict[bytes, str] | None = None,
) -> FetchContext:
    return cache.context(
        version=version,
        session_id=session_id,
        epoch=epoch,
        requests=requests,
        forgotten=forgotten,
        from_follower=follower,
        topic_name=(names or {}).get,
    )


def answer(ctx: FetchContext, **results: FetchResult) -> list[str]:
    """Select with these results (high watermark 5 unless told), and say which topics are told."""
    default = FetchResult(high_watermark=5, log_start_offset=0)
    return [
        request.topic
        for request, _ in ctx.select([(p, results.get(p.topic, default)) for p in ctx.partitions()]).answers
    ]


def open_session(cache: FetchSessionCache, *topics: str, follower: bool = False) -> int:
    ctx = context(cache, 0, 0, *map(wanted, topics), follower=follower)
    selected = ctx.select([(p, FetchResult(high_watermark=5, log_start_offset=0)) for p in ctx.partitions()])
    return selected.session_id


def test_a_full_fetch_opens_a_session_and_tells_everything(cache: FetchSessionCache) -> None:
    ctx = context(cache, 0, 0, wanted("a"), wanted("b"))
    selected = ctx.select([(p, FetchResult()) for p in ctx.partitions()])
    assert selected.session_id > 0
    assert len(selected.answers) == 2
    assert len(cache) == 1


def test_final_epoch_and_versions_without_sessions_open_none(cache: FetchSessionCache) -> None:
    ctx = context(cache, 0, FINAL_EPOCH, wanted("a"))
    assert ctx.select([(p, FetchResult()) for p in ctx.partitions()]).session_id == 0
    assert len(cache) == 0


def test_an_incremental_answer_leaves_out_what_is_known(cache: FetchSessionCache) -> None:
    session = open_session(cache, "a", "b", "c", "d")
    ctx = context(cache, session, 1)
    assert [p.topic for p in ctx.partitions()] == ["a", "b", "c", "d"]
    news = FetchResult(high_watermark=6, log_start_offset=0)
    start = FetchResult(high_watermark=5, log_start_offset=2)
    data = FetchResult(high_watermark=5, log_start_offset=0, size=10)
    assert answer(ctx, a=news, b=start, c=data) == ["a", "b", "c"]
    same = {"a": news, "b": start}
    assert answer(context(cache, session, 2), **same) == []


def test_an_error_is_always_told_and_so_is_its_end(cache: FetchSessionCache) -> None:
    session = open_session(cache, "a")
    failed = FetchResult(ErrorCode.NOT_LEADER_OR_FOLLOWER, high_watermark=5, log_start_offset=0)
    assert answer(context(cache, session, 1), a=failed) == ["a"]
    assert answer(context(cache, session, 2), a=failed) == ["a"]
    assert answer(context(cache, session, 3)) == ["a"]
    assert answer(context(cache, session, 4)) == []


def test_divergence_and_preferred_replica_are_always_told(cache: FetchSessionCache) -> None:
    session = open_session(cache, "a", "b")
    diverging = FetchResult(high_watermark=5, log_start_offset=0, diverging_epoch=(1, 3))
    preferred = FetchResult(high_watermark=5, log_start_offset=0, preferred_read_replica=2)
    assert answer(context(cache, session, 1), a=diverging, b=preferred) == ["a", "b"]
    assert answer(context(cache, session, 2), a=diverging, b=preferred) == ["a", "b"]


def test_partitions_with_data_go_to_the_end_of_the_line(cache: FetchSessionCache) -> None:
    session = open_session(cache, "a", "b", "c")
    answer(context(cache, session, 1), a=FetchResult(high_watermark=9, log_start_offset=0, size=1))
    assert [p.topic for p in context(cache, session, 2).partitions()] == ["b", "c", "a"]


def test_requests_change_add_and_forget_partitions(cache: FetchSessionCache) -> None:
    session = open_session(cache, "a", "b")
    ctx = context(cache, session, 1, wanted("b", 7), wanted("c", 1), forgotten=[("a", 0)])
    assert [(p.topic, p.fetch_offset) for p in ctx.partitions()] == [("b", 7), ("c", 1)]
    assert answer(ctx) == ["c"]


def test_a_session_that_forgets_everything_is_closed(cache: FetchSessionCache) -> None:
    session = open_session(cache, "a")
    ctx = context(cache, session, 1, forgotten=[("a", 0)])
    assert ctx.select([]).session_id == 0
    assert len(cache) == 0


@pytest.mark.parametrize(
    ("session_offset", "epoch", "version", "error"),
    [
        (1, 1, 12, ErrorCode.FETCH_SESSION_ID_NOT_FOUND),
        (0, 2, 12, ErrorCode.INVALID_FETCH_SESSION_EPOCH),
        (0, 1, 13, ErrorCode.FETCH_SESSION_TOPIC_ID_ERROR),
    ],
)
def test_errors(
    cache: FetchSessionCache, session_offset: int, epoch: int, version: int, error: ErrorCode
) -> None:
    session = open_session(cache, "a")
    ctx = context(cache, session + session_offset, epoch, version=version)
    assert ctx.partitions() == ()
    selected = ctx.select([])
    assert (selected.error, selected.session_id, len(selected.answers)) == (error, 0, 0)


def test_a_session_with_topic_ids_cannot_go_back_to_names(cache: FetchSessionCache) -> None:
    ctx = context(cache, 0, 0, wanted("a", topic_id=ID), version=13)
    session = ctx.select([(p, FetchResult()) for p in ctx.partitions()]).session_id
    assert context(cache, session, 1, version=12).select([]).error is ErrorCode.FETCH_SESSION_TOPIC_ID_ERROR


def test_two_requests_at_once_on_one_session_do_not_both_get_an_answer(cache: FetchSessionCache) -> None:
    session = open_session(cache, "a")
    first = context(cache, session, 1)
    second = context(cache, session, 2)
    assert first.select([]).error is ErrorCode.INVALID_FETCH_SESSION_EPOCH
    assert second.select([]).error is ErrorCode.NONE


def test_a_full_fetch_that_names_a_session_closes_it(cache: FetchSessionCache) -> None:
    session = open_session(cache, "a")
    context(cache, session, 0, wanted("a"))
    assert cache.get(session) is None


def test_a_topic_id_may_become_known_later(cache: FetchSessionCache) -> None:
    ctx = context(cache, 0, 0, wanted("", topic_id=ID), version=13)
    session = ctx.select([(p, FetchResult(ErrorCode.UNKNOWN_TOPIC_ID)) for p in ctx.partitions()]).session_id
    assert [p.topic for p in context(cache, session, 1, version=13).partitions()] == [""]
    assert [p.topic for p in context(cache, session, 2, version=13, names={ID: "t"}).partitions()] == ["t"]


def test_the_epoch_wraps_around_to_one() -> None:
    assert next_epoch(0) == 1
    assert next_epoch(2**31 - 1) == 1
    assert next_epoch(FINAL_EPOCH) == FINAL_EPOCH


def test_a_young_session_is_not_evicted_by_its_equals(cache: FetchSessionCache) -> None:
    sessions = [open_session(cache, "a") for _ in range(3)]
    assert open_session(cache, "a", "b") == 0
    assert all(cache.get(session) for session in sessions)


def test_a_follower_takes_the_place_of_the_smallest_consumer(cache: FetchSessionCache) -> None:
    small = open_session(cache, "a")
    large = open_session(cache, "a", "b")
    follower = open_session(cache, "a", follower=True)
    assert open_session(cache, "a", follower=True) != 0
    assert cache.get(small) is None
    assert cache.get(large) is not None
    assert cache.get(follower) is not None


def test_a_session_unused_for_two_minutes_gives_way_to_anybody(
    cache: FetchSessionCache, clock: Clock
) -> None:
    stale = open_session(cache, "a", "b", "c", follower=True)
    clock.now += EVICTION_MS
    fresh = [open_session(cache, "a") for _ in range(2)]
    assert open_session(cache, "a") == 0
    clock.now += 1
    assert open_session(cache, "a") != 0
    assert cache.get(stale) is None
    assert all(cache.get(session) for session in fresh)


def test_an_old_session_gives_way_to_a_larger_one_only(cache: FetchSessionCache, clock: Clock) -> None:
    sessions = [open_session(cache, "a", "b") for _ in range(3)]
    clock.now += EVICTION_MS + 1
    for session in sessions:
        context(cache, session, 1)
    assert open_session(cache, "a") == 0
    assert open_session(cache, "a", "b", "c") != 0
    assert sum(cache.get(session) is None for session in sessions) == 1
