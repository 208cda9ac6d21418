# SPDX-License-Identifier: Apache-2.0
"""The wall clock, in Kafka's unit. Constructors take ``now_ms`` so that a simulation can pass its own."""

from __future__ import annotations

import time


def now_ms() -> int:
    """Milliseconds since the epoch (Java's System.currentTimeMillis)."""
    return time.time_ns() // 1_000_000
