# SPDX-License-Identifier: Apache-2.0
"""The options of kafka-consumer-perf-test.sh (ConsumerPerfOptions)."""

from __future__ import annotations

import os
from collections.abc import Mapping

from commitlog.cli.jopt import Option

SUMMARY = "This tool is used to verify the consumer performance."

OPTIONS: Mapping[str, Option] = {
    "bootstrap-server": Option(
        "REQUIRED unless --broker-list(deprecated) is specified. The server(s) to connect to.",
        "String: server to connect to",
    ),
    "broker-list": Option(
        "DEPRECATED, use --bootstrap-server instead; ignored if --bootstrap-server is specified. "
        "The broker list string in the form HOST1:PORT1,HOST2:PORT2.",
        "String: broker-list",
    ),
    "consumer.config": Option("Consumer config properties file.", "String: config file"),
    "date-format": Option(
        "The date format to use for formatting the time field. See java.text.SimpleDateFormat for options.",
        "String: date format",
        default="yyyy-MM-dd HH:mm:ss:SSS",
    ),
    "fetch-size": Option(
        "The amount of data to fetch in a single request.",
        "Integer: size",
        whole_number=True,
        default="1048576",
    ),
    "from-latest": Option(
        "If the consumer does not already have an established offset to consume from, start with "
        "the latest message present in the log rather than the earliest message."
    ),
    "group": Option(
        "The group id to consume on.", "String: gid", default=f"perf-consumer-{os.getpid() % 100_000}"
    ),
    "help": Option("Print usage information."),
    "hide-header": Option("If set, skips printing the header for the stats"),
    "messages": Option(
        "REQUIRED: The number of messages to send or consume", "Long: count", whole_number=True
    ),
    "num-fetch-threads": Option(
        "DEPRECATED AND IGNORED: Number of fetcher threads.", "Integer: count", whole_number=True, default="1"
    ),
    "print-metrics": Option("Print out the metrics."),
    "reporting-interval": Option(
        "Interval in milliseconds at which to print progress info.",
        "Long: interval_ms",
        whole_number=True,
        default="5000",
    ),
    "show-detailed-stats": Option(
        "If set, stats are reported for each reporting interval as configured by reporting-interval"
    ),
    "socket-buffer-size": Option(
        "The size of the tcp RECV size.", "Integer: size", whole_number=True, default="2097152"
    ),
    "threads": Option(
        "DEPRECATED AND IGNORED: Number of processing threads.",
        "Integer: count",
        whole_number=True,
        default="10",
    ),
    "timeout": Option(
        "The maximum allowed time in milliseconds between returned records.",
        "Long: milliseconds",
        whole_number=True,
        optional=True,
        default="10000",
    ),
    "topic": Option("REQUIRED: The topic to consume from.", "String: topic"),
    "version": Option("Display Kafka version."),
}
