# SPDX-License-Identifier: Apache-2.0
"""The arithmetic of quotas, on a clock that is set by hand; the figures are those of Kafka's own Rate."""

from __future__ import annotations

import pytest

from commitlog.metrics.rate import MAX_THROTTLE_MS, Rate, SimpleRate, TokenBucket, Windows, throttle_ms

WINDOWS = Windows(11, 1000)


def test_a_young_window_counts_as_if_the_time_before_had_been_empty() -> None:
    rate = Rate(WINDOWS)
    rate.record(1000, 5_000)
    assert rate.window_ms(5_000) == 10_000
    assert rate.measure(5_000) == 100
    assert rate.window_ms(5_500) == 10_500


def test_what_is_older_than_all_windows_is_forgotten() -> None:
    rate = Rate(WINDOWS)
    for second in range(11):
        rate.record(100, second * 1000)
    assert rate.measure(10_000) == pytest.approx(110)
    rate.record(100, 11_000)
    # The first sample was recorded 11 s ago: ten seconds are looked back to, and the one that began now.
    assert rate.measure(11_000) == pytest.approx(1100 / 10)
    assert rate.measure(30_000) == 0


def test_what_was_taken_back_does_not_count() -> None:
    rate = Rate(WINDOWS)
    rate.record(1000, 0)
    rate.record(-1000, 0)
    assert rate.measure(0) == 0


def test_replication_is_measured_without_padding() -> None:
    rate = SimpleRate(WINDOWS)
    rate.record(1000, 0)
    assert rate.measure(0) == 1000
    assert rate.measure(2_000) == 500


@pytest.mark.parametrize(
    ("measured", "limit", "window", "expected"),
    [
        (500, 500, 10_000, 0),
        (510, 500, 12_500, 250),
        (1000, 500, 10_000, 10_000),
        (1, 0, 1000, MAX_THROTTLE_MS),
        (1e30, 1e-9, 1000, MAX_THROTTLE_MS),
    ],
)
def test_throttle_time_brings_the_rate_back_to_its_limit(
    measured: float, limit: float, window: int, expected: int
) -> None:
    assert throttle_ms(measured, limit, window) == expected


def test_a_bucket_begins_full_and_fills_at_its_rate() -> None:
    bucket = TokenBucket(WINDOWS, 5)
    assert bucket.measure(0) == bucket.burst == 55
    bucket.take(60, 0)
    assert bucket.measure(0) == -5
    assert bucket.measure(1000) == 0
    assert bucket.measure(100_000) == 55
