# SPDX-License-Identifier: Apache-2.0
"""What kafka-verifiable-producer.sh and -consumer.sh have in common: events as lines of JSON, as Jackson
writes them, librdkafka's errors in the Java client's words, and signals that end a run in good order."""

from __future__ import annotations

import contextlib
import json
import signal
import time
from collections.abc import Iterator
from types import FrameType
from typing import TYPE_CHECKING, Any

from commitlog.cli.argparse4j import Parser
from commitlog.config.definitions import format_double
from commitlog.wire.errors import ErrorCode

if TYPE_CHECKING:
    from confluent_kafka import KafkaError

SERVERS = "HOST1:PORT1[,HOST2:PORT2[...]]"
_ERRORS = "org.apache.kafka.common.errors."
_SAID_BY_THE_CLIENT = {
    "_MSG_TIMED_OUT": (
        "TimeoutException",
        "Expiring record: delivery.timeout.ms has passed since it was sent",
    ),
    "_TIMED_OUT": ("TimeoutException", None),
    "_TRANSPORT": ("NetworkException", "Disconnected from the broker before a response was received"),
    "_AUTHENTICATION": ("SaslAuthenticationException", None),
    "_UNSUPPORTED_FEATURE": ("UnsupportedVersionException", None),
}
"""Errors of librdkafka's own; None: with its text."""


class Stopping:
    """Whether somebody wants the tool to end; the exit status is that of a JVM that a signal ended."""

    def __init__(self) -> None:
        self.signal: int | None = None

    @property
    def exit_status(self) -> int:
        return 0 if self.signal is None else 128 + self.signal


@contextlib.contextmanager
def stop_by_signal() -> Iterator[Stopping]:
    """SIGINT and SIGTERM are noted, no more: what runs looks for them."""
    stopping = Stopping()

    def stop(number: int, _: FrameType | None) -> None:
        stopping.signal = number

    before = {each: signal.signal(each, stop) for each in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stopping
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)


def now_ms() -> int:
    return int(time.time() * 1000)


def say(name: str, **fields: Any) -> None:
    """An event: its time and name, then what belongs to it."""
    members = {"timestamp": now_ms(), "name": name, **fields}
    texts = (f"{json.dumps(member)}:{_json(value)}" for member, value in members.items())
    print(f"{{{','.join(texts)}}}", flush=True)


def _json(value: Any) -> str:
    if isinstance(value, float):
        return format_double(value)
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def java_error(error: KafkaError) -> tuple[str, str]:
    """The class of the Java client's exception for an error, and its message."""
    code = error.code()
    if code > 0:
        known = ErrorCode.of(code)
        return _ERRORS + known.exception, known.message
    name, text = _SAID_BY_THE_CLIENT.get(error.name(), (None, None))
    return _ERRORS + name if name else "org.apache.kafka.common.KafkaException", text or error.str()


def topic_error(error: KafkaError, topic: str) -> tuple[str, str]:
    """The same of an error that the topic's metadata brought."""
    exception, text = java_error(error)
    if exception.endswith(".InvalidTopicException"):
        text = f"Invalid topics: [{topic}]"
    elif exception.endswith(".TopicAuthorizationException"):
        text = f"Not authorized to access topics: [{topic}]"
    return exception, text


def passes(error: KafkaError) -> bool:
    """Whether what failed may yet succeed."""
    return error.code() < 0 or ErrorCode.of(error.code()).retriable


def connection_group(parser: Parser, server_help: str) -> None:
    """--bootstrap-server, or its older name."""
    shown = parser.add_argument_group("Connection Group", "Group of arguments for connection to brokers")
    servers = shown.add_mutually_exclusive_group(required=True)
    servers.add_argument("--bootstrap-server", metavar=SERVERS, dest="servers", help=server_help)
    servers.add_argument(
        "--broker-list",
        metavar=SERVERS,
        dest="servers",
        help="DEPRECATED, use --bootstrap-server instead; ignored if --bootstrap-server is specified.  "
        "Comma-separated list of Kafka brokers in the form HOST1:PORT1,HOST2:PORT2,...",
    )
