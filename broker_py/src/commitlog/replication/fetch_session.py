# SPDX-License-Identifier: Apache-2.0
"""Incremental fetch sessions on the server's side (KIP-227; Kafka's FetchSession.scala).

A session remembers what a fetcher asked and what it was told, so that a request names only what changed and a response only what is new.
"""

from __future__ import annotations

import random
from collections.abc import Callable

from commitlog.wire.messages.fetch_request import FetchRequest


class FetchSessionCache:
    """A bounded set of sessions (max.incremental.fetch.session.cache.slots) with KIP-227's eviction rules."""

    def __init__(self, max_entries: int, eviction_ms: int, now_ms: Callable[[], int], rng: random.Random) -> None: ...

    def __len__(self) -> int:
        raise NotImplementedError
