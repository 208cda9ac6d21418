# SPDX-License-Identifier: Apache-2.0
"""Many consumers: fetches that wait at the tail, and a group of 50 members that rebalances."""

from __future__ import annotations

import asyncio
import time

from bench import frames, raw
from bench.peers import Peer, create_topic
from bench.throughput import acks
from bench.workload import Bench, Figures, Workload, percentile, spending, topic_name
from commitlog.wire.client import BrokerConnection
from commitlog.wire.errors import ErrorCode
from commitlog.wire.messages.fetch_request import FetchPartition, FetchRequest, FetchTopic
from commitlog.wire.messages.find_coordinator_request import FindCoordinatorRequest
from commitlog.wire.messages.heartbeat_request import HeartbeatRequest
from commitlog.wire.messages.join_group_request import JoinGroupRequest, JoinGroupRequestProtocol
from commitlog.wire.messages.join_group_response import JoinGroupResponse
from commitlog.wire.messages.sync_group_request import SyncGroupRequest, SyncGroupRequestAssignment

RECORDS = 1000
PACE_S = 0.005
MEMBERS = 50
SESSION_MS = 30_000


async def _tail(peer: Peer, topic: str, consumers: int, factor: int, count: int) -> list[float]:
    """Each consumer waits at the end with a long poll; milliseconds from produce to each consumer."""
    host, port = peer.addresses[0]
    taken: list[float] = []
    sent: list[float] = []
    reader_count = 0
    ready = asyncio.Event()

    async def consume() -> None:
        nonlocal reader_count
        connection = await BrokerConnection.open(host, port, "bench", request_timeout_ms=60_000)
        reader_count += 1
        if reader_count == consumers:
            ready.set()
        offset = 0
        while offset < count:
            request = FetchRequest(
                max_wait_ms=5000,
                min_bytes=1,
                max_bytes=1 << 20,
                session_epoch=-1,
                topics=[
                    FetchTopic(
                        topic=topic,
                        partitions=[
                            FetchPartition(partition=0, fetch_offset=offset, partition_max_bytes=1 << 20)
                        ],
                    )
                ],
            )
            answer = await connection.send(request, frames.FETCH_VERSION)
            partition = answer.responses[0].partitions[0]
            if partition.error_code:
                raise raw.BenchError(f"Fetch failed with {partition.error_code}")
            now = time.perf_counter()
            if partition.high_watermark > offset and partition.records:
                got = len(partition.records) // batch_bytes
                taken.extend((now - at) * 1e3 for at in sent[offset : offset + got])
                offset += got
        connection.close()

    batch = frames.batch(1, 100)
    batch_bytes = len(batch)
    frame = bytes(frames.produce(topic, batch, acks(factor)))
    tasks = [asyncio.ensure_future(consume()) for _ in range(consumers)]
    await ready.wait()
    reader, writer = await asyncio.open_connection(host, port)
    for _ in range(count):
        sent.append(time.perf_counter())
        writer.write(frame)
        size = int.from_bytes(await reader.readexactly(4), "big")
        await reader.readexactly(size)
        await asyncio.sleep(PACE_S)
    writer.close()
    await asyncio.gather(*tasks)
    return taken


def _fetch_tail(bench: Bench, peer: Peer, factor: int, consumers: int) -> Figures:
    topic = topic_name("tail")
    create_topic(peer, topic, 1, factor)
    count = bench.count(RECORDS, 200)
    with spending(peer.pids) as spent:
        taken = asyncio.run(_tail(peer, topic, consumers, factor, count))
    return {
        "p50 ms": percentile(taken, 0.5),
        "p99 ms": percentile(taken, 0.99),
        "CPU µs/record read": spent.cpu_s / len(taken) * 1e6,
    }


def tail_1(bench: Bench, peer: Peer, factor: int) -> Figures:
    return _fetch_tail(bench, peer, factor, 1)


def tail_50(bench: Bench, peer: Peer, factor: int) -> Figures:
    return _fetch_tail(bench, peer, factor, 50)


