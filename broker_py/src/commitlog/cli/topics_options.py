# SPDX-License-Identifier: Apache-2.0
"""The options of kafka-topics.sh: those of Kafka 3.9's TopicCommand, and --zookeeper as it was up to 2.8."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from commitlog.cli.jopt import ArgumentError, Option, Parsed, UsageError, check_invalid, check_required

SUMMARY = "This tool helps to create, delete, describe, or change a topic."
ACTIONS = ("create", "list", "alter", "describe", "delete")
REPLICATION_FACTOR_MAX = 32767

OPTIONS: Mapping[str, Option] = {
    "alter": Option(
        "Alter the number of partitions and replica assignment. Update the configuration of an existing "
        "topic via --alter is no longer supported here (the kafka-configs CLI supports altering topic "
        "configs with a --bootstrap-server option)."
    ),
    "at-min-isr-partitions": Option(
        "if set when describing topics, only show partitions whose isr count is equal to the configured "
        "minimum."
    ),
    "bootstrap-server": Option("REQUIRED: The Kafka server to connect to.", "String: server to connect to"),
    "command-config": Option(
        "Property file containing configs to be passed to Admin Client. This is used only with "
        "--bootstrap-server option for describing and altering broker configs.",
        "String: command config property file",
    ),
    "config": Option("", "String: name=value"),
    "create": Option("Create a new topic."),
    "delete": Option("Delete a topic"),
    "delete-config": Option(
        "A topic configuration override to be removed for an existing topic (see the list of configurations "
        "under the --config option). Not supported with the --bootstrap-server option.",
        "String: name",
    ),
    "describe": Option("List details for the given topics."),
    "disable-rack-aware": Option(
        "Disable rack aware replica assignment. Only with --zookeeper, as of Kafka 2.x."
    ),
    "exclude-internal": Option(
        "exclude internal topics when running list or describe command. The internal topics will be listed "
        "by default"
    ),
    "force": Option("Suppress console prompts. Without effect, as there are none."),
    "help": Option("Print usage information."),
    "if-exists": Option(
        "if set when altering or deleting or describing topics, the action will only execute if the topic "
        "exists."
    ),
    "if-not-exists": Option(
        "if set when creating topics, the action will only execute if the topic does not already exist."
    ),
    "list": Option("List all available topics."),
    "partition-size-limit-per-response": Option(
        "the maximum partition size to be included in one DescribeTopicPartitions response.",
        "Integer: maximum number of partitions in one response.",
        whole_number=True,
    ),
    "partitions": Option(
        "The number of partitions for the topic being created or altered (WARNING: If partitions are "
        "increased for a topic that has a key, the partition logic or ordering of the messages will be "
        "affected). If not supplied for create, defaults to the cluster default.",
        "Integer: # of partitions",
        whole_number=True,
    ),
    "replica-assignment": Option(
        "A list of manual partition-to-broker assignments for the topic being created or altered.",
        "String: broker_id_for_part1_replica1 : broker_id_for_part1_replica2 , "
        "broker_id_for_part2_replica1 : "
        "broker_id_for_part2_replica2 , ...",
    ),
    "replication-factor": Option(
        "The replication factor for each partition in the topic being created. If not supplied, defaults to "
        "the cluster default.",
        "Integer: replication factor",
        whole_number=True,
    ),
    "topic": Option(
        "The topic to create, alter, describe or delete. It also accepts a regular expression, except for "
        "--create option. Put topic name in double quotes and use the '\\' prefix to escape regular "
        "expression symbols; e.g. "
        '"test\\.topic".',
        "String: topic",
    ),
    "topic-id": Option(
        "The topic-id to describe.This is used only with --bootstrap-server option for describing topics.",
        "String: topic-id",
    ),
    "topics-with-overrides": Option(
        "if set when describing topics, only show topics that have overridden configs"
    ),
    "unavailable-partitions": Option(
        "if set when describing topics, only show partitions whose leader is not available"
    ),
    "under-min-isr-partitions": Option(
        "if set when describing topics, only show partitions whose isr count is less than the configured "
        "minimum."
    ),
    "under-replicated-partitions": Option(
        "if set when describing topics, only show under replicated partitions"
    ),
    "version": Option("Display Kafka version."),
    "zookeeper": Option(
        "Instead of --bootstrap-server: the connection string for the zookeeper connection in the form "
        "host:port. Multiple hosts can be given to allow fail-over. Was removed from Kafka in 3.0 and is "
        "kept here.",
        "String: hosts",
    ),
}

_FILTERS = (
    "under-replicated-partitions",
    "unavailable-partitions",
    "under-min-isr-partitions",
    "at-min-isr-partitions",
)


def options_with_names() -> Mapping[str, Option]:
    """For --help: with the names of all topic settings."""
    from commitlog.config.definitions import topic_definitions

    names = "".join(f"\n\t{name}" for name in topic_definitions())
    config = (
        "A topic configuration override for the topic being created. The following is a list of valid "
        f"configurations: {names}\nSee the Kafka documentation for full details on the topic configs. It is "
        "supported only in combination with --create if --bootstrap-server option is used (the "
        "kafka-configs CLI supports altering topic configs with a --bootstrap-server option)."
    )
    return {**OPTIONS, "config": Option(config, OPTIONS["config"].argument)}


@dataclass(frozen=True, slots=True)
class TopicCommand:
    """A command line that has passed every check of TopicCommandOptions."""

    action: str
    options: Parsed

    @property
    def topic(self) -> str | None:
        return self.options.value("topic")

    @property
    def name(self) -> str:
        """The topic of --create."""
        return self.options.value("topic") or ""

    @property
    def zookeeper(self) -> str | None:
        return self.options.value("zookeeper")

    @property
    def bootstrap_server(self) -> str:
        return self.options.value("bootstrap-server") or ""

    @property
    def partitions(self) -> int | None:
        return self.options.number("partitions")

    @property
    def replication_factor(self) -> int | None:
        return self.options.number("replication-factor")

    @property
    def if_exists(self) -> bool:
        return self.options.has("if-exists")

    @property
    def if_not_exists(self) -> bool:
        return self.options.has("if-not-exists")

    @property
    def describes_topics(self) -> bool:
        """Whether --describe prints the line of a topic itself."""
        return not any(self.options.has(name) for name in _FILTERS)

    @property
    def describes_partitions(self) -> bool:
        return not self.options.has("topics-with-overrides")

    def reports(self, what: str) -> bool:
        return self.options.has(what)

    def replica_assignment(self) -> list[list[int]] | None:
        text = self.options.value("replica-assignment")
        return None if text is None else parse_replica_assignment(text)

    def configs(self) -> dict[str, str]:
        """The --config options; parseTopicConfigsToBeAdded."""
        found: dict[str, str] = {}
        for item in self.options.all("config"):
            name, separator, value = item.partition("=")
            if not separator:
                raise ArgumentError(
                    "requirement failed: Invalid topic config: all configs to be added must be in the format "
                    '"key=val".'
                )
            found[name.strip()] = value.strip()
        return found

    def deleted_configs(self) -> list[str]:
        return [name.strip() for name in self.options.all("delete-config")]

    def selects(self, topic: str, *, internal: bool) -> bool:
        """IncludeList.isTopicAllowed: the whole name matches --topic, a regular expression in which a comma
        is `|`."""
        if internal and self.options.has("exclude-internal"):
            return False
        if self.topic is None:
            return True
        return re.fullmatch(topic_pattern(self.topic), topic) is not None


def topic_pattern(text: str) -> str:
    """TopicFilter: quotes around it fall off, blanks too, commas separate alternatives."""
    pattern = text.strip().replace(",", "|").replace(" ", "").strip("\"'")
    try:
        re.compile(pattern)
    except re.error as error:
        raise ArgumentError(f"{text} is an invalid regex: {error}") from None
    return pattern


def parse_replica_assignment(text: str) -> list[list[int]]:
    """ "0:1,1:0": replicas of each partition; the checks of TopicCommand.parseReplicaAssignment."""
    found: list[list[int]] = []
    for partition, part in enumerate(text.split(",")):
        words = [word.strip() for word in part.split(":")]
        for word in words:
            if not word.isdecimal():
                raise ArgumentError(f'For input string: "{word}"')
        replicas = [int(word) for word in words]
        twice = sorted({replica for replica in replicas if replicas.count(replica) > 1})
        if twice:
            shown = ",".join(map(str, twice))
            raise ArgumentError(f"Partition replica lists may not contain duplicate entries: {shown}")
        if found and len(found[0]) != len(replicas):
            raise ArgumentError(f"Partition {partition} has different replication factor: {replicas}")
        found.append(replicas)
    return found


def parse_command(parsed: Parsed) -> TopicCommand:
    """TopicCommandOptions.checkArgs; raises ArgumentError."""
    actions = [name for name in ACTIONS if parsed.has(name)]
    if len(actions) != 1:
        raise UsageError(
            "Command must include exactly one action: --list, --describe, --create, --alter or --delete"
        )
    if parsed.has("zookeeper") == parsed.has("bootstrap-server"):
        if parsed.has("zookeeper"):
            raise UsageError("Only one of --bootstrap-server or --zookeeper must be specified")
        raise ArgumentError("--bootstrap-server must be specified")
    _check_action(parsed, actions[0])
    _check_combinations(parsed)
    return TopicCommand(actions[0], parsed)


def _check_action(parsed: Parsed, action: str) -> None:
    if action in ("create", "alter", "delete"):
        check_required(parsed, "topic")
    if action == "alter":
        if parsed.has("bootstrap-server"):
            if parsed.has("config"):
                raise UsageError(
                    'Option combination "[[bootstrap-server], [config]]" can\'t be used with option '
                    '"[alter]" (the kafka-configs CLI supports altering topic configs with a '
                    "--bootstrap-server option)"
                )
            check_required(parsed, "partitions")
        elif not any(parsed.has(name) for name in ("partitions", "config", "delete-config")):
            check_required(parsed, "partitions")
    if action == "create" and parsed.has("zookeeper") and not parsed.has("replica-assignment"):
        check_required(parsed, "partitions", "replication-factor")


def _check_combinations(parsed: Parsed) -> None:
    others = {action: [name for name in ACTIONS if name != action] for action in ACTIONS}
    check_invalid(parsed, "config", *(name for name in ACTIONS if name not in ("create", "alter")))
    check_invalid(parsed, "delete-config", *others["alter"])
    check_invalid(parsed, "partitions", *(name for name in ACTIONS if name not in ("create", "alter")))
    check_invalid(parsed, "replication-factor", *others["create"])
    check_invalid(
        parsed, "replica-assignment", *(name for name in ACTIONS if name not in ("create", "alter"))
    )
    if parsed.has("create"):
        check_invalid(parsed, "replica-assignment", "partitions", "replication-factor")
    for one in _FILTERS:
        check_invalid(parsed, one, *others["describe"], "topics-with-overrides")
    check_invalid(parsed, "topics-with-overrides", *others["describe"])
    check_invalid(parsed, "topic-id", *others["describe"])
    check_invalid(parsed, "if-exists", "create", "list")
    check_invalid(parsed, "if-not-exists", *others["create"])
    check_invalid(parsed, "exclude-internal", "create", "alter", "delete")
    check_invalid(parsed, "zookeeper", "topic-id", "command-config")


def check_values(command: TopicCommand) -> None:
    """What TopicCommand finds wrong as it begins; raises ArgumentError."""
    if command.partitions is not None and command.partitions < 1:
        raise ArgumentError("The partitions must be greater than 0")
    factor = command.replication_factor
    if factor is not None and not 1 <= factor <= REPLICATION_FACTOR_MAX:
        raise ArgumentError(
            f"The replication factor must be between 1 and {REPLICATION_FACTOR_MAX} inclusive"
        )
    command.configs()
    command.replica_assignment()
    if command.topic is not None and command.action != "create":
        topic_pattern(command.topic)
