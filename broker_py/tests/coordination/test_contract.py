# SPDX-License-Identifier: Apache-2.0
"""The contract of `Coordination`, asked of both makers: what holds here holds in simulated clusters and in
real ones."""

from __future__ import annotations

import asyncio

import pytest

from commitlog.coordination.client import (
    BadVersion,
    Check,
    ClientClosed,
    ConnectionLoss,
    Create,
    DataTooLarge,
    Delete,
    EventType,
    InvalidPath,
    NoChildrenForEphemerals,
    NodeExists,
    NoNode,
    NotEmpty,
    SessionState,
    SetData,
    Stat,
    WatchEvent,
    delete_recursively,
    ensure_path,
    retry_until_connected,
)
from tests.coordination.conftest import Recorder, World


async def test_a_znode_from_creation_to_deletion(world: World) -> None:
    client = await world.client()
    assert await client.exists("/a") is None
    assert await client.create("/a", b"one") == "/a"
    data, created = await client.get("/a")
    assert (data, created.version, created.ephemeral_owner, created.data_length) == (b"one", 0, 0, 3)
    assert created.czxid == created.mzxid == created.pzxid > 0
    written = await client.set("/a", b"two", 0)
    assert (written.version, written.czxid) == (1, created.czxid)
    assert written.mzxid > created.mzxid
    assert (await client.get("/a"))[0] == b"two"
    await client.delete("/a", 1)
    assert await client.exists("/a") is None


async def test_null_data_reads_as_empty(world: World) -> None:
    client = await world.client()
    await client.create("/null")
    assert (await client.get("/null"))[0] == b""


async def test_many_are_read_at_once(world: World) -> None:
    """More than one request's worth, in the order asked; what is not there, or was asked twice, disturbs
    nobody."""
    client = await world.client()
    await client.multi([Create("/many"), *(Create(f"/many/{n}", b"%d" % n) for n in range(300))])
    await client.create("/many/null")
    wanted = ["/many/null", *(f"/many/{n}" for n in range(300)), "/gone", "/many/7"]
    found = await client.get_all(wanted)
    assert isinstance(found[301], NoNode)
    del wanted[301], found[301]
    assert found == [await client.get(path) for path in wanted]
    assert await client.get_all([]) == []
    await client.close()
    with pytest.raises(ClientClosed):
        await client.get_all(["/many/1"])


async def test_children_count_in_the_parents_stat(world: World) -> None:
    client = await world.client()
    await client.create("/p")
    before = await client.exists("/p")
    for name in ("b", "a", "c"):
        await client.create(f"/p/{name}")
    await client.delete("/p/c")
    after = await client.exists("/p")
    assert await client.children("/p") == ["a", "b"]
    assert (after.num_children, after.cversion, after.version) == (2, 4, 0)
    assert after.pzxid > before.pzxid
    assert after.mzxid == before.mzxid


async def test_each_refusal_has_its_own_error(world: World) -> None:
    client = await world.client()
    await client.create("/p/q", b"", make_parents=True)
    await client.create("/e", b"", ephemeral=True)
    for error, call in (
        (NodeExists, client.create("/p")),
        (NoNode, client.create("/none/child")),
        (NoNode, client.get("/none")),
        (NoNode, client.set("/none", b"")),
        (NoNode, client.delete("/none")),
        (NoNode, client.children("/none")),
        (BadVersion, client.set("/p", b"", 5)),
        (BadVersion, client.delete("/p/q", 5)),
        (NotEmpty, client.delete("/p")),
        (NoChildrenForEphemerals, client.create("/e/child")),
        (InvalidPath, client.create("no-slash")),
        (InvalidPath, client.get("/a//b")),
        (InvalidPath, client.set("/a/../b", b"")),
        (DataTooLarge, client.create("/big", bytes(1024 * 1024))),
        (DataTooLarge, client.set("/p", bytes(1024 * 1024))),
    ):
        with pytest.raises(error):
            await call
    assert client.connected


async def test_data_up_to_the_limit_passes(world: World) -> None:
    client = await world.client()
    await client.create("/big", bytes(1_000_000))
    assert (await client.exists("/big")).data_length == 1_000_000


async def test_make_parents_makes_what_is_missing(world: World) -> None:
    client = await world.client()
    assert await client.create("/a/b/c", b"x", make_parents=True) == "/a/b/c"
    assert await client.create("/a/b/d", b"y", make_parents=True) == "/a/b/d"
    assert await client.children("/a/b") == ["c", "d"]
    assert (await client.get("/a"))[0] == b""


