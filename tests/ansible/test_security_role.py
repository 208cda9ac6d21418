# SPDX-License-Identifier: Apache-2.0
"""The role security: what its authority makes and makes again, what it refuses, and that values of an inventory stay values."""

from __future__ import annotations

import datetime
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from plays import ROOT, apply_role

SCRIPT = ROOT / "roles" / "security" / "files" / "lab_authority.py"
HOST = {"file": "kafka1", "common_name": "kafka1", "unit": "kafka-host", "names": ["kafka1", "192.0.2.1"]}


def order(directory: Path, *flags: str, **changes: Any) -> subprocess.CompletedProcess[str]:
    wanted = {"directory": str(directory), "days": 365, "renew_days": 30, "passwords": ["broker"], "certificates": [HOST]}
    text = json.dumps({**wanted, **changes})
    return subprocess.run([sys.executable, str(SCRIPT), *flags], input=text, capture_output=True, text=True, check=False)


def made(directory: Path, *flags: str, **changes: Any) -> list[str]:
    done = order(directory, *flags, **changes)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)["made"]


def test_it_makes_everything_once_and_only_its_owner_reads_it(tmp_path: Path) -> None:
    directory = tmp_path / "security"
    assert made(directory, "--dry-run") == ["ca.key", "ca.pem", "kafka1.pem", "passwords/broker"]
    assert not directory.exists()
    assert made(directory) == ["ca.key", "ca.pem", "kafka1.pem", "passwords/broker"]
    assert made(directory) == []
    assert {path.name: path.stat().st_mode & 0o777 for path in directory.rglob("*") if path.is_file()} == dict.fromkeys(
        ("ca.key", "ca.pem", "kafka1.pem", "broker"), 0o600
    )
    assert directory.stat().st_mode & 0o777 == 0o700


def test_openssl_accepts_the_certificate_for_its_names_only(tmp_path: Path) -> None:
    made(tmp_path)

    def verify(*more: str) -> int:
        command = ["openssl", "verify", "-x509_strict", "-CAfile", f"{tmp_path}/ca.pem", *more, f"{tmp_path}/kafka1.pem"]
        return subprocess.run(command, capture_output=True, check=False).returncode

    assert verify("-verify_hostname", "kafka1", "-purpose", "sslserver") == 0
    assert verify("-verify_ip", "192.0.2.1", "-purpose", "sslclient") == 0
    assert verify("-verify_hostname", "kafka2") != 0


@pytest.mark.parametrize(
    "changes",
    [
        {"certificates": [{**HOST, "names": ["kafka1", "192.0.2.9"]}]},
        {"certificates": [{**HOST, "common_name": "other"}]},
        {"renew_days": 365},
    ],
    ids=["another address", "another name", "about to expire"],
)
def test_a_certificate_is_made_again(tmp_path: Path, changes: dict[str, Any]) -> None:
    made(tmp_path)
    before = (tmp_path / "ca.pem").read_bytes()
    assert made(tmp_path, **changes) == ["kafka1.pem"]
    assert (tmp_path / "ca.pem").read_bytes() == before


def test_a_new_authority_makes_all_certificates_again(tmp_path: Path) -> None:
    made(tmp_path)
    (tmp_path / "ca.pem").unlink()
    done = order(tmp_path)
    assert done.returncode == 1
    assert "ca.pem is missing beside the other" in done.stderr
    (tmp_path / "ca.key").unlink()
    assert made(tmp_path) == ["ca.key", "ca.pem", "kafka1.pem"]


def test_an_authority_that_ends_too_soon_is_said(tmp_path: Path) -> None:
    made(tmp_path)
    done = order(tmp_path, days=4000)
    assert "the authority ends on" in done.stderr
    assert "security_ca_pem" in done.stderr
    certificate = x509.load_pem_x509_certificate((tmp_path / "kafka1.pem").read_bytes())
    left = certificate.not_valid_after_utc - datetime.datetime.now(datetime.timezone.utc)
    assert datetime.timedelta(days=364) < left <= datetime.timedelta(days=365)


