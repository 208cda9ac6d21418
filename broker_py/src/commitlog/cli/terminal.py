# SPDX-License-Identifier: Apache-2.0
"""What every command has in common towards the shell that called it: --help, --version, Ctrl-C, and a reader
of its output that is gone (`kafka-topics.sh --list | head -1`). None of them shows a stack trace."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable, Mapping, Sequence

from commitlog import __version__
from commitlog.cli.jopt import ArgumentError, ConversionError, Option, Parsed, UsageError, help_text, parse

KAFKA_VERSION = "3.9.0"


def run(
    command: Callable[[list[str]], int],
    arguments: Sequence[str] | None,
    *,
    help_text: Callable[[], str] | None,
) -> int:
    """Run a command with its arguments (None: those of the process); the exit status. Without `help_text` the
    command answers --help and --version itself."""
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


def version_text() -> str:
    return f"{KAFKA_VERSION} (commitlog {__version__})"


def run_tool(
    command: Callable[[Parsed], int],
    arguments: Sequence[str] | None,
    *,
    summary: str,
    options: Mapping[str, Option],
    bare: str | None = None,
    shown: Callable[[], Mapping[str, Option]] | None = None,
    misread: Callable[[str], ArgumentError] = ArgumentError,
    failed: Callable[[Exception], None] | None = None,
    failed_status: int = 1,
) -> int:
    """Run a command whose options jopt reads. What goes wrong is said in Kafka's words, with the table of
    options where Kafka's tool shows it (`shown` makes that table where it takes time): for --help, which to
    Kafka is a mistake too, and below `bare` where nothing is asked. `misread` is what comes of options that
    are none; `failed` tells of an error that came after the options, which otherwise is one line, and ends
    with `failed_status`."""

    def table(head: str) -> str:
        return help_text(head, options if shown is None else shown())

    def called(words: list[str]) -> int:
        try:
            if not words:
                raise UsageError(summary if bare is None else bare)
            try:
                parsed = parse(words, options)
            except ConversionError:
                raise
            except ArgumentError as error:
                raise misread(str(error)) from None
            if parsed.has("help"):  # CommandLineUtils.maybePrintHelpOrVersion
                raise UsageError(summary)
            if parsed.has("version"):
                print(version_text())
                return 0
            return command(parsed)
        except UsageError as error:
            print(table(str(error)), file=sys.stderr)
        except ArgumentError as error:
            print(error, file=sys.stderr)
        except BrokenPipeError:
            raise  # the reader of our output is gone; connections fail with other errors
        except Exception as error:
            if (text := _failure(error)) is None:
                raise
            if sys.stdout is not None:
                sys.stdout.flush()
            if failed is not None:
                failed(error)
            else:
                print(text, file=sys.stderr)
            return failed_status
        return 1

    return run(called, arguments, help_text=None)


def guarded(
    command: Callable[[list[str]], int], *, failed: Callable[[Exception], None]
) -> Callable[[list[str]], int]:
    """The command, with what goes wrong on its way told by `failed`, and status 1."""

    def called(words: list[str]) -> int:
        try:
            return command(words)
        except ArgumentError as error:
            print(error, file=sys.stderr)
        except BrokenPipeError:
            raise
        except Exception as error:
            if _failure(error) is None:
                raise
            if sys.stdout is not None:
                sys.stdout.flush()
            failed(error)
        return 1

    return called


def say_as_java(prefix: str = "") -> Callable[[Exception], None]:
    """The line of a failure where Kafka's tool shows the message of a Java exception."""

    def say(error: Exception) -> None:
        from commitlog.cli.topics_errors import java_text

        print(prefix + " ".join(java_text(error).split()), file=sys.stderr)

    return say


def log(level: str, message: str, logger: str) -> None:
    """A line of log as Kafka's tools write it to standard error."""
    print(f"[{log_time()}] {level} {message} ({logger})", file=sys.stderr)


def log_time() -> str:
    """The time of a line of log."""
    at = time.time()
    return f"{time.strftime('%Y-%m-%d %H:%M:%S', time.localtime(at))},{int(at * 1000) % 1000:03d}"


def _failure(error: Exception) -> str | None:
    """The line of an error that is not the tool's own mistake."""
    from commitlog.cli.topics_errors import FAILURES, one_line

    return one_line(error) if isinstance(error, FAILURES) else None


def _run(command: Callable[[list[str]], int], words: list[str], help_text: Callable[[], str] | None) -> int:
    if help_text is None:
        return command(words)
    if "--help" in words:
        print(help_text())
        return 0
    if "--version" in words:
        print(version_text())
        return 0
    return command(words)


def _forget_output() -> None:
    """What is still buffered has nowhere to go: without this, Python complains of its flush at exit."""
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, sys.stdout.fileno())
    os.close(null)
