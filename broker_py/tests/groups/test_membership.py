# SPDX-License-Identifier: Apache-2.0
"""Counting who supports which protocol, whatever names clients come up with."""

from __future__ import annotations

from commitlog.groups.member import Member, Protocols
from commitlog.groups.membership import Membership


def member(name: str, *protocols: str) -> Member:
    return Member(
        member_id=name,
        group_instance_id=None,
        client_id="client",
        client_host="/127.0.0.1",
        rebalance_timeout_ms=1000,
        session_timeout_ms=1000,
        protocols=offering(*protocols),
    )


def offering(*protocols: str) -> Protocols:
    return tuple((protocol, b"") for protocol in protocols)


def test_the_common_protocol_with_most_votes_is_selected() -> None:
    members = Membership()
    members.add(member("a", "sticky", "range"), None)
    members.add(member("b", "range", "sticky"), None)
    members.add(member("c", "range", "sticky", "own"), None)
    assert members.select_protocol() == "range"
    assert members.supports_any_of(("own", "sticky"))
    assert not members.supports_any_of(("own",))


def test_a_protocol_named_twice_has_one_supporter() -> None:
    members = Membership()
    members.add(member("a", "range", "range"), None)
    assert members.supports_any_of(("range",))
    assert members.select_protocol() == "range"
    members.add(member("b", "range"), None)
    members.remove("a")
    assert members.select_protocol() == "range"


def test_names_that_nobody_supports_any_more_are_forgotten() -> None:
    members = Membership()
    joined = member("a", "protocol-0")
    members.add(joined, None)
    for count in range(1, 100):
        members.update(joined, offering(f"protocol-{count}"), 1000, 1000)
    assert dict(members._supporters) == {"protocol-99": 1}
    members.remove("a")
    assert not members._supporters
