# SPDX-License-Identifier: Apache-2.0
"""What Kafka's shell scripts do around a process: find it, signal it, start it in the background.

Processes are found in /proc by their command lines, as the scripts find them with ps: a JVM by its main
class, a broker of ours by the script that Python runs. Shells and editors that merely mention the name are
none.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

JAVA_BROKER = "kafka.Kafka"
JAVA_ZOOKEEPER = "org.apache.zookeeper.server.quorum.QuorumPeerMain"
BROKER_SCRIPT = "kafka-server-start.sh"
BROKER_MODULE = "commitlog.cli.server_start"


def kafka_home() -> Path:
    """KAFKA_HOME, else the directory above the bin/ of this command, else the working directory."""
    configured = os.environ.get("KAFKA_HOME")
    if configured:
        return Path(configured)
    script = Path(os.path.abspath(sys.argv[0]))
    return script.parent.parent if script.parent.name == "bin" else Path.cwd()


def log_dir() -> Path:
    configured = os.environ.get("LOG_DIR")
    return Path(configured) if configured else kafka_home() / "logs"


def is_broker(command_line: Sequence[str]) -> bool:
    """A Python broker or a JVM one."""
    program = os.path.basename(command_line[0])
    if program.startswith("java"):
        return JAVA_BROKER in command_line
    if not program.startswith("python"):
        return False
    arguments = command_line[1:4]
    return any(os.path.basename(word) == BROKER_SCRIPT for word in arguments) or BROKER_MODULE in arguments


def is_zookeeper(command_line: Sequence[str]) -> bool:
    """zookeeper-server-stop.sh looks for a java with QuorumPeerMain in its command line."""
    program = os.path.basename(command_line[0])
    return program.startswith("java") and JAVA_ZOOKEEPER in command_line


def find(wanted: Callable[[Sequence[str]], bool], *, proc: Path = Path("/proc")) -> list[int]:
    """Ids of the processes whose command line is wanted, this one left out."""
    found: list[int] = []
    for entry in proc.iterdir():
        if not entry.name.isdecimal() or int(entry.name) == os.getpid():
            continue
        try:
            raw = (entry / "cmdline").read_bytes()
        except OSError:
            continue  # gone meanwhile, or hidden from us
        command_line = [os.fsdecode(word) for word in raw.rstrip(b"\0").split(b"\0")]
        if command_line[0] and wanted(command_line):
            found.append(int(entry.name))
    return sorted(found)


def signal_number() -> signal.Signals | None:
    """SIGNAL of the environment (TERM, SIGTERM or 15; TERM by default); None when there is no such signal."""
    name = os.environ.get("SIGNAL", "TERM")
    if name.isdecimal():
        return signal.Signals(int(name)) if int(name) in signal.valid_signals() else None
    return signal.Signals.__members__.get(f"SIG{name.upper().removeprefix('SIG')}")


def stop_all(wanted: Callable[[Sequence[str]], bool], what: str) -> int:
    """Signal every such process, as the stop scripts do; the exit status."""
    number = signal_number()
    if number is None:
        print(f"SIGNAL={os.environ['SIGNAL']}: no such signal", file=sys.stderr)
        return 1
    found = find(wanted)
    if not found:
        print(f"No {what} server to stop")
        return 1
    status = 0
    for process_id in found:
        try:
            os.kill(process_id, number)
        except ProcessLookupError:
            continue
        except PermissionError:
            print(f"process {process_id} belongs to another user: it was not stopped", file=sys.stderr)
            status = 1
    return status


def go_to_background(output: Path) -> None:
    """As `nohup ... > output 2>&1 < /dev/null &`: the caller's process ends here, the child goes on.

    OSError while there is still somebody to tell: when the output cannot be written.
    """
    output.parent.mkdir(parents=True, exist_ok=True)
    written = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    null = os.open(os.devnull, os.O_RDONLY)
    sys.stdout.flush()
    sys.stderr.flush()
    if os.fork():
        os._exit(0)
    os.setsid()
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    os.dup2(null, 0)
    os.dup2(written, 1)
    os.dup2(written, 2)
