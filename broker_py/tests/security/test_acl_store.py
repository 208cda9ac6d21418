# SPDX-License-Identifier: Apache-2.0
"""ACLs in ZooKeeper: Kafka's paths and documents, conditional writes, what other brokers change."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable

import pytest

from commitlog.coordination.client import BadVersion
from commitlog.coordination.json_fields import DocumentError
from commitlog.coordination.memory import MemoryCoordination
from commitlog.security.acl import AclEntry, AclOperation, AclPermissionType, PatternType, ResourceType
from commitlog.security.acl_store import (
    decode_entries,
    decode_extended_change,
    decode_literal_change,
)
from commitlog.security.authorizer import MAX_UPDATE_RETRIES, InvalidBinding, UpdateFailed
from tests.security.world import ALICE, World, acl, everything, may, run, settings

LITERAL = "/kafka-acl/Topic/t"
PREFIXED = "/kafka-acl-extended/prefixed/TransactionalId/tx"


async def until(condition: Callable[[], bool]) -> None:
    while not condition():  # noqa: ASYNC110 - the authorizer tells nobody
        await asyncio.sleep(0)


def test_znodes_are_kafkas() -> None:
    async def test(world: World) -> None:
        authorizer = await world.authorizer()
        tool = await world.client()
        assert await tool.children("/kafka-acl") == sorted(
            ["Topic", "Group", "Cluster", "TransactionalId", "DelegationToken", "User"]
        )
        assert await tool.children("/kafka-acl-extended/prefixed") == await tool.children("/kafka-acl")
        await authorizer.create_acls(
            [acl("allow User:alice READ TOPIC:t"), acl("deny User:b ALL TRANSACTIONAL_ID:tx** from 10.0.0.1")]
        )
        data, stat = await tool.get(LITERAL)
        assert data == (
            b'{"version":1,"acls":[{"principal":"User:alice","permissionType":"Allow","operation":"Read",'
            b'"host":"*"}]}'
        )
        assert stat.version == 0
        data, _ = await tool.get(PREFIXED)
        assert json.loads(data)["acls"] == [
            {"principal": "User:b", "permissionType": "Deny", "operation": "All", "host": "10.0.0.1"}
        ]
        data, _ = await tool.get("/kafka-acl-changes/acl_changes_0000000000")
        assert data == b"TOPIC:t"
        data, _ = await tool.get("/kafka-acl-extended-changes/acl_changes_0000000000")
        assert data == (
            b'{"version":1,"resourceType":"TRANSACTIONAL_ID","name":"tx","patternType":"PREFIXED"}'
        )

    run(test)


def test_the_last_entry_takes_the_znode_with_it() -> None:
    async def test(world: World) -> None:
        authorizer = await world.holding("allow User:alice READ TOPIC:t", "allow User:bob READ TOPIC:t")
        tool = await world.client()
        bob = everything(ResourceType.TOPIC, "t", PatternType.LITERAL, "User:bob")
        assert await authorizer.delete_acls([bob]) == [[(acl("allow User:bob READ TOPIC:t"), None)]]
        _, stat = await tool.get(LITERAL)
        assert stat.version == 1
        await authorizer.delete_acls([everything()])
        assert await tool.exists(LITERAL) is None
        assert len(await tool.children("/kafka-acl-changes")) == 3

    run(test)


def test_nothing_new_is_no_change() -> None:
    async def test(world: World) -> None:
        authorizer = await world.holding("allow User:alice READ TOPIC:t")
        await authorizer.create_acls([acl("allow User:alice READ TOPIC:t")])
        tool = await world.client()
        assert len(await tool.children("/kafka-acl-changes")) == 1

    run(test)


def test_another_broker_learns_of_it_and_so_does_one_that_starts_later() -> None:
    async def test(world: World) -> None:
        first, second = await world.authorizer(), await world.authorizer()
        await first.create_acls(
            [acl("allow User:alice READ TOPIC:t"), acl("allow User:alice READ GROUP:g**")]
        )
        await until(lambda: may(second, "READ", "TOPIC:t") and may(second, "READ", "GROUP:group"))
        third = await world.authorizer()
        assert may(third, "READ", "TOPIC:t")
        await second.delete_acls([everything()])
        await until(lambda: not (may(first, "READ", "TOPIC:t") or may(third, "READ", "GROUP:group")))

    run(test)


def test_a_change_made_while_the_session_was_over_is_not_missed() -> None:
    async def test(world: World) -> None:
        client = await world.client("broker")
        first, second = await world.authorizer(client=client), await world.authorizer()
        await second.create_acls([acl("allow User:alice READ TOPIC:t")])
        await until(lambda: may(first, "READ", "TOPIC:t"))
        world.ensemble.expire(client.session_id)
        await second.delete_acls([everything()])
        await until(lambda: not may(first, "READ", "TOPIC:t"))

    run(test)


def test_two_brokers_that_change_one_resource_at_once_lose_nothing() -> None:
    async def test(world: World) -> None:
        brokers = [await world.authorizer() for _ in range(3)]
        wanted = [f"allow User:u{number} READ TOPIC:t" for number in range(9)]
        results = await asyncio.gather(
            *(brokers[number % 3].create_acls([acl(one)]) for number, one in enumerate(wanted))
        )
        assert results == [[None]] * 9
        tool = await world.client()
        data, _ = await tool.get(LITERAL)
        assert decode_entries(data) == {acl(one).entry for one in wanted}
        for broker in brokers:
            await until(lambda broker=broker: len(broker.acls(everything())) == 9)  # type: ignore[misc]

    run(test)


def test_a_pattern_not_yet_heard_of_is_deleted_when_it_is_named() -> None:
    """The filter that can only mean one pattern reads it from ZooKeeper, not from memory."""

    async def test(world: World) -> None:
        deaf = await world.authorizer()
        await deaf.stop()
        other = await world.authorizer()
        await other.create_acls([acl("allow User:alice READ TOPIC:t")])
        assert deaf.acls(everything()) == []
        deleted = await deaf.delete_acls([everything(ResourceType.TOPIC, "t")])
        assert deleted == [[(acl("allow User:alice READ TOPIC:t"), None)]]

    run(test)


def test_whoever_is_never_first_gives_up() -> None:
    async def test(world: World) -> None:
        client = await world.client("unlucky")
        authorizer = await world.authorizer(client=client)
        await authorizer.create_acls([acl("allow User:alice READ TOPIC:t")])
        tries = 0

        async def refuse(*args: object) -> None:
            nonlocal tries
            tries += 1
            raise BadVersion(LITERAL)

        client.set = refuse  # type: ignore[assignment, method-assign]
        authorizer._rng.randrange = lambda *args: -100  # type: ignore[method-assign, misc, assignment]
        (result,) = await authorizer.create_acls([acl("allow User:bob READ TOPIC:t")])
        assert isinstance(result, UpdateFailed)
        assert tries == MAX_UPDATE_RETRIES + 1
        assert not may(authorizer, "READ", "TOPIC:t", who=acl("allow User:bob READ TOPIC:t").entry.principal)

    run(test)


def test_bindings_that_cannot_be_kept_are_refused_and_the_others_are_not() -> None:
    async def test(world: World) -> None:
        authorizer = await world.authorizer(settings(prefixed=False))
        results = await authorizer.create_acls(
            [
                acl("allow User:alice READ TOPIC:../brokers"),
                acl("allow User:alice READ TOPIC:t**"),
                acl("allow User:alice UNKNOWN TOPIC:t"),
                acl("allow User:alice READ TOPIC:t"),
            ]
        )
        assert [type(one) for one in results] == [InvalidBinding, InvalidBinding, InvalidBinding, type(None)]
        results = await authorizer.create_acls([acl("allow User:alice READ TOPIC:..")])
        assert results != [None]
        tool = await world.client()
        assert await tool.children("/kafka-acl/Topic") == ["t"]

    run(test)


def test_each_binding_is_deleted_once_and_told_at_the_first_filter_that_finds_it() -> None:
    async def test(world: World) -> None:
        authorizer = await world.holding(
            "allow User:alice READ TOPIC:tea", "allow User:alice READ TOPIC:t**", "deny User:bob ALL TOPIC:*"
        )
        match = everything(ResourceType.TOPIC, "tea", PatternType.MATCH, "User:alice")
        first, second, third = await authorizer.delete_acls([match, everything(), everything()])
        assert {binding.pattern.name for binding, _ in first} == {"tea", "t"}
        assert [binding.pattern.name for binding, _ in second] == ["*"]
        assert third == []

    run(test)


# (filter, names found among: literal a, literal *, prefixed a, prefixed ab, group a)
FOUND = [
    (everything(), ["*", "a", "a", "a**", "ab**"]),
    (everything(ResourceType.TOPIC, "a", PatternType.LITERAL), ["a"]),
    (everything(ResourceType.TOPIC, "a", PatternType.PREFIXED), ["a**"]),
    (everything(ResourceType.TOPIC, "a", PatternType.ANY), ["a", "a**"]),
    (everything(ResourceType.TOPIC, "a", PatternType.MATCH), ["*", "a", "a**"]),
    (everything(ResourceType.TOPIC, "abc", PatternType.MATCH), ["*", "a**", "ab**"]),
    (everything(ResourceType.TOPIC, "*", PatternType.LITERAL), ["*"]),
    (everything(ResourceType.GROUP), ["a"]),
    (everything(principal="User:nobody"), []),
]


@pytest.mark.parametrize(("wanted", "names"), FOUND)
def test_filters(wanted: object, names: list[str]) -> None:
    async def test(world: World) -> None:
        authorizer = await world.holding(
            *(f"allow User:alice READ {one}" for one in ("TOPIC:a", "TOPIC:*", "TOPIC:a**", "TOPIC:ab**")),
            "allow User:alice READ GROUP:a",
        )
        found = authorizer.acls(wanted)  # type: ignore[arg-type]
        shown = [
            one.pattern.name + ("**" if one.pattern.pattern_type is PatternType.PREFIXED else "")
            for one in found
        ]
        assert sorted(shown) == names

    run(test)


def test_documents_of_others_are_read_tolerantly() -> None:
    assert decode_entries(b"") == frozenset()
    data = (
        b'{"acls":[{"host":"*","operation":"describeconfigs","permissionType":"ALLOW","principal":"User:a:b",'
        b'"x":1},{"host":"*","operation":"FromTheFuture","permissionType":"Allow","principal":"User:a"}],'
        b'"version":1}'
    )
    known, future = sorted(decode_entries(data), key=lambda entry: -entry.operation)
    assert (str(known.principal), known.operation) == ("User:a:b", AclOperation.DESCRIBE_CONFIGS)
    assert future.operation is AclOperation.UNKNOWN
    assert decode_literal_change(b"Topic:a:b").name == "a:b"
    assert decode_literal_change(b"TransactionalId:x").resource_type is ResourceType.TRANSACTIONAL_ID


@pytest.mark.parametrize(
    "data",
    [b"x", b'{"version":2,"acls":[]}', b'{"version":1}', b'{"version":1,"acls":[{"principal":"nobody"}]}'],
)
def test_documents_that_are_none(data: bytes) -> None:
    with pytest.raises(DocumentError):
        decode_entries(data)


@pytest.mark.parametrize("data", [b"", b"Topic", b"Nothing:x", b"ANY:x"])
def test_changes_that_are_none(data: bytes) -> None:
    with pytest.raises(DocumentError):
        decode_literal_change(data)
    with pytest.raises(DocumentError):
        decode_extended_change(data or b'{"version":2}')


def test_what_cannot_be_read_among_the_changes_stops_nothing() -> None:
    async def test(world: World) -> None:
        authorizer = await world.authorizer()
        tool: MemoryCoordination = await world.client()
        await tool.create("/kafka-acl/Topic/bad", b"no document")
        for data in (b"", b"\xff", b"TOPIC:bad", b"TOPIC:good"):
            await tool.create("/kafka-acl-changes/acl_changes_", data, sequential=True)
        entry = AclEntry(ALICE, "*", AclOperation.READ, AclPermissionType.ALLOW)
        assert entry == acl("allow User:alice READ TOPIC:good").entry
        other = await world.client("other")
        await other.create(
            "/kafka-acl/Topic/later",
            b'{"version":1,"acls":[{"principal":"User:alice","permissionType":"Allow","operation":"Read",'
            b'"host":"*"}]}',
        )
        await other.create("/kafka-acl-changes/acl_changes_", b"TOPIC:later", sequential=True)
        await until(lambda: may(authorizer, "READ", "TOPIC:later"))

    run(test)