@pytest.mark.parametrize(
    "wrong",
    [
        {**HOST, "file": "../../etc/passwd"},
        {**HOST, "file": "a\nb"},
        {**HOST, "names": ["kafka 1"]},
        {**HOST, "names": ["$(id)"]},
        {**HOST, "names": ["a\nb"]},
        {**HOST, "common_name": "x" * 65},
    ],
)
def test_names_that_are_none_are_refused(tmp_path: Path, wrong: dict[str, Any]) -> None:
    done = order(tmp_path / "security", certificates=[wrong])
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "Traceback" not in done.stderr
    assert [path.name for path in tmp_path.rglob("*.pem")] in ([], ["ca.pem"])


def apply(tmp_path: Path, tasks_from: str = "main", *flags: str, **variables: Any) -> Any:
    home = tmp_path / "home"
    (home / "config").mkdir(parents=True, exist_ok=True)
    given = {
        "cluster_security": "tls_scram",
        "kafka_home": str(home),
        "kafka_service_manager": "process",
        "security_controller_directory": str(tmp_path / "controller"),
        "security_service": "broker",
        **variables,
    }
    return apply_role("security", tmp_path, {"kafka1": {"kafka_address": "192.0.2.1"}}, *flags, tasks_from=tasks_from, **given)


def test_no_secret_is_shown_and_a_second_run_changes_nothing(tmp_path: Path) -> None:
    password = 'quo"ted \\ {{ 7*7 }} $(id)'
    first = apply(tmp_path, "main", "--diff", "-v", security_broker_password={"__ansible_unsafe": password})
    assert first.status == 0, first.output
    made_password = (tmp_path / "controller" / "passwords" / "admin").read_text()
    assert password not in first.output
    assert made_password not in first.output
    assert "PRIVATE KEY" not in first.output
    jaas = (tmp_path / "home" / "config" / "security" / "broker.jaas").read_text()
    assert 'password="quo\\"ted \\\\ {{ 7*7 }} $(id)";' in jaas
    modes = {path.name: path.stat().st_mode & 0o777 for path in (tmp_path / "home" / "config" / "security").iterdir()}
    assert modes == {
        "broker.pem": 0o640,
        "broker.jaas": 0o640,
        "ca.pem": 0o644,
        "client.properties": 0o600,
        "zookeeper-tls.properties": 0o644,
    }
    again = apply(tmp_path, "main", security_broker_password={"__ansible_unsafe": password})
    assert (again.status, again.changed) == (0, 0), again.output


def test_the_preflight_names_everything_that_cannot_work(tmp_path: Path) -> None:
    wrong = {
        "security_admin_password": "tooshor",
        "security_zookeeper_password": 'of two\nlines"; };',
        "security_ca_pem": "/nonexistent/ca.pem",
        "security_renew_days": 400,
        "kafka_home": "/opt/$(id) 1",
    }
    done = apply(tmp_path, "preflight", **wrong)
    assert done.status != 0
    for said in (
        "security_admin_password: will not do",
        "security_zookeeper_password: will not do",
        "security_ca_pem: '/nonexistent/ca.pem' is no file on the controller",
        "security_renew_days: 400 will not do",
        "kafka_home: '/opt/$(id) 1' will not do",
    ):
        assert said in done.output
    assert "tooshor" not in done.output
    assert "of two" not in done.output


def test_another_mode_is_refused(tmp_path: Path) -> None:
    done = apply(tmp_path, "preflight", cluster_security="tls")
    assert done.status != 0
    assert "security_mode must be one of: plaintext, tls_scram, mtls, got: tls" in done.output


CONFIGURED = {
    "plaintext": "listeners=PLAINTEXT://:9092\n",
    "tls_scram, step 1": "# cluster_security: tls_scram, step 1 of 3\nlisteners=PLAINTEXT://:9092,SASL_SSL://:9093\n",
    "tls_scram": "# cluster_security: tls_scram, step 3 of 3\nlisteners=SASL_SSL://:9093\n",
}


