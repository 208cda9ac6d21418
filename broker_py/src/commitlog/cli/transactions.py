# SPDX-License-Identifier: Apache-2.0
"""kafka-transactions.sh: list, describe and abort transactions, find hanging ones (Kafka's
`TransactionsCommand`)."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from commitlog.cli import argparse4j, terminal
from commitlog.cli.argparse4j import Parser, whole_number

DESCRIPTION = (
    "This tool is used to analyze the transactional state of producers in the cluster. It can be used to "
    "detect and "
    "recover from hanging transactions."
)


def main(arguments: Sequence[str] | None = None) -> int:
    command = terminal.guarded(_main, failed=terminal.say_as_java())
    return terminal.run(argparse4j.call(command), arguments, help_text=None)


def _main(words: list[str]) -> int:
    options = make_parser().read(words)

    import asyncio

    from commitlog.cli.transactions_actions import run

    asyncio.run(run(options))
    return 0


def make_parser() -> Parser:
    parser = Parser(prog="kafka-transactions.sh", description=DESCRIPTION)
    parser.version_option("-v", "--version", text="show the version of this Kafka distribution and exit")
    parser.add_argument(
        "--command-config",
        metavar="FILE",
        help="property file containing configs to be passed to admin client",
    )
    parser.add_argument(
        "--bootstrap-server",
        metavar="host:port",
        required=True,
        help="hostname and port for the broker to connect to, in the form `host:port`  (multiple "
        "comma-separated "
        "entries can be given)",
    )
    commands = parser.add_subparsers(dest="command", title="commands", metavar="COMMAND", required=True)
    prefix = "kafka-transactions.sh --bootstrap-server host:port"

    def add(name: str, text: str, description: str | None = None) -> Parser:
        made: Parser = commands.add_parser(name, help=text, description=description, prog=f"{prefix} {name}")
        return made

    _list(add("list", "list transactions"))
    described = "Describe the state of an active transactional-id."
    describe = add("describe", "describe the state of an active transactional-id", described)
    describe.add_argument("--transactional-id", required=True, help="transactional id")
    _describe_producers(
        add("describe-producers", "describe the states of active producers for a topic partition")
    )
    _abort(add("abort", "abort a hanging transaction (requires administrative privileges)"))
    _find_hanging(add("find-hanging", "find hanging transactions"))
    return parser


def _list(parser: Parser) -> None:
    parser.add_argument(
        "--duration-filter",
        type=whole_number("Long"),
        help="Duration (in millis) to filter by: if < 0, all transactions will be returned; otherwise, only "
        "transactions running longer than this duration will be returned",
    )


def _describe_producers(parser: Parser) -> None:
    parser.add_argument(
        "--broker-id",
        type=whole_number("Integer"),
        help="optional broker id to describe the producer state on a specific replica",
    )
    parser.add_argument("--topic", required=True, help="topic name")
    parser.add_argument("--partition", type=whole_number("Integer"), required=True, help="partition number")


def _abort(parser: Parser) -> None:
    parser.add_argument("--topic", required=True, help="topic name")
    parser.add_argument("--partition", type=whole_number("Integer"), required=True, help="partition number")
    newer = parser.add_argument_group(
        "Brokers on versions 3.0 and above",
        "For newer brokers, only the start offset of the transaction to be aborted is required",
    )
    newer.add_argument(
        "--start-offset", type=whole_number("Long"), help="start offset of the transaction to abort"
    )
    older = parser.add_argument_group(
        "Brokers on versions older than 3.0", "For older brokers, you must provide all of these arguments"
    )
    older.add_argument("--producer-id", type=whole_number("Long"), help="producer id")
    older.add_argument("--producer-epoch", type=whole_number("Short"), help="producer epoch")
    older.add_argument("--coordinator-epoch", type=whole_number("Integer"), help="coordinator epoch")


def _find_hanging(parser: Parser) -> None:
    parser.add_argument(
        "--broker-id", type=whole_number("Integer"), help="broker id to search for hanging transactions"
    )
    parser.add_argument(
        "--max-transaction-timeout",
        type=whole_number("Integer"),
        default=15,
        help="maximum transaction timeout in minutes to limit the scope of the search (15 minutes by "
        "default)",
    )
    parser.add_argument(
        "--topic", help="topic name to limit search to (required if --partition is specified)"
    )
    parser.add_argument("--partition", type=whole_number("Integer"), help="partition number")


if __name__ == "__main__":
    sys.exit(main())
