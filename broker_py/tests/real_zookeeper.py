# SPDX-License-Identifier: Apache-2.0
"""A real Apache ZooKeeper as a child process, on a loopback port that the system chose.

Debian's jars (libzookeeper-java) or those named by ZOOKEEPER_CLASSPATH. Tests that use it carry the marker
`zookeeper` and are skipped, with the reason, where the jars or a JRE are missing.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

DEBIAN_JARS = ("/usr/share/java/zookeeper.jar", "/usr/share/java/slf4j-simple.jar")
START_TIMEOUT_S = 60.0


def missing() -> str | None:
    """Why no ZooKeeper can be started here; None when it can."""
    if shutil.which("java") is None:
        return "no java on the path (install default-jre-headless)"
    if "ZOOKEEPER_CLASSPATH" in os.environ:
        return None
    absent = [jar for jar in DEBIAN_JARS if not Path(jar).exists()]
    return f"{', '.join(absent)} missing (install libzookeeper-java libslf4j-java)" if absent else None


def free_port() -> int:
    """A port that nobody listens on. ZooKeeper cannot say which port it got for 0, so it has to be told."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _netty() -> list[str]:
    """What a ZooKeeper with TLS needs besides."""
    return sorted(str(jar) for jar in Path("/usr/share/java").glob("netty-*.jar") if not jar.is_symlink())


class ZooKeeperProcess:
    """Started by the constructor, which returns once the server answers. `stop` and `start` keep the data."""

    def __init__(
        self,
        tmp_path: Path,
        *,
        tick_ms: int = 500,
        port: int | None = None,
        settings: Mapping[str, str] | None = None,
        options: Sequence[str] = (),
    ) -> None:
        """``settings`` are further lines of zoo.cfg, ``options`` the JVM's."""
        self.directory = tmp_path / "zookeeper"
        self.directory.mkdir(parents=True, exist_ok=True)
        self.port = port or free_port()
        self.log_path = self.directory / "zookeeper.log"
        self._config = self.directory / "zoo.cfg"
        self._config.write_text(
            f"dataDir={self.directory / 'data'}\n"
            f"clientPort={self.port}\nclientPortAddress=127.0.0.1\ntickTime={tick_ms}\n"
            "maxClientCnxns=0\nadmin.enableServer=false\n4lw.commands.whitelist=ruok,srvr\n"
            + "".join(f"{name}={value}\n" for name, value in (settings or {}).items())
        )
        self._options = list(options)
        self._process: subprocess.Popen[bytes] | None = None
        self.start()

    @property
    def connect_string(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        jars = os.environ.get("ZOOKEEPER_CLASSPATH", ":".join((*DEBIAN_JARS, *_netty())))
        command = [
            "java",
            "-Xmx128m",
            "-XX:+UseSerialGC",
            "-XX:TieredStopAtLevel=1",
            *self._options,
            "-cp",
            jars,
        ]
        command += ["org.apache.zookeeper.server.quorum.QuorumPeerMain", str(self._config)]
        with self.log_path.open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log, cwd=self.directory)
        deadline = time.monotonic() + START_TIMEOUT_S
        while "Mode:" not in self.four_letter_word("srvr"):
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.kill()
                raise RuntimeError(f"ZooKeeper did not start:\n{self.log_path.read_text()[-3000:]}")
            time.sleep(0.05)

    def four_letter_word(self, word: str) -> str:
        """The answer to ruok, srvr, ...; "" when nobody answers."""
        with (
            contextlib.suppress(OSError),
            socket.create_connection(("127.0.0.1", self.port), timeout=2) as connection,
        ):
            connection.sendall(word.encode())
            answer = b""
            while chunk := connection.recv(4096):
                answer += chunk
            return answer.decode()
        return ""

    def pause(self) -> None:
        """Stop the process where it stands: connections stay open, nothing is answered."""
        os.kill(self.pid, signal.SIGSTOP)

    def resume(self) -> None:
        os.kill(self.pid, signal.SIGCONT)

    def stop(self) -> None:
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        self._end(signal.SIGKILL)

    def _end(self, number: int) -> None:
        if self._process is None:
            return
        self._process.send_signal(number)
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(20)
        self._process = None