class _Member:
    """One member of a group, as far as rebalances are concerned."""

    def __init__(self, connection: BrokerConnection, group: str) -> None:
        self.connection = connection
        self.group = group
        self.member_id = ""
        self.generation = -1

    async def join(self) -> None:
        """Join and sync, from the start until this member has its assignment."""
        while True:
            joined = await self._join()
            if joined.error_code == ErrorCode.MEMBER_ID_REQUIRED:
                self.member_id = joined.member_id
                continue
            if joined.error_code:
                raise raw.BenchError(f"JoinGroup failed with {joined.error_code}")
            self.member_id, self.generation = joined.member_id, joined.generation_id
            assignments = [
                SyncGroupRequestAssignment(member_id=member.member_id, assignment=b"\0\0")
                for member in joined.members
            ]
            synced = await self.connection.send(
                SyncGroupRequest(
                    group_id=self.group,
                    generation_id=self.generation,
                    member_id=self.member_id,
                    assignments=assignments,
                ),
                3,
            )
            if synced.error_code == ErrorCode.REBALANCE_IN_PROGRESS:
                continue
            if synced.error_code:
                raise raw.BenchError(f"SyncGroup failed with {synced.error_code}")
            return

    async def _join(self) -> JoinGroupResponse:
        return await self.connection.send(
            JoinGroupRequest(
                group_id=self.group,
                session_timeout_ms=SESSION_MS,
                rebalance_timeout_ms=SESSION_MS,
                member_id=self.member_id,
                protocol_type="consumer",
                protocols=[JoinGroupRequestProtocol(name="range", metadata=b"\0\0")],
            ),
            5,
        )

    async def heartbeat(self) -> int:
        answer = await self.connection.send(
            HeartbeatRequest(group_id=self.group, generation_id=self.generation, member_id=self.member_id),
            3,
        )
        return answer.error_code


async def _coordinator(peer: Peer, group: str) -> tuple[str, int]:
    connection = await BrokerConnection.open(*peer.addresses[0], "bench")
    try:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            found = await connection.send(FindCoordinatorRequest(key=group), 2)
            if not found.error_code:
                return found.host, found.port
            await asyncio.sleep(0.05)
        raise raw.BenchError(f"{peer.name}: no coordinator, error {found.error_code}")
    finally:
        connection.close()


async def _rebalance(peer: Peer, group: str) -> tuple[float, float]:
    """(milliseconds until 50 new members are stable, milliseconds of the rebalance that one more causes)."""
    address = await _coordinator(peer, group)
    members = [
        _Member(await BrokerConnection.open(*address, "bench", request_timeout_ms=60_000), group)
        for _ in range(MEMBERS + 1)
    ]
    started = time.perf_counter()
    await asyncio.gather(*(member.join() for member in members[:-1]))
    stable = time.perf_counter()

    async def notice(member: _Member) -> None:
        while await member.heartbeat() != ErrorCode.REBALANCE_IN_PROGRESS:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        await member.join()

    await asyncio.gather(members[-1].join(), *(notice(member) for member in members[:-1]))
    ended = time.perf_counter()
    for member in members:
        member.connection.close()
    return (stable - started) * 1e3, (ended - stable) * 1e3


def rebalance(bench: Bench, peer: Peer, factor: int) -> Figures:
    first, second = asyncio.run(_rebalance(peer, topic_name("group")))
    return {"50 join ms": first, "one more ms": second}


_TIMES = {"p50 ms": "less", "p99 ms": "less", "CPU µs/record read": "less"}

WORKLOADS = [
    Workload("tail-1", "Fetch at the tail, 1 consumer", tail_1, _TIMES),
    Workload("tail-50", "Fetch at the tail, 50 consumers", tail_50, _TIMES),
    Workload(
        "rebalance",
        f"A group of {MEMBERS} members: all join, then one more",
        rebalance,
        {"50 join ms": "less", "one more ms": "less"},
        factors=(2,),
    ),
]
