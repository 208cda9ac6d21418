# SPDX-License-Identifier: Apache-2.0
"""DescribeClientQuotas (48) and AlterClientQuotas (49): their whole error matrix, and what ZooKeeper has."""

from __future__ import annotations

import asyncio
import math
from typing import Any

import pytest

from commitlog.apis import k48_describe_client_quotas as describe
from commitlog.apis import k49_alter_client_quotas as alter
from commitlog.coordination import paths
from commitlog.wire.errors import ErrorCode
from commitlog.wire.messages.alter_client_quotas_request import (
    AlterClientQuotasRequest,
    EntityData,
    EntryData,
    OpData,
)
from commitlog.wire.messages.describe_client_quotas_request import (
    ComponentData,
    DescribeClientQuotasRequest,
)
from tests.apis.controller_services import ask, idle, versions
from tests.controller.cluster import Cluster
from tests.groups.virtual_loop import in_virtual_time

Entity = dict[str, str | None]
EXACT, DEFAULT, ANY = 0, 1, 2


async def cluster_of_one() -> Cluster:
    return await Cluster().start(1)


async def change(
    cluster: Cluster, entity: Entity, version: int = 1, validate_only: bool = False, **ops: float | None
) -> tuple[ErrorCode, str | None]:
    """Set what has a value, remove what is None."""
    entry = EntryData(
        [EntityData(kind, name) for kind, name in entity.items()],
        [
            OpData(key=key, value=0.0 if value is None else value, remove=value is None)
            for key, value in ops.items()
        ],
    )
    request = AlterClientQuotasRequest([entry], validate_only)
    (answer,) = (await ask(cluster, alter.API, request, version)).entries
    assert {one.entity_type: one.entity_name for one in answer.entity} == entity
    return ErrorCode(answer.error_code), answer.error_message


async def described(
    cluster: Cluster, *components: tuple[str, int, str | None], strict: bool = False, version: int = 1
) -> Any:
    request = DescribeClientQuotasRequest([ComponentData(*one) for one in components], strict)
    answer = await ask(cluster, describe.API, request, version)
    if answer.error_code:
        return ErrorCode(answer.error_code), answer.error_message
    return {
        tuple(sorted((one.entity_type, one.entity_name) for one in entry.entity)): {
            value.key: value.value for value in entry.values
        }
        for entry in answer.entries
    }


@in_virtual_time
async def test_what_is_set_is_in_zookeeper_and_is_described_in_every_version() -> None:
    cluster = await cluster_of_one()
    for version in versions(alter.API):
        ok = await change(
            cluster,
            {"user": "a b/c", "client-id": None},
            version,
            producer_byte_rate=1024,
            consumer_byte_rate=2048.0,
            request_percentage=12.5,
        )
        assert ok == (ErrorCode.NONE, None)
        assert await cluster.admin.entity_configs.read("users", "a%20b%2Fc/clients/<default>") == {
            "producer_byte_rate": "1024",
            "consumer_byte_rate": "2048",
            "request_percentage": "12.5",
        }
        assert await described(cluster, version=version) == {
            (("client-id", None), ("user", "a b/c")): {
                "producer_byte_rate": 1024.0,
                "consumer_byte_rate": 2048.0,
                "request_percentage": 12.5,
            }
        }
    notices = await cluster.tool.children(paths.CONFIG_CHANGES)
    data, _ = await cluster.tool.get(paths.config_change(sorted(notices)[-1]))
    assert data == b'{"version":2,"entity_path":"users/a%20b%2Fc/clients/<default>"}'


@in_virtual_time
async def test_any_broker_answers() -> None:
    cluster = await Cluster().start(1, 2)
    entry = EntryData([EntityData("user", "u")], [OpData(key="request_percentage", value=1)])
    answer = await ask(cluster, alter.API, AlterClientQuotasRequest([entry], False), 1, idle(cluster))
    assert answer.entries[0].error_code == ErrorCode.NONE


