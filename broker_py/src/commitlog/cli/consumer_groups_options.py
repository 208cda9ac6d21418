# SPDX-License-Identifier: Apache-2.0
"""The options of kafka-consumer-groups.sh (ConsumerGroupCommandOptions) and what is refused."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence

from commitlog.cli.java_order import hash_order, names_hash
from commitlog.cli.jopt import Option, Parsed, UsageError, check_invalid, check_required

SUMMARY = (
    "This tool helps to list all consumer groups, describe a consumer group, delete consumer "
    "group info, or reset consumer group offsets."
)

OPTIONS: Mapping[str, Option] = {
    "all-groups": Option("Apply to all consumer groups."),
    "all-topics": Option("Consider all topics assigned to a group in the `reset-offsets` process."),
    "bootstrap-server": Option("REQUIRED: The server(s) to connect to.", "String: server to connect to"),
    "by-duration": Option(
        "Reset offsets to offset by duration from current timestamp. Format: 'PnDTnHnMnS'", "String: duration"
    ),
    "command-config": Option(
        "Property file containing configs to be passed to Admin Client and Consumer.",
        "String: command config property file",
    ),
    "delete": Option(
        "Pass in groups to delete topic partition offsets and ownership information over the "
        "entire consumer group. For instance --group g1 --group g2"
    ),
    "delete-offsets": Option(
        "Delete offsets of consumer group. Supports one consumer group at the time, and multiple topics."
    ),
    "describe": Option(
        "Describe consumer group and list offset lag (number of messages not yet processed) "
        "related to given group."
    ),
    "dry-run": Option(
        "Only show results without executing changes on Consumer Groups. Supported operations: reset-offsets."
    ),
    "execute": Option("Execute operation. Supported operations: reset-offsets."),
    "export": Option("Export operation execution to a CSV file. Supported operations: reset-offsets."),
    "from-file": Option("Reset offsets to values defined in CSV file.", "String: path to CSV file"),
    "group": Option("The consumer group we wish to act on.", "String: consumer group"),
    "help": Option("Print usage information."),
    "list": Option("List all consumer groups."),
    "members": Option(
        "Describe members of the group. This option may be used with '--describe' and "
        "'--bootstrap-server' options only.\nExample: --bootstrap-server localhost:9092 --describe "
        "--group group1 --members",
        available_if=("describe",),
    ),
    "offsets": Option(
        "Describe the group and list all topic partitions in the group along with their offset "
        "lag. This is the default sub-action of and may be used with '--describe' and "
        "'--bootstrap-server' options only.\nExample: --bootstrap-server localhost:9092 --describe "
        "--group group1 --offsets",
        available_if=("describe",),
    ),
    "reset-offsets": Option(
        "Reset offsets of consumer group. Supports one consumer group at the time, and instances "
        "should be inactive\nHas 2 execution options: --dry-run (the default) to plan which "
        "offsets to reset, and --execute to update the offsets. Additionally, the --export option "
        "is used to export the results to a CSV format.\nYou must choose one of the following "
        "reset specifications: --to-datetime, --by-duration, --to-earliest, --to-latest, "
        "--shift-by, --from-file, --to-current, --to-offset.\nTo define the scope use --all-topics "
        "or --topic. One scope must be specified unless you use '--from-file'."
    ),
    "shift-by": Option(
        "Reset offsets shifting current offset by 'n', where 'n' can be positive or negative.",
        "Long: number-of-offsets",
        whole_number=True,
    ),
    "state": Option(
        "When specified with '--describe', includes the state of the group.\nExample: "
        "--bootstrap-server localhost:9092 --describe --group group1 --state\nWhen specified with "
        "'--list', it displays the state of all groups. It can also be used to list groups with "
        "specific states.\nExample: --bootstrap-server localhost:9092 --list --state stable,empty\n"
        "This option may be used with '--describe', '--list' and '--bootstrap-server' options only.",
        "String",
        optional=True,
        available_if=("describe", "list"),
    ),
    "timeout": Option(
        "The timeout that can be set for some use cases. For example, it can be used when "
        "describing the group to specify the maximum amount of time in milliseconds to wait before "
        "the group stabilizes (when the group is just created, or is going through some changes).",
        "Long: timeout (ms)",
        whole_number=True,
        default="5000",
    ),
    "to-current": Option("Reset offsets to current offset."),
    "to-datetime": Option(
        "Reset offsets to offset from datetime. Format: 'YYYY-MM-DDTHH:mm:SS.sss'", "String: datetime"
    ),
    "to-earliest": Option("Reset offsets to earliest offset."),
    "to-latest": Option("Reset offsets to latest offset."),
    "to-offset": Option("Reset offsets to a specific offset.", "Long: offset", whole_number=True),
    "topic": Option(
        "The topic whose consumer group information should be deleted or topic whose should be "
        "included in the reset offset process. In `reset-offsets` case, partitions can be "
        "specified using this format: `topic1:0,1,2`, where 0,1,2 are the partition to be included "
        "in the process. Reset-offsets also supports multiple topic inputs.",
        "String: topic",
    ),
    "type": Option(
        "When specified with '--list', it displays the types of all the groups. It can also be "
        "used to list groups with specific types.\nExample: --bootstrap-server localhost:9092 "
        "--list --type classic,consumer\nThis option may be used with the '--list' option only.",
        "String",
        optional=True,
        available_if=("list",),
    ),
    "verbose": Option(
        "Provide additional information, if any, when describing the group. This option may be "
        "used with '--offsets'/'--members'/'--state' and '--bootstrap-server' options only.\n"
        "Example: --bootstrap-server localhost:9092 --describe --group group1 --members --verbose",
        available_if=("describe",),
    ),
    "version": Option("Display Kafka version."),
}

ACTIONS = ("list", "describe", "delete", "reset-offsets", "delete-offsets")
SCENARIOS = (
    "to-offset",
    "shift-by",
    "to-datetime",
    "by-duration",
    "to-earliest",
    "to-latest",
    "to-current",
    "from-file",
)
_SCOPES = ("group", "all-groups")
_LEVEL = ("list", "describe", "delete", "reset-offsets")


def set_of(names: Sequence[str]) -> list[str]:
    """A HashSet of options: their names as Kafka shows them, in its order."""
    return [f"[{name}]" for name in hash_order(names, names_hash)]


def _others(names: Sequence[str], *without: str) -> list[str]:
    return [name for name in hash_order(names, names_hash) if name not in without]


def check_options(parsed: Parsed) -> None:
    """ConsumerGroupCommandOptions.checkArgs; raises UsageError."""
    check_required(parsed, "bootstrap-server")
    if parsed.has("describe"):
        _check_describe(parsed)
    if parsed.has("delete"):
        if not parsed.has("group") and not parsed.has("all-groups"):
            raise UsageError(f"Option [delete] takes one of these options: {', '.join(set_of(_SCOPES))}")
        if parsed.has("topic"):
            raise UsageError(
                "The consumer does not support topic-specific offset deletion from a consumer group."
            )
    if parsed.has("delete-offsets") and not (parsed.has("group") and parsed.has("topic")):
        raise UsageError(f"Option [delete-offsets] takes the following options: {', '.join(set_of(_SCOPES))}")
    if parsed.has("reset-offsets"):
        _check_reset(parsed)
    check_invalid(parsed, "group", *_others(_SCOPES, "group"))
    check_invalid(parsed, "group", *_others(_LEVEL, "describe", "delete", "reset-offsets"))
    check_invalid(parsed, "topic", *_others(_LEVEL, "delete", "reset-offsets"))
    if sum(parsed.has(action) for action in ACTIONS) != 1:
        raise UsageError(
            "Command must include exactly one action: --list, --describe, --delete, --reset-offsets, "
            "--delete-offsets"
        )


def _check_describe(parsed: Parsed) -> None:
    if not parsed.has("group") and not parsed.has("all-groups"):
        raise UsageError(f"Option [describe] takes one of these options: {', '.join(set_of(_LEVEL))}")
    kinds = ("members", "offsets", "state")
    if sum(parsed.has(kind) for kind in kinds) > 1:
        raise UsageError(
            "Option [describe] takes at most one of these options: [members], [offsets], [state]"
        )
    if parsed.only("state"):
        raise UsageError("Option [describe] does not take a value for [state]")


def _check_reset(parsed: Parsed) -> None:
    if parsed.has("dry-run") and parsed.has("execute"):
        raise UsageError("Option [reset-offsets] only accepts one of [execute] and [dry-run]")
    if not parsed.has("dry-run") and not parsed.has("execute"):
        print(
            "WARN: No action will be performed as the --execute option is missing.In a future major release, "
            "the default behavior of this command will be to prompt the user before executing the reset "
            "rather "
            "than doing a dry run. You should add the --dry-run option explicitly if you are scripting this "
            "command and want to keep the current default behavior without prompting.",
            file=sys.stderr,
        )
    if not parsed.has("group") and not parsed.has("all-groups"):
        raise UsageError(f"Option [reset-offsets] takes one of these options: {', '.join(set_of(_SCOPES))}")
    for scenario in SCENARIOS:
        check_invalid(parsed, scenario, *_others(SCENARIOS, scenario))


def listed(parsed: Parsed, option: str, valid: Sequence[str], complaint: str) -> list[str]:
    """The values of --state or --type of --list in Kafka's spelling; none when the option has no value."""
    text = parsed.only(option)
    if not text:
        return []
    known = {name.upper(): name for name in valid}
    words = [word.strip().upper() for word in text.split(",")]
    if any(word not in known for word in words):
        raise UsageError(complaint.format(text, ", ".join(valid)))
    return list(dict.fromkeys(known[word] for word in words))


STATES = (
    "PreparingRebalance",
    "CompletingRebalance",
    "Stable",
    "Dead",
    "Empty",
    "Assigning",
    "Reconciling",
)
TYPES = ("Consumer", "Classic")


def states(parsed: Parsed) -> list[str]:
    return listed(parsed, "state", STATES, "Invalid state list '{}'. Valid states are: {}")


def types(parsed: Parsed) -> list[str]:
    text = parsed.only("type")
    shown = text.lower() if text else ""
    complaint = "Invalid types list '" + shown.replace("{", "{{") + "'. Valid types are: {1}"
    return listed(parsed, "type", TYPES, complaint)
