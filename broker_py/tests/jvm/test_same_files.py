# SPDX-License-Identifier: Apache-2.0
"""What a broker leaves on disk after the same requests and a clean stop: the same names, and in each file the
same bytes, of Apache Kafka 3.9.1 and of this broker. And the same after another start and stop.

What no two runs share is masked: ids that are drawn, and the wall clock in transaction markers.
"""

from __future__ import annotations

import re
from contextlib import closing
from pathlib import Path

from commitlog.records.batch import build_batch
from commitlog.wire.api_keys import ApiKey
from tests.jvm.cluster import JVM, PYTHON, EitherBroker, mixed_cluster
from tests.jvm.test_acls import HOME, Peer
from tests.real_zookeeper import ZooKeeperProcess

NOW_MS = 1_700_000_000_000
SEGMENTS = {"segment.bytes": "15000", "segment.index.bytes": "1000", "index.interval.bytes": "500"}
TOPICS: dict[str, dict[str, str]] = {
    "plain": SEGMENTS,
    "cut": SEGMENTS,
    "transactions": {},
    "empty": {},
    "table": {"cleanup.policy": "compact"},
}
ID = "writer"
BATCHES = 150
Files = dict[str, bytes]


def write(broker: EitherBroker) -> None:
    """Records of an idempotent producer over several segments, a deletion, transactions."""
    with closing(Peer(broker, HOME)) as peer:
        for name, settings in TOPICS.items():
            configs = [
                {"name": key, "value": value} for key, value in {"retention.ms": "-1", **settings}.items()
            ]
            topic = {"name": name, "num_partitions": 1, "replication_factor": 1, "configs": configs}
            peer.must(ApiKey.CREATE_TOPICS, 5, topics=[topic], timeout_ms=30_000)
        for number in range(BATCHES):
            records = [
                (NOW_MS + 1000 * number + i, b"k%d" % (number % 7), b"%d" % number * 60, ()) for i in range(3)
            ]
            batch = build_batch(records, producer_id=77, producer_epoch=1, base_sequence=3 * number)
            for name in ("plain", "cut", "table"):
                produce(peer, name, bytearray(batch))
        partition = {"partition_index": 0, "offset": 200}
        topics = [{"name": "cut", "partitions": [partition]}]
        peer.must(ApiKey.DELETE_RECORDS, 1, topics=topics, timeout_ms=30_000)
        write_transactions(peer)


def write_transactions(peer: Peer) -> None:
    """Committed, aborted, aborted."""
    peer.must(ApiKey.FIND_COORDINATOR, 4, coordinator_keys=[ID], key_type=1)
    made = peer.must(ApiKey.INIT_PRODUCER_ID, 3, transactional_id=ID, transaction_timeout_ms=600_000)
    who = {"producer_id": made.producer_id, "producer_epoch": made.producer_epoch}
    for number, committed in enumerate((True, False, False)):
        peer.must(
            ApiKey.ADD_PARTITIONS_TO_TXN, 3,
            v3_and_below_transactional_id=ID, v3_and_below_producer_id=made.producer_id,
            v3_and_below_producer_epoch=made.producer_epoch,
            v3_and_below_topics=[{"name": "transactions", "partitions": [0]}],
        )  # fmt: skip
        records = [(NOW_MS + number, b"t", b"in a transaction", ())] * 2
        batch = build_batch(records, base_sequence=2 * number, is_transactional=True, **who)
        produce(peer, "transactions", bytearray(batch), transactional_id=ID)
        peer.must(ApiKey.END_TXN, 3, transactional_id=ID, committed=committed, **who)


def produce(peer: Peer, topic: str, records: bytearray, transactional_id: str | None = None) -> None:
    data = [{"name": topic, "partition_data": [{"index": 0, "records": records}]}]
    peer.must(
        ApiKey.PRODUCE, 9, acks=-1, timeout_ms=30_000, topic_data=data, transactional_id=transactional_id
    )


def files(broker: EitherBroker) -> Files:
    """Every file of the log directory by its path."""
    root = broker.log_dir
    return {
        str(path.relative_to(root)): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()
    }


def masked(name: str, content: bytes) -> bytes:
    """The content without what was drawn or read from the clock."""
    if name.endswith("partition.metadata"):
        return re.sub(rb"topic_id: \S{22}", b"topic_id: ?", content)
    if name == "meta.properties":
        return re.sub(rb"(?m)^#.*$", b"#", re.sub(rb"cluster\.id=\S+", b"cluster.id=?", content))
    if name == ".kafka_cleanshutdown":
        return re.sub(rb'"brokerEpoch":-?\d+', b'"brokerEpoch":?', content)
    if name.endswith("-checkpoint") and "/" not in name:
        return b"\n".join(sorted(content.splitlines()))  # in the order of a hash table
    of_markers = name.startswith(("transactions-", "__transaction_state-"))
    if of_markers and name.endswith((".log", ".snapshot", ".timeindex")):
        return b"%d bytes" % len(content)
    return content


def stopped_twice(kind: str, directory: Path, zookeeper: ZooKeeperProcess) -> tuple[Files, Files]:
    """What it leaves after the requests, and after being started and stopped once more. From then on no start
    and stop of either changes anything."""
    settings = {"transaction_state_log_num_partitions": "1", "log_cleaner_enable": "false"}
    with mixed_cluster(directory, zookeeper, [kind], **settings) as cluster:
        (broker,) = cluster.brokers
        write(broker)
        left = []
        for successor in (kind, PYTHON, JVM):
            assert broker.stop() in (0, 143)
            left.append(files(broker))
            broker.become(successor)
            broker.start()
        assert broker.stop() in (0, 143)
        for later in (*left[2:], files(broker)):
            assert differing(left[1], later) == []
        return left[0], left[1]


def differing(one: Files, other: Files) -> list[str]:
    """Names that are on one side only, or have other bytes."""
    return sorted(
        name
        for name in {*one, *other}
        if name not in one or name not in other or masked(name, one[name]) != masked(name, other[name])
    )


def test_the_same_requests_leave_the_same_files(zookeeper: ZooKeeperProcess, tmp_path: Path) -> None:
    ours = stopped_twice(PYTHON, tmp_path / "ours", zookeeper)
    theirs = stopped_twice(JVM, tmp_path / "theirs", zookeeper)
    assert len(ours[0]) > 60
    assert differing(ours[0], theirs[0]) == []
    assert differing(ours[1], theirs[1]) == []
