# SPDX-License-Identifier: Apache-2.0
"""kafka-server-start.sh: run a broker (Kafka's script of that name, kafka-run-class.sh's -daemon and
kafka.Kafka)."""

from __future__ import annotations

import asyncio
import gc
import logging
import logging.handlers
import os
import random
import resource
import signal
import sys
from collections.abc import Coroutine, Sequence
from pathlib import Path
from typing import Any

from commitlog.cli import terminal
from commitlog.cli.processes import go_to_background, log_dir
from commitlog.config.broker import BrokerConfig
from commitlog.config.properties import ConfigError
from commitlog.coordination.kazoo_client import KazooCoordination
from commitlog.coordination.zookeeper_security import ZooKeeperSecurity
from commitlog.security.zookeeper import zookeeper_security
from commitlog.server.broker import Broker
from commitlog.server.clock import now_ms
from commitlog.server.errors import StartupError
from commitlog.server.notify import notify
from commitlog.storage.disk import LocalDisk

log = logging.getLogger("commitlog.server.start")

USAGE = "USAGE: kafka-server-start.sh [-daemon] server.properties [--override property=value]*"
HELP = f"""{USAGE}

Starts a broker with the settings of a properties file. It logs to standard output and to server.log in
LOG_DIR (default: logs/ of the installation), and stops by controlled shutdown on SIGTERM or SIGINT.

  -daemon              run in the background; output goes to LOG_DIR/kafkaServer.out
  --override key=value a setting that takes precedence over the file, may be repeated
  --version            print the version and exit
  --help               print this and exit

Environment: LOG_DIR; KAFKA_HOME, the installation (default: the directory above this script's bin/);
COMMITLOG_LOG, log levels such as "DEBUG" or "commitlog.server.request=DEBUG,commitlog.replication=DEBUG"."""
LOG_FILES_KEPT = 7 * 24
"""server.log is rolled hourly, as Kafka's log4j.properties does it."""
READY_TIMEOUT_MS = 30_000
GC_THRESHOLDS = (20_000, 20, 50)
"""Young collections are rarer than Python's default: requests make garbage that dies without the
collector."""


class Usage(Exception):
    """The command line cannot be used; the text says why."""


def parse_arguments(arguments: Sequence[str]) -> tuple[bool, str, list[str]]:
    """(daemon, properties file, overrides)."""
    rest = list(arguments)
    daemon = bool(rest) and rest[0] == "-daemon"
    if daemon:
        del rest[0]
    if not rest:
        raise Usage(USAGE)
    path = rest.pop(0)
    if path.startswith("-"):
        raise Usage(f"{path} stands where the properties file is expected\n{USAGE}")
    overrides: list[str] = []
    while rest:
        option = rest.pop(0)
        name, separator, value = option.partition("=")
        if option == "--override" and rest:
            overrides.append(rest.pop(0))
        elif name == "--override" and separator:
            overrides.append(value)
        elif option == "--override":
            raise Usage(f"Option override ['override'] requires an argument\n{USAGE}")
        else:
            raise Usage(f"Found non argument parameters: {option}\n{USAGE}")
    return daemon, path, overrides


class _Formatter(logging.Formatter):
    """log4j's "[%d] %p %m (%c)" with log4j's level names."""

    _LEVELS = {"WARNING": "WARN", "CRITICAL": "FATAL"}

    def __init__(self) -> None:
        super().__init__("[%(asctime)s] %(level)s %(message)s (%(name)s)")

    def format(self, record: logging.LogRecord) -> str:
        record.level = self._LEVELS.get(record.levelname, record.levelname)
        return super().format(record)


def _log_denials_apart(directory: Path) -> None:
    """kafka-authorizer.log, as Kafka's log4j.properties has it: a line per attempt that was denied."""
    file = logging.handlers.TimedRotatingFileHandler(
        directory / "kafka-authorizer.log", when="H", backupCount=LOG_FILES_KEPT, encoding="utf-8", delay=True
    )
    file.suffix = "%Y-%m-%d-%H"
    file.setFormatter(_Formatter())
    authorizer = logging.getLogger("kafka.authorizer.logger")
    authorizer.addHandler(file)
    authorizer.propagate = False


