# SPDX-License-Identifier: Apache-2.0
"""A replica moves between the log directories of one broker (KIP-113)."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from commitlog.wire.errors import ErrorCode
from tests.replication.cluster import Cluster, Node, scenario
from tests.replication.virtual_time import until

VALUE = b"x" * 1_000
T = ("t", 0)


def alter(node: Node, log_dir: Path | str, *, topic: str = "t") -> ErrorCode:
    key = topic, 0
    return node.replicas.alter_replica_log_dirs({key: str(log_dir)})[key]


def names(directory: Path) -> list[str]:
    """Directories of t-0, without what is unique in their names."""
    found = [path.name for path in directory.iterdir() if path.is_dir() and path.name.startswith("t-0")]
    return sorted(name.partition(".")[0] + name[name.rfind("-") :] if "." in name else name for name in found)


async def moved(node: Node, target: Path) -> None:
    await until(lambda: node.log("t").log_dir == str(target))
    assert node.partition("t").future_log is None
    assert T not in node.replicas.alter_log_dirs


async def fill(node: Node, count: int = 40) -> list[bytes]:
    values = [b"%d" % number + VALUE for number in range(count)]
    for value in values:
        await node.produce("t", value)
    return values


def test_a_leaders_replica_moves_while_it_is_written_and_read(tmp_path: Path) -> None:
    async def main(cluster: Cluster) -> None:
        topic_id = cluster.create_topic("t", [0, 1], segment_bytes=10_000)
        node = cluster.nodes[0]
        old, new = node.log_dirs
        values = await fill(node)
        waiting = node.fetch("t", 40, min_bytes=30_000, max_wait_ms=60_000)
        assert not isinstance(waiting, list)
        assert node.log("t").log_dir == str(old)
        assert alter(node, new) is ErrorCode.NONE
        assert names(new) == ["t-0-future"]
        while node.partition("t").future_log is not None:
            values.append(b"late" + VALUE)
            await node.produce("t", values[-1])
        await moved(node, new)
        assert (names(old), names(new)) == (["t-0-delete"], ["t-0"])
        values += [b"after", b"that"]
        await node.produce("t", *values[-2:])
        assert (await waiting)[0].error is ErrorCode.NONE
        assert node.values("t") == cluster.nodes[1].values("t") == values
        log = node.log("t")
        assert (log.high_watermark, log.topic_id) == (len(values), topic_id)
        assert cluster.partitions["t", 0].isr == [0, 1]
        await asyncio.sleep(61)
        assert names(old) == []
        await node.stop()
        await node.start()
        log = node.logs.get_log("t", 0) or pytest.fail("the log is gone")
        assert (log.log_dir, log.log_end_offset, log.high_watermark) == (str(new), len(values), len(values))

    scenario(tmp_path, main, more_log_dirs=("b",), replica_fetch_max_bytes=4_000)


def test_a_followers_replica_moves(tmp_path: Path) -> None:
    async def main(cluster: Cluster) -> None:
        cluster.create_topic("t", [0, 1])
        values = await fill(cluster.nodes[0])
        follower = cluster.nodes[1]
        assert alter(follower, follower.log_dirs[1]) is ErrorCode.NONE
        await moved(follower, follower.log_dirs[1])
        assert (await cluster.nodes[0].produce("t", b"after")).error is ErrorCode.NONE
        assert follower.values("t") == [*values, b"after"]

    scenario(tmp_path, main, more_log_dirs=("b",))


@pytest.mark.parametrize("clean", [True, False])
def test_a_move_goes_on_after_a_restart(tmp_path: Path, clean: bool) -> None:
    async def main(cluster: Cluster) -> None:
        cluster.create_topic("t", [0], segment_bytes=10_000)
        node = cluster.nodes[0]
        values = await fill(node)
        node.throttle(replica_alter_log_dirs_io_max_bytes_per_second=100)
        assert alter(node, node.log_dirs[1]) is ErrorCode.NONE
        await until(lambda: node.partition("t").future_log is not None and _future_end(node) > 0)
        await (node.stop() if clean else node.kill())
        assert (names(node.log_dirs[0]), names(node.log_dirs[1])) == (["t-0"], ["t-0-future"])
        await node.start()
        copied = node.logs.get_future_log("t", 0)
        assert copied is not None
        assert 0 < copied.log_end_offset < len(values)
        cluster.update_metadata()
        cluster.leader_and_isr("t")
        await moved(node, node.log_dirs[1])
        assert node.values("t") == values

    scenario(tmp_path, main, 0, more_log_dirs=("b",), replica_fetch_max_bytes=4_000)


def _future_end(node: Node) -> int:
    future = node.partition("t").future_log
    return -1 if future is None else future.log_end_offset


def test_a_move_takes_as_long_as_the_throttle_says(tmp_path: Path) -> None:
    async def main(cluster: Cluster) -> None:
        cluster.create_topic("t", [0])
        node = cluster.nodes[0]
        await fill(node, 100)
        size, rate = node.log("t").size, 5_000
        node.throttle(replica_alter_log_dirs_io_max_bytes_per_second=rate)
        before = asyncio.get_running_loop().time()
        alter(node, node.log_dirs[1])
        await moved(node, node.log_dirs[1])
        took = asyncio.get_running_loop().time() - before
        # What was copied before the window saw it is free: one piece.
        assert (size - 4_000) / rate - 1 <= took <= size / rate + 12

    scenario(tmp_path, main, 0, more_log_dirs=("b",), replica_fetch_max_bytes=4_000)


def test_a_move_is_cancelled(tmp_path: Path) -> None:
    async def main(cluster: Cluster) -> None:
        cluster.create_topic("t", [0])
        node = cluster.nodes[0]
        first, second, third = node.log_dirs
        await fill(node)
        node.throttle(replica_alter_log_dirs_io_max_bytes_per_second=100)
        alter(node, second)
        await until(lambda: _future_end(node) > 0)
        assert alter(node, second) is ErrorCode.NONE  # the same again changes nothing
        assert _future_end(node) > 0
        assert alter(node, third) is ErrorCode.NONE
        assert (names(second), names(third)) == (["t-0-delete"], ["t-0-future"])
        assert alter(node, first) is ErrorCode.NONE  # where it is: stay there
        assert names(third) == ["t-0-delete"]
        assert (node.partition("t").future_log, len(node.replicas.alter_log_dirs)) == (None, 0)
        alter(node, second)
        assert cluster.stop_replica("t", 0, delete=True, leader_epoch=5).error_code == 0
        assert names(first) == ["t-0-delete"]
        assert names(second) == ["t-0-delete", "t-0-delete"]
        assert len(node.replicas.alter_log_dirs) == 0

    scenario(tmp_path, main, 0, more_log_dirs=("b", "c"), replica_fetch_max_bytes=4_000)


def test_the_copy_is_cut_where_the_replica_is_cut(tmp_path: Path) -> None:
    async def main(cluster: Cluster) -> None:
        cluster.create_topic("t", [0])
        node = cluster.nodes[0]
        values = await fill(node, 20)
        node.throttle(replica_alter_log_dirs_io_max_bytes_per_second=100)
        alter(node, node.log_dirs[1])
        await until(lambda: _future_end(node) >= 3)
        log = node.log("t")
        log.truncate_to(2)
        cluster.elect("t", 0)
        await node.produce("t", b"other")
        node.throttle()
        await moved(node, node.log_dirs[1])
        assert node.values("t") == [*values[:2], b"other"]
        assert node.log("t").leader_epochs.entries == [(0, 0), (1, 2)]
        alter(node, node.log_dirs[0])
        node.log("t").truncate_fully_and_start_at(100)
        await moved(node, node.log_dirs[0])
        assert (node.log("t").log_start_offset, node.log("t").log_end_offset) == (100, 100)

    scenario(tmp_path, main, 0, more_log_dirs=("b",), replica_fetch_max_bytes=4_000)


def test_what_cannot_be_moved(tmp_path: Path) -> None:
    async def main(cluster: Cluster) -> None:
        cluster.create_topic("t", [0])
        cluster.create_topic("elsewhere", [1])
        cluster.create_topic("n" * 240, [0])
        node = cluster.nodes[0]
        first, second, third = node.log_dirs
        assert alter(node, "/nowhere") is ErrorCode.LOG_DIR_NOT_FOUND
        assert alter(node, second, topic="n" * 240) is ErrorCode.INVALID_TOPIC_EXCEPTION
        assert alter(node, second, topic="elsewhere") is ErrorCode.REPLICA_NOT_AVAILABLE
        assert alter(node, second, topic="nobody") is ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
        node.logs._fail_dir(str(third), OSError("gone"))
        await asyncio.sleep(0)
        assert alter(node, third) is ErrorCode.KAFKA_STORAGE_ERROR
        # With a directory offline nobody knows whether the copy is in there already.
        assert alter(node, second) is ErrorCode.KAFKA_STORAGE_ERROR
        node.logs._fail_dir(str(first), OSError("gone"))
        await asyncio.sleep(0)
        assert alter(node, second) is ErrorCode.KAFKA_STORAGE_ERROR

    scenario(tmp_path, main, 0, 1, more_log_dirs=("b", "c"))


def test_a_replica_that_comes_later_is_made_where_it_was_wanted(tmp_path: Path) -> None:
    async def main(cluster: Cluster) -> None:
        cluster.create_topic("t", [1])
        node = cluster.nodes[0]
        for wanted in (node.log_dirs[1], node.log_dirs[2]):  # the last word counts
            assert alter(node, wanted) is ErrorCode.REPLICA_NOT_AVAILABLE
        cluster.partitions["t", 0].replicas.append(0)
        cluster.elect("t", 1)
        assert node.log("t").log_dir == str(node.log_dirs[2])

    scenario(tmp_path, main, 0, 1, more_log_dirs=("b", "c"))


@pytest.mark.parametrize("failing", [0, 1])
def test_a_directory_fails_during_a_move(tmp_path: Path, failing: int) -> None:
    async def main(cluster: Cluster) -> None:
        cluster.create_topic("t", [0])
        node = cluster.nodes[0]
        values = await fill(node)
        node.throttle(replica_alter_log_dirs_io_max_bytes_per_second=100)
        alter(node, node.log_dirs[1])
        await until(lambda: _future_end(node) > 0)
        node.logs._fail_dir(str(node.log_dirs[failing]), OSError("gone"))
        await until(lambda: len(node.replicas.alter_log_dirs) == 0)
        result = await node.produce("t", b"more")
        if failing == 0:
            assert result.error is ErrorCode.KAFKA_STORAGE_ERROR
        else:
            assert result.error is ErrorCode.NONE
            assert node.values("t") == [*values, b"more"]
            assert node.partition("t").future_log is None

    scenario(tmp_path, main, 0, more_log_dirs=("b",), replica_fetch_max_bytes=4_000)
