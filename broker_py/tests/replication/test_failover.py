# SPDX-License-Identifier: Apache-2.0
"""Leaders die and logs part: who truncates what (KIP-101, KIP-279), and that nothing acknowledged is lost."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path

import pytest

from commitlog.records.batch import build_batch
from commitlog.wire.errors import ErrorCode
from tests.replication.cluster import Cluster, scenario
from tests.replication.virtual_time import until

# One for each way to find the place: by Fetch 12, by OffsetForLeaderEpoch 3 and 2 and 1.
IBPS = ["3.9", "2.6", "2.2", "2.0"]


def same_logs(cluster: Cluster, topic: str, *brokers: int) -> bool:
    logs = [cluster.nodes[broker].values(topic) for broker in brokers]
    ends = {cluster.nodes[broker].log(topic).log_end_offset for broker in brokers}
    return len(ends) == 1 and all(log == logs[0] for log in logs)


def test_the_follower_takes_over_and_the_dead_leader_rejoins(tmp_path: Path) -> None:
    async def main(cluster: Cluster) -> None:
        cluster.create_topic("t", [0, 1])
        await cluster.nodes[0].produce("t", b"a")
        await cluster.crash(0)
        new_leader = cluster.nodes[1]
        assert (await new_leader.produce("t", b"b")).base_offset == 1
        assert new_leader.log("t").high_watermark == 2
        await cluster.recover(0)
        await until(lambda: cluster.partitions["t", 0].isr == [1, 0])
        assert (await new_leader.produce("t", b"c")).error is ErrorCode.NONE
        assert cluster.nodes[0].values("t") == [b"a", b"b", b"c"]
        assert new_leader.partition("t").isr == (1, 0)

    scenario(tmp_path, main, 0, 1)


@pytest.mark.parametrize("ibp", IBPS)
def test_a_restarted_follower_keeps_what_the_leader_had_committed(tmp_path: Path, ibp: str) -> None:
    """KIP-101, first scenario: truncating to its own, older high watermark would lose a committed record."""

    async def main(cluster: Cluster) -> None:
        cluster.create_topic("t", [0, 1])
        await cluster.nodes[0].produce("t", b"m1")
        cluster.nodes[1].log("t").update_high_watermark(0)
        assert (await cluster.nodes[0].produce("t", b"m2")).error is ErrorCode.NONE
        # The follower dies before it learns of the new high watermark, returns, and must lead at once.
        await cluster.nodes[1].kill()
        cluster.partition_network(0, 1)
        await cluster.nodes[1].start()
        cluster.update_metadata()
        cluster.leader_and_isr("t", to=[1])
        await asyncio.sleep(3)
        await cluster.crash(0)
        assert cluster.partitions["t", 0].leader == 1
        assert cluster.nodes[1].values("t") == [b"m1", b"m2"]

    scenario(tmp_path, main, 0, 1, inter_broker_protocol_version=ibp)


@pytest.mark.parametrize("ibp", IBPS)
def test_a_deposed_leader_drops_what_nobody_else_had(tmp_path: Path, ibp: str) -> None:
    """KIP-101, second scenario: same offsets, different records."""

    async def main(cluster: Cluster) -> None:
        cluster.create_topic("t", [0, 1])
        await cluster.nodes[0].produce("t", b"m1")
        cluster.partition_network(0, 1)
        await cluster.nodes[0].produce("t", b"lost", b"lost too", acks=1)
        cluster.elect("t", 1)
        await cluster.nodes[1].produce("t", b"m2", acks=1)
        cluster.cut.clear()
        await until(lambda: same_logs(cluster, "t", 0, 1))
        assert cluster.nodes[0].values("t") == [b"m1", b"m2"]
        assert cluster.nodes[0].log("t").leader_epochs.latest_epoch == 1

    scenario(tmp_path, main, 0, 1, inter_broker_protocol_version=ibp)


@pytest.mark.parametrize("ibp", ["3.9", "2.6", "2.0"])
def test_logs_that_parted_in_two_unclean_elections_agree_again(tmp_path: Path, ibp: str) -> None:
    """KIP-279: the follower's last epoch is one that the new leader never saw."""

    async def main(cluster: Cluster) -> None:
        cluster.create_topic("t", [0, 1])
        await cluster.nodes[0].produce("t", b"o0")
        cluster.partition_network(0, 1)
        await cluster.nodes[0].produce("t", b"o1 of 0", acks=1)
        cluster.partitions["t", 0].isr = [0]
        await cluster.crash(0, unclean=True)
        assert cluster.partitions["t", 0].leader == 1
        await cluster.nodes[1].produce("t", b"o1 of 1", acks=1)
        await cluster.crash(1)
        await cluster.recover(0, unclean=True)
        assert cluster.partitions["t", 0].leader == 0
        await cluster.nodes[0].produce("t", b"o2 of 0", acks=1)
        cluster.cut.clear()
        await cluster.recover(1)
        await until(lambda: same_logs(cluster, "t", 0, 1))
        assert cluster.nodes[1].values("t") == [b"o0", b"o1 of 0", b"o2 of 0"]

    scenario(tmp_path, main, 0, 1, inter_broker_protocol_version=ibp)


