# SPDX-License-Identifier: Apache-2.0
"""kafka-cluster.sh: the id of a cluster (Kafka's `ClusterTool`)."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from commitlog.cli import argparse4j, terminal
from commitlog.cli.argparse4j import Parser, whole_number

BROKERS_HELP = "A list of host/port pairs to use for establishing the connection to the Kafka cluster."
CONTROLLERS_HELP = (
    "A list of host/port pairs to use for establishing the connection to the KRaft controllers."
)


def main(arguments: Sequence[str] | None = None) -> int:
    command = terminal.guarded(_main, failed=terminal.say_as_java())
    return terminal.run(argparse4j.call(command), arguments, help_text=None)


def _main(words: list[str]) -> int:
    options = make_parser().read(words)
    if options.bootstrap_server is None:
        print(
            "--bootstrap-controller asks a KRaft controller, and a cluster with ZooKeeper has none",
            file=sys.stderr,
        )
        return 1

    import asyncio

    asyncio.run(_run(options))
    return 0


def make_parser() -> Parser:
    parser = Parser(prog="kafka-cluster", description="The Kafka cluster tool.")
    commands = parser.add_subparsers(dest="command", metavar="{cluster-id,unregister}", required=True)
    for name, text in (
        ("cluster-id", "Get information about the ID of a cluster."),
        ("unregister", "Unregister a broker."),
    ):
        made = commands.add_parser(name, help=text, prog=f"kafka-cluster {name}")
        servers = made.add_mutually_exclusive_group(required=True)
        servers.add_argument("--bootstrap-server", "-b", help=BROKERS_HELP)
        servers.add_argument("--bootstrap-controller", "-C", help=CONTROLLERS_HELP)
        made.add_argument(
            "--config", "-c", help="A property file containing configurations for the Admin client."
        )
        if name == "unregister":
            made.add_argument(
                "--id",
                "-i",
                type=whole_number("Integer"),
                required=True,
                help="The ID of the broker to unregister.",
            )
    return parser


async def _run(options: argparse.Namespace) -> None:
    from commitlog.cli.admin import connected

    async with connected(options.bootstrap_server, options.config) as admin:
        cluster_id = (await admin.metadata()).cluster_id
    if options.command == "unregister":
        # Only KRaft controllers know UnregisterBroker; a broker here goes when its session ends.
        print("The target cluster does not support the broker unregistration API.")
    elif cluster_id is None:
        print("No cluster ID found. The Kafka version is probably too old.")
    else:
        print(f"Cluster ID: {cluster_id}")


if __name__ == "__main__":
    sys.exit(main())
