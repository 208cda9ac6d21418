# SPDX-License-Identifier: Apache-2.0
"""Run teardown.yml in a terminal of its own, as a person does, and type a name when it asks.

type_name.py NAME COMMAND...        its output and its exit status are the command's
"""

from __future__ import annotations

import os
import pty
import sys
import threading

PROMPT = b"Type its name to go on"
AGAIN_S = 2.0


def main() -> None:
    name, *command = sys.argv[1:]
    seen = b""

    def type_it(descriptor: int) -> None:
        """Again and again: what comes between the prompt and the moment at which it listens is thrown away."""
        try:
            os.write(descriptor, name.encode() + b"\r")
        except OSError:
            return  # it has ended
        again = threading.Timer(AGAIN_S, type_it, [descriptor])
        again.daemon = True
        again.start()

    def read(descriptor: int) -> bytes:
        nonlocal seen
        data = os.read(descriptor, 4096)
        before, seen = PROMPT in seen, seen + data
        if not before and PROMPT in seen:
            type_it(descriptor)
        return data

    sys.exit(os.waitstatus_to_exitcode(pty.spawn(command, read)))


main()
