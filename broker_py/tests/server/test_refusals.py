# SPDX-License-Identifier: Apache-2.0
"""What an administrator gets wrong, in every version: the APIs whose errors no test beside them walks. The
codes are those that Apache Kafka 3.9.1 gives to the same (tests/jvm/test_error_matrix.py)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from commitlog.apis.registry import served_apis
from commitlog.wire.api_keys import ApiKey
from commitlog.wire.errors import ErrorCode as E
from commitlog.wire.messages import request_class
from tests.server.authorization_table import error_codes, make
from tests.server.test_authorization import ADMIN, Attack, run

K = ApiKey
BINDING = {
    "resource_type": 2,
    "resource_name": "t",
    "resource_pattern_type": 3,
    "principal": "User:somebody",
    "host": "*",
    "operation": 3,
    "permission_type": 3,
}
FILTER = {
    "resource_type_filter": 2,
    "pattern_type_filter": 1,
    "operation": 1,
    "permission_type": 1,
}
UPSERTION = {"name": "u", "mechanism": 1, "iterations": 4096, "salt": b"s", "salted_password": b"p"}


def bindings(**wrong: Any) -> dict[str, Any]:
    return {"creations": [BINDING | wrong]}


def upsertions(*wrong: dict[str, Any]) -> dict[str, Any]:
    return {"upsertions": [UPSERTION | one for one in wrong]}


CASES = [
    (K.CREATE_ACLS, bindings(), E.NONE, 1),
    (K.CREATE_ACLS, bindings(resource_name=""), E.INVALID_REQUEST, 1),
    (K.CREATE_ACLS, bindings(principal="nobody"), E.UNKNOWN_SERVER_ERROR, 1),
    (K.CREATE_ACLS, bindings(operation=1), E.UNKNOWN_SERVER_ERROR, 1),
    (K.CREATE_ACLS, bindings(permission_type=1), E.UNKNOWN_SERVER_ERROR, 1),
    (K.CREATE_ACLS, bindings(resource_type=1), E.UNKNOWN_SERVER_ERROR, 1),
    (K.CREATE_ACLS, bindings(resource_type=4, resource_name="other"), E.INVALID_REQUEST, 1),
    (K.DESCRIBE_ACLS, FILTER, E.NONE, 1),
    (K.DESCRIBE_ACLS, FILTER | {"operation": 99}, E.NONE, 1),
    (K.DELETE_ACLS, {"filters": [FILTER]}, E.NONE, 1),
    (K.DELETE_ACLS, {"filters": [FILTER | {"permission_type": 0}]}, E.NONE, 1),
    (K.CREATE_DELEGATION_TOKEN, {"renewers": []}, E.DELEGATION_TOKEN_REQUEST_NOT_ALLOWED, 0),
    (K.RENEW_DELEGATION_TOKEN, {"hmac": b"h"}, E.DELEGATION_TOKEN_REQUEST_NOT_ALLOWED, 0),
    (K.EXPIRE_DELEGATION_TOKEN, {"hmac": b"h"}, E.DELEGATION_TOKEN_REQUEST_NOT_ALLOWED, 0),
    (K.DESCRIBE_DELEGATION_TOKEN, {"owners": None}, E.DELEGATION_TOKEN_REQUEST_NOT_ALLOWED, 0),
    (K.ALTER_USER_SCRAM_CREDENTIALS, upsertions({}), E.NONE, 0),
    (K.ALTER_USER_SCRAM_CREDENTIALS, upsertions({"salt": b""}), E.NONE, 0),
    (K.ALTER_USER_SCRAM_CREDENTIALS, upsertions({"name": ""}), E.UNACCEPTABLE_CREDENTIAL, 0),
    (K.ALTER_USER_SCRAM_CREDENTIALS, upsertions({"iterations": 4095}), E.UNACCEPTABLE_CREDENTIAL, 0),
    (K.ALTER_USER_SCRAM_CREDENTIALS, upsertions({"iterations": 16385}), E.UNACCEPTABLE_CREDENTIAL, 0),
    (K.ALTER_USER_SCRAM_CREDENTIALS, upsertions({"mechanism": 0}), E.UNSUPPORTED_SASL_MECHANISM, 0),
    (K.ALTER_USER_SCRAM_CREDENTIALS, upsertions({}, {}), E.DUPLICATE_RESOURCE, 0),
    (
        K.ALTER_USER_SCRAM_CREDENTIALS,
        {"deletions": [{"name": "nobody", "mechanism": 1}]},
        E.RESOURCE_NOT_FOUND,
        0,
    ),
    (K.DESCRIBE_USER_SCRAM_CREDENTIALS, {"users": [{"name": "nobody"}]}, E.RESOURCE_NOT_FOUND, 0),
    (K.DESCRIBE_USER_SCRAM_CREDENTIALS, {"users": [{"name": "a"}] * 2}, E.DUPLICATE_RESOURCE, 0),
    (
        K.UPDATE_FEATURES,
        {"feature_updates": [{"feature": "metadata.version", "max_version_level": 9}]},
        E.INVALID_REQUEST,
        0,
    ),
    (K.CONSUMER_GROUP_HEARTBEAT, {"group_id": "g"}, E.UNSUPPORTED_VERSION, 0),
    (K.CONSUMER_GROUP_DESCRIBE, {"group_ids": ["g"]}, E.UNSUPPORTED_VERSION, 0),
    (K.DESCRIBE_TRANSACTIONS, {"transactional_ids": ["nobody"]}, E.TRANSACTIONAL_ID_NOT_FOUND, 0),
    (K.LIST_TRANSACTIONS, {"state_filters": ["Nonsense"]}, E.NONE, 0),
]


def test_refusals(tmp_path: Path) -> None:
    async def test(attack: Attack) -> None:
        wrong = []
        for key, fields, code, since in CASES:
            api = served_apis()[int(key)]
            for version in range(max(since, api.min_version), api.max_version + 1):
                answer = await attack.ask(ADMIN, make(request_class(key), fields), version)
                found = {one for one in error_codes(answer) if one} or {0}
                if found != {code}:
                    wrong.append(f"{key.name} {version} {fields}: {found}, not {code!r}")
        assert not wrong, "\n".join(wrong)

    run(tmp_path, test)


def test_an_envelope_closes_the_connection(tmp_path: Path) -> None:
    async def test(attack: Attack) -> None:
        fields = {"request_data": b"x", "request_principal": b"y", "client_host_address": b"z"}
        assert await attack.ask(ADMIN, make(request_class(K.ENVELOPE), fields), 0) is None

    run(tmp_path, test)
