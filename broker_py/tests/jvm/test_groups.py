# SPDX-License-Identifier: Apache-2.0
"""A group's life by raw requests, step by step, in protocols of four ages: Apache Kafka 3.9.1 and this broker
answer alike. Members join, rebalance, return, are too many, fall silent and leave; groups are listed by state
and type, described and deleted; offsets are committed, kept back, deleted and forgotten.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from commitlog.apis.registry import served_apis
from commitlog.wire import frames
from commitlog.wire.api_keys import ApiKey
from commitlog.wire.messages import request_class
from tests.end_to_end.cluster import wait_until
from tests.jvm.bad_requests import filled, in_version, spec_of
from tests.jvm.cluster import JVM, PYTHON
from tests.jvm.test_acls import HOME, Peer
from tests.jvm.two_sides import Side, Told, difference, told_of
from tests.real_zookeeper import ZooKeeperProcess
from tests.server.authorization_table import make

K = ApiKey
TOPIC, UNREAD = "matrix", "read"
SETTINGS = {
    "group.max.size": "3",
    "group.min.session.timeout.ms": "100",
    "group.initial.rebalance.delay.ms": "1000",
}
FORGETFUL = {"offsets.retention.check.interval.ms": "300"}
"""Groups without offsets go, too, also those that have just told a member its id."""
SHORT_SESSION_MS = 1_000
ERAS: dict[str, dict[ApiKey, int]] = {
    "0.9": {
        K.JOIN_GROUP: 0,
        K.SYNC_GROUP: 0,
        K.HEARTBEAT: 0,
        K.LEAVE_GROUP: 0,
        K.OFFSET_COMMIT: 2,
        K.OFFSET_FETCH: 1,
    },
    "0.11": {
        K.JOIN_GROUP: 2,
        K.SYNC_GROUP: 1,
        K.HEARTBEAT: 1,
        K.LEAVE_GROUP: 1,
        K.OFFSET_COMMIT: 3,
        K.OFFSET_FETCH: 3,
    },
    "2.2": {
        K.JOIN_GROUP: 4,
        K.SYNC_GROUP: 2,
        K.HEARTBEAT: 2,
        K.LEAVE_GROUP: 2,
        K.OFFSET_COMMIT: 6,
        K.OFFSET_FETCH: 5,
    },
    "2.4": {
        K.JOIN_GROUP: 6,
        K.SYNC_GROUP: 4,
        K.HEARTBEAT: 4,
        K.LEAVE_GROUP: 4,
        K.OFFSET_COMMIT: 8,
        K.OFFSET_FETCH: 6,
    },
    "3.9": {},
}
"""Versions of what members ask; the newest where nothing is said."""
STATIC_ERAS = ("2.4", "3.9")


def subscription(*topics: str) -> bytes:
    """ConsumerProtocolSubscription, version 0."""
    names = b"".join(struct.pack(">h", len(name)) + name.encode() for name in topics)
    return struct.pack(">hi", 0, len(topics)) + names + struct.pack(">i", 0)


class Line(Peer):
    """A connection on which the answer may be long in coming."""

    def send(self, request: Any, version: int) -> None:
        self._asked = request.API_KEY, version
        self._socket.sendall(frames.encode_request(request, version, 7, "test"))

    def receive(self) -> Any:
        size = self._read(4)
        assert size is not None
        payload = self._read(struct.unpack(">i", size)[0])
        assert payload is not None
        return frames.decode_response(*self._asked, memoryview(payload))[1]


class Member:
    """Whoever asks both brokers the same: a member of the group, or an administrator. What is answered has to
    be the same; ids that brokers make up go by the names in angle brackets that ``named`` gives them."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._lines = {kind: Line(side.broker, HOME) for kind, side in world.sides.items()}
        self._asked = ""
        self.last: dict[str, Told] = {}
        """What was answered last, by the kind of broker."""

    def send(self, key: ApiKey, **fields: Any) -> None:
        version = self._world.version(key)
        shown = {name: value for name, value in fields.items() if value}
        self._asked = f"{key.name} {version} {shown}"
        for kind, line in self._lines.items():
            values = self._world.values[kind]
            whole = filled(
                in_version(spec_of(key).root, version, {"group_id": self._world.group, **fields}),
                lambda value, values=values: values.get(value, value) if isinstance(value, str) else value,
            )
            line.send(make(request_class(key), whole), version)

    def receive(self, *, named: str = "") -> set[int]:
        """The errors of the answer."""
        answers = self.answers()
        if named:
            for kind, answer in answers.items():
                self._world.values[kind][named] = answer.member_id
        told = {kind: self._told(kind, answer) for kind, answer in answers.items()}
        found = difference(told[PYTHON], told[JVM])
        assert found is None, f"{self._asked}:\n   {found}"
        return {value for name, value in told[JVM] if name == "error_code"}

    def answers(self) -> dict[str, Any]:
        """Of both kinds, as they came."""
        found = {}
        for kind, line in self._lines.items():
            try:
                found[kind] = line.receive()
            except AssertionError:
                raise AssertionError(f"{self._asked}: not answered by the {kind} broker") from None
        return found

    def ask(self, key: ApiKey, *, named: str = "", **fields: Any) -> set[int]:
        self.send(key, **fields)
        return self.receive(named=named)

    def until(self, codes: set[int], key: ApiKey, **fields: Any) -> None:
        """Ask until both answer with these errors, and then the same in all else."""

        def answered() -> bool:
            self.send(key, **fields)
            answers = self.answers()
            self.last = {kind: self._told(kind, answer) for kind, answer in answers.items()}
            return all(
                {value for name, value in told if name == "error_code"} == codes
                for told in self.last.values()
            )

        wait_until(answered, f"{key.name} to be answered with {codes}")
        found = difference(self.last[PYTHON], self.last[JVM])
        assert found is None, f"{self._asked}:\n   {found}"

    def _told(self, kind: str, answer: Any) -> Told:
        if answer.API_KEY == K.LIST_GROUPS:
            answer.groups = [one for one in answer.groups if one.group_id == self._world.group]
        ids = {value: name for name, value in self._world.values[kind].items()}
        return told_of(_with_names(answer, ids), {})

    def close(self) -> None:
        for line in self._lines.values():
            line.close()


