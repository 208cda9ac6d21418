# SPDX-License-Identifier: Apache-2.0
"""Which names a topic may have (Kafka: org.apache.kafka.common.internals.Topic)."""

from __future__ import annotations

import re
from collections.abc import Iterable

from commitlog.wire.errors import ErrorCode, KafkaError

MAX_NAME_LENGTH = 249
CLUSTER_METADATA_TOPIC = "__cluster_metadata"

_LEGAL = re.compile(r"[a-zA-Z0-9._-]+")


def validate_topic_name(name: str) -> None:
    """Raise KafkaError INVALID_TOPIC_EXCEPTION in Kafka's words."""
    reason = None
    if not name:
        reason = "the empty string is not allowed"
    elif name in (".", ".."):
        reason = f"'{name}' is not allowed"
    elif len(name) > MAX_NAME_LENGTH:
        reason = f"the length of '{name}' is longer than the max allowed length {MAX_NAME_LENGTH}"
    elif not _LEGAL.fullmatch(name):
        reason = f"'{name}' contains one or more characters other than ASCII alphanumerics, '.', '_' and '-'"
    if reason is not None:
        raise KafkaError(ErrorCode.INVALID_TOPIC_EXCEPTION, f"Topic name is invalid: {reason}")


def has_collision_chars(name: str) -> bool:
    return "." in name or "_" in name


def colliding_topics(name: str, others: Iterable[str]) -> list[str]:
    """Topics whose metrics could not be told from this one's: there a period becomes an underscore."""
    unified = name.replace(".", "_")
    return sorted(one for one in others if one.replace(".", "_") == unified)
