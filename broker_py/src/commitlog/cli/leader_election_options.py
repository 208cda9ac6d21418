# SPDX-License-Identifier: Apache-2.0
"""The options of kafka-leader-election.sh (LeaderElectionCommandOptions)."""

from __future__ import annotations

from collections.abc import Mapping

from commitlog.cli.jopt import Option

SUMMARY = (
    "This tool attempts to elect a new leader for a set of topic partitions. The type of "
    "elections supported are preferred replicas and unclean replicas."
)

OPTIONS: Mapping[str, Option] = {
    "admin.config": Option(
        "Configuration properties files to pass to the admin client", "String: config file"
    ),
    "all-topic-partitions": Option(
        "Perform election on all of the eligible topic partitions based on the type of election "
        "(see the --election-type flag). Not allowed if --topic or --path-to-json-file is "
        "specified."
    ),
    "bootstrap-server": Option(
        "A hostname and port for the broker to connect to, in the form host:port. Multiple comma "
        "separated URLs can be given. REQUIRED.",
        "String: host:port",
    ),
    "election-type": Option(
        'Type of election to attempt. Possible values are "preferred" for preferred leader '
        'election or "unclean" for unclean leader election. If preferred election is selection, '
        "the election is only performed if the current leader is not the preferred leader for the "
        "topic partition. If unclean election is selected, the election is only performed if there "
        "are no leader for the topic partition. REQUIRED.",
        "[PREFERRED,UNCLEAN]: election type",
    ),
    "help": Option("Print usage information."),
    "partition": Option(
        "Partition id for which to perform an election. REQUIRED if --topic is specified.",
        "Integer: partition id",
        whole_number=True,
    ),
    "path-to-json-file": Option(
        "The JSON file with the list  of partition for which leader elections should be performed. "
        'This is an example format. \n{"partitions":\n\t[{"topic": "foo", "partition": 1},\n\t '
        '{"topic": "foobar", "partition": 2}]\n}\nNot allowed if --all-topic-partitions or --topic '
        "flags are specified.",
        "String: Path to JSON file",
    ),
    "topic": Option(
        "Name of topic for which to perform an election. Not allowed if --path-to-json-file or "
        "--all-topic-partitions is specified.",
        "String: topic name",
    ),
    "version": Option("Display Kafka version."),
}
