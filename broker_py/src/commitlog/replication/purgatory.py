# SPDX-License-Identifier: Apache-2.0
"""Requests that wait for something to happen to a partition (Kafka's DelayedProduce, DelayedFetch,
DelayedDeleteRecords).

A waiting request is one object: the future that its handler returned, with what it waits for. It stands in
the watch list of every partition that can complete it, and in the loop's timer queue. Watch lists are
dictionaries, not sets: requests are completed in the order in which they came, on every run alike.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, cast

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from commitlog.replication.partition import Partition

T = TypeVar("T")
R = TypeVar("R")


class Sleeper(Protocol):
    """Somebody for whom a partition is of no interest until it moves: a follower's fetch session."""

    @property
    def parked(self) -> DelayedOperation[Any] | None:
        """Its request that waits, if one does."""

    def moved(self, partition: Partition) -> None:
        """Called once; whoever wants to hear of it again puts itself into the list anew."""


class WatchList:
    """The requests that wait for one partition, by kind, and who else wants to know when it moves."""

    __slots__ = ("deletes", "fetches", "produces", "sleepers")

    def __init__(self) -> None:
        self.produces: dict[DelayedOperation[Any], None] = {}
        self.fetches: dict[DelayedOperation[Any], None] = {}
        self.deletes: dict[DelayedOperation[Any], None] = {}
        self.sleepers: dict[Sleeper, None] = {}

    def all_fetches(self) -> dict[DelayedOperation[Any], None]:
        """Those too that wait for this partition among others that they do not watch one by one."""
        parked = (sleeper.parked for sleeper in self.sleepers)
        return {**self.fetches, **{fetch: None for fetch in parked if fetch is not None}}


class DelayedOperation(asyncio.Future[T]):
    """A parked request. It ends exactly once: satisfied, expired, or cancelled by a caller that went away."""

    def __init__(self, loop: asyncio.AbstractEventLoop, timeout_ms: int) -> None:
        super().__init__(loop=loop)
        self._respond: Callable[[T], Any] | None = None
        self._watched: list[dict[DelayedOperation[Any], None]] = []
        self._timer: asyncio.TimerHandle | None = loop.call_later(timeout_ms / 1000, self._expire)

    def watch(self, lists: Iterable[dict[DelayedOperation[Any], None]]) -> None:
        for watchers in lists:
            watchers[self] = None
            self._watched.append(watchers)

    def check(self, partition: Partition) -> None:
        """Complete the request if it can be; called when that partition moved."""
        raise NotImplementedError

    def force_complete(self) -> None:
        """Answer with what there is."""
        raise NotImplementedError

    def _finish(self, result: T) -> None:
        self._leave()
        if self.done():
            return
        if self._respond is None:
            self.set_result(result)
            return
        try:
            self.set_result(self._respond(result))
        except Exception as error:
            # The caller's code failed: that is for the caller to see, not for whoever moved the partition.
            self.set_exception(error)

    def _expire(self) -> None:
        self._timer = None
        if not self.done():
            self.force_complete()

    def cancel(self, msg: Any | None = None) -> bool:
        self._leave()
        return super().cancel(msg)

    def _leave(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        for watchers in self._watched:
            watchers.pop(self, None)
        self._watched.clear()

    def then(self, respond: Callable[[T], R]) -> asyncio.Future[R]:
        """End with ``respond(result)`` instead: the answer is built without a further future or task."""
        self._respond = respond
        return cast("asyncio.Future[R]", self)


def check_all(watchers: dict[DelayedOperation[Any], None], partition: Partition) -> None:
    """Let every waiting request look whether it is satisfied now."""
    for operation in list(watchers):
        operation.check(partition)


def wake_fetches(partition: Partition) -> None:
    """Let the fetches that wait for the partition look again, those among them for which it had nothing new
    when they came."""
    waiting = partition.waiting
    if waiting.sleepers:
        sleepers, waiting.sleepers = waiting.sleepers, {}
        for sleeper in sleepers:
            sleeper.moved(partition)
    if waiting.fetches:
        check_all(waiting.fetches, partition)
