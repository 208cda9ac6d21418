# SPDX-License-Identifier: Apache-2.0
"""What an administrator may get wrong with ACLs and features, and the error codes that Kafka 3.9 answers, in
the order of the answer; None: the connection is closed. Asked in order, so that later rows find what earlier
ones made."""

from __future__ import annotations

from typing import Any

from commitlog.wire.api_keys import ApiKey

LITERAL, PREFIXED, MATCH, ANY = 3, 4, 2, 1
NEWEST = 3


def creation(**changed: Any) -> dict[str, Any]:
    right = {
        "resource_type": 2,
        "resource_name": "asked",
        "resource_pattern_type": LITERAL,
        "principal": "User:alice",
        "host": "*",
        "operation": 3,
        "permission_type": 3,
    }
    return {"creations": [right | changed]}


def wanted(**changed: Any) -> dict[str, Any]:
    return {
        "resource_type_filter": 2,
        "resource_name_filter": "asked",
        "pattern_type_filter": ANY,
        "principal_filter": None,
        "host_filter": None,
        "operation": 1,
        "permission_type": 1,
    } | changed


def several(*creations: dict[str, Any]) -> dict[str, Any]:
    return {"creations": [one for each in creations for one in each["creations"]]}


def feature(name: str, level: int, kind: int = 1) -> dict[str, Any]:
    return {"feature_updates": [{"feature": name, "max_version_level": level, "upgrade_type": kind}]}


CREATE, DESCRIBE, DELETE = ApiKey.CREATE_ACLS, ApiKey.DESCRIBE_ACLS, ApiKey.DELETE_ACLS
FEATURES = ApiKey.UPDATE_FEATURES
Question = tuple[str, ApiKey, int, dict[str, Any], list[int] | None]

QUESTIONS: list[Question] = [
    ("a binding", CREATE, NEWEST, creation(), [0]),
    ("the same again", CREATE, NEWEST, creation(), [0]),
    ("a prefixed one", CREATE, NEWEST, creation(resource_pattern_type=PREFIXED, resource_name="ask"), [0]),
    ("a literal one, as of old", CREATE, 0, creation(resource_name="old"), [0]),
    ("a cluster of another name", CREATE, NEWEST, creation(resource_type=4), [42]),
    ("no name", CREATE, NEWEST, creation(resource_name=""), [42]),
    ("a name with a slash", CREATE, NEWEST, creation(resource_name="a/b"), [42]),
    ("a principal that is none", CREATE, NEWEST, creation(resource_name="p", principal="alice"), [-1]),
    (
        "a good one beside it",
        CREATE,
        NEWEST,
        several(creation(resource_name="p", principal="alice"), creation(resource_name="p"), creation()),
        [-1, -1, 0],
    ),
    ("an operation of the future", CREATE, NEWEST, creation(operation=99), [42]),
    ("an unknown operation", CREATE, NEWEST, creation(operation=0), None),
    ("any operation", CREATE, NEWEST, several(creation(operation=1), creation()), [-1, -1]),
    ("any resource", CREATE, NEWEST, creation(resource_type=1), [-1]),
    ("matching names", CREATE, NEWEST, creation(resource_pattern_type=MATCH), [-1]),
    ("nothing", CREATE, NEWEST, {"creations": []}, []),
    ("what there is", DESCRIBE, NEWEST, wanted(), [0]),
    ("what matches", DESCRIBE, 1, wanted(pattern_type_filter=MATCH, principal_filter="User:alice"), [0]),
    ("what there was of old", DESCRIBE, 0, wanted(pattern_type_filter=LITERAL), [0]),
    ("an unknown type", DESCRIBE, NEWEST, wanted(resource_type_filter=0), None),
    ("nobody's", DESCRIBE, NEWEST, wanted(principal_filter="User:nobody"), [0]),
    ("delete an unknown type", DELETE, NEWEST, {"filters": [wanted(permission_type=0)]}, None),
    ("delete nobody's", DELETE, NEWEST, {"filters": [wanted(principal_filter="User:nobody")]}, [0]),
    ("delete one", DELETE, NEWEST, {"filters": [wanted()]}, [0, 0]),
    (
        "delete what matches",
        DELETE,
        NEWEST,
        {"filters": [wanted(pattern_type_filter=MATCH), wanted(resource_name_filter="old")]},
        [0, 0, 0, 0],
    ),
    ("a feature", FEATURES, 1, feature("metadata.version", 9), [0, 42]),
    ("a feature, as of old", FEATURES, 0, feature("metadata.version", 9), [0, 42]),
    ("a feature without a name", FEATURES, 1, feature("", 9), [0, 42]),
    ("an upgrade that is none", FEATURES, 1, feature("f", 0), [0, 42]),
    ("a downgrade of nothing", FEATURES, 1, feature("f", 0, 2), [0, 42]),
    ("an unknown kind of change", FEATURES, 1, feature("f", 2, 9), [0, 42]),
    ("no feature", FEATURES, 1, {"feature_updates": []}, [0]),
]
