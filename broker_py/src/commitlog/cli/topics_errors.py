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


class Terse(ToolError):
    """The same, where Kafka's tool shows the text alone, without a word before it (TerseException)."""


FAILURES = (ToolError, KafkaError, CoordinationError, DocumentError, ConfigError, OSError, TimeoutError)


def one_line(error: BaseException) -> str:
    if isinstance(error, KafkaError):
        text = error.message or error.code.message
    else:
        text = str(error) or type(error).__name__
    return " ".join(text.split())


def java_text(error: BaseException) -> str:
    """An error as Java's Throwable.toString shows it."""
    if isinstance(error, KafkaError):
        return f"org.apache.kafka.common.errors.{error.code.exception}: {error.message or error.code.message}"
    return str(error) or type(error).__name__


def java_cause(error: BaseException) -> str:
    """The same of an error that the answer of a broker brought, where Kafka's tool shows its whole chain."""
    wrapped = "java.util.concurrent.ExecutionException: " if isinstance(error, KafkaError) else ""
    return " ".join(f"{wrapped}{java_text(error)}".split())


def no_such_topic(name: str | None) -> ToolError:
    return ToolError(f"Topic '{name}' does not exist as expected")
