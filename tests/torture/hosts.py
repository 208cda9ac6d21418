# SPDX-License-Identifier: Apache-2.0
"""The attacked hosts: containers with systemd, a ZooKeeper server and a broker each; and the cluster as ZooKeeper has it."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from kazoo.client import KazooClient
from kazoo.exceptions import KazooException, NoNodeError
from kazoo.handlers.threading import KazooTimeoutError

BROKER_PORT, ZOOKEEPER_PORT = 9092, 2181
COMMAND_TIMEOUT_S = 90
BIN = Path(sys.executable).parent


class Host:
    """One container."""

    def __init__(self, name: str, address: str, broker_id: int, log_dir: str, small: bool) -> None:
        self.name = name
        self.address = address
        self.broker_id = broker_id
        self.log_dir = log_dir
        self.small = small
        """Whether its data are on a small file system in memory: it can be filled, and ends with the container."""

    def __repr__(self) -> str:
        return self.name

    def docker(self, verb: str, *arguments: str) -> None:
        """`docker VERB ... NAME`; CalledProcessError when it fails."""
        command = ["docker", verb, *arguments, self.name]
        subprocess.run(command, check=True, capture_output=True, text=True, timeout=COMMAND_TIMEOUT_S)

    def run(self, script: str, check: bool = True) -> str:
        command = ["docker", "exec", self.name, "sh", "-c", script]
        done = subprocess.run(command, check=check, capture_output=True, text=True, timeout=COMMAND_TIMEOUT_S)
        return done.stdout

    def ask_zookeeper(self, word: str) -> str:
        """Its server's answer to a four-letter word, empty when there is none."""
        try:
            with socket.create_connection((self.address, ZOOKEEPER_PORT), timeout=2) as connection:
                connection.sendall(word.encode())
                connection.settimeout(2)
                answer = b""
                while chunk := connection.recv(4096):
                    answer += chunk
                return answer.decode(errors="replace")
        except OSError:
            return ""

    def boot(self) -> None:
        """After its start: wait until systemd has started the services."""
        self.run("timeout 80 systemctl is-system-running --wait", check=False)


def read_inventory(inventory: Path) -> list[Host]:
    command = [str(BIN / "ansible-inventory"), "-i", str(inventory), "--list"]
    listed = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    variables = listed["_meta"]["hostvars"]
    return [_host(name, variables[name]) for name in sorted(listed["kafka"]["hosts"])]


def _host(name: str, variables: dict[str, Any]) -> Host:
    log_dir = variables.get("broker_log_dirs", ["/var/lib/kafka"])[0]
    small = any(mount.startswith(f"{log_dir}:") for mount in variables.get("vm_tmpfs", []))
    return Host(name, variables["kafka_address"], int(variables["broker_id"]), log_dir, small)


class Cluster:
    """The hosts, and the cluster's state as ZooKeeper has it."""

    def __init__(self, hosts: list[Host]) -> None:
        self.hosts = hosts
        self._znodes = KazooClient(",".join(f"{host.address}:{ZOOKEEPER_PORT}" for host in hosts), timeout=10)
        self._znodes.start(60)

    @property
    def bootstrap(self) -> str:
        return ",".join(f"{host.address}:{BROKER_PORT}" for host in self.hosts)

    def close(self) -> None:
        self._znodes.stop()
        self._znodes.close()

    def host(self, broker_id: int) -> Host | None:
        return next((host for host in self.hosts if host.broker_id == broker_id), None)

    def controller(self) -> Host | None:
        try:
            return self.host(json.loads(self._znodes.get("/controller")[0])["brokerid"])
        except NoNodeError:
            return None

    def zookeeper_leader(self) -> Host | None:
        return next((host for host in self.hosts if "Mode: leader" in host.ask_zookeeper("srvr")), None)

    def states(self, topic: str) -> dict[int, dict[str, Any]]:
        path = f"/brokers/topics/{topic}/partitions"
        try:
            partitions = self._znodes.get_children(path)
            return {int(one): json.loads(self._znodes.get(f"{path}/{one}/state")[0]) for one in partitions}
        except NoNodeError:
            return {}

    def trouble(self) -> str:
        """What is not as it should be, empty when everything is."""
        for host in self.hosts:
            if "Mode:" not in host.ask_zookeeper("srvr"):
                return f"ZooKeeper on {host} does not serve"
        try:
            alive = {int(broker) for broker in self._znodes.get_children("/brokers/ids")}
            for host in self.hosts:
                if host.broker_id not in alive:
                    return f"the broker on {host} is not registered"
            if self.controller() is None:
                return "there is no controller"
            for topic in self._znodes.get_children("/brokers/topics"):
                for partition, state in self.states(topic).items():
                    if state["leader"] < 0 or len(state["isr"]) < len(self.hosts):
                        return f"{topic}-{partition} has leader {state['leader']} and ISR {state['isr']}"
        except (KazooException, KazooTimeoutError) as error:
            return f"ZooKeeper: {error!r}"
        return ""

    def wait_healthy(self, deadline_s: float, meanwhile: Callable[[str], None] = lambda trouble: None) -> str:
        """Wait until nothing is wrong; what still is, at the deadline."""
        deadline = time.monotonic() + deadline_s
        while trouble := self.trouble():
            if time.monotonic() > deadline:
                return trouble
            meanwhile(trouble)
            time.sleep(0.5)
        return ""


class Journals:
    """Follows the services' journals into files, across restarts of the hosts."""

    def __init__(self, hosts: list[Host], directory: Path) -> None:
        self._hosts = hosts
        self._directory = directory
        self._processes: dict[str, subprocess.Popen[bytes]] = {}

    def follow(self) -> None:
        """Begin, or begin anew where the following ended with the host."""
        for host in self._hosts:
            process = self._processes.get(host.name)
            if process is None or process.poll() is not None:
                command = [
                    "docker",
                    "exec",
                    host.name,
                    "journalctl",
                    "--follow",
                    "--lines=all",
                    "--boot",
                    "--output=short-iso-precise",
                ]
                with (self._directory / f"{host.name}.log").open("ab") as log:
                    self._processes[host.name] = subprocess.Popen(command, stdout=log, stderr=subprocess.DEVNULL)

    def close(self) -> None:
        for process in self._processes.values():
            process.terminate()
            process.wait()
