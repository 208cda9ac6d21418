# SPDX-License-Identifier: Apache-2.0
"""Rates over a sliding window, as quotas are measured by (Kafka's Rate, SimpleRate, TokenBucket and
SampledStat).

A rate keeps `samples` windows and adds up what they hold. Times are milliseconds of any clock that does not
go back.
"""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Windows:
    """How long is looked back: quota.window.num samples of quota.window.size.seconds each."""

    samples: int
    window_ms: int


class _Sample:
    __slots__ = ("last_event_ms", "start_ms", "value")

    def __init__(self, now_ms: int) -> None:
        self.reset(now_ms)

    def reset(self, now_ms: int) -> None:
        self.start_ms = self.last_event_ms = now_ms
        self.value = 0.0


class Rate:
    """Units per second. A window that has just begun counts as if the earlier ones had been empty."""

    __slots__ = ("_current", "_samples", "windows")

    def __init__(self, windows: Windows) -> None:
        self.windows = windows
        self._samples: list[_Sample] = []
        self._current = 0

    def record(self, value: float, now_ms: int) -> None:
        samples = self._samples
        if not samples:
            samples.append(_Sample(now_ms))
        sample = samples[self._current]
        if now_ms - sample.start_ms >= self.windows.window_ms:
            # One sample more than is looked back to: the oldest one still overlaps the whole window.
            self._current = (self._current + 1) % (self.windows.samples + 1)
            if self._current >= len(samples):
                samples.append(_Sample(now_ms))
            else:
                samples[self._current].reset(now_ms)
            sample = samples[self._current]
        sample.value += value
        sample.last_event_ms = now_ms

    def measure(self, now_ms: int) -> float:
        """Units per second, over the time that `window_ms` says."""
        self._purge(now_ms)
        total = sum(sample.value for sample in self._samples)
        return total * 1000 / self.window_ms(now_ms)

    def window_ms(self, now_ms: int) -> int:
        """The time that the rate is measured over."""
        self._purge(now_ms)
        elapsed = self._elapsed(now_ms)
        full = elapsed // self.windows.window_ms
        missing = self.windows.samples - 1 - full
        if missing > 0:
            elapsed += missing * self.windows.window_ms
        return max(elapsed, 1)

    @property
    def last_event_ms(self) -> int:
        """When something was recorded last."""
        return max((sample.last_event_ms for sample in self._samples), default=0)

    def _elapsed(self, now_ms: int) -> int:
        return now_ms - min((sample.start_ms for sample in self._samples), default=now_ms)

    def _purge(self, now_ms: int) -> None:
        age = self.windows.samples * self.windows.window_ms
        for sample in self._samples:
            if now_ms - sample.last_event_ms >= age:
                sample.reset(now_ms)


class SimpleRate(Rate):
    """Without the padding of a young window: what replication is throttled by."""

    __slots__ = ()

    def window_ms(self, now_ms: int) -> int:
        self._purge(now_ms)
        return max(self._elapsed(now_ms), self.windows.window_ms)


class TokenBucket:
    """Fills at a rate, up to the burst of a whole window, and may be overdrawn once (KIP-599)."""

    __slots__ = ("_filled_ms", "_tokens", "rate", "windows")

    def __init__(self, windows: Windows, rate: float) -> None:
        self.windows = windows
        self.rate = rate
        self._tokens = math.inf
        self._filled_ms = 0

    @property
    def burst(self) -> float:
        return self.windows.samples * self.windows.window_ms / 1000 * self.rate

    def measure(self, now_ms: int) -> float:
        """The tokens there are; below zero the quota is exceeded."""
        filled = self._tokens + self.rate * (now_ms - self._filled_ms) / 1000
        self._tokens = min(self.burst, filled)
        self._filled_ms = now_ms
        return self._tokens

    def take(self, tokens: float, now_ms: int) -> None:
        self._tokens = min(self.burst, self.measure(now_ms) - tokens)


def throttle_ms(rate: float, limit: float, window_ms: int) -> int:
    """How long nothing must come until the rate is back at its limit (QuotaUtils.throttleTime):
    rate * window / (window + t) = limit.
    """
    if rate <= limit:
        return 0
    if limit <= 0:
        return MAX_THROTTLE_MS
    return int(min((rate - limit) / limit * window_ms + 0.5, MAX_THROTTLE_MS))


MAX_THROTTLE_MS = 2**31 - 1
"""A quota of nothing throttles for as long as an answer can say."""
