# SPDX-License-Identifier: Apache-2.0
"""kafka-server-stop.sh: ask every broker of this machine to stop, by controlled shutdown (SIGTERM, or
SIGNAL)."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from commitlog.cli import terminal
from commitlog.cli.processes import is_broker, stop_all

HELP = """USAGE: kafka-server-stop.sh

Sends SIGTERM (or the signal that the environment variable SIGNAL names) to every broker on this machine that
may be signalled, and does not wait for its end."""


def main(arguments: Sequence[str] | None = None) -> int:
    return terminal.run(lambda _: stop_all(is_broker, "kafka"), arguments, help_text=lambda: HELP)


if __name__ == "__main__":
    sys.exit(main())
