# SPDX-License-Identifier: Apache-2.0
"""zookeeper-server-start.sh: where Java and the jars are found, what is refused, and a real start."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from commitlog.cli.zookeeper_start import (
    StartError,
    check_settings,
    find_classpath,
    find_java,
    java_command,
    main,
)
from commitlog.config.properties import ConfigError
from tests import real_zookeeper


def tarball(root: Path) -> Path:
    """An unpacked Apache ZooKeeper, as far as names go."""
    (root / "lib").mkdir(parents=True)
    (root / "conf").mkdir()
    for name in ("zookeeper-3.8.4.jar", "zookeeper-jute-3.8.4.jar", "netty-common.jar"):
        (root / "lib" / name).touch()
    return root


def test_the_jars_of_zookeeper_home_come_first(tmp_path: Path) -> None:
    home, installation = tarball(tmp_path / "zk"), tmp_path / "kafka"
    tarball(installation / "libs" / "zookeeper")
    chosen = find_classpath({"ZOOKEEPER_HOME": str(home)}, installation, debian=tmp_path)
    assert chosen[0] == str(home / "conf")
    assert str(home / "lib" / "zookeeper-3.8.4.jar") in chosen
    assert find_classpath({}, installation, debian=tmp_path)[0].startswith(str(installation / "libs"))


def test_debian_s_jars_are_the_last_resort(tmp_path: Path) -> None:
    for name in ("zookeeper.jar", "slf4j-simple.jar"):
        (tmp_path / name).touch()
    assert find_classpath({}, tmp_path / "none", debian=tmp_path) == [
        str(tmp_path / "zookeeper.jar"),
        str(tmp_path / "slf4j-simple.jar"),
    ]


def test_missing_parts_are_named(tmp_path: Path) -> None:
    with pytest.raises(StartError, match=r"No ZooKeeper: install libzookeeper-java \(Debian\), or set"):
        find_classpath({}, tmp_path, debian=tmp_path)
    with pytest.raises(StartError, match=r"ZOOKEEPER_HOME=.*: there is no zookeeper-\*\.jar"):
        find_classpath({"ZOOKEEPER_HOME": str(tmp_path)}, tmp_path, debian=tmp_path)
    with pytest.raises(StartError, match="No java: install a JRE"):
        find_java({"PATH": str(tmp_path)})
    with pytest.raises(StartError, match="there is no bin/java in it"):
        find_java({"JAVA_HOME": str(tmp_path)})


def test_the_jvm_s_options_are_those_of_the_environment(tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "java").touch()
    environment = {
        "JAVA_HOME": str(tmp_path),
        "ZOOKEEPER_HOME": str(tarball(tmp_path / "zk")),
        "KAFKA_HEAP_OPTS": "-Xmx64M -Xms32M",
        "KAFKA_OPTS": "-Da='b c'",
    }
    command = java_command(environment, tmp_path, "zoo.cfg")
    assert command[:3] == [str(tmp_path / "bin" / "java"), "-Xmx64M", "-Xms32M"]
    assert "-Da=b c" in command
    assert command[-2:] == ["org.apache.zookeeper.server.quorum.QuorumPeerMain", "zoo.cfg"]
    del environment["KAFKA_HEAP_OPTS"]
    assert java_command(environment, tmp_path, "zoo.cfg")[1:3] == ["-Xmx512M", "-Xms512M"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("clientPort=2181", "dataDir is not set"),
        ("dataDir=/proc/none/zk\nclientPort=2181", "dataDir=/proc/none/zk cannot be made"),
        ("dataDir=/tmp\nclientPort=x", "clientPort=x must be a port number"),
    ],
)
def test_bad_settings_are_refused_in_one_line(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "zookeeper.properties"
    path.write_text(text)
    with pytest.raises(StartError) as caught:
        check_settings(path)
    assert str(caught.value).startswith(f"{path}: {message}")


def test_a_missing_file_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ConfigError):
        check_settings(tmp_path / "none.properties")
    assert main([str(tmp_path / "none.properties")]) == 1
    path = tmp_path / "none.properties"
    assert capsys.readouterr().err == f"{path}: cannot be read: No such file or directory\n"


def test_usage(capsys: pytest.CaptureFixture[str]) -> None:
    for arguments in ([], ["-daemon"], ["a", "b"]):
        assert main(arguments) == 1
    assert capsys.readouterr().err == (
        "USAGE: zookeeper-server-start.sh [-daemon] zookeeper.properties\n" * 3
    )
    assert main(["--help"]) == 0


@pytest.mark.zookeeper
def test_a_real_server_starts_and_stops_with_its_process(tmp_path: Path) -> None:
    reason = real_zookeeper.missing()
    if reason is not None:
        pytest.skip(f"no real ZooKeeper: {reason}")
    port = real_zookeeper.free_port()
    settings = tmp_path / "zookeeper.properties"
    data = tmp_path / "data"
    settings.write_text(
        f"dataDir={data}\nclientPort={port}\nclientPortAddress=127.0.0.1\nadmin.enableServer=false\n"
    )
    environment = {**os.environ, "KAFKA_HEAP_OPTS": "-Xmx64m", "LOG_DIR": str(tmp_path / "logs")}
    environment.pop("ZOOKEEPER_HOME", None)
    command = [sys.executable, "-m", "commitlog.cli.zookeeper_start", str(settings)]
    with (tmp_path / "output").open("wb") as output:
        process = subprocess.Popen(command, env=environment, stdout=output, stderr=output)
    try:
        deadline = time.monotonic() + 60
        while not _listens(port):
            assert process.poll() is None, (tmp_path / "output").read_text()
            assert time.monotonic() < deadline, (tmp_path / "output").read_text()
            time.sleep(0.05)
        process.terminate()
        assert process.wait(30) == 143  # a JVM that SIGTERM ended: the signal reached it
    finally:
        process.kill()


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
