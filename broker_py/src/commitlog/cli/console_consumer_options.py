# SPDX-License-Identifier: Apache-2.0
"""The options of kafka-console-consumer.sh: those of Kafka 3.9's ConsoleConsumer, and --zookeeper with what
went with it in 0.8."""

from __future__ import annotations

import random
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from commitlog.cli.console_producer_options import check_servers, merged
from commitlog.cli.jopt import ArgumentError, Option, Parsed, UsageError
from commitlog.cli.message_formatter import DefaultFormatter, Formatter, make_formatter
from commitlog.cli.topics_errors import ToolError

SUMMARY = "This tool helps to read data from Kafka topics and outputs it to standard output."
DEFAULT_FORMATTER = "org.apache.kafka.tools.consumer.DefaultMessageFormatter"
CLIENT_ID = "console-consumer"
EARLIEST, LATEST = -2, -1
"""ListOffsets' words for the beginning and the end of a log."""
FOREVER = -1

_OLD = " Only with --zookeeper, as of Kafka 0.8."

OPTIONS: Mapping[str, Option] = {
    "autocommit.interval.ms": Option(
        "The time interval at which to save the current offset in ms (default: 60000)." + _OLD,
        "Integer: ms",
        whole_number=True,
    ),
    "blacklist": Option("Blacklist of topics to exclude from consumption." + _OLD, "String: blacklist"),
    "bootstrap-server": Option("REQUIRED: The server(s) to connect to.", "String: server to connect to"),
    "consumer-property": Option(
        "A mechanism to pass user-defined properties in the form key=value to the consumer.",
        "String: consumer_prop",
    ),
    "consumer-timeout-ms": Option(
        "consumer throws timeout exception after waiting this much of time without incoming messages." + _OLD,
        "Integer: prop",
        whole_number=True,
    ),
    "consumer.config": Option(
        "Consumer config properties file. Note that [consumer-property] takes precedence over this config.",
        "String: config file",
    ),
    "csv-reporter-enabled": Option("Without effect." + _OLD),
    "enable-systest-events": Option(
        "Log lifecycle events of the consumer in addition to logging consumed messages. (This is specific "
        "for system tests.)"
    ),
    "fetch-size": Option(
        "The amount of data to fetch in a single request." + _OLD, "Integer: size", whole_number=True
    ),
    "formatter": Option(
        "The name of a class to use for formatting kafka messages for display. "
        f"(default: {DEFAULT_FORMATTER})",
        "String: class",
    ),
    "formatter-config": Option(
        "Config properties file to initialize the message formatter. Note that [property] takes precedence "
        "over this config.",
        "String: config file",
    ),
    "from-beginning": Option(
        "If the consumer does not already have an established offset to consume from, start with the "
        "earliest message present in the log rather than the latest message."
    ),
    "group": Option("The consumer group id of the consumer.", "String: consumer group id"),
    "help": Option("Print usage information."),
    "include": Option(
        "Regular expression specifying list of topics to include for consumption.",
        "String: Java regex (String)",
    ),
    "isolation-level": Option(
        "Set to read_committed in order to filter out transactional messages which are not committed. Set to "
        "read_uncommitted to read all messages. (default: read_uncommitted)",
        "String",
    ),
    "key-deserializer": Option("", "String: deserializer for key"),
    "max-messages": Option(
        "The maximum number of messages to consume before exiting. If not set, consumption is continual.",
        "Integer: num_messages",
        whole_number=True,
    ),
    "max-wait-ms": Option(
        "The max amount of time each fetch request waits." + _OLD, "Integer: ms", whole_number=True
    ),
    "metrics-dir": Option("Without effect." + _OLD, "String: metrics directory"),
    "min-fetch-bytes": Option(
        "The min number of bytes each fetch request waits for." + _OLD, "Integer: bytes", whole_number=True
    ),
    "offset": Option(
        "The offset to consume from (a non-negative number), or 'earliest' which means from beginning, or "
        "'latest' which means from end (default: latest)",
        "String: consume offset",
    ),
    "partition": Option(
        "The partition to consume from. Consumption starts from the end of the partition unless '--offset' "
        "is specified.",
        "Integer: partition",
        whole_number=True,
    ),
    "property": Option(
        "The properties to initialize the message formatter. Default properties include:\n"
        " print.timestamp=true|false\n print.key=true|false\n print.offset=true|false\n"
        " print.partition=true|false\n print.headers=true|false\n print.value=true|false\n"
        " key.separator=<key.separator>\n line.separator=<line.separator>\n"
        " headers.separator=<line.separator>\n null.literal=<null.literal>\n"
        " key.deserializer=<key.deserializer>\n value.deserializer=<value.deserializer>\n"
        " headers.deserializer=<headers.deserializer>",
        "String: prop",
    ),
    "refresh-leader-backoff-ms": Option(
        "Backoff time before refreshing metadata." + _OLD, "Integer: ms", whole_number=True
    ),
    "skip-message-on-error": Option(
        "If there is an error when processing a message, skip it instead of halt."
    ),
    "socket-buffer-size": Option("The size of the tcp RECV size." + _OLD, "Integer: size", whole_number=True),
    "socket-timeout-ms": Option(
        "The socket timeout used for the connection to the broker." + _OLD, "Integer: ms", whole_number=True
    ),
    "timeout-ms": Option(
        "If specified, exit if no message is available for consumption for the specified interval.",
        "Long: timeout_ms",
        whole_number=True,
    ),
    "topic": Option("The topic to consume on.", "String: topic"),
    "value-deserializer": Option("", "String: deserializer for values"),
    "version": Option("Display Kafka version."),
    "whitelist": Option(
        "DEPRECATED, use --include instead; ignored if --include specified. Regular expression specifying "
        "list of topics to include for consumption.",
        "String: Java regex (String)",
    ),
    "zookeeper": Option(
        "Instead of --bootstrap-server: the connection string for the zookeeper connection in the form "
        "host:port, as of Kafka 0.8: the brokers are found there, and a group's offsets are kept there.",
        "String: urls",
    ),
}