def _with_names(answer: Any, ids: dict[Any, str]) -> Any:
    """The answer, with made up ids by their names."""
    if hasattr(answer, "unknown_tagged_fields"):
        for name in answer.__slots__:
            setattr(answer, name, _with_names(getattr(answer, name), ids))
    elif isinstance(answer, list):
        return [_with_names(one, ids) for one in answer]
    elif isinstance(answer, str):
        return ids.get(answer, answer)
    return answer


class World:
    """Both brokers, one group of which nobody has heard, and its members."""

    def __init__(self, sides: dict[str, Side], group: str, era: str) -> None:
        self.sides = sides
        self.group = group
        self.values: dict[str, dict[str, Any]] = {kind: {} for kind in sides}
        self._versions = ERAS[era]
        self._members: list[Member] = []

    def version(self, key: ApiKey) -> int:
        return self._versions.get(key, served_apis()[key].max_version)

    def member(self) -> Member:
        self._members.append(Member(self))
        return self._members[-1]

    def close(self) -> None:
        for member in self._members:
            member.close()


Sides = dict[str, Side]


def started(
    stack: ExitStack, paths: pytest.TempPathFactory, zookeeper: ZooKeeperProcess, **more: str
) -> Sides:
    both = {}
    for kind in (PYTHON, JVM):
        both[kind] = Side(paths.mktemp(kind), zookeeper, kind)
        both[kind].broker.settings |= SETTINGS | more
        stack.callback(both[kind].close)
        both[kind].start()
    return both


@pytest.fixture(scope="module")
def sides(tmp_path_factory: pytest.TempPathFactory, zookeeper: ZooKeeperProcess) -> Iterator[Sides]:
    with ExitStack() as stack:
        yield started(stack, tmp_path_factory, zookeeper)


