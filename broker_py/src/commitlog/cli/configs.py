# SPDX-License-Identifier: Apache-2.0
"""kafka-configs.sh: what is configured for topics, brokers, loggers, users, clients and addresses (Kafka's
`ConfigCommand`). With --bootstrap-server it asks the brokers; with --zookeeper it writes SCRAM credentials
and broker settings before any broker runs."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from commitlog.cli import terminal
from commitlog.cli.configs_options import OPTIONS, SUMMARY, ConfigCommand, options_with_names
from commitlog.cli.jopt import Parsed


def main(arguments: Sequence[str] | None = None) -> int:
    words = sys.argv[1:] if arguments is None else list(arguments)

    def failed(error: Exception) -> None:
        from commitlog.cli.topics_errors import java_cause

        print(f"Error while executing config command with args '{' '.join(words)}'", file=sys.stderr)
        print(java_cause(error), file=sys.stderr)

    return terminal.run_tool(
        _main, arguments, summary=SUMMARY, options=OPTIONS, shown=options_with_names, failed=failed
    )


def _main(parsed: Parsed) -> int:
    import asyncio

    command = ConfigCommand(parsed)
    if command.zookeeper is not None:
        from commitlog.cli.configs_zookeeper import run_with_zookeeper

        print("Warning: --zookeeper is deprecated and will be removed in a future version of Kafka.")
        print("Use --bootstrap-server instead to specify a broker to connect to.")
        asyncio.run(run_with_zookeeper(command, command.zookeeper))
    else:
        from commitlog.cli.configs_bootstrap import run_with_brokers

        asyncio.run(run_with_brokers(command))
    return 0


if __name__ == "__main__":
    sys.exit(main())
