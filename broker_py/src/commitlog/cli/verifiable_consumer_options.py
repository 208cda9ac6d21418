# SPDX-License-Identifier: Apache-2.0
"""The options of kafka-verifiable-consumer.sh (VerifiableConsumer.argParser), and the settings they make."""

from __future__ import annotations

import argparse

from commitlog.cli.argparse4j import Parser, whole_number
from commitlog.cli.verifiable_events import connection_group

DESCRIPTION = (
    "This tool consumes messages from a specific topic and emits consumer events (e.g. group rebalances, "
    "received messages, and offsets committed) as JSON objects to STDOUT."
)
SERVERS_HELP = (
    "REQUIRED unless --broker-list(deprecated) is specified. The server(s) to connect to. Comma-separated "
    "list of Kafka brokers in the form HOST1:PORT1,HOST2:PORT2,..."
)
ASSIGNORS = "org.apache.kafka.clients.consumer."


def make_parser() -> Parser:
    parser = Parser(prog="verifiable-consumer", description=DESCRIPTION)
    parser.add_argument("--topic", metavar="TOPIC", required=True, help="Consumes messages from this topic.")
    _group_options(parser)
    _reading_options(parser)
    connection_group(parser, SERVERS_HELP)
    return parser


def _group_options(parser: Parser) -> None:
    parser.add_argument(
        "--group-protocol",
        metavar="GROUP_PROTOCOL",
        default="classic",
        help="Group protocol (must be one of CLASSIC, CONSUMER) (default: classic)",
    )
    parser.add_argument(
        "--group-remote-assignor",
        metavar="GROUP_REMOTE_ASSIGNOR",
        help="Group remote assignor; only used if the group protocol is CONSUMER",
    )
    parser.add_argument(
        "--group-id",
        metavar="GROUP_ID",
        required=True,
        help="The groupId shared among members of the consumer group",
    )
    parser.add_argument(
        "--group-instance-id",
        metavar="GROUP_INSTANCE_ID",
        help="A unique identifier of the consumer instance",
    )


def _reading_options(parser: Parser) -> None:
    parser.add_argument(
        "--max-messages",
        metavar="MAX-MESSAGES",
        type=whole_number("Integer"),
        default=-1,
        help="Consume this many messages. If -1 (the default), the consumer will consume until the process "
        "is killed externally (default: -1)",
    )
    parser.add_argument(
        "--session-timeout",
        metavar="TIMEOUT_MS",
        type=whole_number("Integer"),
        default=30_000,
        help="Set the consumer's session timeout (default: 30000)",
    )
    parser.add_argument(
        "--verbose",
        action="store_true",
        help="Enable to log individual consumed records (default: false)",
    )
    parser.add_argument(
        "--enable-autocommit",
        action="store_true",
        help="Enable offset auto-commit on consumer (default: false)",
    )
    parser.add_argument(
        "--reset-policy",
        metavar="RESETPOLICY",
        default="earliest",
        help="Set reset policy (must be either 'earliest', 'latest', or 'none' (default: earliest)",
    )
    parser.add_argument(
        "--assignment-strategy",
        metavar="ASSIGNMENTSTRATEGY",
        default=f"{ASSIGNORS}RangeAssignor",
        help=f"Set assignment strategy (e.g. {ASSIGNORS}RoundRobinAssignor); only used if the group protocol "
        f"is CLASSIC (default: {ASSIGNORS}RangeAssignor)",
    )
    parser.add_argument(
        "--consumer.config",
        metavar="CONFIG_FILE",
        help="Consumer config properties file (config options shared with command line parameters will be "
        "overridden).",
    )


def settings_of(options: argparse.Namespace) -> dict[str, str]:
    """VerifiableConsumer.createFromArgs; a member under the new protocol has its session from the broker."""
    settings: dict[str, str] = {}
    path = getattr(options, "consumer.config")
    if path is not None:
        from commitlog.config import properties

        settings.update(properties.load(path))
    if options.group_protocol.lower() == "consumer":
        settings["group.protocol"] = "consumer"
        if options.group_remote_assignor is not None:
            settings["group.remote.assignor"] = options.group_remote_assignor
    else:
        settings["partition.assignment.strategy"] = options.assignment_strategy
        settings["session.timeout.ms"] = str(options.session_timeout)
    if options.group_instance_id is not None:
        settings["group.instance.id"] = options.group_instance_id
    settings.setdefault("allow.auto.create.topics", "true")
    settings.setdefault("client.id", f"consumer-{options.group_id}-1")
    return settings | {
        "group.id": options.group_id,
        "bootstrap.servers": options.servers,
        "enable.auto.commit": "true" if options.enable_autocommit else "false",
        "auto.offset.reset": options.reset_policy,
    }
