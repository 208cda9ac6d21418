# SPDX-License-Identifier: Apache-2.0
"""Who may do what: the rules of AclAuthorizer, each as a row."""

from __future__ import annotations

import logging

import pytest

from commitlog.security.acl import AclOperation, ResourceType
from commitlog.security.authorizer import ANSWERS_REMEMBERED, AclAuthorizer, host_address
from commitlog.security.principal import KafkaPrincipal
from tests.security.world import ALICE, HOST, World, acl, everything, may, run, settings

# (ACLs, operation, resource, whether alice may)
RULES = [
    ([], "READ", "TOPIC:t", False),
    (["allow User:alice READ TOPIC:t"], "READ", "TOPIC:t", True),
    (["allow User:alice READ TOPIC:t"], "WRITE", "TOPIC:t", False),
    (["allow User:alice READ TOPIC:t"], "READ", "TOPIC:tt", False),
    (["allow User:alice READ TOPIC:t"], "READ", "GROUP:t", False),
    (["allow User:bob READ TOPIC:t"], "READ", "TOPIC:t", False),
    (["allow User:* READ TOPIC:t"], "READ", "TOPIC:t", True),
    (["allow Group:alice READ TOPIC:t"], "READ", "TOPIC:t", False),
    (["allow User:alice ALL TOPIC:t"], "ALTER_CONFIGS", "TOPIC:t", True),
    (["allow User:alice READ TOPIC:*"], "READ", "TOPIC:t", True),
    (["allow User:alice READ TOPIC:*"], "READ", "GROUP:t", False),
    (["allow User:alice READ TOPIC:t**"], "READ", "TOPIC:t", True),
    (["allow User:alice READ TOPIC:t**"], "READ", "TOPIC:tea", True),
    (["allow User:alice READ TOPIC:tea**"], "READ", "TOPIC:te", False),
    (["allow User:alice READ TOPIC:tea**"], "READ", "TOPIC:toa", False),
    # A prefix that looks like the wildcard is a prefix.
    (["allow User:alice READ TOPIC:***"], "READ", "TOPIC:t", False),
    # Hosts.
    ([f"allow User:alice READ TOPIC:t from {HOST}"], "READ", "TOPIC:t", True),
    (["allow User:alice READ TOPIC:t from 10.0.0.2"], "READ", "TOPIC:t", False),
    (
        [f"deny User:alice READ TOPIC:t from {HOST}", "allow User:alice READ TOPIC:t"],
        "READ",
        "TOPIC:t",
        False,
    ),
    (
        ["deny User:alice READ TOPIC:t from 10.0.0.2", "allow User:alice READ TOPIC:t"],
        "READ",
        "TOPIC:t",
        True,
    ),
    # A deny wins, whatever pattern it stands at.
    (["allow User:alice READ TOPIC:t", "deny User:alice READ TOPIC:t"], "READ", "TOPIC:t", False),
    (["allow User:alice READ TOPIC:t", "deny User:* READ TOPIC:*"], "READ", "TOPIC:t", False),
    (["allow User:alice READ TOPIC:tea", "deny User:alice ALL TOPIC:t**"], "READ", "TOPIC:tea", False),
    (["allow User:alice ALL TOPIC:tea", "deny User:alice WRITE TOPIC:t**"], "READ", "TOPIC:tea", True),
    # What implies Describe; a deny implies nothing.
    *(
        ([f"allow User:alice {operation} TOPIC:t"], "DESCRIBE", "TOPIC:t", True)
        for operation in ("DESCRIBE", "READ", "WRITE", "DELETE", "ALTER", "ALL")
    ),
    *(
        ([f"allow User:alice {operation} TOPIC:t"], "DESCRIBE", "TOPIC:t", False)
        for operation in ("CREATE", "DESCRIBE_CONFIGS", "ALTER_CONFIGS", "CLUSTER_ACTION")
    ),
    (["allow User:alice ALTER_CONFIGS TOPIC:t"], "DESCRIBE_CONFIGS", "TOPIC:t", True),
    (["allow User:alice DESCRIBE_CONFIGS TOPIC:t"], "ALTER_CONFIGS", "TOPIC:t", False),
    (["allow User:alice DESCRIBE TOPIC:t"], "READ", "TOPIC:t", False),
    (["deny User:alice READ TOPIC:t", "allow User:alice WRITE TOPIC:t"], "DESCRIBE", "TOPIC:t", True),
    (["deny User:alice ALL TOPIC:t", "allow User:alice WRITE TOPIC:t"], "DESCRIBE", "TOPIC:t", False),
]