async def test_sequence_numbers_count_creations(world: World) -> None:
    client = await world.client()
    await client.create("/changes")
    first = await client.create("/changes/change_", b"", sequential=True)
    second = await client.create("/changes/change_", b"", sequential=True)
    assert (first, second) == ("/changes/change_0000000000", "/changes/change_0000000001")
    await client.delete(first)
    await client.delete(second)
    assert await client.create("/changes/change_", b"", sequential=True) == "/changes/change_0000000002"


async def test_unconditional_sets_count_up_as_broker_id_generation_needs(world: World) -> None:
    client = await world.client()
    await client.create("/seqid")
    assert [(await client.set("/seqid", b"")).version for _ in range(3)] == [1, 2, 3]


async def test_ephemeral_znodes_go_with_their_session(world: World) -> None:
    one, two = await world.client(), await world.client()
    await one.create("/e", b"", ephemeral=True)
    gone = Recorder()
    stat = await two.exists("/e", gone)
    assert stat.ephemeral_owner == one.session_id != two.session_id
    await one.close()
    assert await gone.first() == WatchEvent(EventType.DELETED, "/e")
    assert await two.exists("/e") is None


async def test_data_watches(world: World) -> None:
    client, other = await world.client(), await world.client()
    created, changed, deleted = Recorder(), Recorder(), Recorder()
    assert await client.exists("/w", created) is None
    await other.create("/w", b"1")
    assert await created.first() == WatchEvent(EventType.CREATED, "/w")
    await client.get("/w", changed)
    await other.set("/w", b"2")
    assert await changed.first() == WatchEvent(EventType.CHANGED, "/w")
    await client.exists("/w", deleted)
    await other.delete("/w")
    assert await deleted.first() == WatchEvent(EventType.DELETED, "/w")
    for recorder in (created, changed, deleted):
        assert len(recorder.seen) == 1


async def test_child_watches_see_children_not_data(world: World) -> None:
    client, other = await world.client(), await world.client()
    await client.create("/p")
    await client.create("/p/a")
    watch = Recorder()
    assert await client.children("/p", watch) == ["a"]
    await other.set("/p", b"data")
    await other.set("/p/a", b"data")
    await other.create("/p/b")
    assert await watch.first() == WatchEvent(EventType.CHILD, "/p")
    again = Recorder()
    assert await client.children("/p", again) == ["a", "b"]
    await other.delete("/p/a")
    assert await again.first() == WatchEvent(EventType.CHILD, "/p")
    assert len(watch.seen) == 1


async def test_child_watch_sees_the_deletion_of_the_znode(world: World) -> None:
    client = await world.client()
    await client.create("/p")
    watch = Recorder()
    await client.children("/p", watch)
    await client.delete("/p")
    assert await watch.first() == WatchEvent(EventType.DELETED, "/p")


async def test_a_deletion_is_told_once_to_a_callback_that_watches_data_and_children(world: World) -> None:
    client = await world.client()
    await client.create("/p")
    watch, other = Recorder(), Recorder()
    await client.get("/p", watch)
    await client.children("/p", watch)
    await client.children("/p", other)
    await client.delete("/p")
    await client.exists("/p")
    assert watch.seen == other.seen == [WatchEvent(EventType.DELETED, "/p")]


async def test_no_watch_stays_behind_a_failed_read(world: World) -> None:
    client = await world.client()
    watch, control = Recorder(), Recorder()
    with pytest.raises(NoNode):
        await client.get("/none", watch)
    with pytest.raises(NoNode):
        await client.children("/none", watch)
    await client.exists("/none", control)
    await client.create("/none")
    await control.first()
    assert watch.seen == []


async def test_the_same_callback_fires_once_and_only_once(world: World) -> None:
    client = await world.client()
    await client.create("/w", b"0")
    watch = Recorder()
    for _ in range(3):
        await client.get("/w", watch)
    await client.exists("/w", watch)
    await client.set("/w", b"1")
    await client.set("/w", b"2")
    await client.get("/w")
    assert watch.seen == [WatchEvent(EventType.CHANGED, "/w")]


async def test_a_watch_fires_before_any_read_shows_the_change(world: World) -> None:
    client, other = await world.client(), await world.client()
    await client.create("/w", b"0")
    for number in range(1, 30):
        watch = Recorder()
        await client.get("/w", watch)
        writing = asyncio.create_task(other.set("/w", b"%d" % number))
        while True:
            data, _ = await client.get("/w")
            if data == b"%d" % number:
                break
        assert watch.seen == [WatchEvent(EventType.CHANGED, "/w")]
        await writing


