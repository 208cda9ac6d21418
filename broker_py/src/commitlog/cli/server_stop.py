# SPDX-License-Identifier: Apache-2.0
"""kafka-server-stop.sh: ask every broker of this machine to stop, by controlled shutdown (SIGTERM, or
SIGNAL)."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from commitlog.cli.processes import is_broker, stop_all

HELP = """USAGE: kafka-server-stop.sh

Sends SIGTERM (or the signal that the environment variable SIGNAL names) to every broker on this machine that
may be signalled, and does not wait for its end."""


def main(arguments: Sequence[str] | None = None) -> int:
    arguments = sys.argv[1:] if arguments is None else arguments
    if "--help" in arguments:
        print(HELP)
        return 0
    return stop_all(is_broker, "kafka")


if __name__ == "__main__":
    sys.exit(main())
