# SPDX-License-Identifier: Apache-2.0
"""What clients of every age write and read: each version of Produce, Fetch and ListOffsets gets the same
answer of Apache Kafka 3.9.1 and of this broker.

Compressed records are compared when they are open: no two compressors write the same bytes.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from itertools import zip_longest
from typing import Any

import pytest

from commitlog.records.batch import build_batch, decode_records, iterate_headers
from commitlog.records.header import Codec, Record
from commitlog.records.message_set import build_message_set
from commitlog.wire.api_keys import ApiKey
from commitlog.wire.messages import request_class
from tests.jvm.cluster import JVM, PYTHON, MixedCluster, mixed_cluster
from tests.jvm.test_acls import HOME, Peer
from tests.real_zookeeper import ZooKeeperProcess
from tests.server.authorization_table import leaves, make

NOW_MS = 1_700_000_000_000
TOPICS = {
    "plain": {},
    "log-time": {"message.timestamp.type": "LogAppendTime"},
    "kept": {"message.downconversion.enable": "false"},
    "gzip": {"compression.type": "gzip"},
    "zstd": {"compression.type": "zstd"},
}
OLD_CODECS = (Codec.NONE, Codec.GZIP, Codec.SNAPPY, Codec.LZ4)
LAST_NAMED_FETCH = 12
LAST_CONVERTED_FETCH = 3
ID = "writer"


def sent() -> Iterator[tuple[int, bytearray]]:
    """Versions of Produce and what clients of their time would send."""
    bare = [Record(i, NOW_MS + i, b"k%d" % i, b"squeeze " * 20) for i in range(4)]
    bare[2] = bare[2]._replace(value=None)
    for version, magic in ((0, 0), (1, 0), (2, 1)):
        for codec in OLD_CODECS:
            yield version, build_message_set(bare, magic=magic, codec=codec)
    for version in range(3, 12):
        codec = OLD_CODECS[version % 4]
        headers = (("h", b"1"), ("none", None))
        yield version, build_batch([(*r[1:4], headers) for r in bare], codec=codec)


class Side:
    """A cluster of one broker, Kafka's or ours, with the same records in the same topics."""

    def __init__(self, cluster: MixedCluster) -> None:
        self.peer = Peer(cluster.brokers[0], HOME)
        for name, settings in TOPICS.items():
            configs = [{"name": key, "value": value} for key, value in settings.items()]
            topic = {"name": name, "num_partitions": 1, "replication_factor": 1, "configs": configs}
            self.peer.must(ApiKey.CREATE_TOPICS, 5, topics=[topic], timeout_ms=30_000)
        self.answers = [self.produce(name, *each) for name in TOPICS for each in sent()]
        self._transactions()

    def ask(self, key: ApiKey, version: int, **fields: Any) -> Any:
        return self.peer.ask(make(request_class(key), fields), version)

    def produce(self, topic: str, version: int, records: bytes | bytearray, **more: Any) -> Any:
        data = [{"name": topic, "partition_data": [{"index": 0, "records": records}]}]
        return self.ask(ApiKey.PRODUCE, version, acks=-1, timeout_ms=30_000, topic_data=data, **more)

    def _transactions(self) -> None:
        """One that is aborted, one that is committed, one that stays open."""
        self.peer.must(ApiKey.FIND_COORDINATOR, 4, coordinator_keys=[ID], key_type=1)
        made = self.peer.must(ApiKey.INIT_PRODUCER_ID, 3, transactional_id=ID, transaction_timeout_ms=600_000)
        who = {"producer_id": made.producer_id, "producer_epoch": made.producer_epoch}
        partitions = [{"name": name, "partitions": [0]} for name in TOPICS]
        for number, committed in enumerate((False, True, None)):
            self.peer.must(
                ApiKey.ADD_PARTITIONS_TO_TXN, 3,
                v3_and_below_transactional_id=ID, v3_and_below_producer_id=made.producer_id,
                v3_and_below_producer_epoch=made.producer_epoch, v3_and_below_topics=partitions,
            )  # fmt: skip
            records = [(NOW_MS - number, b"t", b"in a transaction", ())] * 2
            batch = build_batch(records, base_sequence=2 * number, is_transactional=True, **who)
            for name in TOPICS:
                self.produce(name, 9, bytearray(batch), transactional_id=ID)
            if committed is not None:
                self.peer.must(ApiKey.END_TXN, 3, transactional_id=ID, committed=committed, **who)

    def fetch(self, topic: str, version: int, offset: int, isolation: int) -> Any:
        partition = {"partition": 0, "fetch_offset": offset, "partition_max_bytes": 1 << 20}
        topics = [{"topic": topic, "partitions": [partition]}]
        answer = self.ask(
            ApiKey.FETCH, version, max_wait_ms=0, topics=topics, isolation_level=isolation, session_epoch=-1
        )
        data = answer.responses[0].partitions[0]
        records, data.records = bytes(data.records or b""), None
        said = [one for one in leaves(answer) if one[0] not in ("throttle_time_ms", "producer_id")]
        return said, opened(records, topic)

    def end(self, topic: str) -> int:
        return int(dict(self.offsets(topic, 5, -1))["offset"])

    def offsets(self, topic: str, version: int, timestamp: int, isolation: int = 0) -> list[tuple[str, Any]]:
        partition = {"partition_index": 0, "timestamp": timestamp}
        if version == 0:
            partition["max_num_offsets"] = 5
        answer = self.ask(
            ApiKey.LIST_OFFSETS, version, replica_id=-1, isolation_level=isolation,
            topics=[{"name": topic, "partitions": [partition]}],
        )  # fmt: skip
        # The newest record of all is the marker of a transaction, with the broker's time.
        hidden = ("timestamp",) if topic == "log-time" or timestamp == -3 else ()
        return [one for one in leaves(answer) if one[0] not in ("throttle_time_ms", *hidden)]


