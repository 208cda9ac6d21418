# SPDX-License-Identifier: Apache-2.0
"""Fetch sessions on the fetcher's side: what a request names, and how a session is lost and begun again."""

from __future__ import annotations

from commitlog.replication.fetch import FetchPartition
from commitlog.replication.fetch_session_handler import FetchSessionHandler, TopicPartition
from commitlog.replication.metadata_cache import ZERO_UUID
from commitlog.wire.errors import ErrorCode

ID = b"t" * 16
A, B, C = ("a", 0), ("b", 0), ("c", 0)


def wanted(
    *offsets: tuple[TopicPartition, int], topic_id: bytes = ID
) -> dict[TopicPartition, FetchPartition]:
    return {key: FetchPartition(*key, topic_id, offset, 1_000) for key, offset in offsets}


def opened() -> FetchSessionHandler:
    handler = FetchSessionHandler(1)
    handler.plan(wanted((A, 0), (B, 0)))
    assert handler.answered(ErrorCode.NONE, 42, [A, B])
    return handler


def test_the_first_request_names_everything() -> None:
    plan = FetchSessionHandler(1).plan(wanted((A, 0), (B, 3)))
    assert (plan.session_id, plan.epoch) == (0, 0)
    assert list(plan.to_send) == [A, B]
    assert plan.can_use_topic_ids


def test_the_next_one_names_only_what_changed() -> None:
    handler = opened()
    plan = handler.plan(wanted((B, 5), (C, 0)))
    assert (plan.session_id, plan.epoch) == (42, 1)
    assert list(plan.to_send) == [B, C]
    assert [p.topic for p in plan.to_forget] == ["a"]
    assert list(plan.session) == [B, C]
    assert handler.answered(ErrorCode.NONE, 42, [])
    plan = handler.plan(wanted((B, 5), (C, 0)))
    assert (plan.epoch, dict(plan.to_send), list(plan.to_forget)) == (2, {}, [])


def test_a_topic_made_anew_is_forgotten_under_its_old_id_and_sent() -> None:
    handler = opened()
    plan = handler.plan({**wanted((A, 0), topic_id=b"n" * 16), **wanted((B, 0))})
    assert [p.topic_id for p in plan.to_forget] == [ID]
    assert list(plan.to_send) == [A]


def test_topic_ids_are_used_only_when_all_have_one() -> None:
    handler = FetchSessionHandler(1)
    assert not handler.plan({**wanted((A, 0)), **wanted((B, 0), topic_id=ZERO_UUID)}).can_use_topic_ids


def test_a_leader_without_room_for_a_session_gets_full_requests() -> None:
    handler = FetchSessionHandler(1)
    handler.plan(wanted((A, 0)))
    assert handler.answered(ErrorCode.NONE, 0, [A])
    plan = handler.plan(wanted((A, 0)))
    assert (plan.session_id, plan.epoch, list(plan.to_send)) == (0, 0, [A])


def test_an_unknown_session_is_begun_anew() -> None:
    handler = opened()
    handler.plan(wanted((A, 0), (B, 0)))
    assert not handler.answered(ErrorCode.FETCH_SESSION_ID_NOT_FOUND, 0, [])
    plan = handler.plan(wanted((A, 0), (B, 0)))
    assert (plan.session_id, plan.epoch, list(plan.to_send)) == (0, 0, [A, B])


def test_other_errors_close_the_session_and_begin_a_new_one() -> None:
    handler = opened()
    handler.plan(wanted((A, 0), (B, 0)))
    assert not handler.answered(ErrorCode.INVALID_FETCH_SESSION_EPOCH, 0, [])
    plan = handler.plan(wanted((A, 0), (B, 0)))
    assert (plan.session_id, plan.epoch, list(plan.to_send)) == (42, 0, [A, B])


def test_no_answer_closes_the_session_too() -> None:
    handler = opened()
    handler.plan(wanted((A, 1), (B, 0)))
    handler.failed()
    plan = handler.plan(wanted((A, 1), (B, 0)))
    assert (plan.session_id, plan.epoch, list(plan.to_send)) == (42, 0, [A, B])


def test_a_session_that_the_leader_closed_is_begun_anew() -> None:
    handler = opened()
    handler.plan(wanted((A, 0), (B, 0)))
    assert handler.answered(ErrorCode.NONE, 0, [A])
    assert handler.plan(wanted((A, 0), (B, 0))).epoch == 0


def test_an_answer_for_what_was_not_asked_is_not_used() -> None:
    handler = opened()
    handler.plan(wanted((A, 0), (B, 0)))
    assert not handler.answered(ErrorCode.NONE, 42, [C])
    full = FetchSessionHandler(1)
    full.plan(wanted((A, 0), (B, 0)))
    assert not full.answered(ErrorCode.NONE, 42, [A])
