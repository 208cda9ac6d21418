# SPDX-License-Identifier: Apache-2.0
"""A whole broker answers a Produce in the same way whichever way it takes through the dispatcher."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from commitlog.metrics.requests import RequestStats
from commitlog.records.batch import build_batch
from commitlog.replication.isr import InSyncReplicas
from commitlog.security.principal import ANONYMOUS
from commitlog.server.broker import Broker
from commitlog.server.dispatch import Dispatcher, PendingRequest
from commitlog.server.short_produce import PendingProduce
from commitlog.wire.frames import encode_request
from commitlog.wire.messages.create_topics_request import CreatableTopic, CreateTopicsRequest
from commitlog.wire.messages.produce_request import PartitionProduceData, ProduceRequest, TopicProduceData
from tests.server.test_broker import World, ask, run, until

SHORT, LONG = "short", "_long"


class Peer:
    """As much of a connection as a dispatcher asks for."""

    client_host, client_port, listener_name, connection_id = "127.0.0.1", 1, "PLAINTEXT", "id"
    principal = ANONYMOUS

    def close(self) -> None:
        raise AssertionError("nobody may close")


def a_frame(topic: str, records: bytes, version: int, acks: int = 1, partition: int = 0) -> memoryview:
    data = [PartitionProduceData(index=partition, records=records)]
    request = ProduceRequest(
        acks=acks, timeout_ms=300, topic_data=[TopicProduceData(name=topic, partition_data=data)]
    )
    return memoryview(bytearray(encode_request(request, version, 5, "client")[4:]))


async def topics(broker: Broker) -> None:
    wanted = [CreatableTopic(name=name, num_partitions=1, replication_factor=1) for name in (SHORT, LONG)]
    await until(lambda: broker.services.metadata.controller_id is not None)
    await ask(broker, CreateTopicsRequest(topics=wanted, timeout_ms=5000), 7)
    await until(lambda: all(0 in broker.services.metadata.partitions(name) for name in (SHORT, LONG)))
    await until(lambda: all(broker.services.replicas.partition(name, 0).is_leader for name in (SHORT, LONG)))


def batch(sequence: int = -1, producer_id: int = -1, size: int = 10) -> bytes:
    return bytes(
        build_batch(
            [(1, b"k", b"v" * size, ())],
            producer_id=producer_id,
            producer_epoch=-1 if producer_id < 0 else 0,
            base_sequence=sequence,
        )
    )


def broken(records: bytes) -> bytes:
    return records[:-1] + bytes([records[-1] ^ 1])


@pytest.mark.parametrize("version", [3, 5, 8, 9, 11])
def test_both_ways_answer_the_same(tmp_path: Path, version: int) -> None:
    steps: list[tuple[bytes, int]] = [
        (batch(), 0),
        (batch(0, 7), 0),
        (batch(0, 7), 0),  # a duplicate
        (batch(5, 7), 0),  # out of order
        (batch(1, 7), 0),
        (broken(batch()), 0),
        (batch(size=2_000_000), 0),  # too large
        (batch(), 3),  # no such partition
        (batch(), 0),
    ]

    async def test(world: World) -> None:
        broker = world.broker(1)
        await broker.start()
        await topics(broker)
        short, long = Dispatcher(broker.services), Dispatcher(broker.services)
        long._short = None
        peer: Any = Peer()
        for records, partition in steps:
            for acks in (1, -1):
                one = short.handle(peer, a_frame(SHORT, records, version, acks, partition))
                other = long.handle(peer, a_frame(LONG, records, version, acks, partition))
                assert isinstance(one, list)
                assert isinstance(other, list)
                assert b"".join(map(bytes, one)) == b"".join(map(bytes, other)).replace(b"_long", b"short")
        assert short.stats[0].by_version == long.stats[0].by_version
        ends = [broker.services.replicas.partition(name, 0).log_end_offset for name in (SHORT, LONG)]
        # With either acks two plain batches; and two with a sequence, which the second time were duplicates.
        assert ends == [6, 6]
        await broker.stop()

    run(tmp_path, test)


def test_who_waits_for_followers_is_answered_when_the_time_is_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def test(world: World) -> None:
        broker = world.broker(1)
        await broker.start()
        await topics(broker)
        dispatcher = Dispatcher(broker.services)
        dispatcher.times_requests = True
        peer: Any = Peer()
        monkeypatch.setattr(InSyncReplicas, "smallest_end", lambda self, end: 0)
        waiting = dispatcher.handle(peer, a_frame(SHORT, batch(), 9, acks=-1))
        given_up = dispatcher.handle(peer, a_frame(SHORT, batch(), 9, acks=-1))
        assert isinstance(waiting, PendingProduce)
        assert isinstance(given_up, PendingProduce)
        given_up.abandon()
        assert given_up.future.cancelled()
        await until(waiting.future.done)
        long = Dispatcher(broker.services)
        long._short = None
        other = long.handle(peer, a_frame(LONG, batch(), 9, acks=-1))
        assert isinstance(other, PendingRequest)
        await until(other.future.done)
        answers = [b"".join(map(bytes, one.response() or [])) for one in (waiting, other)]
        assert answers[0] == answers[1].replace(b"_long", b"short")
        stats: RequestStats = dispatcher.stats[0]
        assert (stats.by_version[9], stats.total.count) == (2, 1)
        assert stats.total.total_ms >= 300 > stats.local.total_ms
        await broker.stop()

    run(tmp_path, test)


def test_the_short_way_is_closed_while_there_are_quotas_or_an_authorizer(tmp_path: Path) -> None:
    async def test(world: World) -> None:
        broker = world.broker(1)
        await broker.start()
        await topics(broker)
        dispatcher = Dispatcher(broker.services)
        assert dispatcher._short is not None
        peer: Any = Peer()
        frame = a_frame(SHORT, batch(), 9)
        assert dispatcher._short.answer(peer, frame, timed=False) is not None
        broker.services.quotas.active = True
        assert dispatcher._short.answer(peer, a_frame(SHORT, batch(), 9), timed=False) is None
        broker.services.quotas.active = False
        assert Dispatcher(broker.services, authorizer=object())._short is None  # type: ignore[arg-type]
        await broker.stop()

    run(tmp_path, test)
