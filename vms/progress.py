# SPDX-License-Identifier: Apache-2.0
"""Run the long steps of a make target so that a person sees which one runs, that it lives, and why it failed.

Standard library only, since it runs before anything is installed.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
import time
from pathlib import Path

HEARTBEAT_S = 10
LAST_LINES = 40
COLOURS = re.compile(r"\x1b\[[0-9;]*m")


class StepFailedError(Exception):
    """A step ended with another status than 0; its output was shown."""


def last_sign(lines: list[str]) -> str:
    """What a step is at: the last task of a playbook, else its last line."""
    return next((line for line in reversed(lines) if "TASK [" in line), next(filter(None, reversed(lines)), ""))


def reasons(lines: list[str]) -> list[str]:
    """What a playbook says went wrong, without the frame that Ansible puts around it."""
    texts = [COLOURS.sub("", line) for line in lines if "[ERROR]: " in line]
    return [re.sub(r"^\[ERROR\]: (Task failed: )?((Action|Module) failed: )?", "", text) for text in texts]


class Steps:
    """The steps of one target, counted."""

    def __init__(self, total: int, log_directory: Path) -> None:
        self._total = total
        self._number = 0
        self._log_directory = log_directory
        self._started = time.monotonic()
        self._said = time.monotonic()
        self._log_directory.mkdir(parents=True, exist_ok=True)

    def expect_another(self) -> None:
        """A step that nobody had counted, such as one that is tried again."""
        self._total += 1

    def say(self, text: str) -> None:
        print(text, flush=True)
        self._said = time.monotonic()

    def elapsed(self) -> str:
        minutes, seconds = divmod(int(time.monotonic() - self._started), 60)
        return f"{minutes}:{seconds:02d}"

    def run(self, title: str, command: list[str], *, show: bool = False, environment: dict[str, str] | None = None) -> str:
        """Run one step and return its output, which is shown as it comes with `show`, else kept in a log and shown when it fails.

        Whenever nothing was said for a while, a line says how long the step has been at what.
        """
        self._number += 1
        head = f"[{self._number}/{self._total}]"
        self.say(f"{head} {title} ({self.elapsed()})")
        log = self._log_directory / f"{self._number}.log"
        lines: list[str] = []
        done = threading.Event()
        started = time.monotonic()

        def heartbeat() -> None:
            while not done.wait(1):
                if time.monotonic() - self._said >= HEARTBEAT_S:
                    at = COLOURS.sub("", last_sign(lines)).strip(" *")
                    self.say(f"{head} ... {int(time.monotonic() - started)} s{': ' + at[:100] if at else ''}")

        watcher = threading.Thread(target=heartbeat, daemon=True)
        with log.open("w") as kept, subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            text=True,
            errors="replace",
            env={**os.environ, **(environment or {})},
        ) as process:
            watcher.start()
            assert process.stdout is not None
            for line in process.stdout:
                kept.write(line)
                lines.append(line.rstrip("\n"))
                if show:
                    self.say(f"({self.elapsed()}) {line.rstrip()}" if line.startswith("PLAY [") else line.rstrip("\n"))
        done.set()
        watcher.join()
        if process.returncode != 0:
            if not show:
                print(*lines[-LAST_LINES:], sep="\n", file=sys.stderr)
            print(f"{head} {title}: failed with status {process.returncode}; all of its output is in {log}", file=sys.stderr)
            print(*reasons(lines), sep="\n", file=sys.stderr)
            raise StepFailedError(title)
        return "\n".join(lines)
