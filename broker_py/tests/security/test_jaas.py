# SPDX-License-Identifier: Apache-2.0
"""JAAS text as Java reads it, and what is said of text that is none."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from commitlog.security.jaas import JaasError, java_properties, login_section, parse_jaas, parse_jaas_file


def test_an_entry() -> None:
    module = parse_jaas(
        "org.apache.kafka.common.security.plain.PlainLoginModule REQUIRED // why\n"
        ' username="a" password="x\\"; \\\\y=1" user_a=plain /* more */ user_b=\'it"s\';'
    )
    assert module.simple_name == "PlainLoginModule"
    assert module.options == {"username": "a", "password": 'x"; \\y=1', "user_a": "plain", "user_b": 'it"s'}
    assert "x" not in repr(module).replace("x.", "")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "a login module's name"),
        ("M", "a control flag"),
        ("M sometimes;", "Control flag is not one of"),
        ('M required a="secret"', "not terminated by semi-colon"),
        ("M required a;", "'=' is missing"),
        ('M required a="secret;', "a quotation mark is not closed"),
        ("M required; M required;", "more than one login module"),
    ],
)
def test_what_is_refused_names_the_reason_and_no_value(text: str, reason: str) -> None:
    with pytest.raises(JaasError, match=reason) as caught:
        parse_jaas(text)
    assert "secret" not in str(caught.value)


def test_a_file_is_found_through_kafka_opts(tmp_path: Path) -> None:
    path = tmp_path / "a file.conf"
    path.write_text('# sections\nServer { A required; };\nClient { B optional k="v"; C required; };\n')
    environment = {"KAFKA_OPTS": f'-Xmx1g "-Djava.security.auth.login.config={path}" -Dflag'}
    assert java_properties(environment)["flag"] == ""
    module = login_section("Client", environment)
    assert module is not None
    assert (module.name, module.options) == ("B", {"k": "v"})
    assert login_section("Other", environment) is None
    assert login_section("Client", {}) is None
    path.write_text("Client {")
    with pytest.raises(JaasError, match=r"a file\.conf: it ends where"):
        login_section("Client", environment)


@given(st.text(alphabet="ab \"'\\={};/*#\n", max_size=60))
def test_any_text_is_read_or_refused(text: str) -> None:
    for parse in (parse_jaas, parse_jaas_file):
        try:
            parse(text)
        except JaasError:
            continue