@pytest.fixture(scope="module")
def forgetful(tmp_path_factory: pytest.TempPathFactory, zookeeper: ZooKeeperProcess) -> Iterator[Sides]:
    with ExitStack() as stack:
        yield started(stack, tmp_path_factory, zookeeper, **FORGETFUL)


@pytest.fixture
def world(sides: Sides, request: pytest.FixtureRequest) -> Iterator[World]:
    era = request.param
    made = World(sides, f"{request.node.originalname}-{era}", era)
    yield made
    made.close()


JOIN = {
    "session_timeout_ms": 60_000,
    "rebalance_timeout_ms": 60_000,
    "protocol_type": "consumer",
    "protocols": [{"name": "range", "metadata": subscription(TOPIC)}],
}
NEWER = {**JOIN, "protocols": [{"name": "range", "metadata": subscription(TOPIC, "another")}]}
MEMBER_ID_REQUIRED, REBALANCE_IN_PROGRESS, UNKNOWN_MEMBER, ILLEGAL_GENERATION = 79, 27, 25, 22
MAX_SIZE_REACHED, NON_EMPTY, SUBSCRIBED, FENCED, NOT_FOUND, UNSTABLE = 81, 68, 86, 82, 69, 88


def committed(offset: int, **fields: Any) -> dict[str, Any]:
    partitions = [{"partition_index": 0, "committed_offset": offset, "committed_metadata": "m"}]
    return {"topics": [{"name": name, "partitions": partitions} for name in (TOPIC, UNREAD)], **fields}


def fetched(world: World, **fields: Any) -> dict[str, Any]:
    topics = [{"name": name, "partition_indexes": [0]} for name in (TOPIC, UNREAD)]
    return {"topics": topics, "groups": [{"group_id": world.group, "topics": topics}], **fields}


def deleted(*names: str) -> dict[str, Any]:
    return {"topics": [{"name": name, "partitions": [{"partition_index": 0}]} for name in names]}


def first_join(member: Member, name: str, **fields: Any) -> None:
    """Send what a new member sends; since 2.2 it is told its id first."""
    asked: dict[str, Any] = {**JOIN, "member_id": "", **fields}
    if member._world.version(K.JOIN_GROUP) >= 4 and not asked.get("group_instance_id"):
        assert member.ask(K.JOIN_GROUP, named=name, **asked) == {MEMBER_ID_REQUIRED}
        asked["member_id"] = name
    member.send(K.JOIN_GROUP, **asked)


def synced(
    leader: Member, followers: dict[str, Member], generation: int, me: str = "<a>", **fields: Any
) -> None:
    """Every member has its share, and brings what it was told."""
    same = {"generation_id": generation, "protocol_type": "consumer", "protocol_name": "range", **fields}
    for name, follower in followers.items():
        follower.send(K.SYNC_GROUP, member_id=name, **same)
    shares = [{"member_id": name, "assignment": name.encode()} for name in (me, *followers)]
    assert leader.ask(K.SYNC_GROUP, member_id=me, assignments=shares, **same) == {0}
    for follower in followers.values():
        assert follower.receive() == {0}


def listed(admin: Member, *states: str, types: tuple[str, ...] = ()) -> None:
    """The states that Kafka knows, by themselves, and the group where it is."""
    for one in (list(states), []):
        admin.ask(K.LIST_GROUPS, states_filter=one, types_filter=list(types))
    admin.ask(K.DESCRIBE_GROUPS, groups=[admin._world.group], include_authorized_operations=True)


def waits(admin: Member, state: str) -> None:
    """Until both have the group in this state."""

    def there() -> bool:
        admin.send(K.DESCRIBE_GROUPS, groups=[admin._world.group])
        return all(answer.groups[0].group_state == state for answer in admin.answers().values())

    wait_until(there, f"{admin._world.group} to be {state}")