@pytest.mark.parametrize(
    ("there", "wanted", "said"),
    [
        ("plaintext", {}, "playbooks/enable_security.yml goes there in steps, while it serves"),
        ("plaintext", {"cluster_security_step": 2}, "playbooks/enable_security.yml goes there in steps"),
        ("plaintext", {"cluster_security_step": 1}, ""),
        ("tls_scram, step 1", {}, "is at step 1 of 3 from plaintext"),
        ("tls_scram, step 1", {"cluster_security_step": 2}, ""),
        ("tls_scram", {}, ""),
        ("tls_scram", {"cluster_security": "mtls"}, "has tls_scram, from which no way leads to mtls"),
        ("tls_scram", {"cluster_security": "plaintext"}, "has tls_scram, from which no way leads to plaintext"),
    ],
)
def test_nobody_is_cut_off_from_a_broker_that_is_there(tmp_path: Path, there: str, wanted: dict[str, Any], said: str) -> None:
    config = tmp_path / "home" / "config"
    config.mkdir(parents=True)
    (config / "server.properties").write_text(CONFIGURED[there])
    done = apply(tmp_path, "preflight", **wanted)
    assert (done.status == 0) == (said == ""), done.output
    assert said in done.output


def test_another_password_of_the_user_that_brokers_log_in_as_is_refused(tmp_path: Path) -> None:
    assert apply(tmp_path, "main", security_broker_password="first-password").status == 0
    jaas = tmp_path / "home" / "config" / "security" / "broker.jaas"
    before = jaas.read_text()
    done = apply(tmp_path, "main", "-vvv", security_broker_password="second-password")
    assert done.status != 0
    assert "playbooks/rotate_secrets.yml gives them a new one" in done.output
    assert jaas.read_text() == before
    assert "first-password" not in done.output
    assert apply(tmp_path, "main", security_broker_password="second-password", security_broker_user="broker2").status == 0
    assert 'username="broker2" password="second-password";' in jaas.read_text()


def test_certificates_from_before_are_made_again_once(tmp_path: Path) -> None:
    made(tmp_path)
    began = int(time.time()) + 1
    while time.time() < began:
        time.sleep(0.05)
    assert made(tmp_path, not_before=began) == ["kafka1.pem"]
    assert made(tmp_path, not_before=began) == []


def passwords(directory: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in (directory / "passwords").iterdir()}


def renewed(directory: Path, step: str, *flags: str, names: tuple[str, ...] = ("broker", "admin")) -> list[str]:
    return made(directory, *flags, certificates=[], passwords=[], secrets=step, renew=list(names))


def test_new_passwords_are_made_once_until_they_are_everywhere(tmp_path: Path) -> None:
    made(tmp_path, passwords=["broker", "admin", "zookeeper"])
    before = passwords(tmp_path)
    assert renewed(tmp_path, "renew", "--dry-run") == ["passwords/broker2", "passwords/admin", "broker_user"]
    assert passwords(tmp_path) == before
    assert renewed(tmp_path, "renew") == ["passwords/broker2", "passwords/admin", "broker_user"]
    after = passwords(tmp_path)
    assert set(after) == {*before, "broker2"}
    assert after["admin"] != before["admin"]
    assert (after["broker"], after["zookeeper"]) == (before["broker"], before["zookeeper"])
    assert (tmp_path / "broker_user").read_text() == "broker2 broker"
    assert renewed(tmp_path, "renew") == []
    assert renewed(tmp_path, "done") == ["broker_user"]
    assert renewed(tmp_path, "done") == []
    assert renewed(tmp_path, "renew", names=("broker",)) == ["passwords/broker", "broker_user"]
    assert (tmp_path / "broker_user").read_text() == "broker broker2"