@in_virtual_time
async def test_validate_only_changes_nothing() -> None:
    cluster = await cluster_of_one()
    assert (await change(cluster, {"user": "u"}, validate_only=True, request_percentage=1))[0] == 0
    assert await described(cluster) == {}


@in_virtual_time
async def test_an_entity_without_quotas_is_gone_and_so_is_what_stood_above_it() -> None:
    cluster = await cluster_of_one()
    await change(cluster, {"user": "u", "client-id": "c"}, producer_byte_rate=1)
    await change(cluster, {"user": "u", "client-id": "d"}, producer_byte_rate=1)
    await change(cluster, {"user": "u", "client-id": "c"}, producer_byte_rate=None)
    assert await cluster.tool.children("/config/users/u/clients") == ["d"]
    await change(cluster, {"user": "u", "client-id": "d"}, producer_byte_rate=None)
    assert await cluster.tool.children("/config/users") == []


@in_virtual_time
async def test_what_else_a_user_has_stays() -> None:
    cluster = await cluster_of_one()
    await cluster.admin.entity_configs.change("users", "u", {"SCRAM-SHA-256": "salt=x"})
    await change(cluster, {"user": "u"}, producer_byte_rate=5)
    assert await described(cluster) == {(("user", "u"),): {"producer_byte_rate": 5.0}}
    await change(cluster, {"user": "u"}, producer_byte_rate=None)
    assert await cluster.admin.entity_configs.read("users", "u") == {"SCRAM-SHA-256": "salt=x"}
    assert await described(cluster) == {}


REFUSED: list[tuple[Entity, dict[str, float | None], str]] = [
    ({}, {}, "Invalid empty client quota entity"),
    ({"user": ""}, {}, "Empty user not supported"),
    ({"role": "x"}, {}, "Unhandled client quota entity type: role"),
    (
        {"user": "u", "ip": "10.0.0.1"},
        {},
        "Invalid quota entity combination, IP entity should not be used with user/client ID entity.",
    ),
    ({"ip": "no such host"}, {}, "no%20such%20host is not a valid IP or resolvable host."),
    ({"user": "u"}, {"nonsense": 1}, "Invalid configuration key nonsense"),
    ({"user": "u"}, {"connection_creation_rate": 1}, "Invalid configuration key connection_creation_rate"),
    ({"ip": "10.0.0.1"}, {"producer_byte_rate": 1}, "Invalid configuration key producer_byte_rate"),
    ({"user": "u"}, {"producer_byte_rate": 1.5}, "Configuration producer_byte_rate must be a LONG value"),
    (
        {"ip": "10.0.0.1"},
        {"connection_creation_rate": 1.5},
        "Configuration connection_creation_rate must be a INT value",
    ),
    (
        {"ip": "10.0.0.1"},
        {"connection_creation_rate": 2.0**40},
        "Configuration connection_creation_rate must be a INT value",
    ),
]


@pytest.mark.parametrize(("entity", "ops", "text"), REFUSED)
@in_virtual_time
async def test_what_cannot_be_set(entity: Entity, ops: dict[str, float | None], text: str) -> None:
    cluster = await cluster_of_one()
    if entity.get("ip") == "no such host":

        async def nobody(*arguments: Any, **options: Any) -> list[Any]:
            raise OSError("unknown")

        asyncio.get_running_loop().getaddrinfo = nobody  # type: ignore[method-assign,assignment]
    assert await change(cluster, entity, **ops) == (ErrorCode.INVALID_REQUEST, text)
    assert await described(cluster) == {}


