# SPDX-License-Identifier: Apache-2.0
"""The options of kafka-log-dirs.sh."""

from __future__ import annotations

from collections.abc import Mapping

from commitlog.cli.jopt import Option

SUMMARY = "This tool helps to query log directory usage on the specified brokers."

OPTIONS: Mapping[str, Option] = {
    "bootstrap-server": Option(
        "REQUIRED: the server(s) to use for bootstrapping", "String: The server(s) to use for bootstrapping"
    ),
    "broker-list": Option(
        'The list of brokers to be queried in the form "0,1,2". All brokers in the cluster will be '
        "queried if no broker list is specified",
        "String: Broker list",
        default="",
    ),
    "command-config": Option(
        "Property file containing configs to be passed to Admin Client.", "String: Admin client property file"
    ),
    "describe": Option("Describe the specified log directories on the specified brokers."),
    "help": Option("Print usage information."),
    "topic-list": Option(
        'The list of topics to be queried in the form "topic1,topic2,topic3". All topics will be '
        "queried if no topic list is specified",
        "String: Topic list",
        default="",
    ),
    "version": Option("Display Kafka version."),
}