def test_a_user_of_brokers_that_is_none_is_said(tmp_path: Path) -> None:
    made(tmp_path)
    (tmp_path / "broker_user").write_text("root")
    done = order(tmp_path, secrets="renew", renew=["broker"])
    assert done.returncode == 1
    assert done.stderr.strip() == f"{tmp_path}/broker_user: 'root' is no user of the brokers; allowed are broker and broker2"


def test_the_role_logs_in_as_the_user_that_the_controller_names(tmp_path: Path) -> None:
    assert apply(tmp_path).status == 0
    renewed(tmp_path / "controller", "renew")
    done = apply(tmp_path)
    assert done.status == 0, done.output
    made_password = passwords(tmp_path / "controller")["broker2"]
    jaas = (tmp_path / "home" / "config" / "security" / "broker.jaas").read_text()
    assert f'username="broker2" password="{made_password}";' in jaas


def test_ahead_of_zookeeper_a_broker_keeps_its_login_to_other_brokers(tmp_path: Path) -> None:
    """Its new user is known to ZooKeeper only later."""
    old = {"__ansible_unsafe": '};quo"ted }; \\ {{ 7*7 }}'}
    assert apply(tmp_path, security_broker_password=old, security_zookeeper_password="zookeeper-1").status == 0
    directory = tmp_path / "home" / "config" / "security"
    jaas, client = (directory / "broker.jaas").read_text(), (directory / "client.properties").read_text()
    new = {
        "security_broker_user": "broker2",
        "security_broker_password": "second-password",
        "security_admin_password": "second-password",
        "security_zookeeper_password": "zookeeper-2",
    }
    assert apply(tmp_path, security_ahead=True, **new).status == 0
    assert (directory / "broker.jaas").read_text() == jaas.replace("zookeeper-1", "zookeeper-2")
    assert (directory / "client.properties").read_text() == client
    assert apply(tmp_path, **new).status == 0
    assert "broker2" in (directory / "broker.jaas").read_text()
    assert "second-password" in (directory / "client.properties").read_text()


@pytest.mark.parametrize(
    ("changes", "to_come"),
    [
        ({}, []),
        ({"security_zookeeper_password": "another-one"}, ["broker.jaas"]),
        ({"security_names": ["kafka.example.com"]}, ["broker.pem"]),
        ({"security_broker_user": "broker2"}, ["broker.jaas"]),
    ],
    ids=["nothing", "a password that is given", "a certificate that would be made", "a password that would be made"],
)
def test_in_check_mode_it_is_known_which_files_would_come(tmp_path: Path, changes: dict[str, Any], to_come: list[str]) -> None:
    assert apply(tmp_path).status == 0
    directory = tmp_path / "home" / "config" / "security"
    before = {path.name: path.read_bytes() for path in directory.iterdir()}
    done = apply(tmp_path, "main", "--check", "-v", **changes)
    assert done.status == 0, done.output
    assert f'"security_files_to_come": {json.dumps(to_come)}' in done.output
    assert {path.name: path.read_bytes() for path in directory.iterdir()} == before


def test_names_in_own_certificates_are_told_as_brokers_see_them(tmp_path: Path) -> None:
    made(tmp_path)
    done = order(tmp_path, certificates=[], passwords=[], subjects_of=[str(tmp_path / "kafka1.pem")])
    assert json.loads(done.stdout)["subjects"] == ["CN=kafka1,OU=kafka-host,O=commitlog.kafka"]


def test_a_name_that_java_would_spell_otherwise_is_refused(tmp_path: Path) -> None:
    made(tmp_path, certificates=[{**HOST, "common_name": "kafka, the first"}])
    done = order(tmp_path, certificates=[], passwords=[], subjects_of=[str(tmp_path / "kafka1.pem")])
    assert done.returncode == 1
    assert "is too unusual to be put into super.users here; set security_own_brokers to []" in done.stderr
    assert done.stderr.count("\n") == 1
