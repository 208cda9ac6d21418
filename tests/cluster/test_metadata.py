# SPDX-License-Identifier: GPL-3.0-or-later
"""What backup.yml and restore.yml ask of ZooKeeper, of one that wants TLS and a login, and whose znodes are the brokers'."""

from __future__ import annotations

import json
import pathlib
import subprocess
import sys
from collections.abc import Iterator

import pytest
from tests.security.certificates import LabCa

from tests import real_zookeeper

SCRIPT = pathlib.Path(__file__).resolve().parents[2] / "roles" / "broker" / "files" / "cluster_metadata.py"
DIGEST = "org.apache.zookeeper.server.auth.DigestLoginModule"
QUOTAS = {"users/alice": {"producer_byte_rate": "1024"}, "clients/app": {"request_percentage": "50"}}
ACL = {"principal": "User:a", "permissionType": "Allow", "operation": "Read", "host": "*"}
ACLS = [{"pattern": "literal", "resource": "Topic", "name": "a", "entries": [ACL]}]


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, pathlib.Path]]:
    """Where ZooKeeper is reached by TLS, and what the role security makes on a host; below it a stranger's."""
    reason = real_zookeeper.missing()
    if reason is not None:
        pytest.skip(f"no real ZooKeeper here: {reason}")
    directory = tmp_path_factory.mktemp("secured")
    ca = LabCa(directory)
    trusted = directory / "ca.pem"
    trusted.write_text(ca.text)
    jaas = directory / "zookeeper.jaas"
    jaas.write_text(f'Server {{ {DIGEST} required user_kafka="zk-secret"; }};\n')
    (directory / "broker.jaas").write_text(f'Client {{ {DIGEST} required username="kafka" password="zk-secret"; }};\n')
    (directory / "stranger").mkdir()
    (directory / "stranger" / "broker.jaas").write_text("")
    for place, name in ((directory, "broker"), (directory / "stranger", "stranger")):
        (place / "zookeeper-tls.properties").write_text(
            "zookeeper.ssl.client.enable=true\nzookeeper.clientCnxnSocket=org.apache.zookeeper.ClientCnxnSocketNetty\n"
            f"zookeeper.ssl.keystore.location={ca.issue(name).pem}\nzookeeper.ssl.truststore.location={trusted}\n"
        )
    port = real_zookeeper.free_port()
    settings = {
        "secureClientPort": str(port),
        "serverCnxnFactory": "org.apache.zookeeper.server.NettyServerCnxnFactory",
        "ssl.keyStore.location": str(ca.issue("zookeeper", "127.0.0.1").pem),
        "ssl.trustStore.location": str(trusted),
        "authProvider.sasl": "org.apache.zookeeper.server.auth.SASLAuthenticationProvider",
    }
    login = [f"-Djava.security.auth.login.config={jaas}"]
    process = real_zookeeper.ZooKeeperProcess(directory, settings=settings, options=login)
    try:
        yield f"127.0.0.1:{port}", directory
    finally:
        process.stop()


def run(connect: str, *arguments: str, told: object = None) -> str:
    command = [sys.executable, str(SCRIPT), "--zookeeper", connect, *arguments]
    done = subprocess.run(command, input=json.dumps(told), capture_output=True, text=True, check=False, timeout=90)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_what_is_restored_is_dumped_and_belongs_to_the_brokers(secured: tuple[str, pathlib.Path]) -> None:
    connect, directory = secured
    login = ("--security", str(directory))
    wanted = ["quotas of clients/app", "quotas of users/alice", "1 ACLs of literal Topic a"]
    backup = {"quotas": QUOTAS, "acls": ACLS}
    assert run(connect, *login, "restore", "--check", told=backup).splitlines() == wanted
    assert run(connect, *login, "restore", told=backup).splitlines() == wanted
    assert run(connect, *login, "restore", told=backup).split() == []
    dumped = json.loads(run(connect, *login, "dump"))
    assert (dumped["quotas"], dumped["acls"]) == (QUOTAS, ACLS)
    command = [sys.executable, str(SCRIPT), "--zookeeper", connect, "--security", str(directory / "stranger"), "dump"]
    stranger = subprocess.run(command, capture_output=True, text=True, check=False, timeout=90)
    assert (stranger.returncode, stranger.stderr.count("\n")) == (1, 1), stranger
    assert stranger.stderr.startswith(f"ZooKeeper at {connect}: ")