def test_an_epoch_that_appended_nothing_still_makes_its_followers_truncate(tmp_path: Path) -> None:
    """Elections follow each other quickly: the new leader's epoch must be known before its first append."""

    async def main(cluster: Cluster) -> None:
        cluster.create_topic("t", [0, 1, 2])
        await cluster.nodes[0].produce("t", b"a")
        for broker in (1, 2):
            cluster.partition_network(0, broker)
        await cluster.nodes[0].produce("t", b"only here", acks=1)
        cluster.elect("t", 1)
        cluster.elect("t", 2)
        cluster.cut.clear()
        await until(lambda: same_logs(cluster, "t", 0, 1, 2))
        assert cluster.nodes[0].values("t") == [b"a"]

    scenario(tmp_path, main)


def test_a_new_leader_serves_no_offset_below_what_was_seen(tmp_path: Path) -> None:
    """Until its high watermark has reached the start of its epoch, the latest offset is not available."""

    async def main(cluster: Cluster) -> None:
        cluster.create_topic("t", [0, 1, 2])
        await cluster.nodes[0].produce("t", b"a", b"b")
        cluster.nodes[1].log("t").update_high_watermark(0)
        cluster.partition_network(1, 2)
        cluster.elect("t", 1)
        with pytest.raises(Exception, match="OFFSET_NOT_AVAILABLE"):
            cluster.nodes[1].replicas.list_offset("t", 0, -1)
        assert cluster.nodes[1].replicas.list_offset("t", 0, -1, isolation_level=None).offset == 2
        cluster.cut.clear()
        await until(lambda: cluster.nodes[1].log("t").high_watermark == 2)
        assert cluster.nodes[1].replicas.list_offset("t", 0, -1).offset == 2

    scenario(tmp_path, main)


@pytest.mark.parametrize("ibp", ["3.9", "2.6"])
def test_logs_that_parted_several_epochs_ago_are_asked_about_until_they_agree(
    tmp_path: Path, ibp: str
) -> None:
    """KIP-279's long way: each answer only says that the follower's latest epoch is not the leader's."""

    async def main(cluster: Cluster) -> None:
        cluster.create_topic("t", [0, 1])
        cluster.partition_network(0, 1)
        for broker, epochs in ((0, (0, 1, 3)), (1, (0, 2))):
            for epoch in epochs:
                value = b"common" if epoch == 0 else b"epoch %d" % epoch
                batch = build_batch([(1_000, None, value, ())])
                cluster.nodes[broker].log("t").append_as_leader(batch, epoch)
        cluster.partitions["t", 0].leader_epoch = 4
        cluster.elect("t", 1, isr=[1])
        cluster.cut.clear()
        await until(lambda: same_logs(cluster, "t", 0, 1))
        assert cluster.nodes[0].values("t") == [b"common", b"epoch 2"]

    scenario(tmp_path, main, 0, 1, inter_broker_protocol_version=ibp)


def test_a_follower_beyond_an_unclean_leaders_end_cuts_to_it(tmp_path: Path) -> None:
    async def main(cluster: Cluster) -> None:
        cluster.create_topic("t", [0, 1])
        cluster.partition_network(0, 1)
        cluster.elect("t", 0, isr=[0])
        for value in (b"a", b"b", b"c"):
            await cluster.nodes[0].produce("t", value)
        assert cluster.nodes[0].log("t").high_watermark == 3
        cluster.elect("t", 1, isr=[1])
        cluster.cut.clear()
        await until(lambda: same_logs(cluster, "t", 0, 1))
        assert cluster.nodes[0].values("t") == []

    scenario(tmp_path, main, 0, 1)


def test_a_follower_beyond_the_end_of_a_leader_that_lost_its_tail_cuts_to_it(tmp_path: Path) -> None:
    """Before Fetch 12 a fetch beyond the end is out of range, whatever the epochs say."""

    async def main(cluster: Cluster) -> None:
        cluster.create_topic("t", [0, 1])
        for value in (b"a", b"b", b"c"):
            await cluster.nodes[0].produce("t", value)
        cluster.nodes[0].log("t").truncate_to(1)
        await until(lambda: cluster.nodes[1].values("t") == [b"a"])
        await cluster.nodes[0].produce("t", b"d", acks=1)
        await until(lambda: cluster.nodes[1].values("t") == [b"a", b"d"])

    scenario(tmp_path, main, 0, 1, inter_broker_protocol_version="2.6")