async def test_a_callback_may_ask_again_at_once(world: World) -> None:
    client = await world.client()
    await client.create("/w", b"0")
    versions: list[int] = []
    done = asyncio.Event()
    tasks: set[asyncio.Task[None]] = set()

    async def read() -> None:
        _, stat = await client.get("/w", on_change)
        versions.append(stat.version)
        if stat.version == 3:
            done.set()

    def on_change(_: WatchEvent) -> None:
        tasks.add(asyncio.get_running_loop().create_task(read()))

    await read()
    for _ in range(3):
        await client.set("/w", b"x")
    async with asyncio.timeout(20):
        await done.wait()
    assert versions == sorted(versions)


async def test_requests_are_answered_in_order(world: World) -> None:
    client = await world.client()
    await client.create("/n")
    stats = await asyncio.gather(*(client.set("/n", b"%d" % number) for number in range(100)))
    assert [stat.version for stat in stats] == list(range(1, 101))
    assert (await client.get("/n"))[0] == b"99"


async def test_multi_does_all_under_one_zxid(world: World) -> None:
    client = await world.client()
    await client.create("/epoch", b"0")
    await client.create("/old")
    results = await client.multi(
        [
            Check("/epoch", 0),
            Create("/ids", None),
            Create("/ids/1", None, ephemeral=True),
            SetData("/ids/1", b"{}", 0),
            Create("/ids/n_", b"", sequential=True),
            SetData("/epoch", b"1", 0),
            Delete("/old"),
        ]
    )
    assert results[:3] == [None, "/ids", "/ids/1"]
    assert results[4] == "/ids/n_0000000001"
    assert results[6] is None
    registered, epoch = results[3], results[5]
    assert isinstance(registered, Stat)
    assert isinstance(epoch, Stat)
    # A broker's epoch is the czxid in the answer to the second operation of its registration.
    assert (registered.version, registered.ephemeral_owner) == (1, client.session_id)
    assert registered.czxid == registered.mzxid == epoch.mzxid
    assert registered == await client.exists("/ids/1")
    assert epoch.version == 1


@pytest.mark.parametrize(
    ("operation", "error", "path"),
    [
        (Check("/epoch", 7), BadVersion, "/epoch"),
        (Check("/none", 0), NoNode, "/none"),
        (Create("/epoch", b""), NodeExists, "/epoch"),
        (Create("/none/child", b""), NoNode, "/none/child"),
        (SetData("/epoch", b"", 7), BadVersion, "/epoch"),
        (Delete("/none"), NoNode, "/none"),
    ],
)
async def test_multi_does_nothing_when_one_operation_fails(
    world: World, operation: Check | Create | SetData | Delete, error: type[Exception], path: str
) -> None:
    client = await world.client()
    await client.create("/epoch", b"0")
    before = await client.exists("/epoch")
    watch = Recorder()
    await client.exists("/made", watch)
    with pytest.raises(error) as caught:
        await client.multi([Create("/made", b""), SetData("/epoch", b"1"), operation, Create("/more", b"")])
    assert caught.value.path == path  # type: ignore[attr-defined]
    assert await client.exists("/made") is None
    assert await client.exists("/epoch") == before
    assert watch.seen == []


async def test_multi_fires_watches_of_all_its_writes(world: World) -> None:
    client, other = await world.client(), await world.client()
    await client.create("/p")
    await client.create("/d", b"0")
    child, data, born = Recorder(), Recorder(), Recorder()
    await client.children("/p", child)
    await client.get("/d", data)
    await client.exists("/p/x", born)
    await other.multi([Create("/p/x"), Create("/p/y"), SetData("/d", b"1"), SetData("/d", b"2")])
    assert await child.first() == WatchEvent(EventType.CHILD, "/p")
    assert await data.first() == WatchEvent(EventType.CHANGED, "/d")
    assert await born.first() == WatchEvent(EventType.CREATED, "/p/x")
    await client.exists("/p")
    assert [len(recorder.seen) for recorder in (child, data, born)] == [1, 1, 1]


async def test_an_empty_multi_is_nothing(world: World) -> None:
    client = await world.client()
    assert await client.multi([]) == []


async def test_a_session_that_expires_is_followed_by_a_new_one(world: World) -> None:
    client, other = await world.client(), await world.client()
    states, gone, dead = Recorder(), Recorder(), Recorder()
    client.add_session_listener(states)
    await client.create("/mine", b"", ephemeral=True)
    await client.create("/w", b"0")
    await client.get("/w", dead)
    await other.exists("/mine", gone)
    before = client.session_id
    await world.expire(client)
    assert await gone.first() == WatchEvent(EventType.DELETED, "/mine")
    await states.wait(lambda seen: seen[-2:] == [SessionState.EXPIRED, SessionState.CONNECTED])
    assert client.session_id not in (0, before)
    await client.create("/mine", b"", ephemeral=True)
    assert (await other.exists("/mine")).ephemeral_owner == client.session_id
    await other.set("/w", b"1")
    assert (await client.get("/w"))[0] == b"1"
    assert dead.seen == []