@pytest.mark.parametrize(("acls", "operation", "resource", "allowed"), RULES)
def test_rules(acls: list[str], operation: str, resource: str, allowed: bool) -> None:
    async def test(world: World) -> None:
        authorizer = await world.holding(*acls)
        # Asked twice: what is remembered is the same answer.
        assert [may(authorizer, operation, resource) for _ in range(2)] == [allowed] * 2

    run(test)


def test_without_acls_everyone_may_only_when_that_is_set() -> None:
    async def test(world: World) -> None:
        authorizer = await world.holding("allow User:bob READ TOPIC:t", everyone=True)
        assert may(authorizer, "WRITE", "TOPIC:other")
        assert not may(authorizer, "READ", "TOPIC:t")

    run(test)


def test_a_super_user_may_everything_whatever_is_denied() -> None:
    async def test(world: World) -> None:
        root = KafkaPrincipal("User", "root")
        authorizer = await world.authorizer(settings(root))
        await authorizer.create_acls([acl("deny User:root ALL TOPIC:*")])
        assert may(authorizer, "READ", "TOPIC:t", who=root)
        assert not may(authorizer, "READ", "TOPIC:t")
        assert authorizer.authorize_by_resource_type(root, HOST, AclOperation.WRITE, ResourceType.TOPIC)

    run(test)


def test_a_change_is_in_force_at_once_also_for_what_was_asked_before() -> None:
    async def test(world: World) -> None:
        authorizer = await world.holding("allow User:alice READ TOPIC:t")
        assert may(authorizer, "READ", "TOPIC:t")
        await authorizer.create_acls([acl("deny User:alice READ TOPIC:t**")])
        assert not may(authorizer, "READ", "TOPIC:t")
        await authorizer.delete_acls([everything()])
        assert not may(authorizer, "READ", "TOPIC:t")
        assert authorizer.acls(everything()) == []

    run(test)


def test_what_is_remembered_has_an_end() -> None:
    async def test(world: World) -> None:
        authorizer = await world.holding("allow User:alice READ TOPIC:t0**")
        for number in range(ANSWERS_REMEMBERED + 10):
            assert may(authorizer, "READ", f"TOPIC:t{number}") is (number == 0)
        may(authorizer, "READ", "TOPIC:" + "x" * 250)
        assert len(authorizer._answers) <= ANSWERS_REMEMBERED
        assert all(len(question[-1]) < 250 for question in authorizer._answers)

    run(test)


# (ACLs on topics, whether alice may write to any)
ANY_TOPIC = [
    ([], False),
    (["allow User:alice WRITE TOPIC:t"], True),
    (["allow User:alice ALL TOPIC:t**"], True),
    (["allow User:alice READ TOPIC:t"], False),
    (["allow User:alice WRITE TOPIC:t from 10.9.9.9"], False),
    (["allow User:alice WRITE TOPIC:t", "deny User:* WRITE TOPIC:*"], False),
    (["allow User:alice WRITE TOPIC:t", "deny User:alice WRITE TOPIC:t"], False),
    (["allow User:alice WRITE TOPIC:tea", "deny User:alice WRITE TOPIC:te**"], False),
    (["allow User:alice WRITE TOPIC:t**", "deny User:alice WRITE TOPIC:te**"], True),
    (["allow User:alice WRITE TOPIC:tea**", "deny User:alice WRITE TOPIC:te**"], False),
    (["allow User:alice WRITE TOPIC:*", "deny User:alice WRITE TOPIC:t"], True),
    (["allow User:alice WRITE TOPIC:t", "deny User:alice READ TOPIC:t"], True),
]


