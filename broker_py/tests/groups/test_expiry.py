# SPDX-License-Identifier: Apache-2.0
"""When offsets expire (KIP-211), and what is left of a group then."""

from __future__ import annotations

from tests.groups.harness import GROUP, SESSION_MS, Harness, subscription
from tests.groups.virtual_loop import in_virtual_time

TP = ("topic", 0)
RETENTION_MINUTES = 60
RETENTION_MS = RETENTION_MINUTES * 60_000
CHECK_MS = 1_000


async def make_harness() -> Harness:
    return await Harness(
        offsets_retention_minutes=RETENTION_MINUTES,
        offsets_retention_check_interval_ms=CHECK_MS,
        group_max_session_timeout_ms=10 * RETENTION_MS,
    ).started()


def tombstones(harness: Harness) -> list[bytes | None]:
    records = harness.replicas.log(harness.groups.partition_for(GROUP)).records()
    return [record.key for record in records if record.value is None]


OFFSET_KEY = b"\0\1\0\5group\0\5topic\0\0\0\0"
GROUP_KEY = b"\0\2\0\5group"


@in_virtual_time
async def test_offset_without_a_group_ages_from_its_commit() -> None:
    harness = await make_harness()
    harness.commit({TP: 1})
    await harness.pass_ms(RETENTION_MS - CHECK_MS)
    assert harness.fetch(TP) == {TP: 1}
    await harness.pass_ms(2 * CHECK_MS)
    assert harness.state() == "Dead"
    assert tombstones(harness) == [OFFSET_KEY], "a group without members was never written"


@in_virtual_time
async def test_new_commit_keeps_the_others_from_nothing() -> None:
    harness = await make_harness()
    harness.commit({TP: 1})
    await harness.pass_ms(RETENTION_MS // 2)
    harness.commit({("topic", 1): 1})
    await harness.pass_ms(RETENTION_MS // 2 + CHECK_MS)
    assert harness.fetch() == {("topic", 1): 1}


@in_virtual_time
async def test_offsets_age_from_the_day_the_group_became_empty() -> None:
    harness = await make_harness()
    (member,) = await harness.stable()
    harness.commit({TP: 1}, member_id=member, generation=1)
    await harness.pass_ms(SESSION_MS)
    assert harness.state() == "Empty"
    await harness.pass_ms(RETENTION_MS - 2 * CHECK_MS)
    assert harness.fetch(TP) == {TP: 1}
    await harness.pass_ms(4 * CHECK_MS)
    assert harness.state() == "Dead"
    assert tombstones(harness) == [OFFSET_KEY, GROUP_KEY]


@in_virtual_time
async def test_offsets_of_subscribed_topics_stay_while_there_are_members() -> None:
    harness = await make_harness()
    (member,) = await harness.stable(
        protocols=[("range", subscription("topic"))], session_ms=5 * RETENTION_MS
    )
    harness.commit({TP: 1, ("old", 0): 2}, member_id=member, generation=1)
    await harness.pass_ms(2 * RETENTION_MS)
    assert harness.fetch() == {TP: 1}
    assert harness.state() == "Stable"


@in_virtual_time
async def test_nothing_expires_of_members_whose_subscription_cannot_be_read() -> None:
    harness = await make_harness()
    (member,) = await harness.stable(protocols=[("own", b"")], session_ms=5 * RETENTION_MS)
    harness.commit({TP: 1}, member_id=member, generation=1)
    await harness.pass_ms(2 * RETENTION_MS)
    assert harness.fetch() == {TP: 1}


@in_virtual_time
async def test_nothing_expires_of_members_of_other_protocol_types() -> None:
    harness = await make_harness()
    (member,) = await harness.stable(protocol_type="connect", session_ms=5 * RETENTION_MS)
    harness.commit({TP: 1}, member_id=member, generation=1)
    await harness.pass_ms(2 * RETENTION_MS)
    assert harness.fetch() == {TP: 1}


@in_virtual_time
async def test_expiry_of_its_own_comes_first() -> None:
    harness = await make_harness()
    harness.commit({TP: 1}, retention_ms=10_000)
    harness.commit({("topic", 1): 1}, retention_ms=3 * RETENTION_MS)
    await harness.pass_ms(10_000 + CHECK_MS)
    assert harness.fetch() == {("topic", 1): 1}
    await harness.pass_ms(2 * RETENTION_MS)
    assert harness.fetch() == {("topic", 1): 1}


@in_virtual_time
async def test_commit_under_way_is_not_expired() -> None:
    harness = await make_harness()
    harness.commit({TP: 1})
    harness.replicas.hold = True
    await harness.pass_ms(RETENTION_MS - CHECK_MS)
    harness.commit({TP: 2})
    await harness.pass_ms(5 * CHECK_MS)
    assert harness.fetch() == {TP: 1}
    await harness.replicas.release()
    assert harness.fetch() == {TP: 2}


@in_virtual_time
async def test_empty_group_without_offsets_ends() -> None:
    harness = await make_harness()
    (member,) = await harness.stable()
    harness.leave(member)
    await harness.pass_ms(CHECK_MS)
    assert harness.state() == "Dead"
    assert tombstones(harness) == [GROUP_KEY]


@in_virtual_time
async def test_group_may_be_born_again_after_its_end() -> None:
    harness = await make_harness()
    (member,) = await harness.stable()
    harness.leave(member)
    await harness.pass_ms(CHECK_MS)
    (again,) = await harness.stable()
    assert again != member


@in_virtual_time
async def test_offsets_of_deleted_topics_go() -> None:
    harness = await make_harness()
    harness.commit({TP: 1, ("other", 3): 2})
    harness.groups.on_partitions_deleted([("topic", 0), ("topic", 1)])
    assert harness.fetch() == {("other", 3): 2}
    assert tombstones(harness) == [OFFSET_KEY]


@in_virtual_time
async def test_commit_under_way_of_a_deleted_topic_does_not_come_back() -> None:
    harness = await make_harness()
    harness.commit({("other", 3): 2})
    harness.replicas.hold = True
    harness.commit({TP: 1})
    harness.groups.on_partitions_deleted([TP])
    await harness.replicas.release()
    assert harness.fetch() == {("other", 3): 2}
