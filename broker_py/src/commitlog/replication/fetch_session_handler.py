# SPDX-License-Identifier: Apache-2.0
"""Incremental fetch sessions on the fetcher's side (KIP-227; Kafka's FetchSessionHandler).

The leader remembers what this follower asked: each request names only what changed since the last one that
was answered.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from commitlog.replication.fetch import FetchPartition
from commitlog.replication.fetch_session import FINAL_EPOCH, INITIAL_EPOCH, INVALID_SESSION_ID, next_epoch
from commitlog.replication.metadata_cache import ZERO_UUID
from commitlog.wire.errors import ErrorCode

logger = logging.getLogger("commitlog.replication.fetch_session_handler")

TopicPartition = tuple[str, int]


@dataclass(slots=True)
class FetchPlan:
    """One request: what it names, what it drops, and all that the session stands for once it is answered."""

    session_id: int
    epoch: int
    to_send: Mapping[TopicPartition, FetchPartition]
    to_forget: Collection[FetchPartition]
    session: Mapping[TopicPartition, FetchPartition]
    topic_names: Mapping[bytes, str]
    """By topic id, of all that is in the session."""
    can_use_topic_ids: bool


class FetchSessionHandler:
    """The session with one leader, over one fetcher."""

    def __init__(self, leader_id: int) -> None:
        self._leader_id = leader_id
        self._session_id = INVALID_SESSION_ID
        self._epoch = INITIAL_EPOCH
        self._session: dict[TopicPartition, FetchPartition] = {}
        self._topic_names: dict[bytes, str] = {}
        self._can_use_topic_ids = False

    def plan(self, wanted: Mapping[TopicPartition, FetchPartition]) -> FetchPlan:
        """The next request, for exactly the partitions wanted."""
        self._topic_names = {request.topic_id: request.topic for request in wanted.values()}
        self._can_use_topic_ids = can_use_topic_ids = ZERO_UUID not in self._topic_names
        if self._epoch in (INITIAL_EPOCH, FINAL_EPOCH):
            self._session = dict(wanted)
            return self._plan(wanted, (), can_use_topic_ids)
        to_send = {}
        to_forget = []
        for key, previous in list(self._session.items()):
            request = wanted.get(key)
            if request is None:
                del self._session[key]
                to_forget.append(previous)
                can_use_topic_ids = can_use_topic_ids and previous.topic_id != ZERO_UUID
            elif request != previous:
                if ZERO_UUID != previous.topic_id != request.topic_id != ZERO_UUID:
                    # The topic was made anew under its name: the session must forget the old one.
                    to_forget.append(previous)
                self._session[key] = to_send[key] = request
        for key, request in wanted.items():
            if key not in self._session:
                self._session[key] = to_send[key] = request
        return self._plan(to_send, to_forget, can_use_topic_ids)

    def plan_advanced(self, advanced: Mapping[TopicPartition, FetchPartition]) -> FetchPlan | None:
        """The next request, where all that was wanted the last time is wanted again and only these may have
        changed, but for their topic ids. None when the session has to begin anew: then `plan` is needed."""
        if self._epoch in (INITIAL_EPOCH, FINAL_EPOCH):
            return None
        session = self._session
        to_send = {key: request for key, request in advanced.items() if request != session[key]}
        session.update(to_send)
        return self._plan(to_send, (), self._can_use_topic_ids)

    def _plan(
        self,
        to_send: Mapping[TopicPartition, FetchPartition],
        to_forget: Collection[FetchPartition],
        can_use_topic_ids: bool,
    ) -> FetchPlan:
        return FetchPlan(
            self._session_id,
            self._epoch,
            to_send,
            to_forget,
            self._session,
            self._topic_names,
            can_use_topic_ids,
        )

    def answered(self, error: ErrorCode, session_id: int, partitions: Collection[TopicPartition]) -> bool:
        """Note an answer; False when its partitions must not be used."""
        if error is not ErrorCode.NONE:
            logger.info(
                "Node %d was unable to process the fetch request with (sessionId=%d, epoch=%d): %s.",
                self._leader_id,
                self._session_id,
                self._epoch,
                error.name,
            )
            if error is ErrorCode.FETCH_SESSION_ID_NOT_FOUND:
                self._begin(INVALID_SESSION_ID)
            else:
                self._begin(self._session_id)
            return False
        full = self._epoch in (INITIAL_EPOCH, FINAL_EPOCH)
        unknown = [key for key in partitions if key not in self._session]
        if unknown or (full and len(set(partitions)) != len(self._session)):
            logger.info(
                "Node %d sent an invalid %s fetch response with partitions that were not asked for or left "
                "out",
                self._leader_id,
                "full" if full else "incremental",
            )
            self._begin(INVALID_SESSION_ID if full else self._session_id)
            return False
        if session_id == INVALID_SESSION_ID:
            # The leader has no room for a session, or closed it: name everything again.
            self._begin(INVALID_SESSION_ID)
        elif full:
            self._session_id, self._epoch = session_id, next_epoch(INITIAL_EPOCH)
        else:
            self._epoch = next_epoch(self._epoch)
        return True

    def failed(self) -> None:
        """No answer came: whether the leader has seen the request is unknown, so begin a new session in its
        place."""
        self._begin(self._session_id)

    def _begin(self, closing: int) -> None:
        self._session_id, self._epoch = closing, INITIAL_EPOCH