async def with_quotas() -> Cluster:
    """One entity of every kind; the value says which it is."""
    cluster = await cluster_of_one()
    entities: list[Entity] = [
        {"user": "u"},
        {"user": None},
        {"client-id": "c"},
        {"client-id": None},
        {"user": "u", "client-id": "c"},
        {"user": "u", "client-id": None},
        {"user": None, "client-id": "c"},
        {"user": None, "client-id": None},
    ]
    for number, entity in enumerate(entities):
        assert (await change(cluster, entity, controller_mutation_rate=number))[0] is ErrorCode.NONE
    for number, name in enumerate(("10.0.0.1", None), len(entities)):
        assert (await change(cluster, {"ip": name}, connection_creation_rate=number))[0] is ErrorCode.NONE
    return cluster


FILTERS: list[tuple[list[tuple[str, int, str | None]], bool, set[int]]] = [
    ([], False, set(range(10))),
    ([], True, set()),
    ([("user", EXACT, "u")], False, {0, 4, 5}),
    ([("user", EXACT, "u")], True, {0}),
    ([("user", DEFAULT, None)], False, {1, 6, 7}),
    ([("user", DEFAULT, None)], True, {1}),
    ([("user", ANY, None)], False, {0, 1, 4, 5, 6, 7}),
    ([("user", ANY, None)], True, {0, 1}),
    ([("client-id", EXACT, "c")], True, {2}),
    ([("client-id", ANY, None)], False, {2, 3, 4, 5, 6, 7}),
    ([("user", EXACT, "u"), ("client-id", EXACT, "c")], True, {4}),
    ([("user", ANY, None), ("client-id", DEFAULT, None)], True, {5, 7}),
    ([("user", EXACT, "nobody")], False, set()),
    ([("ip", EXACT, "10.0.0.1")], True, {8}),
    ([("ip", DEFAULT, None)], False, {9}),
    ([("ip", ANY, None)], True, {8, 9}),
]


@pytest.mark.parametrize(("components", "strict", "expected"), FILTERS)
@in_virtual_time
async def test_filters(
    components: list[tuple[str, int, str | None]], strict: bool, expected: set[int]
) -> None:
    cluster = await with_quotas()
    found = await described(cluster, *components, strict=strict)
    assert {int(next(iter(values.values()))) for values in found.values()} == expected


@pytest.mark.parametrize(
    ("components", "code", "text"),
    [
        (
            [("user", ANY, None)] * 2,
            ErrorCode.INVALID_REQUEST,
            "Duplicate user filter component entity type",
        ),
        (
            [("client-id", ANY, None)] * 2,
            ErrorCode.INVALID_REQUEST,
            "Duplicate client filter component entity type",
        ),
        ([("", ANY, None)], ErrorCode.INVALID_REQUEST, "Unexpected empty filter component entity type"),
        ([("role", ANY, None)], ErrorCode.UNSUPPORTED_VERSION, "Custom entity type 'role' not supported"),
        (
            [("user", ANY, None), ("ip", ANY, None)],
            ErrorCode.INVALID_REQUEST,
            "Invalid entity filter component combination, IP filter component should not be used with user "
            "or clientId filter component.",
        ),
        (
            [("user", 7, None)],
            ErrorCode.UNKNOWN_SERVER_ERROR,
            None,
        ),
    ],
)
@in_virtual_time
async def test_filters_that_are_refused(
    components: list[tuple[str, int, str | None]], code: ErrorCode, text: str | None
) -> None:
    cluster = await cluster_of_one()
    assert await described(cluster, *components) == (code, text)


@in_virtual_time
async def test_an_entity_named_twice_and_a_number_that_is_none() -> None:
    cluster = await cluster_of_one()
    user = [EntityData("user", "u")]
    entries = [EntryData(user, [OpData("producer_byte_rate", value)]) for value in (1.0, math.nan)]
    answer = await ask(cluster, alter.API, AlterClientQuotasRequest(entries), 1)
    assert [one.error_code for one in answer.entries] == [0]
    assert await described(cluster, ("user", EXACT, "u")) == {(("user", "u"),): {"producer_byte_rate": 0.0}}
    await cluster.close()
