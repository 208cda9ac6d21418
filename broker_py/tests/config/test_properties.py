# SPDX-License-Identifier: Apache-2.0
"""Properties files, against what java.util.Properties makes of them."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from commitlog.config.properties import ConfigError, dump, load, parse, parse_overrides

JAVA = [
    ("a=b", {"a": "b"}),
    ("a:b", {"a": "b"}),
    ("a b", {"a": "b"}),
    ("a = b", {"a": "b"}),
    ("a   :  b", {"a": "b"}),
    ("a\tb=c", {"a": "b=c"}),
    ("a==b", {"a": "=b"}),
    ("a=:b", {"a": ":b"}),
    ("a", {"a": ""}),
    ("a=", {"a": ""}),
    ("=b", {"": "b"}),
    ("  a=b  ", {"a": "b  "}),
    ("# c\n! c\n  # c\na=b#c", {"a": "b#c"}),
    ("a\\=b=c", {"a=b": "c"}),
    ("a\\:b c", {"a:b": "c"}),
    ("a\\ b=c", {"a b": "c"}),
    ("a=b\\\n   c", {"a": "bc"}),
    ("a=b\\\\\nc=d", {"a": "b\\", "c": "d"}),
    ("a=b\\\n#c", {"a": "b#c"}),
    ("a=b\\", {"a": "b"}),
    ("a=\\u20AC\\t\\n\\q", {"a": "€\t\nq"}),
    ("a=1\na=2", {"a": "2"}),
    ("a=1\rb=2\r\nc=3\n\n", {"a": "1", "b": "2", "c": "3"}),
    ("listeners=PLAINTEXT://:9092,SSL://h:1", {"listeners": "PLAINTEXT://:9092,SSL://h:1"}),
]


@pytest.mark.parametrize(("text", "properties"), JAVA)
def test_read_as_java_reads(text: str, properties: dict[str, str]) -> None:
    assert parse(text) == properties


def test_a_file_is_latin_1(tmp_path: Path) -> None:
    path = tmp_path / "server.properties"
    path.write_bytes(b"broker.rack=\xe9\n")
    assert load(path) == {"broker.rack": "é"}


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none\.properties: cannot be read: No such file or directory"):
        load(tmp_path / "none.properties")


def test_a_broken_escape_names_the_file(tmp_path: Path) -> None:
    path = tmp_path / "server.properties"
    path.write_text("a=\\u12")
    with pytest.raises(ConfigError, match=r"server\.properties: Malformed"):
        load(path)


@given(st.dictionaries(st.text(min_size=1), st.text()))
def test_what_is_written_reads_back(properties: dict[str, str]) -> None:
    assert parse(dump(properties)) == properties


def test_overrides() -> None:
    assert parse_overrides(["a=b", "c=d=e", "f="]) == {"a": "b", "c": "d=e", "f": ""}
    with pytest.raises(ConfigError, match="must be key=value"):
        parse_overrides(["a"])
