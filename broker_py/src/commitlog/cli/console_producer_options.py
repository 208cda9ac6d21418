# SPDX-License-Identifier: Apache-2.0
"""The options of kafka-console-producer.sh, those of Kafka 3.9's ConsoleProducer, and the settings they
make."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from commitlog.cli.cluster import parse_bootstrap_servers
from commitlog.cli.jopt import ArgumentError, Option, Parsed, UsageError, check_required
from commitlog.cli.topics_errors import ToolError
from commitlog.config import properties

SUMMARY = "This tool helps to read data from standard input and publish it to Kafka."
LINE_READER = "kafka.tools.ConsoleProducer$LineMessageReader"
CODECS = ("none", "gzip", "snappy", "lz4", "zstd")
CLIENT_ID = "console-producer"

OPTIONS: Mapping[str, Option] = {
    "batch-size": Option(
        "Number of messages to send in a single batch if they are not being sent synchronously. please note "
        "that this option will be replaced if max-partition-memory-bytes is also set (default: 16384)",
        "Integer: size",
        whole_number=True,
    ),
    "bootstrap-server": Option(
        "REQUIRED unless --broker-list(deprecated) is specified. The server(s) to connect to. The broker "
        "list string in the form HOST1:PORT1,HOST2:PORT2.",
        "String: server to connect to",
    ),
    "broker-list": Option(
        "DEPRECATED, use --bootstrap-server instead; ignored if --bootstrap-server is specified.  The broker "
        "list string in the form HOST1:PORT1,HOST2:PORT2.",
        "String: broker-list",
    ),
    "compression-codec": Option(
        "The compression codec: either 'none', 'gzip', 'snappy', 'lz4', or 'zstd'.If specified without "
        "value, then it defaults to 'gzip'",
        "String: compression-codec",
        optional=True,
    ),
    "help": Option("Print usage information."),
    "line-reader": Option(
        "The class name of the class to use for reading lines from standard in. By default each line is read "
        f"as a separate message. (default: {LINE_READER})",
        "String: reader_class",
    ),
    "max-block-ms": Option(
        "The max time that the producer will block for during a send request. (default: 60000)",
        "Long: max block on send",
        whole_number=True,
    ),
    "max-memory-bytes": Option(
        "The total memory used by the producer to buffer records waiting to be sent to the server. This is "
        "the option to control `buffer.memory` in producer configs. (default: 33554432)",
        "Long: total memory in bytes",
        whole_number=True,
    ),
    "max-partition-memory-bytes": Option(
        "The buffer size allocated for a partition. When records are received which are smaller than this "
        "size the producer will attempt to optimistically group them together until this size is reached. "
        "This is the option to control `batch.size` in producer configs. (default: 16384)",
        "Integer: memory in bytes per partition",
        whole_number=True,
    ),
    "message-send-max-retries": Option(
        "Brokers can fail receiving the message for multiple reasons, and being unavailable transiently is "
        "just one of them. This property specifies the number of retries before the producer give up and "
        "drop this message. This is the option to control `retries` in producer configs. (default: 3)",
        "Integer",
        whole_number=True,
    ),
    "metadata-expiry-ms": Option(
        "The period of time in milliseconds after which we force a refresh of metadata even if we haven't "
        "seen any leadership changes. This is the option to control `metadata.max.age.ms` in producer "
        "configs. (default: 300000)",
        "Long: metadata expiration interval",
        whole_number=True,
    ),
    "producer-property": Option(
        "A mechanism to pass user-defined properties in the form key=value to the producer. ",
        "String: producer_prop",
    ),
    "producer.config": Option(
        "Producer config properties file. Note that [producer-property] takes precedence over this config.",
        "String: config file",
    ),
    "property": Option(
        "A mechanism to pass user-defined properties in the form key=value to the message reader. This "
        "allows custom configuration for a user-defined message reader.\n"
        "Default properties include:\n"
        " parse.key=false\n"
        " parse.headers=false\n"
        " ignore.error=false\n"
        " key.separator=\\t\n"
        " headers.delimiter=\\t\n"
        " headers.separator=,\n"
        " headers.key.separator=:\n"
        " null.marker=   When set, any fields (key, value and headers) equal to this will be replaced by "
        "null\n"
        "Default parsing pattern when:\n"
        ' parse.headers=true and parse.key=true:\n  "h1:v1,h2:v2...\\tkey\\tvalue"\n'
        ' parse.key=true:\n  "key\\tvalue"\n parse.headers=true:\n  "h1:v1,h2:v2...\\tvalue"',
        "String: prop",
    ),
    "reader-config": Option(
        "Config properties file for the message reader. Note that [property] takes precedence over this "
        "config.",
        "String: config file",
    ),
    "request-required-acks": Option(
        "The required `acks` of the producer requests (default: -1)", "String: request required acks"
    ),
    "request-timeout-ms": Option(
        "The ack timeout of the producer requests. Value must be non-negative and non-zero. (default: 1500)",
        "Integer: request timeout ms",
        whole_number=True,
    ),
    "retry-backoff-ms": Option(
        "Before each retry, the producer refreshes the metadata of relevant topics. Since leader election "
        "takes a bit of time, this property specifies the amount of time that the producer waits before "
        "refreshing the metadata. This is the option to control `retry.backoff.ms` in producer configs. "
        "(default: 100)",
        "Long",
        whole_number=True,
    ),
    "socket-buffer-size": Option(
        "The size of the tcp RECV size. This is the option to control `send.buffer.bytes` in producer "
        "configs. (default: 102400)",
        "Integer: size",
        whole_number=True,
    ),
    "sync": Option(
        "If set message send requests to the brokers are synchronously, one at a time as they arrive."
    ),
    "timeout": Option(
        "If set and the producer is running in asynchronous mode, this gives the maximum amount of time a "
        "message will queue awaiting sufficient batch size. The value is given in ms. This is the option to "
        "control `linger.ms` in producer configs. (default: 1000)",
        "Long: timeout_ms",
        whole_number=True,
    ),
    "topic": Option("REQUIRED: The topic id to produce messages to.", "String: topic"),
    "version": Option("Display Kafka version."),
}

# Option, producer setting, value when neither says anything (CommandLineUtils.maybeMergeOptions).
_MERGED = (
    ("timeout", "linger.ms", "1000"),
    ("request-required-acks", "acks", "-1"),
    ("request-timeout-ms", "request.timeout.ms", "1500"),
    ("message-send-max-retries", "retries", "3"),
    ("retry-backoff-ms", "retry.backoff.ms", "100"),
    ("socket-buffer-size", "send.buffer.bytes", "102400"),
    ("max-memory-bytes", "buffer.memory", "33554432"),
    ("batch-size", "batch.size", "16384"),
    ("max-partition-memory-bytes", "batch.size", None),
    ("metadata-expiry-ms", "metadata.max.age.ms", "300000"),
    ("max-block-ms", "max.block.ms", "60000"),
)


@dataclass(frozen=True, slots=True)
class ProducerCommand:
    """What the command line asks for."""

    topic: str
    sync: bool
    max_block_ms: int
    reader: Mapping[str, str]
    settings: Mapping[str, str]


def parse_command(parsed: Parsed) -> ProducerCommand:
    """Raises ArgumentError, or ToolError for a file or a host that cannot be found."""
    if not parsed.has("bootstrap-server") and not parsed.has("broker-list"):
        raise UsageError("Missing required option(s) [bootstrap-server]")
    check_required(parsed, "topic")
    servers = parsed.value("bootstrap-server") or parsed.value("broker-list") or ""
    check_servers(servers)
    reader_class = parsed.value("line-reader")
    if reader_class not in (None, LINE_READER):
        raise ToolError(
            f"--line-reader {reader_class}: Java classes cannot be loaded here, only {LINE_READER} is"
        )
    settings = _settings(parsed, servers)
    return ProducerCommand(
        topic=parsed.value("topic") or "",
        sync=parsed.has("sync"),
        max_block_ms=_whole_number(settings, "max.block.ms"),
        reader=merged(parsed, "reader-config", "property"),
        settings=settings,
    )


def check_servers(servers: str) -> None:
    """ToolsUtils.validatePortOrDie, and at least one host that is known."""
    for server in servers.split(","):
        host, _, port = server.strip().rpartition(":")
        if not host or not port.isdecimal():
            raise UsageError("Please provide valid host:port like host1:9091,host2:9092\n ")
    parse_bootstrap_servers(servers)


def merged(parsed: Parsed, file_option: str, option: str) -> dict[str, str]:
    """A properties file, and on top of it key=value options (CommandLineUtils.parseKeyValueArgs)."""
    found: dict[str, str] = {}
    path = parsed.value(file_option)
    if path is not None:
        found.update(properties.load(path))
    for text in parsed.all(option):
        name, separator, value = text.partition("=")
        if not name or not separator:
            raise ArgumentError(f"Invalid command line properties: {text}")
        found[name] = value
    return found


def _whole_number(settings: Mapping[str, str], name: str) -> int:
    text = settings[name].strip()
    if not text.removeprefix("-").isdecimal():
        raise ArgumentError(f"Invalid value {text} for configuration {name}: Not a number of type INT")
    return int(text)


def _settings(parsed: Parsed, servers: str) -> dict[str, str]:
    settings = merged(parsed, "producer.config", "producer-property")
    settings["bootstrap.servers"] = servers
    codec = parsed.value("compression-codec")
    settings["compression.type"] = "none" if codec is None else codec or "gzip"
    if settings["compression.type"] not in CODECS:
        raise ArgumentError(
            f"Invalid value {codec} for configuration compression.type: String must be one of: "
            + ", ".join(CODECS)
        )
    settings.setdefault("client.id", CLIENT_ID)
    for option, name, default in _MERGED:
        given = parsed.value(option)
        if given is not None:
            settings[name] = given
        elif default is not None:
            settings.setdefault(name, default)
    # The Java producer's default since 3.0, where the other settings allow it.
    if settings["acks"] in ("-1", "all") and _whole_number(settings, "retries") > 0:
        settings.setdefault("enable.idempotence", "true")
    return settings
