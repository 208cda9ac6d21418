# SPDX-License-Identifier: Apache-2.0
"""kafka-producer-perf-test.sh: how many records a second, and how late (Kafka's `ProducerPerformance`).

Records are sent by librdkafka, which is told in the Java client's words; what Kafka's tool counts is counted
here, from the call of send to the broker's answer, and printed in its lines.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from commitlog.cli import argparse4j
from commitlog.cli.argparse4j import Parser, whole_number

DESCRIPTION = "This tool is used to verify the producer performance."
ONE_OF = "exactly one of --record-size or --payload-file or --payload-monotonic."


def main(arguments: Sequence[str] | None = None) -> int:
    return argparse4j.run(make_parser, _work, arguments)


def _work(parser: Parser, options: argparse.Namespace) -> int:
    if options.producer_props is None and options.producer_config is None:
        parser.error("Either --producer-props or --producer.config must be specified.")
    from commitlog.cli.producer_performance import run

    run(options)
    return 0


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"could not convert '{text}' to Double (For input string: \"{text}\")"
        ) from None


def make_parser() -> Parser:
    parser = Parser(prog="producer-performance", description=DESCRIPTION)
    parser.add_argument("--topic", metavar="TOPIC", required=True, help="produce messages to this topic")
    parser.add_argument(
        "--num-records",
        metavar="NUM-RECORDS",
        required=True,
        type=whole_number("Long"),
        help="number of messages to produce",
    )
    parser.add_argument(
        "--payload-delimiter",
        metavar="PAYLOAD-DELIMITER",
        default="\\n",
        help="provides delimiter to be used when --payload-file is provided. Defaults to new line. Note "
        "that this "
        "parameter will be ignored if --payload-file is not provided. (default: \\n)",
    )
    parser.add_argument(
        "--throughput",
        metavar="THROUGHPUT",
        required=True,
        type=_number,
        help="throttle maximum message throughput to *approximately* THROUGHPUT messages/sec. Set this to "
        "-1 to "
        "disable throttling.",
    )
    parser.add_argument(
        "--producer-props",
        nargs="+",
        metavar="PROP-NAME=PROP-VALUE",
        help="kafka producer related configuration properties like bootstrap.servers,client.id etc. These "
        "configs "
        "take precedence over those passed via --producer.config.",
    )
    parser.add_argument(
        "--producer.config",
        metavar="CONFIG-FILE",
        dest="producer_config",
        help="producer config properties file.",
    )
    parser.add_argument(
        "--print-metrics",
        action="store_true",
        help="print out metrics at the end of the test. (default: false)",
    )
    _transaction_options(parser)
    _payload_options(parser)
    return parser


def _transaction_options(parser: Parser) -> None:
    parser.add_argument(
        "--transactional-id",
        metavar="TRANSACTIONAL-ID",
        default="performance-producer-default-transactional-id",
        help="The transactionalId to use if transaction-duration-ms is > 0. Useful when testing the "
        "performance of "
        "concurrent transactions. (default: performance-producer-default-transactional-id)",
    )
    parser.add_argument(
        "--transaction-duration-ms",
        metavar="TRANSACTION-DURATION",
        type=whole_number("Long"),
        default=0,
        help="The max age of each transaction. The commitTransaction will be called after this time has "
        "elapsed. "
        "Transactions are only enabled if this value is positive. (default: 0)",
    )


def _payload_options(parser: Parser) -> None:
    shown = parser.add_argument_group(
        description="either --record-size or --payload-file must be specified but not both."
    )
    payload = shown.add_mutually_exclusive_group(required=True)
    payload.add_argument(
        "--record-size",
        metavar="RECORD-SIZE",
        type=whole_number("Integer"),
        help=f"message size in bytes. Note that you must provide {ONE_OF}",
    )
    payload.add_argument(
        "--payload-file",
        metavar="PAYLOAD-FILE",
        help="file to read the message payloads from. This works only for UTF-8 encoded text files. "
        "Payloads will be "
        "read from this file and a payload will be randomly selected when sending messages. Note that you "
        "must "
        f"provide {ONE_OF}",
    )
    payload.add_argument(
        "--payload-monotonic",
        action="store_true",
        help=f"payload is monotonically increasing integer. Note that you must provide {ONE_OF} (default: "
        "false)",
    )


if __name__ == "__main__":
    sys.exit(main())