@pytest.mark.parametrize("world", ERAS, indirect=True)
def test_a_group_from_beginning_to_end(world: World) -> None:
    a, b, c, d, admin = (world.member() for _ in range(5))
    listed(admin, "Stable")
    first_join(a, "<a>")
    waits(admin, "PreparingRebalance")
    listed(admin, "PreparingRebalance", "Stable")
    first_join(b, "<b>")  # within the initial delay: all are of the first generation
    first_join(c, "<c>")
    assert a.receive(named="<a>") == b.receive(named="<b>") == c.receive(named="<c>") == {0}

    listed(admin, "CompletingRebalance")
    of_a = {"member_id": "<a>", "generation_id": 1, "generation_id_or_member_epoch": 1}
    of_b = {**of_a, "member_id": "<b>"}
    a.ask(K.HEARTBEAT, **of_a)
    a.ask(K.OFFSET_COMMIT, **committed(3, **of_a))
    synced(a, {"<b>": b, "<c>": c}, 1)

    listed(admin, "stable", "Empty", types=("Classic", "consumer"))
    listed(admin, types=("consumer",))
    assert a.ask(K.HEARTBEAT, **of_a) == {0}
    for wrong in ({"generation_id": 9}, {"member_id": "nobody"}, {"member_id": ""}, {"generation_id": -1}):
        a.ask(K.HEARTBEAT, **of_a | wrong)
        a.ask(K.SYNC_GROUP, **of_a | wrong, protocol_type="consumer", protocol_name="range")
        epoch = (
            {"generation_id_or_member_epoch": wrong["generation_id"]} if "generation_id" in wrong else wrong
        )
        a.ask(K.OFFSET_COMMIT, **committed(4, **of_a | epoch))
    a.ask(K.JOIN_GROUP, **JOIN, member_id="nobody")
    a.ask(K.JOIN_GROUP, **JOIN | {"protocol_type": "connect"}, member_id="")
    a.ask(K.JOIN_GROUP, **JOIN | {"protocols": [{"name": "other", "metadata": b""}]}, member_id="<a>")
    assert a.ask(K.OFFSET_COMMIT, **committed(5, **of_a)) == {0}
    admin.ask(K.OFFSET_COMMIT, **committed(6, member_id="", generation_id_or_member_epoch=-1))
    admin.ask(K.OFFSET_FETCH, **fetched(world))
    assert admin.ask(K.OFFSET_DELETE, **deleted(TOPIC, UNREAD, "nowhere")) >= {0, SUBSCRIBED}
    assert admin.ask(K.DELETE_GROUPS, groups_names=[world.group, "nobody"]) == {NON_EMPTY, NOT_FOUND}

    first = {**JOIN, "member_id": ""}
    assert d.ask(K.JOIN_GROUP, **first) == {MAX_SIZE_REACHED}
    c.ask(K.LEAVE_GROUP, member_id="<c>", members=[{"member_id": "<c>"}])

    b.send(K.JOIN_GROUP, **NEWER, member_id="<b>")
    a.until({REBALANCE_IN_PROGRESS}, K.HEARTBEAT, **of_a)
    a.ask(K.OFFSET_COMMIT, **committed(7, **of_a))
    assert a.ask(K.JOIN_GROUP, **JOIN, member_id="<a>") == b.receive() == {0}
    synced(a, {"<b>": b}, 2)
    of_a |= {"generation_id": 2, "generation_id_or_member_epoch": 2}
    assert a.ask(K.SYNC_GROUP, **of_a, protocol_type="consumer", protocol_name="range") == {0}
    assert b.ask(K.JOIN_GROUP, **NEWER, member_id="<b>") == {
        0
    }  # nothing new: it is told the generation again
    of_b |= {"generation_id": 2, "generation_id_or_member_epoch": 2}
    b.ask(
        K.LEAVE_GROUP,
        member_id="<b>",
        members=[{"member_id": "<b>", "reason": "done"}, {"member_id": "nobody"}],
    )
    b.ask(K.HEARTBEAT, **of_b)
    a.until({REBALANCE_IN_PROGRESS}, K.HEARTBEAT, **of_a)
    assert a.ask(K.JOIN_GROUP, **JOIN, member_id="<a>") == {0}
    synced(a, {}, 3)
    a.ask(K.LEAVE_GROUP, member_id="<a>", members=[{"member_id": "<a>"}])

    listed(admin, "Empty", "Dead")
    admin.ask(K.OFFSET_FETCH, **fetched(world))
    admin.ask(K.OFFSET_COMMIT, **committed(8, member_id="<a>", generation_id_or_member_epoch=3))
    assert admin.ask(K.OFFSET_COMMIT, **committed(9, generation_id_or_member_epoch=-1, member_id="")) == {0}
    assert admin.ask(K.OFFSET_DELETE, **deleted(TOPIC)) == {0}
    admin.ask(K.OFFSET_FETCH, **fetched(world))
    assert admin.ask(K.DELETE_GROUPS, groups_names=[world.group]) == {0}
    listed(admin, "Dead", "Empty")
    admin.ask(K.OFFSET_FETCH, **fetched(world))
    admin.ask(K.OFFSET_DELETE, **deleted(TOPIC))


