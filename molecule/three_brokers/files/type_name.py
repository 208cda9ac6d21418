# SPDX-License-Identifier: Apache-2.0
"""Run teardown.yml in a terminal of its own, as a person does, and type a name when it asks.

type_name.py NAME COMMAND...        its output and its exit status are the command's
"""

from __future__ import annotations

import os
import pty
import sys

PROMPT = b"Type its name to go on"


def main() -> None:
    name, *command = sys.argv[1:]
    seen = b""

    def read(descriptor: int) -> bytes:
        nonlocal seen
        data = os.read(descriptor, 4096)
        before, seen = PROMPT in seen, seen + data
        if not before and PROMPT in seen:
            os.write(descriptor, name.encode() + b"\r")
        return data

    sys.exit(os.waitstatus_to_exitcode(pty.spawn(command, read)))


main()
