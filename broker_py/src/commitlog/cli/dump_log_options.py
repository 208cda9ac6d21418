# SPDX-License-Identifier: Apache-2.0
"""The options of kafka-dump-log.sh (DumpLogSegmentsOptions)."""

from __future__ import annotations

from collections.abc import Mapping

from commitlog.cli.jopt import Option

SUMMARY = (
    "This tool helps to parse a log file and dump its contents to the console, useful for "
    "debugging a seemingly corrupt log segment."
)

OPTIONS: Mapping[str, Option] = {
    "cluster-metadata-decoder": Option("If set, log data will be parsed as cluster metadata records."),
    "deep-iteration": Option(
        "If set, uses deep instead of shallow iteration. Automatically set if print-data-log is enabled."
    ),
    "files": Option(
        "REQUIRED: The comma separated list of data and index log files to be dumped.",
        "String: file1, file2, ...",
    ),
    "help": Option("Print usage information."),
    "index-sanity-check": Option(
        "If set, just checks the index sanity without printing its content. This is the same check "
        "that is executed on broker startup to determine if an index needs rebuilding or not."
    ),
    "key-decoder-class": Option(
        "If set, used to deserialize the keys. This class should implement "
        "org.apache.kafka.tools.api.Decoder trait. Custom jar should be available in kafka/libs "
        "directory.",
        "String",
        optional=True,
        default="org.apache.kafka.tools.api.StringDecoder",
    ),
    "max-bytes": Option(
        "Limit the amount of total batches read in bytes avoiding reading the whole .log file(s).",
        "Integer: size",
        whole_number=True,
        default="2147483647",
    ),
    "max-message-size": Option(
        "Size of largest message.", "Integer: size", whole_number=True, default="5242880"
    ),
    "offsets-decoder": Option(
        "If set, log data will be parsed as offset data from the __consumer_offsets topic."
    ),
    "print-data-log": Option(
        "If set, printing the messages content when dumping data logs. Automatically set if any "
        "decoder option is specified."
    ),
    "remote-log-metadata-decoder": Option(
        "If set, log data will be parsed as TopicBasedRemoteLogMetadataManager (RLMM) metadata "
        "records. Instead, the value-decoder-class option can be used if a custom RLMM "
        "implementation is configured."
    ),
    "skip-record-metadata": Option("Whether to skip printing metadata for each record."),
    "transaction-log-decoder": Option(
        "If set, log data will be parsed as transaction metadata from the __transaction_state topic."
    ),
    "value-decoder-class": Option(
        "If set, used to deserialize the messages. This class should implement "
        "org.apache.kafka.tools.api.Decoder trait. Custom jar should be available in kafka/libs "
        "directory.",
        "String",
        optional=True,
        default="org.apache.kafka.tools.api.StringDecoder",
    ),
    "verify-index-only": Option("If set, just verify the index log without printing its content."),
    "version": Option("Display Kafka version."),
}
