# SPDX-License-Identifier: Apache-2.0
"""Run a command and kill it, with all that it started, as soon as a host's file has a text; fail if it ends before.

interrupted.py HOST FILE TEXT COMMAND...
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

PERIOD_S = 0.2


def found(host: str, file: str, text: str) -> bool:
    asked = ["docker", "exec", host, "grep", "--quiet", "--fixed-strings", "--", text, file]
    return subprocess.run(asked, check=False, capture_output=True).returncode == 0


def main() -> None:
    host, file, text, *command = sys.argv[1:]
    running = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.STDOUT, start_new_session=True)
    while not found(host, file, text):
        if running.poll() is not None:
            sys.exit(f"it ended with {running.returncode} before it could be interrupted")
        time.sleep(PERIOD_S)
    os.killpg(running.pid, signal.SIGKILL)
    running.wait()


main()
