# SPDX-License-Identifier: Apache-2.0
"""Which topic names are legal and which topics are Kafka's own (org.apache.kafka.common.internals.Topic)."""

from __future__ import annotations

import re

MAX_NAME_LENGTH = 249
INTERNAL_TOPICS = frozenset({"__consumer_offsets", "__transaction_state"})

_LEGAL = re.compile(r"[a-zA-Z0-9._-]+")


def is_valid_topic_name(name: str) -> bool:
    """Topic.isValid."""
    return name not in (".", "..") and len(name) <= MAX_NAME_LENGTH and _LEGAL.fullmatch(name) is not None


def is_internal_topic(name: str) -> bool:
    return name in INTERNAL_TOPICS