@pytest.mark.parametrize(("acls", "allowed"), ANY_TOPIC)
def test_any_resource_of_a_type(acls: list[str], allowed: bool) -> None:
    async def test(world: World) -> None:
        authorizer = await world.holding(*acls)
        asked = (ALICE, HOST, AclOperation.WRITE, ResourceType.TOPIC)
        assert authorizer.authorize_by_resource_type(*asked) is allowed

    run(test)


def test_authorized_operations_are_bits() -> None:
    async def test(world: World) -> None:
        authorizer = await world.holding("allow User:alice WRITE TOPIC:t", "allow User:alice ALL GROUP:g")
        topic = authorizer.authorized_operations(ALICE, HOST, ResourceType.TOPIC, "t")
        assert topic == 1 << 4 | 1 << 8
        group = authorizer.authorized_operations(ALICE, HOST, ResourceType.GROUP, "g")
        assert group == 1 << 3 | 1 << 6 | 1 << 8

    run(test)


@pytest.mark.parametrize(
    ("host", "address"),
    [
        ("10.0.0.1", "10.0.0.1"),
        ("::1", "0:0:0:0:0:0:0:1"),
        ("2001:db8::a:0", "2001:db8:0:0:0:0:a:0"),
        ("fe80::1%eth0", "fe80:0:0:0:0:0:0:1%eth0"),
        ("::ffff:10.0.0.1", "10.0.0.1"),
        ("a-name", "a-name"),
    ],
)
def test_hosts_are_named_as_java_names_them(host: str, address: str) -> None:
    assert host_address(host) == address


def _lines(caplog: pytest.LogCaptureFixture) -> list[tuple[int, str]]:
    return [(record.levelno, record.getMessage()) for record in caplog.records]


def _ask(authorizer: AclAuthorizer, topic: str, *, log_if_denied: bool = True) -> None:
    authorizer.authorize(
        ALICE,
        HOST,
        AclOperation.DESCRIBE,
        ResourceType.TOPIC,
        topic,
        request="Metadata",
        log_if_denied=log_if_denied,
        count=2,
    )


def test_a_denial_is_one_line_in_kafkas_words(caplog: pytest.LogCaptureFixture) -> None:
    async def test(world: World) -> None:
        authorizer = await world.authorizer()
        with caplog.at_level(logging.INFO, "kafka.authorizer.logger"):
            _ask(authorizer, "t")
            _ask(authorizer, "t", log_if_denied=False)
            authorizer.authorize_by_resource_type(ALICE, HOST, AclOperation.WRITE, ResourceType.TOPIC)

    run(test)
    assert _lines(caplog)[-2:] == [
        (
            logging.INFO,
            "Principal = User:alice is Denied Operation = Describe from host = 10.0.0.1 on resource = "
            "Topic:LITERAL:t for request = Metadata with resourceRefCount = 2",
        ),
        (
            logging.INFO,
            "Principal = User:alice is Denied Operation = Write from host = 10.0.0.1 on resource = "
            "Topic:UNKNOWN:NONE for request =  with resourceRefCount = 0",
        ),
    ]


def test_a_peer_cannot_forge_a_line(caplog: pytest.LogCaptureFixture) -> None:
    async def test(world: World) -> None:
        authorizer = await world.authorizer()
        with caplog.at_level(logging.DEBUG, "kafka.authorizer.logger"):
            _ask(authorizer, "t\n[2026] INFO Principal = User:root is Allowed\x1b[2J")

    run(test)
    audit = [text for _, text in _lines(caplog) if "t\\n[2026]" in text]
    assert audit
    assert all(text.isprintable() for text in audit)


def test_with_debug_the_entry_that_decided_is_told(caplog: pytest.LogCaptureFixture) -> None:
    async def test(world: World) -> None:
        authorizer = await world.holding("allow User:alice READ TOPIC:t")
        _ask(authorizer, "t")
        with caplog.at_level(logging.DEBUG, "kafka.authorizer.logger"):
            _ask(authorizer, "t")

    run(test)
    texts = [text for level, text in _lines(caplog) if level == logging.DEBUG]
    assert (
        "operation = DESCRIBE on resource = ResourcePattern(resourceType=TOPIC, name=t, patternType=LITERAL) "
        "from host = 10.0.0.1 is ALLOW based on acl = User:alice has ALLOW permission for operations: READ "
        "from hosts: *" in texts
    )
