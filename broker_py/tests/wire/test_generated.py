# SPDX-License-Identifier: Apache-2.0
"""The checked-in classes are what the generator makes of the schemas."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

from commitlog.wire.api_keys import API_VERSIONS, ApiKey
from commitlog.wire.messages import request_class, response_class
from commitlog.wire.schema import MessageSpec, SchemaError, parse
from tests.wire.samples import message_class, message_specs, version_id

TOOL = Path(__file__).resolve().parents[2] / "tools" / "generate_messages.py"


@pytest.fixture(scope="module")
def generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location("generate_messages", TOOL)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_checked_in_classes_match_the_schemas(generator: ModuleType) -> None:
    expected = generator.render_all()
    stale = [
        path.name for path, text in expected.items() if not path.exists() or path.read_text("utf-8") != text
    ]
    assert stale == [], "run tools/generate_messages.py"


def test_no_class_without_a_schema(generator: ModuleType) -> None:
    present = {path.name for path in (generator.WIRE / "messages").glob("*.py")} - {"__init__.py"}
    assert present == {path.name for path in generator.render_all() if path.parent.name == "messages"}


@pytest.mark.parametrize("spec", list(message_specs()), ids=version_id)
def test_classes_tell_what_the_schema_says(spec: MessageSpec) -> None:
    cls = message_class(spec)
    assert (spec.min_version, spec.max_version) == (cls.MIN_VERSION, cls.MAX_VERSION)
    assert spec.flexible == cls.FLEXIBLE_VERSION
    assert cls() == cls()
    assert not hasattr(cls(), "__dict__"), "slots keep a message small"


@pytest.mark.parametrize("key", list(ApiKey))
def test_api_keys_lead_to_request_and_response(key: ApiKey) -> None:
    request, response = request_class(key), response_class(key)
    versions = API_VERSIONS[key]
    assert request.API_KEY == response.API_KEY == key
    assert (versions.low, versions.high) == (request.MIN_VERSION, request.MAX_VERSION)
    assert (versions.low, versions.high) == (response.MIN_VERSION, response.MAX_VERSION)
    assert versions.flexible == (32768 if request.FLEXIBLE_VERSION is None else request.FLEXIBLE_VERSION)


def test_the_served_table_of_a_zookeeper_broker() -> None:
    """The keys and highest versions that kafka-broker-api-versions.sh shows for 3.9 in ZooKeeper mode."""
    expected = (
        "0:11 1:17 2:9 3:12 4:7 5:4 6:8 7:3 8:9 9:9 10:6 11:9 12:4 13:5 14:5 15:5 16:5 17:1 18:4 19:7 "
        "20:6 21:2 22:5 23:4 24:5 25:4 26:4 27:1 28:4 29:3 30:3 31:3 32:4 33:2 34:2 35:4 36:2 37:3 38:3 "
        "39:2 40:2 41:3 42:2 43:2 44:1 45:0 46:0 47:0 48:1 49:1 50:0 51:0 56:3 57:1 58:0 60:1 61:0 65:0 "
        "66:1 67:0 68:0 69:0"
    )
    assert " ".join(f"{key:d}:{versions.high}" for key, versions in API_VERSIONS.items()) == expected
    assert {versions.low for versions in API_VERSIONS.values()} == {0}


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("### 1 Fetch\nnonsense\n", "x.schema:2"),
        ("**A** valid 0, flexible none\n- B: C [0+]\n", "no fields for C"),
        ("**A** valid 0, flexible none\n    - B: int8 [0+]\n", "indented too far"),
        (
            "**A** valid 0, flexible none\n- B: C [0+]\n  - X: int8 [0+]\n- D: C [0+]\n  - Y: int8 [0+]\n",
            "second struct",
        ),
    ],
)
def test_a_bad_schema_is_refused_with_its_place(text: str, complaint: str) -> None:
    with pytest.raises(SchemaError, match=complaint):
        parse(text, "x.schema")
