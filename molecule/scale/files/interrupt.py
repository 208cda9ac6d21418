# SPDX-License-Identifier: Apache-2.0
"""Run a command until another one, the question, prints a text; then end it as Ctrl-C does.

interrupt.py TEXT QUESTION COMMAND...        the question is one argument, for a shell; exit status 1 when the command ends before
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys


def main() -> None:
    text, question, *command = sys.argv[1:]
    with subprocess.Popen(command, start_new_session=True) as process:
        while text not in subprocess.run(question, shell=True, capture_output=True, text=True, check=False).stdout:
            try:
                sys.exit(f"it ended with {process.wait(timeout=0.5)} before {question} said: {text}")
            except subprocess.TimeoutExpired:
                continue
        os.killpg(process.pid, signal.SIGINT)
        process.wait(timeout=120)


main()
