# SPDX-License-Identifier: Apache-2.0
"""The options of kafka-broker-api-versions.sh."""

from __future__ import annotations

from collections.abc import Mapping

from commitlog.cli.jopt import Option

SUMMARY = "This tool helps to retrieve broker version information."

OPTIONS: Mapping[str, Option] = {
    "bootstrap-server": Option(
        "REQUIRED: The server to connect to.", "String: server(s) to use for bootstrapping"
    ),
    "command-config": Option(
        "A property file containing configs to be passed to Admin Client.",
        "String: command config property file",
    ),
    "help": Option("Print usage information."),
    "version": Option("Display Kafka version."),
}
