# SPDX-License-Identifier: Apache-2.0
"""What stops a broker from starting is one line that names it; data stays as it was."""

from __future__ import annotations

import contextlib
import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.end_to_end.clients import CLIENTS
from tests.end_to_end.cluster import BrokerProcess, Cluster, running_cluster, wait_until
from tests.real_zookeeper import ZooKeeperProcess, free_port

client = CLIENTS["confluent-kafka"]()


@pytest.fixture(scope="module")
def cluster(zookeeper: ZooKeeperProcess, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with running_cluster(tmp_path_factory.mktemp("running"), zookeeper, 1) as running:
        yield running


def broker(directory: Path, cluster: Cluster, broker_id: int = 7, **settings: str) -> BrokerProcess:
    named = {name.replace("_", "."): value for name, value in settings.items()}
    return BrokerProcess(directory, broker_id, cluster.connect_string, named)


def files(directory: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(directory)): path.read_bytes()
        for path in sorted(directory.rglob("*"))
        if path.is_file() and path.name != ".lock"
    }


def refusal(process: BrokerProcess, *arguments: str) -> str:
    """The one line with which the broker refuses to start."""
    process.launch(*arguments)
    assert process.wait_ended() == 1
    assert process.errors.count("\n") == 1, process.errors
    assert "Traceback" not in process.output
    return process.errors


def test_a_port_in_use(cluster: Cluster, tmp_path: Path) -> None:
    second = broker(tmp_path, cluster)
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind(("127.0.0.1", second.port))
        taken.listen()
        line = refusal(second)
    assert f"failed to bind to 127.0.0.1:{second.port}: address already in use" in line.lower()
    assert "server.properties" in line
    assert cluster.znodes.exists("/brokers/ids/7") is None


def test_a_listener_on_an_unknown_host(cluster: Cluster, tmp_path: Path) -> None:
    line = refusal(broker(tmp_path, cluster, listeners="PLAINTEXT://no-such-host.invalid:9092"))
    assert "failed to bind to no-such-host.invalid:9092: " in line


def test_an_address_that_another_broker_advertises(cluster: Cluster, tmp_path: Path) -> None:
    (first,) = cluster.brokers
    second = broker(tmp_path, cluster, advertised_listeners=f"PLAINTEXT://127.0.0.1:{first.port}")
    assert f"127.0.0.1:{first.port} in advertised listeners are already registered by broker 0" in refusal(
        second
    )


def test_a_broker_id_in_use(cluster: Cluster, tmp_path: Path) -> None:
    second = broker(tmp_path, cluster, 0, zookeeper_session_timeout_ms="1000")
    assert "already registered on the path /brokers/ids/0" in refusal(second)


def test_data_of_another_broker_or_cluster_is_left_alone(cluster: Cluster, tmp_path: Path) -> None:
    other = broker(tmp_path, cluster)
    other.start()
    client.produce(cluster.bootstrap, "kept", ["a", "b"])
    assert other.stop() == 0
    before = files(other.log_dir)
    stored = (other.log_dir / "meta.properties").read_text()
    assert "broker.id=7" in stored
    assert "version=0" in stored

    other.settings["broker.id"] = "8"
    assert "Configured broker.id 8 doesn't match stored broker.id 7 in meta.properties" in refusal(other)
    other.settings["broker.id"] = "7"
    other.settings["zookeeper.connect"] = f"{cluster.zookeeper.connect_string}/elsewhere"
    assert re.search(
        r"The Cluster ID \S+ doesn't match stored clusterId \S+ in meta.properties", refusal(other)
    )
    assert files(other.log_dir) == before

    other.settings["zookeeper.connect"] = cluster.connect_string
    other.start()
    assert other.stop() == 0


def test_a_log_directory_that_another_process_uses(cluster: Cluster, tmp_path: Path) -> None:
    (first,) = cluster.brokers
    second = broker(tmp_path, cluster, 0, log_dirs=str(first.log_dir))
    line = refusal(second)
    assert str(first.log_dir) in line
    assert "lock" in line


def test_a_log_directory_that_cannot_be_used(cluster: Cluster, tmp_path: Path) -> None:
    in_the_way = tmp_path / "file"
    in_the_way.write_text("not a directory")
    line = refusal(broker(tmp_path, cluster, log_dirs=str(in_the_way)))
    assert str(in_the_way) in line


def test_zookeeper_that_does_not_answer(cluster: Cluster, tmp_path: Path) -> None:
    lonely = broker(tmp_path, cluster, zookeeper_connection_timeout_ms="500")
    lonely.settings["zookeeper.connect"] = f"127.0.0.1:{free_port()}"
    line = refusal(lonely)
    assert lonely.settings["zookeeper.connect"] in line
    assert "within 500 ms" in line


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("num.partitions", "none", "num.partitions"),
        ("listeners", "PLAINTEXT//nowhere", "listeners"),
        ("log.segment.bytes", "3", "log.segment.bytes"),
        ("zookeeper.connect", "", "zookeeper.connect"),
        ("listeners", "SSL://127.0.0.1:0", "SSL"),
    ],
)
def test_a_bad_setting(cluster: Cluster, tmp_path: Path, name: str, value: str, expected: str) -> None:
    bad = broker(tmp_path, cluster)
    bad.settings[name] = value
    line = refusal(bad)
    assert expected in line
    assert not bad.log_dir.exists()


