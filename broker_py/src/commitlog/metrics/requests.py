# SPDX-License-Identifier: Apache-2.0
"""How many requests there were and how long they took (Kafka's RequestMetrics).

Kafka's histograms are samples of 1028 values that prefer the last five minutes; here they are the last 1024
values. Adding one costs a store into an array; they are sorted when somebody asks.
"""

from __future__ import annotations

from array import array
from time import perf_counter

RECENT = 1024
QUANTILES = (0.5, 0.75, 0.95, 0.98, 0.99, 0.999)


class RecentTimes:
    """Durations in milliseconds: how many, their sum, and the last ones one by one."""

    __slots__ = ("_recent", "count", "total_ms")

    def __init__(self) -> None:
        self.count = 0
        self.total_ms = 0.0
        self._recent = array("d")

    def add(self, milliseconds: float) -> None:
        if self.count < RECENT:
            self._recent.append(milliseconds)
        else:
            self._recent[self.count % RECENT] = milliseconds
        self.count += 1
        self.total_ms += milliseconds

    def quantiles(self) -> list[tuple[float, float]]:
        """(quantile, milliseconds) of the last requests."""
        if not self._recent:
            return []
        ordered = sorted(self._recent)
        last = len(ordered) - 1
        return [(quantile, ordered[round(quantile * last)]) for quantile in QUANTILES]


class RequestStats:
    """The requests of one API."""

    __slots__ = ("by_version", "local", "total")

    def __init__(self, max_version: int) -> None:
        self.by_version = [0] * (max_version + 1)
        self.total = RecentTimes()
        """From the request's last byte to its answer."""
        self.local = RecentTimes()
        """At work, without waiting for others."""

    def note(self, started: float, worked: float) -> None:
        """A request is answered that was taken up at `started` and worked on for `worked` seconds; below
        0: from then till now."""
        took = perf_counter() - started
        self.total.add(took * 1000)
        self.local.add((worked if worked >= 0 else took) * 1000)