def configure_logging() -> None:
    """Standard output, and server.log where that can be written."""
    root = logging.getLogger()
    root.setLevel(logging.INFO)
    logging.getLogger("kazoo").setLevel(logging.WARNING)
    console = logging.StreamHandler(sys.stdout)
    console.setFormatter(_Formatter())
    console.addFilter(lambda record: not getattr(record, "on_stderr", False))
    root.addHandler(console)
    directory = log_dir()
    try:
        directory.mkdir(parents=True, exist_ok=True)
        file = logging.handlers.TimedRotatingFileHandler(
            directory / "server.log", when="H", backupCount=LOG_FILES_KEPT, encoding="utf-8"
        )
    except OSError as error:
        log.warning("No server.log: %s: %s", directory, error.strerror)
    else:
        file.suffix = "%Y-%m-%d-%H"
        file.setFormatter(_Formatter())
        root.addHandler(file)
        _log_denials_apart(directory)
    for item in filter(None, os.environ.get("COMMITLOG_LOG", "").split(",")):
        name, _, level = item.rpartition("=")
        if level.upper() in logging.getLevelNamesMapping():
            logging.getLogger(name or None).setLevel(level.upper())
        else:
            log.warning("COMMITLOG_LOG: %s names no log level", item)


def fail(message: str) -> int:
    """One line on standard error and in server.log; the exit status."""
    log.critical("%s", message, extra={"on_stderr": True})
    print(message, file=sys.stderr)
    return 1


def raise_file_limit() -> None:
    """A broker holds every segment open: take what the hard limit allows."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


async def tell_ready(broker: Broker) -> None:
    """Ready for clients means more than serving: the broker knows the cluster that it tells them of."""
    if not await broker.wait_known(READY_TIMEOUT_MS):
        log.warning("No controller has told this broker of the cluster yet")
    notify("READY=1")


async def serve(config: BrokerConfig, security: ZooKeeperSecurity) -> int:
    """Run one broker until a signal, or until it cannot go on; the exit status."""
    loop = asyncio.get_running_loop()
    asked_to_stop = asyncio.Event()

    def stop(number: signal.Signals) -> None:
        log.info("Terminating process due to signal %s", number.name)
        asked_to_stop.set()

    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:  # nohup and -daemon ignore SIGHUP
            loop.add_signal_handler(number, stop, number)
    coordination = KazooCoordination(
        config.zookeeper_connect or "",
        session_timeout_ms=config.zookeeper_session_timeout_ms,
        connection_timeout_ms=config.zookeeper_connection_timeout_ms,
        security=security,
    )
    broker = Broker(config, disk=LocalDisk(), coordination=coordination, now_ms=now_ms, rng=random.Random())
    stopping = loop.create_task(asked_to_stop.wait())
    starting = loop.create_task(broker.start())
    await asyncio.wait({starting, stopping}, return_when=asyncio.FIRST_COMPLETED)
    if not starting.done():
        starting.cancel()
        await asyncio.gather(starting, return_exceptions=True)
        return 0
    await starting
    gc.collect()
    gc.freeze()
    readying = loop.create_task(tell_ready(broker))
    failing = loop.create_task(broker.failed.wait())
    await asyncio.wait({failing, stopping}, return_when=asyncio.FIRST_COMPLETED)
    notify("STOPPING=1")
    failed = failing.done()
    failing.cancel()
    readying.cancel()
    await broker.stop()
    return 1 if failed else 0


def run(main: Coroutine[Any, Any, int]) -> int:
    """Run on uvloop; without it on asyncio's own loop, and say so."""
    try:
        import uvloop
    except ImportError:
        log.warning("uvloop is not installed: asyncio's own event loop is used, which is slower")
        return asyncio.run(main)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(main)


def main(arguments: Sequence[str] | None = None) -> int:
    return terminal.run(start, arguments, help_text=None)


def start(arguments: Sequence[str]) -> int:
    """Run a broker to its end; the exit status. As to Kafka's, --help is a mistake."""
    if "--help" in arguments:
        print(HELP, file=sys.stderr)
        return 1
    if "--version" in arguments:
        print(terminal.version_text())
        return 0
    try:
        daemon, path, overrides = parse_arguments(arguments)
        config = BrokerConfig.from_file(path, overrides)
        security = zookeeper_security(config.properties_in_force().get, config.source)
        if daemon:
            go_to_background(log_dir() / "kafkaServer.out")
    except (Usage, ConfigError) as error:
        print(error, file=sys.stderr)
        return 1
    except OSError as error:
        print(f"{error.filename}: {error.strerror}", file=sys.stderr)
        return 1
    configure_logging()
    for warning in config.warnings:
        log.warning("%s", warning)
    raise_file_limit()
    gc.set_threshold(*GC_THRESHOLDS)
    try:
        return run(serve(config, security))
    except StartupError as error:
        return fail(str(error))
    except Exception:
        log.critical("Exiting Kafka due to fatal exception", exc_info=True)
        return fail("Exiting Kafka due to fatal exception, the log has its stack trace")
    finally:
        logging.shutdown()


if __name__ == "__main__":
    sys.exit(main())
