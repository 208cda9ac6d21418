# SPDX-License-Identifier: Apache-2.0
"""The options of kafka-delete-records.sh."""

from __future__ import annotations

from collections.abc import Mapping

from commitlog.cli.jopt import Option

SUMMARY = "This tool helps to delete records of the given partitions down to the specified offset."

OPTIONS: Mapping[str, Option] = {
    "bootstrap-server": Option(
        "REQUIRED: The server to connect to.", "String: server(s) to use for bootstrapping"
    ),
    "command-config": Option(
        "A property file containing configs to be passed to Admin Client.",
        "String: command config property file path",
    ),
    "help": Option("Print usage information."),
    "offset-json-file": Option(
        "REQUIRED: The JSON file with offset per partition. The format to use is:\n"
        '{"partitions":\n  [{"topic": "foo", "partition": 1, "offset": 1}],\n "version":1\n}',
        "String: Offset json file path",
    ),
    "version": Option("Display Kafka version."),
}