# 0.8's options that set something of the consumer.
_OLD_SETTINGS = {
    "fetch-size": "max.partition.fetch.bytes",
    "max-wait-ms": "fetch.max.wait.ms",
    "min-fetch-bytes": "fetch.min.bytes",
    "refresh-leader-backoff-ms": "retry.backoff.ms",
    "socket-buffer-size": "receive.buffer.bytes",
    "socket-timeout-ms": "request.timeout.ms",
}
AUTO_COMMIT_INTERVAL_MS = 60_000
OLD_ONLY = (
    *_OLD_SETTINGS,
    "autocommit.interval.ms",
    "blacklist",
    "consumer-timeout-ms",
    "csv-reporter-enabled",
    "metrics-dir",
)


@dataclass(frozen=True, slots=True)
class Topics:
    """One topic by its name, or those whose whole name fits a pattern, or does not."""

    name: str | None = None
    pattern: str | None = None
    excluding: bool = False

    def matches(self, topic: str) -> bool:
        if self.pattern is None:
            return topic == self.name
        return (re.fullmatch(self.pattern, topic) is None) == self.excluding


@dataclass(frozen=True, slots=True)
class ConsumerCommand:
    """What the command line asks for."""

    topics: Topics
    zookeeper: str | None
    group: str
    has_own_group: bool
    """The group was named; otherwise it is made up for this once."""
    from_beginning: bool
    partition: int | None
    offset: int
    max_messages: int
    timeout_ms: int
    skip_message_on_error: bool
    systest_events: bool
    commit_interval_ms: int
    formatter: Formatter
    settings: Mapping[str, str] = field(default_factory=dict)


def parse_command(parsed: Parsed, rng: random.Random) -> ConsumerCommand:
    """Raises ArgumentError, or ToolError for a file, a class or a host that cannot be found."""
    _check(parsed)
    settings = merged(parsed, "consumer.config", "consumer-property")
    group, has_own_group = _group(parsed, settings, rng)
    settings |= _settings(parsed, settings, group, has_own_group=has_own_group)
    timeout = parsed.number("timeout-ms")
    if timeout is None:
        timeout = parsed.number("consumer-timeout-ms")
    return ConsumerCommand(
        topics=_topics(parsed),
        zookeeper=parsed.value("zookeeper"),
        group=group,
        has_own_group=has_own_group,
        from_beginning=parsed.has("from-beginning"),
        partition=parsed.number("partition"),
        offset=_offset(parsed),
        max_messages=FOREVER if (count := parsed.number("max-messages")) is None else count,
        timeout_ms=FOREVER if timeout is None or timeout < 0 else timeout,
        skip_message_on_error=parsed.has("skip-message-on-error"),
        systest_events=parsed.has("enable-systest-events"),
        commit_interval_ms=parsed.number("autocommit.interval.ms") or AUTO_COMMIT_INTERVAL_MS,
        formatter=_formatter(parsed),
        settings=settings,
    )