def test_an_unknown_setting_is_a_warning_with_the_nearest_name(cluster: Cluster, tmp_path: Path) -> None:
    mistyped = broker(tmp_path, cluster, num_partitons="3")
    mistyped.start()
    assert re.search(
        r"WARN .*server.properties: unknown setting num.partitons, did you mean num.partitions\?",
        mistyped.output,
    )
    assert mistyped.stop() == 0


def test_the_article_s_names_of_0_8_work(cluster: Cluster, tmp_path: Path) -> None:
    old = broker(tmp_path, cluster)
    del old.settings["listeners"]
    old.settings["host.name"] = "127.0.0.1"
    old.settings["port"] = str(old.port)
    old.start()
    assert cluster.document("/brokers/ids/7")["endpoints"] == [f"PLAINTEXT://127.0.0.1:{old.port}"]
    assert old.stop() == 0


def test_overrides_and_a_generated_id(cluster: Cluster, tmp_path: Path) -> None:
    generated = broker(tmp_path, cluster, -1)
    generated.launch("--override", f"log.dirs={tmp_path}/elsewhere", "--override", "num.partitions=5")
    wait_until(lambda: "] started" in generated.output, "the broker to start")
    meta = (tmp_path / "elsewhere" / "meta.properties").read_text()
    broker_id = int(re.findall(r"broker\.id=(\d+)", meta)[0])
    assert broker_id > 1000
    assert cluster.znodes.exists(f"/brokers/ids/{broker_id}")
    assert generated.stop() == 0
    generated.launch("--override", f"log.dirs={tmp_path}/elsewhere")
    wait_until(lambda: f"[KafkaServer id={broker_id}] started" in generated.output, "the same id again")
    assert generated.stop() == 0


def test_garbage_on_the_socket_closes_that_connection_alone(cluster: Cluster) -> None:
    (first,) = cluster.brokers
    for garbage in (b"GET / HTTP/1.1\r\nHost: kafka\r\n\r\n", b"\x00\x00\x00\x05hello", b"\xff" * 4096):
        with socket.create_connection(("127.0.0.1", first.port), timeout=20) as connection:
            connection.sendall(garbage)
            with contextlib.suppress(ConnectionResetError):
                assert connection.recv(100) == b""
    client.produce(cluster.bootstrap, "after-garbage", ["fine"])
    assert first.output.count("Closing socket for") == 3


@pytest.mark.parametrize(
    ("arguments", "status", "expected"),
    [
        (["--help"], 1, "USAGE: kafka-server-start.sh [-daemon] server.properties"),
        (["--version"], 0, "3.9.0"),
        ([], 1, "USAGE:"),
        (["no-such-file.properties"], 1, "no-such-file.properties: cannot be read"),
        (["server.properties", "--overide", "a=b"], 1, "--overide"),
        (["server.properties", "--override"], 1, "requires an argument"),
    ],
)
def test_the_command_line(arguments: list[str], status: int, expected: str) -> None:
    command = [sys.executable, "-m", "commitlog.cli.server_start", *arguments]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)
    assert done.returncode == status
    assert expected in (done.stderr if status else done.stdout)
    assert "Traceback" not in done.stderr


def test_daemon_and_readiness(cluster: Cluster, tmp_path: Path) -> None:
    """-daemon returns at once, leaves server.log and kafkaServer.out in LOG_DIR, and tells systemd when it
    is ready.
    """
    process = broker(tmp_path, cluster)
    process.properties.write_text("".join(f"{key}={value}\n" for key, value in process.settings.items()))
    logs = tmp_path / "logs"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(str(tmp_path / "notify"))
        listening.settimeout(60)
        environment = {**os.environ, "LOG_DIR": str(logs), "NOTIFY_SOCKET": str(tmp_path / "notify")}
        command = [sys.executable, "-m", "commitlog.cli.server_start", "-daemon", str(process.properties)]
        done = subprocess.run(command, check=False, capture_output=True, env=environment, timeout=60)
        assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
        assert listening.recv(100) == b"READY=1"
        assert cluster.znodes.exists("/brokers/ids/7")
        output = (logs / "kafkaServer.out").read_text()
        assert "[KafkaServer id=7] started (commitlog.server.broker)" in output
        assert (logs / "server.log").read_text() == output
        pids = [
            int(path.name)
            for path in Path("/proc").iterdir()
            if path.name.isdigit() and str(process.properties) in (path / "cmdline").read_text()
        ]
        os.kill(*pids, 15)
        assert listening.recv(100) == b"STOPPING=1"
    wait_until(lambda: "shut down completed" in (logs / "server.log").read_text(), "the daemon to stop")
