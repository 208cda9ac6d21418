# SPDX-License-Identifier: Apache-2.0
"""zookeeper-server-stop.sh: ask every ZooKeeper server of this machine to stop (SIGTERM, or SIGNAL)."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from commitlog.cli import terminal
from commitlog.cli.processes import is_zookeeper, stop_all

HELP = """USAGE: zookeeper-server-stop.sh

Sends SIGTERM (or the signal that the environment variable SIGNAL names) to every ZooKeeper server on this
machine that may be signalled, and does not wait for its end."""


def main(arguments: Sequence[str] | None = None) -> int:
    return terminal.run(lambda _: stop_all(is_zookeeper, "zookeeper"), arguments, help_text=lambda: HELP)


if __name__ == "__main__":
    sys.exit(main())
