# SPDX-License-Identifier: Apache-2.0
"""What may go wrong in kafka-topics.sh once the command line is understood, and how it is said in one
line."""

from __future__ import annotations

from commitlog.config.properties import ConfigError
from commitlog.coordination.client import CoordinationError
from commitlog.coordination.json_fields import DocumentError
from commitlog.wire.errors import KafkaError


class ToolError(Exception):
    """The command cannot be done; the text says why."""


FAILURES = (ToolError, KafkaError, CoordinationError, DocumentError, ConfigError, OSError, TimeoutError)


def one_line(error: BaseException) -> str:
    if isinstance(error, KafkaError):
        text = error.message or error.code.message
    else:
        text = str(error) or type(error).__name__
    return " ".join(text.split())


def no_such_topic(name: str | None) -> ToolError:
    return ToolError(f"Topic '{name}' does not exist as expected")
