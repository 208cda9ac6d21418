# SPDX-License-Identifier: Apache-2.0
"""The options of kafka-reassign-partitions.sh (ReassignPartitionsCommandOptions)."""

from __future__ import annotations

from collections.abc import Mapping

from commitlog.cli.jopt import Option, Parsed, UsageError, check_required

SUMMARY = "This tool helps to move topic partitions between replicas."

OPTIONS: Mapping[str, Option] = {
    "additional": Option(
        "Execute this reassignment in addition to any other ongoing ones. This option can also be "
        "used to change the throttle of an ongoing reassignment."
    ),
    "bootstrap-server": Option(
        "REQUIRED: the server(s) to use for bootstrapping.", "String: Server(s) to use for bootstrapping"
    ),
    "broker-list": Option(
        'The list of brokers to which the partitions need to be reassigned in the form "0,1,2". '
        "This is required if --topics-to-move-json-file is used to generate reassignment "
        "configuration",
        "String: brokerlist",
    ),
    "cancel": Option("Cancel an active reassignment."),
    "command-config": Option(
        "Property file containing configs to be passed to Admin Client.", "String: Admin client property file"
    ),
    "disable-rack-aware": Option("Disable rack aware replica assignment"),
    "execute": Option("Kick off the reassignment as specified by the --reassignment-json-file option."),
    "generate": Option(
        "Generate a candidate partition reassignment configuration. Note that this only generates "
        "a candidate assignment, it does not execute it."
    ),
    "help": Option("Print usage information."),
    "list": Option("List all active partition reassignments."),
    "preserve-throttles": Option("Do not modify broker or topic throttles."),
    "reassignment-json-file": Option(
        "The JSON file with the partition reassignment configurationThe format to use is - \n"
        '{"partitions":\n\t[{"topic": "foo",\n\t  "partition": 1,\n\t  "replicas": [1,2,3],\n\t  '
        '"log_dirs": ["dir1","dir2","dir3"] }],\n"version":1\n}\nNote that "log_dirs" is optional. '
        "When it is specified, its length must equal the length of the replicas list. The value in "
        'this list can be either "any" or the absolution path of the log directory on the broker. '
        "If absolute log directory path is specified, the replica will be moved to the specified "
        "log directory on the broker.",
        "String: manual assignment json file path",
    ),
    "replica-alter-log-dirs-throttle": Option(
        "The movement of replicas between log directories on the same broker will be throttled to "
        "this value (bytes/sec). This option can be included with --execute when a reassignment is "
        "started, and it can be altered by resubmitting the current reassignment along with the "
        "--additional flag. The throttle rate should be at least 1 KB/s.",
        "Long: replicaAlterLogDirsThrottle",
        whole_number=True,
        default="-1",
    ),
    "throttle": Option(
        "The movement of partitions between brokers will be throttled to this value (bytes/sec). "
        "This option can be included with --execute when a reassignment is started, and it can be "
        "altered by resubmitting the current reassignment along with the --additional flag. The "
        "throttle rate should be at least 1 KB/s.",
        "Long: throttle",
        whole_number=True,
        default="-1",
    ),
    "timeout": Option(
        "The maximum time in ms to wait for log directory replica assignment to begin.",
        "Long: timeout",
        whole_number=True,
        default="10000",
    ),
    "topics-to-move-json-file": Option(
        "Generate a reassignment configuration to move the partitions of the specified topics to "
        "the list of brokers specified by the --broker-list option. The format to use is - \n"
        '{"topics":\n\t[{"topic": "foo"},{"topic": "foo1"}],\n"version":1\n}',
        "String: topics to reassign json file path",
    ),
    "verify": Option(
        "Verify if the reassignment completed as specified by the --reassignment-json-file option. "
        "If there is a throttle engaged for the replicas specified, and the rebalance has "
        "completed, the throttle will be removed"
    ),
    "version": Option("Display Kafka version."),
}

ACTIONS = ("generate", "execute", "verify", "cancel", "list")
_CONNECTION = ("bootstrap-server", "command-config")
_REQUIRED: Mapping[str, tuple[str, ...]] = {
    "verify": ("reassignment-json-file",),
    "generate": ("topics-to-move-json-file", "broker-list"),
    "execute": ("reassignment-json-file",),
    "cancel": ("reassignment-json-file",),
    "list": (),
}
_PERMITTED: Mapping[str, tuple[str, ...]] = {
    "verify": ("preserve-throttles",),
    "generate": ("disable-rack-aware",),
    "execute": ("additional", "throttle", "replica-alter-log-dirs-throttle", "timeout"),
    "cancel": ("preserve-throttles", "timeout"),
    "list": (),
}


def check_options(parsed: Parsed) -> str:
    """ReassignPartitionsCommand.validateAndParseArgs; the action."""
    actions = [action for action in ACTIONS if parsed.has(action)]
    if len(actions) != 1:
        shown = ", ".join(f"--{action}" for action in ACTIONS)
        raise UsageError(f"Command must include exactly one action: {shown}")
    if not parsed.has("bootstrap-server"):
        raise UsageError("Please specify --bootstrap-server")
    action = actions[0]
    check_required(parsed, *_REQUIRED[action])
    allowed = (action, *_REQUIRED[action], *_PERMITTED[action], *_CONNECTION)
    for name in parsed.given:
        if name not in allowed:
            raise UsageError(f'Option "[{name}]" can\'t be used with action "[{action}]"')
    return action
