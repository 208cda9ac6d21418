# SPDX-License-Identifier: GPL-3.0-or-later
"""Wrong settings are named with their value and what is allowed, by the table that the broker itself has."""

from __future__ import annotations

import pathlib
import subprocess
import sys
import zipfile

import pytest

from ansible_collections.commitlog.kafka.plugins.filter import property_errors as plugin
from ansible_collections.commitlog.kafka.plugins.filter.property_errors import property_errors

ROOT = pathlib.Path(__file__).resolve().parents[4]


@pytest.mark.parametrize(
    ("properties", "error"),
    [
        ({"log.retention.hours": "a week"}, "log.retention.hours: 'a week': Not a number of type INT"),
        (
            {"log.retention.hors": 1},
            "log.retention.hors: '1': Kafka 3.9 has no setting of this name, did you mean log.retention.hours?",
        ),
        (
            {"compression.type": "lzma"},
            "compression.type: 'lzma': String must be one of: uncompressed, zstd, lz4, snappy, gzip, producer",
        ),
        ({"num.io.threads": 0}, "num.io.threads: '0': Value must be at least 1"),
        ({"auto.create.topics.enable": "maybe"}, "auto.create.topics.enable: 'maybe': Expected value to be either true or false"),
        ({"replica.fetch.wait.max.ms": 60000}, "replica.socket.timeout.ms should always be at least replica.fetch.wait.max.ms"),
        ({"process.roles": "broker"}, "process.roles is for KRaft"),
        ({"log.retention.hours": None}, "log.retention.hours: has no value; give it one, or leave the name out"),
        ({"log.dirs": {"a": 1}}, "log.dirs: '{'a': 1}' is a map; allowed is a value, or a list of them"),
    ],
)
def test_what_a_broker_would_refuse(properties: dict[str, object], error: str) -> None:
    assert len(property_errors(properties)) == 1
    assert property_errors(properties)[0].startswith(error)


def test_settings_of_topics_have_definitions_of_their_own() -> None:
    assert property_errors({"retention.ms": 5, "cleanup.policy": ["compact", "delete"], "segment.ms": None}, kind="topic") == []
    assert property_errors({"retention.ms": "soon"}, kind="topic") == ["retention.ms: 'soon': Not a number of type LONG"]
    refused = property_errors({"retention.mss": 5}, kind="topic")
    assert refused == ["retention.mss: '5': Kafka 3.9 has no setting of topics of this name, did you mean retention.ms?"]


def test_every_error_is_told_at_once() -> None:
    assert len(property_errors({"num.io.threads": 0, "num.network.threads": "x", "nonsense": ""})) == 3


def test_what_a_broker_takes() -> None:
    properties = {"log.retention.hours": 168, "log.cleanup.policy": ["compact", "delete"], "auto.create.topics.enable": False}
    assert property_errors({**properties, "listener.name.internal.ssl.client.auth": "required", "port": 9092}) == []


def test_names_of_plugins_are_taken_when_listed() -> None:
    assert property_errors({"my.plugin.url": "x", "other": 1}, unchecked=["my.plugin.*", "other"]) == []


def test_apache_kafka_lacks_old_names_and_has_what_ours_refuses() -> None:
    assert property_errors({"create.topic.policy.class.name": "org.example.Policy"}, "apache") == []
    assert property_errors({"port": 9092}, "apache")[0].startswith("port: '9092': Kafka 3.9 has no setting")


def test_a_wheel_is_as_good_as_the_source(tmp_path: pathlib.Path) -> None:
    """As in the built collection, where there is no source."""
    files = tmp_path / "roles" / "broker" / "files"
    files.mkdir(parents=True)
    with zipfile.ZipFile(files / "commitlog-0.0.1-py3-none-any.whl", "w") as wheel:
        for path in (ROOT / "broker_py" / "src" / "commitlog").rglob("*"):
            if path.suffix in (".py", ".table") and path.parent.name in ("commitlog", "config"):
                wheel.write(path, path.relative_to(ROOT / "broker_py" / "src"))
    code = (
        f"import sys, pathlib; sys.path.insert(0, {str(pathlib.Path(plugin.__file__).parents[5])!r})\n"
        "sys.path = [place for place in sys.path if 'broker_py' not in place]; sys.meta_path = sys.meta_path[-3:]\n"
        "from ansible_collections.commitlog.kafka.plugins.filter import property_errors as plugin\n"
        f"plugin.COLLECTION = pathlib.Path({str(tmp_path)!r})\n"
        "print(plugin.property_errors({'num.io.threads': 0}), sys.modules['commitlog'].__file__)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "num.io.threads: '0'" in done.stdout
    assert str(files) in done.stdout


def test_nothing_to_check_with_is_said(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plugin, "COLLECTION", tmp_path)
    with pytest.raises(plugin.AnsibleFilterError, match=r"neither .* nor a wheel"):
        plugin.broker_program()
