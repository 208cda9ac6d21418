# SPDX-License-Identifier: Apache-2.0
"""Run a command until its output has a text for the given time, kill it and all that it started, and say what it had put out.

interrupted.py TEXT TIMES COMMAND...        exit status 1 when the command ended before
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys


def main() -> None:
    text, times, command = sys.argv[1], int(sys.argv[2]), sys.argv[3:]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    with subprocess.Popen(command, start_new_session=True, **pipes) as running:
        assert running.stdout is not None
        for line in running.stdout:
            print(line, end="")
            times -= text in line
            if times == 0:
                os.killpg(running.pid, signal.SIGKILL)
                break
    if times > 0:
        sys.exit(f"'{text}' did not come {times} more time(s) before the command ended with status {running.returncode}")


main()