def opened(records: bytes, topic: str) -> list[tuple[Any, ...]]:
    """Batches by their fields and records; times of appending differ."""
    found: list[tuple[Any, ...]] = []
    for position, header in iterate_headers(records):
        times: tuple[int, ...] = (header.base_timestamp, header.max_timestamp)
        inside = decode_records(records, position, header)
        if topic == "log-time" or header.is_control:
            times = ()
            inside = [record._replace(timestamp=0) for record in inside]
        found.append((header.magic, header.attributes, header.base_offset, *times, inside))
    return found


@pytest.fixture(scope="module")
def sides(tmp_path_factory: pytest.TempPathFactory, zookeeper: ZooKeeperProcess) -> Iterator[dict[str, Side]]:
    with ExitStack() as stack:
        both = {}
        for kind in (PYTHON, JVM):
            settings = {"transaction_state_log_num_partitions": "1"}
            directory = tmp_path_factory.mktemp(kind)
            cluster = stack.enter_context(mixed_cluster(directory, zookeeper, [kind], **settings))
            both[kind] = Side(cluster)
            stack.callback(both[kind].peer.close)
        yield both


def test_every_version_of_produce(sides: dict[str, Side]) -> None:
    questions = [(name, version) for name in TOPICS for version, _ in sent()]
    hidden = ("throttle_time_ms", "log_append_time_ms")
    for question, ours, theirs in zip(questions, sides[PYTHON].answers, sides[JVM].answers, strict=True):
        told = [[one for one in leaves(answer) if one[0] not in hidden] for answer in (ours, theirs)]
        assert told[0] == told[1], question


def differing(ours: Any, theirs: Any) -> str:
    """The first place where two answers part."""
    for mine, kafkas in zip_longest(flat(ours), flat(theirs)):
        if mine != kafkas:
            return f"{mine}, Kafka: {kafkas}"
    return "nothing"


def alike(ours: Any, theirs: Any, version: int) -> bool:
    """Whether the answers are the same. Kafka cuts converted records where the batches would have ended, and
    sends the first ones again when a control batch came first; here all come, once.
    """
    if version > LAST_CONVERTED_FETCH:
        return bool(ours == theirs)
    mine, kafkas = list(flat(ours)), list(flat(theirs))
    shared = min(len(mine), len(kafkas))
    return mine[:shared] == kafkas[:shared] and bool(ours[1]) == bool(theirs[1])


def flat(answer: Any) -> Iterator[Any]:
    said, batches = answer
    yield from said
    for *fields, records in batches:
        yield fields
        yield from records


def test_every_version_of_fetch(sides: dict[str, Side]) -> None:
    wrong = []
    for topic in TOPICS:
        end = sides[JVM].end(topic)
        assert sides[PYTHON].end(topic) == end
        for version in range(LAST_NAMED_FETCH + 1):
            for offset in (0, 1, 6, 50, end - 9, end - 3, end - 1, end, end + 1):
                for isolation in (0, 1) if version >= 4 else (0,):
                    question = (topic, version, offset, isolation)
                    ours, theirs = (sides[kind].fetch(*question) for kind in (PYTHON, JVM))
                    if not alike(ours, theirs, version):
                        wrong.append(f"{question}: {differing(ours, theirs)}")
    assert not wrong, "\n".join(wrong)


def test_every_version_of_list_offsets(sides: dict[str, Side]) -> None:
    times = (-1, -2, -3, -4, -5, -6, 0, NOW_MS - 2, NOW_MS, NOW_MS + 2, NOW_MS + 3, 2**62)
    wrong = []
    for topic in TOPICS:
        for version in range(10):
            for isolation in (0, 1) if version >= 2 else (0,):
                for time in times:
                    question = (topic, version, time, isolation)
                    ours, theirs = (sides[kind].offsets(*question) for kind in (PYTHON, JVM))
                    if ours != theirs:
                        wrong.append(f"{question}: {differing((ours, []), (theirs, []))}")
    assert not wrong, "\n".join(wrong)