@pytest.mark.parametrize("world", ERAS, indirect=True)
def test_a_member_that_falls_silent(world: World) -> None:
    a, b, admin = (world.member() for _ in range(3))
    short = {"session_timeout_ms": SHORT_SESSION_MS, "rebalance_timeout_ms": SHORT_SESSION_MS}
    first_join(a, "<a>")
    waits(admin, "PreparingRebalance")
    first_join(b, "<b>", **short)
    assert a.receive(named="<a>") == b.receive(named="<b>") == {0}
    synced(a, {"<b>": b}, 1)
    of_a = {"member_id": "<a>", "generation_id": 1}
    a.until({REBALANCE_IN_PROGRESS}, K.HEARTBEAT, **of_a)
    b.ask(K.HEARTBEAT, **of_a | {"member_id": "<b>"})
    assert a.ask(K.JOIN_GROUP, **JOIN, member_id="<a>") == {0}
    listed(admin, "CompletingRebalance")
    a.ask(K.JOIN_GROUP, **JOIN | {"session_timeout_ms": 50}, member_id="<a>")
    a.ask(K.JOIN_GROUP, **JOIN | {"session_timeout_ms": 2**31 - 1}, member_id="<a>")
    synced(a, {}, 2)


@pytest.mark.parametrize("world", STATIC_ERAS, indirect=True)
def test_static_members(world: World) -> None:
    a, b, admin = (world.member() for _ in range(3))
    one, two = {"group_instance_id": "one"}, {"group_instance_id": "two"}
    first_join(a, "<a>", **one)
    waits(admin, "PreparingRebalance")
    first_join(b, "<b>", **two)
    assert a.receive(named="<a>") == b.receive(named="<b>") == {0}
    same = {"generation_id": 1, "protocol_type": "consumer", "protocol_name": "range"}
    b.send(K.SYNC_GROUP, member_id="<b>", **two, **same)
    shares = [{"member_id": name, "assignment": name.encode()} for name in ("<a>", "<b>")]
    assert a.ask(K.SYNC_GROUP, member_id="<a>", assignments=shares, **one, **same) == b.receive() == {0}
    listed(admin, "Stable")

    # It returns, and nobody else is disturbed.
    assert b.ask(K.JOIN_GROUP, **JOIN, **two, named="<b2>", member_id="") == {0}
    assert a.ask(K.HEARTBEAT, member_id="<a>", generation_id=1, **one) == {0}
    for late in ("<b>", "<a>", ""):
        b.ask(K.HEARTBEAT, member_id=late, generation_id=1, **two)
        b.ask(K.SYNC_GROUP, member_id=late, **two, **same)
        b.ask(K.OFFSET_COMMIT, **committed(1, member_id=late, generation_id_or_member_epoch=1, **two))
        if late:
            assert b.ask(K.JOIN_GROUP, **NEWER, **two, member_id=late) == {FENCED}
    assert b.ask(K.SYNC_GROUP, member_id="<b2>", **two, **same) == {0}
    b.ask(K.HEARTBEAT, member_id="<b2>", generation_id=1, group_instance_id="nobody")

    a.ask(K.JOIN_GROUP, **JOIN, **one, named="<a2>", member_id="")  # the leader, too
    a.ask(K.SYNC_GROUP, member_id="<a2>", **one, **same)
    a.ask(
        K.LEAVE_GROUP,
        members=[
            {"member_id": "", "group_instance_id": "two"},
            {"member_id": "<a>", "group_instance_id": "one"},
            {"member_id": "", "group_instance_id": "nobody"},
            {"member_id": "<b>", "group_instance_id": "two"},
        ],
    )
    a.until({REBALANCE_IN_PROGRESS}, K.HEARTBEAT, member_id="<a2>", generation_id=1, **one)
    assert a.ask(K.JOIN_GROUP, **JOIN, **one, member_id="<a2>") == {0}
    listed(admin, "CompletingRebalance", "PreparingRebalance")


