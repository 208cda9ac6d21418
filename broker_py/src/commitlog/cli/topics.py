# SPDX-License-Identifier: Apache-2.0
"""kafka-topics.sh: create, list, describe, alter and delete topics (Kafka's `TopicCommand`).

With --bootstrap-server it asks the brokers and prints what Kafka 3.9 prints; with --zookeeper it writes and
reads znodes and prints what Kafka 0.8 printed. What cannot be understood is told on standard error, as
Kafka does; what goes wrong then is one line on standard output, as Kafka does; and the exit status is 1.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from commitlog.cli import terminal
from commitlog.cli.topics_options import (
    OPTIONS,
    SUMMARY,
    TopicCommand,
    check_values,
    options_with_names,
    parse_command,
)


def main(arguments: Sequence[str] | None = None) -> int:
    return terminal.run_tool(
        lambda parsed: _run(parse_command(parsed)),
        arguments,
        summary=SUMMARY,
        options=OPTIONS,
        bare="Create, delete, describe, or change a topic.",
        shown=options_with_names,
    )


def _run(command: TopicCommand) -> int:
    """Each way has its own imports, so that the tool starts quickly."""
    import asyncio
    import logging

    from commitlog.cli.jopt import ArgumentError
    from commitlog.cli.topics_errors import FAILURES, one_line

    # What the client libraries log on the way is not for people at a terminal: they get the one line below.
    logging.getLogger("commitlog").addHandler(logging.NullHandler())
    try:
        check_values(command)
        if command.zookeeper is not None:
            from commitlog.cli.topics_zookeeper import run_with_zookeeper

            asyncio.run(run_with_zookeeper(command, command.zookeeper))
        else:
            from commitlog.cli.topics_bootstrap import run_with_brokers

            asyncio.run(run_with_brokers(command))
    except BrokenPipeError:
        raise  # the reader of our output is gone; connections fail with other errors
    except (ArgumentError, *FAILURES) as error:
        print(f"Error while executing topic command : {one_line(error)}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
