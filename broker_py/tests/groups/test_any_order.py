# SPDX-License-Identifier: Apache-2.0
"""Whatever members do, in whatever order: a group keeps its promises."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from hypothesis import given, settings
from hypothesis import strategies as st

from commitlog.groups.group import Group, GroupState
from commitlog.wire.errors import ErrorCode
from tests.groups.harness import GROUP, Answer, Harness
from tests.groups.virtual_loop import in_virtual_time

E = ErrorCode
ACTIONS = (
    "join",
    "rejoin",
    "change",
    "sync",
    "heartbeat",
    "leave",
    "commit",
    "wait",
    "silence",
    "static",
    "reload",
)


@dataclass
class Client:
    """A member as its client knows it: it follows the protocol, and may be slow, silent or gone."""

    instance: str | None = None
    member_id: str = ""
    generation: int = -1
    is_leader: bool = False
    members: tuple[str, ...] = ()
    joining: Answer | None = None
    syncing: Answer | None = None

    def collect(self) -> None:
        if self.joining is not None and self.joining.done:
            response = self.joining.response
            self.joining = None
            if response.error_code == E.NONE:
                assert response.generation_id >= 1
                self.member_id, self.generation = response.member_id, response.generation_id
                self.is_leader = response.leader == response.member_id
                self.members = tuple(member.member_id for member in response.members)
                assert bool(self.members) == self.is_leader
            else:
                self.member_id = "" if response.error_code != E.MEMBER_ID_REQUIRED else response.member_id
                self.generation = -1
        if self.syncing is not None and self.syncing.done:
            response = self.syncing.response
            self.syncing = None
            if response.error_code == E.NONE:
                assert response.assignment in (b"", f"{self.generation}:{self.member_id}".encode()), (
                    "not its own"
                )


def check(harness: Harness, clients: list[Client]) -> None:
    for client in clients:
        client.collect()
    group = harness.groups._cache.get(GROUP)
    if group is None:
        return
    members = list(group.members)
    waiting = [member for member in members if member.awaiting_join is not None]
    assert group.members.awaiting_join_count == len(waiting)
    assert (group.members.leader_id is None) == (not members)
    assert group.members.leader_id is None or group.members.leader_id in group.members
    if group.state is GroupState.EMPTY:
        assert not members
    if group.state in (GroupState.STABLE, GroupState.COMPLETING_REBALANCE):
        assert members
        assert group.protocol_name is not None
    if group.state is GroupState.STABLE:
        assert not any(member.awaiting_sync for member in members)
    assert not group.effects, "everything that was wanted has been done"


@settings(max_examples=80, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(ACTIONS), st.integers(0, 3)), max_size=40))
@in_virtual_time
async def test_promises_hold(actions: list[tuple[str, int]]) -> None:
    harness = await Harness(group_max_size=4).started()
    clients = [Client() for _ in range(3)] + [Client(instance="static")]
    known: Group | None = None
    generation = 0
    for action, index in actions:
        client = clients[index]
        act(harness, client, action)
        if action == "wait":
            await harness.pass_ms(1_500)
        elif action == "silence":
            await harness.pass_ms(70_000)
        elif action == "reload":
            partition = harness.groups.partition_for(GROUP)
            harness.groups.on_resignation(partition, None)
            harness.groups.on_election(partition, 0)
            await harness.pass_ms(0)
        check(harness, clients)
        group = harness.groups._cache.get(GROUP)
        if group is not None:
            # A group that ended, or was loaded without its last generation, which nobody had seen, is
            # another one.
            assert group is not known or group.generation_id >= generation
            known, generation = group, group.generation_id
    for client in clients:
        client.collect()
    await harness.pass_ms(400_000)
    check(harness, clients)
    assert all(client.joining is None and client.syncing is None for client in clients), (
        "nobody waits for ever"
    )
    assert harness.state() in ("Empty", "Dead"), "everybody fell silent"
    await harness.groups.stop()
    assert asyncio.all_tasks() == {asyncio.current_task()}


def act(harness: Harness, client: Client, action: str) -> None:
    if action in ("join", "rejoin", "change", "static") and client.joining is None and client.syncing is None:
        member_id = "" if action in ("join", "static") and client.generation >= 0 else client.member_id
        metadata = b"changed" if action == "change" else b"meta"
        client.joining = harness.join(member_id, instance=client.instance, protocols=[("range", metadata)])
    elif action == "sync" and client.joining is None and client.syncing is None and client.generation >= 0:
        assignment = {member: f"{client.generation}:{member}".encode() for member in client.members}
        client.syncing = harness.sync(
            client.member_id, client.generation, assignment, instance=client.instance
        )
    elif action == "heartbeat":
        harness.heartbeat(client.member_id, client.generation, instance=client.instance)
    elif action == "leave" and client.member_id:
        harness.leave((client.member_id, client.instance))
    elif action == "commit":
        harness.commit(
            {("topic", 0): 1},
            member_id=client.member_id,
            generation=client.generation,
            instance=client.instance,
        )