@pytest.mark.parametrize("world", ["3.9"], indirect=True)
def test_offsets_of_an_open_transaction_are_kept_back(world: World) -> None:
    """KIP-447."""
    a, admin = world.member(), world.member()
    first_join(a, "<a>")
    assert a.receive(named="<a>") == {0}
    synced(a, {}, 1)
    me = {"member_id": "<a>", "generation_id": 1}
    assert a.ask(K.OFFSET_COMMIT, **committed(3, member_id="<a>", generation_id_or_member_epoch=1)) == {0}
    for side in world.sides.values():
        side.begin()
    for kind, side in world.sides.items():
        world.values[kind] |= {name: side.values[name] for name in ("<writer>", "<producer>")}
    writer = {"transactional_id": "<writer>", "producer_id": "<producer>", "producer_epoch": 0}
    assert a.ask(K.ADD_OFFSETS_TO_TXN, **writer) == {0}
    for wrong in (
        {"generation_id": 9},
        {"member_id": "nobody"},
        {"group_instance_id": "nobody"},
        {"producer_epoch": 7},
    ):
        a.ask(K.TXN_OFFSET_COMMIT, **committed(8, **writer | me | wrong))
    assert a.ask(K.TXN_OFFSET_COMMIT, **committed(8, **writer, **me)) == {0}
    assert a.ask(K.OFFSET_FETCH, **fetched(world, require_stable=True)) == {0, UNSTABLE}
    assert a.ask(K.OFFSET_FETCH, **fetched(world, require_stable=False)) == {0}
    assert a.ask(K.END_TXN, **writer, committed=True) == {0}
    a.until({0}, K.OFFSET_FETCH, **fetched(world, require_stable=True))
    assert ("committed_offset", 8) in a.last[JVM]
    admin.ask(K.LIST_GROUPS, states_filter=["Stable"])


@pytest.mark.parametrize("era", ["0.9", "0.11"])
def test_offsets_are_forgotten_when_their_time_is_over(forgetful: Sides, era: str) -> None:
    """Of its own, which a commit had until 2.1; a group that has nothing left ends."""
    world = World(forgetful, f"forgotten-{era}", era)
    admin = world.member()
    nobody = {"member_id": "", "generation_id_or_member_epoch": -1}
    assert admin.ask(K.OFFSET_COMMIT, **committed(3, **nobody, retention_time_ms=1)) == {0}

    def gone() -> bool:
        admin.send(K.OFFSET_FETCH, **fetched(world))
        return all(
            partition.committed_offset == -1
            for answer in admin.answers().values()
            for topic in answer.topics
            for partition in topic.partitions
        )

    wait_until(gone, "the offsets to be forgotten")
    admin.ask(K.OFFSET_FETCH, **fetched(world))
    waits(admin, "Dead")
    listed(admin, "Empty")
    assert admin.ask(K.DELETE_GROUPS, groups_names=[world.group]) == {NOT_FOUND}
    world.close()
