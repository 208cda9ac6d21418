# SPDX-License-Identifier: Apache-2.0
"""The options of kafka-replica-verification.sh (ReplicaVerificationToolOptions)."""

from __future__ import annotations

from collections.abc import Mapping

from commitlog.cli.jopt import Option

SUMMARY = "Validate that all replicas for a set of topics have the same data."

OPTIONS: Mapping[str, Option] = {
    "broker-list": Option(
        "REQUIRED: The list of hostname and port of the server to connect to.",
        "String: hostname:port,...,hostname:port",
    ),
    "fetch-size": Option(
        "The fetch size of each request.", "Integer: bytes", whole_number=True, default="1048576"
    ),
    "help": Option("Print usage information."),
    "max-wait-ms": Option(
        "The max amount of time each fetch request waits.", "Integer: ms", whole_number=True, default="1000"
    ),
    "report-interval-ms": Option("The reporting interval.", "Long: ms", whole_number=True, default="30000"),
    "time": Option(
        "Timestamp for getting the initial offsets.",
        "Long: timestamp/-1(latest)/-2(earliest)",
        whole_number=True,
        default="-1",
    ),
    "topic-white-list": Option(
        "DEPRECATED use --topics-include instead; ignored if --topics-include specified. List of topics to "
        "verify replica consistency.",
        "String: Java regex (String)",
        default=".*",
    ),
    "topics-include": Option(
        "List of topics to verify replica consistency.", "String: Java regex (String)", default=".*"
    ),
    "version": Option("Display Kafka version."),
}