async def test_a_broken_line_leaves_the_session_alone(world: World) -> None:
    client, other = await world.client(), await world.client()
    states = Recorder()
    client.add_session_listener(states)
    await client.create("/mine", b"", ephemeral=True)
    session = client.session_id
    await world.cut(client)
    assert not client.connected
    with pytest.raises(ConnectionLoss):
        await client.get("/mine")
    assert await other.exists("/mine") is not None
    await world.heal(client)
    await states.wait(lambda seen: seen == [SessionState.SUSPENDED, SessionState.CONNECTED])
    assert client.session_id == session
    assert (await client.exists("/mine")).ephemeral_owner == session


async def test_watches_outlive_a_broken_line_and_tell_what_was_missed(world: World) -> None:
    client, other = await world.client(), await world.client()
    for path in ("/changed", "/deleted", "/quiet", "/parent", "/parent/kept", "/still"):
        await client.create(path, b"0")
    changed, deleted, created, quiet, children, still = (Recorder() for _ in range(6))
    await client.get("/changed", changed)
    await client.get("/deleted", deleted)
    await client.exists("/created", created)
    await client.get("/quiet", quiet)
    await client.children("/parent", children)
    await client.children("/still", still)
    await world.cut(client)
    await other.set("/changed", b"1")
    await other.delete("/deleted")
    await other.create("/created")
    await other.create("/parent/new")
    await world.heal(client)
    assert await changed.first() == WatchEvent(EventType.CHANGED, "/changed")
    assert await deleted.first() == WatchEvent(EventType.DELETED, "/deleted")
    assert await created.first() == WatchEvent(EventType.CREATED, "/created")
    assert await children.first() == WatchEvent(EventType.CHILD, "/parent")
    assert (quiet.seen, still.seen) == ([], [])
    await other.set("/quiet", b"1")
    await other.create("/still/child")
    assert await quiet.first() == WatchEvent(EventType.CHANGED, "/quiet")
    assert await still.first() == WatchEvent(EventType.CHILD, "/still")
    await client.exists("/quiet")
    assert [len(recorder.seen) for recorder in (changed, deleted, created, children, quiet, still)] == [1] * 6


async def test_retry_until_connected_rides_over_a_broken_line(world: World) -> None:
    client = await world.client()
    await client.create("/a", b"1")
    await world.cut(client)
    reading = asyncio.create_task(retry_until_connected(client, lambda: client.get("/a")))
    await asyncio.sleep(0)
    assert not reading.done()
    await world.heal(client)
    assert (await reading)[0] == b"1"


async def test_a_chroot_is_made_and_does_not_show(world: World) -> None:
    inner, outer = await world.client(chroot="/deep/kafka"), await world.client()
    watch = Recorder()
    await inner.exists("/a", watch)
    assert await inner.create("/a", b"x") == "/a"
    assert await watch.first() == WatchEvent(EventType.CREATED, "/a")
    assert await inner.create("/a/s_", b"", sequential=True) == "/a/s_0000000000"
    assert await inner.multi([Create("/b", b"")]) == ["/b"]
    assert await inner.children("/") == ["a", "b"]
    assert (await outer.get("/deep/kafka/a"))[0] == b"x"


async def test_after_close_nothing_can_be_asked(world: World) -> None:
    client = await world.client()
    await client.close()
    await client.close()
    assert not client.connected
    with pytest.raises(ClientClosed):
        await client.get("/a")
    with pytest.raises(ClientClosed):
        await client.wait_connected()


async def test_trees_are_made_and_deleted(world: World) -> None:
    client = await world.client()
    await ensure_path(client, "/a/b/c")
    await ensure_path(client, "/a/b/c")
    await client.create("/a/d")
    assert await delete_recursively(client, "/a")
    assert await client.exists("/a") is None
    assert not await delete_recursively(client, "/a")


async def test_a_session_is_ended_from_another_one(world: World) -> None:
    """What a broker does with that of the process before it."""
    earlier, later = await world.client(), await world.client()
    states, watched = Recorder(), Recorder()
    earlier.add_session_listener(states)
    await earlier.create("/mine", b"", ephemeral=True)
    await later.exists("/mine", watch=watched)
    ticket = earlier.session_ticket
    await later.end_session(ticket)
    assert (await watched.first()).type is EventType.DELETED
    assert await later.exists("/mine") is None
    await states.wait(lambda seen: SessionState.EXPIRED in seen)
    await later.end_session(ticket)
    assert later.connected
