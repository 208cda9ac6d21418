# SPDX-License-Identifier: Apache-2.0
"""Two brokers of Apache Kafka 3.9.1 and two of ours, asked as a client would that does not know which of them
is the controller, or the nearest: topics that come into being since somebody asks for them, requests that
only the controller answers, fetching from a follower of one's own rack. Both kinds say the same, whichever of
their two is asked.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from commitlog.apis.registry import served_apis
from commitlog.wire.api_keys import ApiKey
from commitlog.wire.messages import request_class
from tests.end_to_end.cluster import wait_until
from tests.jvm.bad_requests import TOPIC, VICTIM, Question, questions
from tests.jvm.cluster import JVM, PYTHON, MixedCluster
from tests.jvm.good_admin_requests import OF_ADMINISTRATORS, OF_BROKERS
from tests.jvm.test_acls import HOME, Peer
from tests.jvm.two_sides import RECORDS, Told, difference, told_of
from tests.real_zookeeper import ZooKeeperProcess
from tests.server.authorization_table import error_codes, make

SETTINGS = {
    "num.partitions": "3",
    "default.replication.factor": "2",
    "transaction.state.log.replication.factor": "3",  # than there are brokers
    "replica.selector.class": "org.apache.kafka.common.replica.RackAwareReplicaSelector",
}
CONTROLLER, OTHER = "the controller", "the other"
NONE, LEADER_NOT_AVAILABLE, INVALID_TOPIC, INVALID_REPLICATION_FACTOR = 0, 5, 17, 38
COORDINATOR_NOT_AVAILABLE = 15
WRONG_WORDS = "Unexpected node id. Expected 1, but received 1"
"""Of a logger of broker 0, which Apache Kafka gets wrong."""
BETWEEN_BROKERS = (ApiKey.LEADER_AND_ISR, ApiKey.STOP_REPLICA, ApiKey.UPDATE_METADATA)
"""What the controller says, and nobody asks it."""


class Pair:
    """Two brokers of a kind, and a connection to each."""

    def __init__(self, directory: Path, zookeeper: ZooKeeperProcess, kind: str) -> None:
        self.cluster = MixedCluster(directory, zookeeper, [kind, kind], SETTINGS)
        for broker, rack in zip(self.cluster.brokers, "ab", strict=True):
            broker.settings["broker.rack"] = rack
        self.peers: dict[str, Peer] = {}
        self.values: dict[str, Any] = {
            "<log dir>": str(self.cluster.brokers[1].log_dir),
            "<hmac>": b"no token has it",
        }
        self._fresh = 0

    def start(self) -> None:
        self.cluster.start()
        controller, other = self.cluster.brokers
        self.cluster.make_controller(controller)
        for broker in (controller, other):
            wait_until(lambda broker=broker: self._controller_of(broker) == 0, "both to know the controller")
        self.peers = {CONTROLLER: Peer(controller, HOME), OTHER: Peer(other, HOME)}
        for name in (TOPIC, VICTIM):
            placed = [{"partition_index": 0, "broker_ids": [0]}, {"partition_index": 1, "broker_ids": [1]}]
            topic = {"name": name, "num_partitions": -1, "replication_factor": -1, "assignments": placed}
            self.peers[CONTROLLER].must(ApiKey.CREATE_TOPICS, 7, topics=[topic], timeout_ms=30_000)
            described = self.peers[OTHER].must(ApiKey.METADATA, 12, topics=[{"name": name}])
            self.values[f"<{name}>"] = described.topics[0].topic_id
        _, stat = self.cluster.znodes.get("/brokers/ids/0")
        self.values["<broker epoch>"] = stat.czxid

    @staticmethod
    def _controller_of(broker: Any) -> int:
        peer = Peer(broker, HOME)
        try:
            return int(peer.must(ApiKey.METADATA, 12, topics=[]).controller_id)
        finally:
            peer.close()

    def ask(self, whom: str, api: ApiKey, version: int, **fields: Any) -> Any:
        answer = self.peers[whom].ask(make(request_class(api), fields), version)
        assert answer is not None, f"{api.name} {version}: {whom} closed the connection"
        return answer

    def answer(self, whom: str, question: Question) -> Told | None:
        self._fresh += 1
        values = {**self.values, "<fresh>": f"fresh-{self._fresh}"}
        request = question.request(
            lambda value: values.get(value, value) if isinstance(value, str) else value
        )
        answer = self.peers[whom].ask(request, question.version)
        return None if answer is None else told_of(answer, values)

    def metadata(self, whom: str, version: int, *names: str) -> list[tuple[str, int, bool, int]]:
        """Name, error, whether it is internal, and partitions of each topic."""
        asked = self.ask(whom, ApiKey.METADATA, version, topics=[{"name": name} for name in names])
        return sorted(
            (one.name, one.error_code, one.is_internal, len(one.partitions)) for one in asked.topics
        )

    def until_there(self, whom: str, version: int, name: str) -> set[int]:
        """The errors that are answered of a topic until it is there whole."""
        seen: set[int] = set()

        def there() -> bool:
            asked = self.ask(whom, ApiKey.METADATA, version, topics=[{"name": name}])
            found = error_codes(asked.topics[0])
            seen.update(found)
            return found == {NONE}

        wait_until(there, f"{name} to be there")
        return seen - {NONE}

    def close(self) -> None:
        for peer in self.peers.values():
            peer.close()
        self.cluster.close()


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory, zookeeper: ZooKeeperProcess) -> Iterator[dict[str, Pair]]:
    with ExitStack() as stack:
        both = {}
        for kind in (JVM, PYTHON):
            both[kind] = Pair(tmp_path_factory.mktemp(kind), zookeeper, kind)
            stack.callback(both[kind].close)
            both[kind].start()
        yield both


@pytest.mark.parametrize("whom", [CONTROLLER, OTHER])
def test_a_topic_that_nobody_has_made(pairs: dict[str, Pair], whom: str) -> None:
    """It is being made when the first answer comes, and has a leader for whoever asks a moment later."""
    high = served_apis()[ApiKey.METADATA].max_version
    for version in range(high + 1):
        name = f"new-{version}-of-{whom.split()[1]}"
        told = {kind: pair.metadata(whom, version, name) for kind, pair in pairs.items()}
        assert told[PYTHON] == told[JVM] == [(name, LEADER_NOT_AVAILABLE, False, 0)], version
        for kind, pair in pairs.items():
            assert pair.cluster.znodes.exists(f"/brokers/topics/{name}"), (kind, version)
            for asked in (CONTROLLER, OTHER):
                # A broker that has not heard of it makes it once more, and is told that it is there.
                assert pair.until_there(asked, version, name) <= {LEADER_NOT_AVAILABLE}, (kind, version)
                assert pair.metadata(asked, version, name) == [(name, NONE, False, 3)], (kind, version)


@pytest.mark.parametrize("whom", [CONTROLLER, OTHER])
def test_topics_that_cannot_be_made(pairs: dict[str, Pair], whom: str) -> None:
    for pair in pairs.values():
        pair.ask(CONTROLLER, ApiKey.METADATA, 1, topics=[{"name": "a.b"}])
        pair.until_there(whom, 1, "a.b")
    # By their names, since another has it but for a dot, and for want of brokers.
    names = ("..", "a/b", "", "x" * 249, "x" * 250, "a_b", "__transaction_state", "fine", "fine2", "fine")
    for version in (0, 1, 4, 9, 12):
        told = {kind: pair.metadata(whom, version, *names) for kind, pair in pairs.items()}
        assert told[PYTHON] == told[JVM], version
        codes = {name: code for name, code, _, _ in told[JVM]}
        assert codes[".."] == codes["a_b"] == INVALID_TOPIC
        assert codes["__transaction_state"] == INVALID_REPLICATION_FACTOR
        for pair in pairs.values():
            for name in ("fine", "fine2", "x" * 249):
                pair.until_there(whom, version, name)


@pytest.mark.parametrize("whom", [OTHER, CONTROLLER])
def test_coordinators_whose_topic_nobody_has_made(pairs: dict[str, Pair], whom: str) -> None:
    """Of groups it is made; of transactions it cannot be, as there are too few brokers, which is not told."""
    for version in range(served_apis()[ApiKey.FIND_COORDINATOR].max_version + 1):
        for key_type in (0, 1) if version else (0,):
            fields: dict[str, Any] = {"key_type": key_type} if version else {}
            fields |= {"coordinator_keys": ["g", "h"]} if version >= 4 else {"key": "g"}
            found = {}
            for kind, pair in pairs.items():
                answer = pair.ask(whom, ApiKey.FIND_COORDINATOR, version, **fields)
                found[kind] = error_codes(answer)
                if key_type == 0:
                    wait_until(
                        lambda pair=pair, fields=fields, version=version: (
                            error_codes(pair.ask(whom, ApiKey.FIND_COORDINATOR, version, **fields)) == {NONE}
                        ),
                        "a coordinator",
                    )
            assert found[PYTHON] == found[JVM], (version, key_type)
            if key_type == 1:
                assert found[JVM] - {NONE} == {COORDINATOR_NOT_AVAILABLE}, version
    settings = {
        kind: pair.cluster.document("/config/topics/__consumer_offsets") for kind, pair in pairs.items()
    }
    assert settings[PYTHON] == settings[JVM]
    assert {kind: pair.metadata(whom, 12, "__consumer_offsets") for kind, pair in pairs.items()} == {
        kind: [("__consumer_offsets", NONE, True, 4)] for kind in pairs
    }


GOOD = [good for good in (*OF_ADMINISTRATORS, *OF_BROKERS) if good.key not in BETWEEN_BROKERS]


@pytest.mark.parametrize("good", GOOD, ids=lambda good: f"{good.key.name}-{good.what}".replace(" ", "-"))
def test_what_the_other_broker_is_asked(pairs: dict[str, Pair], good: Any) -> None:
    """Some it does, some it leaves to the controller: as Apache Kafka without KRaft, it passes nothing on."""
    api = served_apis()[good.key]
    wrong = []
    for version in range(max(api.min_version, good.since), min(api.max_version, good.until) + 1):
        question = next(questions(good, version))
        ours, theirs = (pairs[kind].answer(OTHER, question) for kind in (PYTHON, JVM))
        found = difference(ours, theirs)
        if found and WRONG_WORDS not in found:
            wrong.append(f"{question}:\n   {found}")
    assert not wrong, "\n".join(wrong)


def test_a_consumer_reads_from_the_follower_in_its_rack(pairs: dict[str, Pair]) -> None:
    """KIP-392: the leader sends it there, and the follower gives it what is committed."""
    placed = [{"partition_index": 0, "broker_ids": [0, 1]}]
    topic = {"name": "racked", "num_partitions": -1, "replication_factor": -1, "assignments": placed}
    data = [{"name": "racked", "partition_data": [{"index": 0, "records": RECORDS}]}]
    for pair in pairs.values():
        leader = pair.peers[CONTROLLER]
        leader.must(ApiKey.CREATE_TOPICS, 7, topics=[topic], timeout_ms=30_000)
        pair.cluster.wait_isr("racked", {0, 1})
        leader.must(ApiKey.PRODUCE, 9, acks=-1, timeout_ms=30_000, topic_data=data)
        described = pair.peers[OTHER].must(ApiKey.METADATA, 12, topics=[{"name": "racked"}])
        pair.values["<racked>"] = described.topics[0].topic_id
        wait_until(
            lambda pair=pair: _read(pair, OTHER, 11, "b") == (NONE, -1, RECORDS), "the follower to give it"
        )
    for version in range(11, served_apis()[ApiKey.FETCH].max_version + 1):
        for whom in (CONTROLLER, OTHER):
            for rack in ("a", "b", "c", ""):
                told = {kind: _read(pair, whom, version, rack) for kind, pair in pairs.items()}
                assert told[PYTHON] == told[JVM], (version, whom, rack)
                sent_away = whom == CONTROLLER and rack == "b"
                assert told[JVM] == (NONE, *((1, b"") if sent_away else (-1, RECORDS))), (version, whom, rack)


def _read(pair: Pair, whom: str, version: int, rack: str) -> tuple[int, int, bytes]:
    """Error, preferred replica and records of a fetch, whose offset is 0; the leader's epoch is left out."""
    named = {"topic": "racked"} if version < 13 else {"topic_id": pair.values["<racked>"]}
    topics = [{**named, "partitions": [{"partition_max_bytes": 10_000}]}]
    fields: dict[str, Any] = {"replica_id": -1} if version < 15 else {}
    fields |= {"max_bytes": 10_000, "session_epoch": -1, "rack_id": rack, "topics": topics}
    (of_topic,) = pair.ask(whom, ApiKey.FETCH, version, **fields).responses
    (found,) = of_topic.partitions
    records = bytes(found.records or b"")
    return (
        found.error_code,
        found.preferred_read_replica,
        records[:12] + RECORDS[12:16] + records[16:] if records else b"",
    )
