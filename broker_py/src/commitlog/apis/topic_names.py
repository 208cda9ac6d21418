# SPDX-License-Identifier: Apache-2.0
"""Questions that handlers ask about a topic's name (org.apache.kafka.common.internals.Topic)."""

from __future__ import annotations

from commitlog.controller.topic_names import validate_topic_name
from commitlog.wire.errors import KafkaError

INTERNAL_TOPICS = frozenset({"__consumer_offsets", "__transaction_state"})


def is_valid_topic_name(name: str) -> bool:
    """Topic.isValid, for answers that only carry a code."""
    try:
        validate_topic_name(name)
    except KafkaError:
        return False
    return True


def is_internal_topic(name: str) -> bool:
    """Topic.isInternal: Kafka's own topics, which clients may not write to."""
    return name in INTERNAL_TOPICS
