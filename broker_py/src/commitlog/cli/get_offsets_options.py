# SPDX-License-Identifier: Apache-2.0
"""The options of kafka-get-offsets.sh (GetOffsetShell)."""

from __future__ import annotations

from collections.abc import Mapping

from commitlog.cli.jopt import Option

SUMMARY = "An interactive shell for getting topic-partition offsets."

OPTIONS: Mapping[str, Option] = {
    "bootstrap-server": Option(
        "REQUIRED. The server(s) to connect to in the form HOST1:PORT1,HOST2:PORT2.",
        "String: HOST1:PORT1,...,HOST3:PORT3",
    ),
    "broker-list": Option(
        "DEPRECATED, use --bootstrap-server instead; ignored if --bootstrap-server is specified. "
        "The server(s) to connect to in the form HOST1:PORT1,HOST2:PORT2.",
        "String: HOST1:PORT1,...,HOST3:PORT3",
    ),
    "command-config": Option(
        "Property file containing configs to be passed to Admin Client.", "String: config file"
    ),
    "exclude-internal-topics": Option(
        "By default, internal topics are included. If specified, internal topics are excluded."
    ),
    "help": Option("Print usage information."),
    "partitions": Option(
        "Comma separated list of partition ids to get the offsets for. If not present, all "
        "partitions of the authorized topics are queried. Cannot be used if --topic-partitions is "
        "present.",
        "String: partition ids",
    ),
    "time": Option(
        "timestamp of the offsets before that. [Note: No offset is returned, if the timestamp "
        "greater than recently committed record timestamp is given.]",
        "String: <timestamp> / -1 or latest / -2 or earliest / -3 or max-timestamp / -4 or "
        "earliest-local / -5 or latest-tiered",
        default="latest",
    ),
    "topic": Option(
        "The topic to get the offsets for. It also accepts a regular expression. If not present, "
        "all authorized topics are queried. Cannot be used if --topic-partitions is present.",
        "String: topic",
    ),
    "topic-partitions": Option(
        "Comma separated list of topic-partition patterns to get the offsets for, with the format "
        "of '([^:,]*)(?::(?:([0-9]*)|(?:([0-9]*)-([0-9]*))))?'. The first group is an optional regex for "
        "the topic name, "
        "if omitted, it matches any topic name. The section after ':' describes a 'partition' "
        "pattern, which can be: a number, a range in the format of 'NUMBER-NUMBER' (lower "
        "inclusive, upper exclusive), an inclusive lower bound in the format of 'NUMBER-', an "
        "exclusive upper bound in the format of '-NUMBER' or may be omitted to accept all "
        "partitions.",
        "String: topic1:1,topic2:0-3,topic3,topic4:5-,topic5:-3",
    ),
    "version": Option("Display Kafka version."),
}
