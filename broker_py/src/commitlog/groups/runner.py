# SPDX-License-Identifier: Apache-2.0
"""Doing what groups want done: answering requests, running timers, writing to the log, and telling them of
it."""

from __future__ import annotations

import asyncio
from typing import cast

from commitlog.groups import effects as fx
from commitlog.groups import rebalance, syncing
from commitlog.groups.group import Group
from commitlog.groups.log_writer import LogWriter
from commitlog.groups.timers import GroupTimers
from commitlog.wire.errors import ErrorCode
from commitlog.wire.messages.join_group_response import JoinGroupResponse
from commitlog.wire.messages.sync_group_response import SyncGroupResponse

Waiter = asyncio.Future[JoinGroupResponse | SyncGroupResponse]


class EffectRunner:
    """Owner of every group's timers."""

    def __init__(self, writer: LogWriter) -> None:
        self._writer = writer
        self._timers: dict[Group, GroupTimers] = {}

    def carry_out(self, group: Group) -> None:
        while group.effects:
            self._carry_out_one(group, group.effects.popleft())

    def _carry_out_one(self, group: Group, effect: fx.Effect) -> None:
        match effect:
            case fx.Reply():
                waiter = cast(Waiter, effect.waiter)
                if not waiter.done():  # the client may have gone away
                    waiter.set_result(effect.response)
            case fx.StartSessionTimer():
                self._timers_of(group).start_session(effect.member_id, effect.timeout_ms)
            case fx.StopSessionTimer():
                self._timers_of(group).stop_session(effect.member_id)
            case fx.StartJoinTimer():
                self._timers_of(group).join.start(effect.delay_ms)
            case fx.StopJoinTimer():
                self._timers_of(group).join.stop()
            case fx.StartSyncTimer():
                self._timers_of(group).sync.start(effect.delay_ms)
            case fx.StopSyncTimer():
                self._timers_of(group).sync.stop()
            case fx.StopAllTimers():
                timers = self._timers.pop(group, None)
                if timers is not None:
                    timers.stop_all()
            case fx.Store():
                self._store(group, effect)

    def _store(self, group: Group, effect: fx.Store) -> None:
        def stored(error: ErrorCode, _: int) -> None:
            syncing.stored(group, effect.then, error)
            self.carry_out(group)

        self._writer.store_group(group, effect.value, stored)

    def _timers_of(self, group: Group) -> GroupTimers:
        timers = self._timers.get(group)
        if timers is None:

            def session_expired(member_id: str) -> None:
                rebalance.session_expired(group, member_id)
                self.carry_out(group)

            def join_expired() -> None:
                rebalance.join_timer_expired(group)
                self.carry_out(group)

            def sync_expired() -> None:
                rebalance.sync_timer_expired(group)
                self.carry_out(group)

            timers = GroupTimers(
                asyncio.get_running_loop(),
                session_expired=session_expired,
                join_expired=join_expired,
                sync_expired=sync_expired,
            )
            self._timers[group] = timers
        return timers