def test_a_follower_below_the_leaders_log_start_begins_there(tmp_path: Path) -> None:
    async def main(cluster: Cluster) -> None:
        cluster.create_topic("t", [0, 1])
        await cluster.nodes[0].produce("t", b"a")
        cluster.partition_network(0, 1)
        cluster.elect("t", 0, isr=[0])
        for value in (b"b", b"c", b"d"):
            await cluster.nodes[0].produce("t", value)
        cluster.nodes[0].replicas.delete_records(0, [("t", 0, 3)])
        cluster.cut.clear()
        await until(lambda: cluster.nodes[1].log("t").log_end_offset == 4)
        assert cluster.nodes[1].log("t").log_start_offset == 3
        assert cluster.nodes[1].values("t") == [b"d"]
        await until(lambda: sorted(cluster.partitions["t", 0].isr) == [0, 1])

    scenario(tmp_path, main, 0, 1)


def test_a_log_start_inside_a_batch(tmp_path: Path) -> None:
    """DeleteRecords cut the leader's first batch: a follower gets all of it, and the leader's start."""

    async def main(cluster: Cluster) -> None:
        cluster.create_topic("t", [0, 1])
        cluster.partition_network(0, 1)
        cluster.elect("t", 0, isr=[0])
        await cluster.nodes[0].produce("t", b"a", b"b", b"c")
        cluster.nodes[0].replicas.delete_records(0, [("t", 0, 2)])
        cluster.cut.clear()
        await until(lambda: cluster.nodes[1].log("t").log_end_offset == 3)
        await until(lambda: cluster.nodes[1].log("t").log_start_offset == 2)

    scenario(tmp_path, main, 0, 1)


@pytest.mark.parametrize("seed", range(12))
def test_nothing_acknowledged_is_lost(tmp_path: Path, seed: int) -> None:
    """Three replicas, two must have each record, clean elections: crashes and cuts in any order."""

    async def main(cluster: Cluster) -> None:
        rng = random.Random(seed)
        cluster.create_topic("t", [0, 1, 2], min_insync_replicas=2)
        record = cluster.partitions["t", 0]
        acknowledged: list[bytes] = []

        async def produce(value: bytes) -> None:
            if record.leader >= 0 and cluster.nodes[record.leader].alive:
                result = await cluster.nodes[record.leader].produce("t", value, timeout_ms=3_000)
                if result.error is ErrorCode.NONE:
                    acknowledged.append(value)

        seen: list[bytes | None] = []

        def look() -> None:
            """What any leader shows consumers must be what all leaders show, then and ever after."""
            for node in cluster.nodes.values():
                if node.alive and node.partition("t").is_leader:
                    visible = node.values("t")[: node.log("t").high_watermark]
                    common = min(len(visible), len(seen))
                    assert visible[:common] == seen[:common]
                    seen.extend(visible[common:])

        producing = set()
        for step in range(40):
            for part in range(3):
                task = asyncio.ensure_future(produce(b"%d.%d" % (step, part)))
                producing.add(task)
                await asyncio.sleep(rng.random() * 0.2)
                look()
            await disturb(cluster, rng)
            look()
            await asyncio.sleep(rng.random() * rng.choice([0.1, 5, 40]))
        cluster.cut.clear()
        for node in cluster.nodes.values():
            if not node.alive:
                await cluster.recover(node.id)
        await asyncio.gather(*producing)
        await until(lambda: sorted(record.isr) == [0, 1, 2])
        await until(lambda: same_logs(cluster, "t", 0, 1, 2))
        values = cluster.nodes[0].values("t")
        assert values[: len(seen)] == seen
        assert [value for value in values if value in set(acknowledged)] == acknowledged
        assert len(acknowledged) > 10

    scenario(tmp_path, main, replica_lag_time_max_ms=10_000)


async def disturb(cluster: Cluster, rng: random.Random) -> None:
    record = cluster.partitions["t", 0]
    dead = [node.id for node in cluster.nodes.values() if not node.alive]
    match rng.choice(["crash", "recover", "cut", "heal", "elect", "nothing"]):
        case "crash" if not dead:
            await cluster.crash(rng.randrange(3))
        case "recover" if dead:
            await cluster.recover(dead[0])
        case "cut" if not cluster.cut:
            cluster.partition_network(*rng.sample(range(3), 2))
        case "heal":
            cluster.cut.clear()
        case "elect":
            candidates = [broker for broker in record.isr if broker in cluster.alive]
            if candidates:
                cluster.elect("t", rng.choice(candidates))
