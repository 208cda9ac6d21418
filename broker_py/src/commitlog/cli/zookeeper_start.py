# SPDX-License-Identifier: Apache-2.0
"""zookeeper-server-start.sh: run Apache ZooKeeper (Kafka's script of that name and what kafka-run-class.sh
does for it).

ZooKeeper itself is not part of this project: the jars are those of ZOOKEEPER_HOME (an unpacked Apache
tarball), of libs/zookeeper in the installation, or of Debian's libzookeeper-java, in this order. The Python
process becomes the JVM, so that a service manager's signals reach it.
"""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from commitlog.cli import terminal
from commitlog.cli.processes import JAVA_ZOOKEEPER, go_to_background, kafka_home, log_dir
from commitlog.config import properties
from commitlog.config.properties import ConfigError

USAGE = "USAGE: zookeeper-server-start.sh [-daemon] zookeeper.properties"
HELP = f"""{USAGE}

Runs Apache ZooKeeper with the settings of a properties file.

  -daemon   run in the background; output goes to LOG_DIR/zookeeper.out
  --help    print this and exit

Environment: ZOOKEEPER_HOME, an unpacked Apache ZooKeeper (default: libs/zookeeper of the installation, then
Debian's libzookeeper-java); JAVA_HOME; KAFKA_HEAP_OPTS (default: -Xmx512M -Xms512M); KAFKA_OPTS;
KAFKA_JVM_PERFORMANCE_OPTS; LOG_DIR; KAFKA_HOME, the installation (default: the directory above this
script's bin/)."""
DEFAULT_HEAP = "-Xmx512M -Xms512M"
DEFAULT_PERFORMANCE = "-server -XX:+UseSerialGC -Djava.awt.headless=true"
DEBIAN_JARS = ("zookeeper.jar", "slf4j-simple.jar")


class StartError(Exception):
    """ZooKeeper cannot be started; the text is the one line to show."""


def find_java(environment: Mapping[str, str]) -> str:
    """JAVA_HOME's java, else the one on the path."""
    home = environment.get("JAVA_HOME")
    if home:
        java = Path(home, "bin", "java")
        if not java.exists():
            raise StartError(f"JAVA_HOME={home}: there is no bin/java in it")
        return str(java)
    found = shutil.which("java", path=environment.get("PATH"))
    if found is None:
        raise StartError("No java: install a JRE (Debian: default-jre-headless) or set JAVA_HOME")
    return found


def find_classpath(
    environment: Mapping[str, str], home: Path, *, debian: Path = Path("/usr/share/java")
) -> list[str]:
    """Jars of ZooKeeper, with the directory of its logging settings first where it has one."""
    configured = environment.get("ZOOKEEPER_HOME")
    for root in [Path(configured)] if configured else [home / "libs" / "zookeeper"]:
        jars = sorted([*root.glob("*.jar"), *root.glob("lib/*.jar")])
        if any(jar.name.startswith("zookeeper-") for jar in jars):
            conf = root / "conf"
            return [*([str(conf)] if conf.is_dir() else []), *map(str, jars)]
        if configured:
            raise StartError(f"ZOOKEEPER_HOME={configured}: there is no zookeeper-*.jar in it or in its lib/")
    found = [debian / name for name in DEBIAN_JARS]
    if all(jar.exists() for jar in found):
        return [str(jar) for jar in found]
    raise StartError(
        "No ZooKeeper: install libzookeeper-java (Debian), or set ZOOKEEPER_HOME to an unpacked Apache "
        "ZooKeeper"
    )


def check_settings(path: Path) -> None:
    """Refuse, in one line, what QuorumPeerMain would refuse with a stack trace."""
    settings = properties.load(path)
    data_dir = settings.get("dataDir", "").strip()
    if not data_dir:
        raise StartError(f"{path}: dataDir is not set")
    for name in ("clientPort", "secureClientPort"):
        port = settings.get(name, "2181").strip()
        if not port.isdecimal() or int(port) > 65535:
            raise StartError(f"{path}: {name}={port} must be a port number")
    try:
        Path(data_dir).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StartError(f"{path}: dataDir={data_dir} cannot be made: {error.strerror}") from None


def java_command(environment: Mapping[str, str], home: Path, settings: str) -> list[str]:
    """The command line of the JVM."""
    words = [find_java(environment)]
    words += shlex.split(environment.get("KAFKA_HEAP_OPTS") or DEFAULT_HEAP)
    words += shlex.split(environment.get("KAFKA_JVM_PERFORMANCE_OPTS") or DEFAULT_PERFORMANCE)
    words += [f"-Dzookeeper.log.dir={log_dir()}", "-Dzookeeper.jmx.log4j.disable=true"]
    words += shlex.split(environment.get("KAFKA_OPTS") or "")
    return [*words, "-cp", ":".join(find_classpath(environment, home)), JAVA_ZOOKEEPER, settings]


def main(arguments: Sequence[str] | None = None) -> int:
    return terminal.run(start, arguments, help_text=lambda: HELP)


def start(arguments: Sequence[str]) -> int:
    """Become ZooKeeper; the exit status when that cannot be."""
    rest = list(arguments)
    daemon = rest[:1] == ["-daemon"]
    if daemon:
        del rest[0]
    if len(rest) != 1 or rest[0].startswith("-"):
        print(USAGE, file=sys.stderr)
        return 1
    try:
        check_settings(Path(rest[0]))
        command = java_command(os.environ, kafka_home(), rest[0])
        if daemon:
            go_to_background(log_dir() / "zookeeper.out")
        sys.stdout.flush()
        os.execv(command[0], command)
    except (StartError, ConfigError) as error:
        print(error, file=sys.stderr)
    except OSError as error:
        print(f"{error.filename or rest[0]}: {error.strerror}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