def _check(parsed: Parsed) -> None:
    named = [parsed.has("topic"), parsed.has("include") or parsed.has("whitelist"), parsed.has("blacklist")]
    if sum(named) != 1:
        raise UsageError("Exactly one of --include/--topic is required.")
    if parsed.has("partition"):
        if not parsed.has("topic"):
            raise UsageError("The topic is required when partition is specified.")
        if parsed.has("from-beginning") and parsed.has("offset"):
            raise UsageError("Options from-beginning and offset cannot be specified together.")
    elif parsed.has("offset"):
        raise UsageError("The partition is required when offset is specified.")
    if parsed.has("bootstrap-server") == parsed.has("zookeeper"):
        if parsed.has("zookeeper"):
            raise UsageError("Only one of --bootstrap-server and --zookeeper can be given.")
        raise UsageError('Missing required argument "[bootstrap-server]"')
    if parsed.has("zookeeper"):
        for name in ("partition", "offset"):
            if parsed.has(name):
                raise UsageError(f"Option {name} is understood with --bootstrap-server only.")
    else:
        for name in OLD_ONLY:
            if parsed.has(name):
                raise UsageError(f"Option {name} is understood with --zookeeper only.")
        check_servers(parsed.value("bootstrap-server") or "")


def _topics(parsed: Parsed) -> Topics:
    if parsed.has("topic"):
        return Topics(name=parsed.value("topic"))
    pattern = parsed.value("include") or parsed.value("whitelist") or parsed.value("blacklist") or ""
    if parsed.has("zookeeper"):  # TopicFilter of 0.8: a list with commas is a pattern, too
        pattern = pattern.strip().replace(",", "|").replace(" ", "").strip("\"'")
    try:
        re.compile(pattern)
    except re.error as error:
        raise ArgumentError(f"{pattern} is an invalid regex: {error}") from None
    return Topics(pattern=pattern, excluding=parsed.has("blacklist"))


def _group(parsed: Parsed, settings: Mapping[str, str], rng: random.Random) -> tuple[str, bool]:
    """The one group that all places agree on, else a new one."""
    given = dict.fromkeys(parsed.all("group")[-1:])
    if "group.id" in settings:
        given[settings["group.id"]] = None
    if len(given) > 1:
        names = ", ".join(f"'{name}'" for name in given)
        raise UsageError(
            "The group ids provided in different places (directly using '--group', via "
            f"'--consumer-property', or via '--consumer.config') do not match. Detected group ids: {names}"
        )
    if given and parsed.has("partition"):
        raise UsageError("Options group and partition cannot be specified together.")
    if given:
        return next(iter(given)), True
    return f"console-consumer-{rng.randrange(100_000)}", False


def _settings(parsed: Parsed, given: Mapping[str, str], group: str, *, has_own_group: bool) -> dict[str, str]:
    settings = {"group.id": group}
    if parsed.has("bootstrap-server"):
        settings["bootstrap.servers"] = parsed.value("bootstrap-server") or ""
    reset = given.get("auto.offset.reset")
    if reset is None:
        settings["auto.offset.reset"] = "earliest" if parsed.has("from-beginning") else "latest"
    elif parsed.has("from-beginning") and reset != "earliest":
        raise ArgumentError(
            f"Can't simultaneously specify --from-beginning and 'auto.offset.reset={reset}', please remove "
            "one option"
        )
    settings["client.id"] = given.get("client.id", CLIENT_ID)
    isolation = parsed.value("isolation-level") or given.get("isolation.level", "read_uncommitted")
    if isolation not in ("read_committed", "read_uncommitted"):
        raise ArgumentError(
            f"Invalid value {isolation} for configuration isolation.level: String must be one of: "
            "read_committed, read_uncommitted"
        )
    settings["isolation.level"] = isolation
    settings["allow.auto.create.topics"] = given.get("allow.auto.create.topics", "true")
    if parsed.has("zookeeper"):
        settings["enable.auto.commit"] = "false"  # offsets are kept in ZooKeeper
    elif not has_own_group:
        settings["enable.auto.commit"] = given.get("enable.auto.commit", "false")
    for option, name in _OLD_SETTINGS.items():
        if parsed.has(option):
            settings[name] = parsed.value(option) or ""
    return settings


def _offset(parsed: Parsed) -> int:
    given = parsed.value("offset")
    if given is None:
        return EARLIEST if parsed.has("from-beginning") else LATEST
    if given.lower() in ("earliest", "latest"):
        return EARLIEST if given.lower() == "earliest" else LATEST
    if not given.isdecimal():
        raise UsageError(
            f"The provided offset value '{given}' is incorrect. Valid values are 'earliest', 'latest', or a "
            "non-negative long."
        )
    return int(given)


def _formatter(parsed: Parsed) -> Formatter:
    properties = {}
    for option in ("key-deserializer", "value-deserializer"):
        if parsed.value(option):
            properties[option.replace("-", ".")] = parsed.value(option) or ""
    properties |= merged(parsed, "formatter-config", "property")
    class_name = parsed.value("formatter")
    if class_name is None:
        return DefaultFormatter(properties)
    formatter = make_formatter(class_name, properties)
    if formatter is None:
        raise ToolError(f"--formatter {class_name}: Java classes cannot be loaded here")
    return formatter
