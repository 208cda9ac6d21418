# SPDX-License-Identifier: Apache-2.0
"""Entity names in paths, against Kafka's Sanitizer."""

from __future__ import annotations

import pytest

from commitlog.coordination import paths


@pytest.mark.parametrize(
    ("name", "sanitized"),
    [
        ("plain-name_1.x", "plain-name_1.x"),
        ("a*b", "a%2Ab"),
        ("a b", "a%20b"),
        ("a+b", "a%2Bb"),
        ("CN=x,O=y/z", "CN%3Dx%2CO%3Dy%2Fz"),
        ("~", "%7E"),
        ("ü", "%C3%BC"),
        ("%", "%25"),
    ],
)
def test_sanitized_names_hold_only_path_characters(name: str, sanitized: str) -> None:
    assert paths.sanitize(name) == sanitized
    assert paths.desanitize(sanitized) == name


def test_paths_are_where_kafka_has_them() -> None:
    assert paths.partition_state("test", 3) == "/brokers/topics/test/partitions/3/state"
    assert paths.broker_config(paths.DEFAULT_ENTITY) == "/config/brokers/<default>"
    assert paths.topic_config("test") == "/config/topics/test"
    assert paths.sequence_number("config_change_0000000012", paths.CONFIG_CHANGE_PREFIX) == 12
    assert "/config/ips" in paths.PERSISTENT_PATHS


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("/config/topics/t", None),
        ("/config/topics/a/b", None),
        ("/config/topics/..t", None),
        ("/config/topics/t.", None),
        ("/config/topics/.", "relative paths not allowed @15"),
        ("/config/topics/..", "relative paths not allowed @16"),
        ("/config/../t", "relative paths not allowed @9"),
        ("/config//t", "empty node name specified @8"),
        ("/t\0", "null character not allowed @2"),
        ("/t\n", "invalid character @2"),
        ("/t\x7f", "invalid character @2"),
        ("/t\ufffd", "invalid character @2"),
    ],
)
def test_paths_that_zookeeper_refuses(path: str, reason: str | None) -> None:
    assert paths.invalid_reason(path) == reason
