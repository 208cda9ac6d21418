# SPDX-License-Identifier: Apache-2.0
"""What every command has in common towards the shell that called it: --help, --version, Ctrl-C, and a reader
of its output that is gone (`kafka-topics.sh --list | head -1`). None of them shows a stack trace."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Sequence

from commitlog import __version__

KAFKA_VERSION = "3.9.0"


def run(
    command: Callable[[list[str]], int], arguments: Sequence[str] | None, *, help_text: Callable[[], str]
) -> int:
    """Run a command with its arguments (None: those of the process); the exit status."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    try:
        status = _run(command, words, help_text)
        if sys.stdout is not None:
            sys.stdout.flush()
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    except BrokenPipeError:
        _forget_output()
        return 128 + signal.SIGPIPE
    return status


def _run(command: Callable[[list[str]], int], words: list[str], help_text: Callable[[], str]) -> int:
    if "--help" in words:
        print(help_text())
        return 0
    if "--version" in words:
        print(f"{KAFKA_VERSION} (commitlog {__version__})")
        return 0
    return command(words)


def _forget_output() -> None:
    """What is still buffered has nowhere to go: without this, Python complains of its flush at exit."""
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, sys.stdout.fileno())
    os.close(null)
