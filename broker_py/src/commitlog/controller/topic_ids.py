# SPDX-License-Identifier: Apache-2.0
"""New topic ids (KIP-516, Kafka: Uuid.randomUuid): random, never reserved, never starting with a dash."""

from __future__ import annotations

import random

from commitlog.coordination.documents import is_reserved_uuid, random_uuid


class TopicIds:
    """Draws ids from the given source of randomness."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng

    def next(self) -> bytes:
        while True:
            topic_id = random_uuid(self._rng.randbytes(16))
            if not is_reserved_uuid(topic_id):
                return topic_id
