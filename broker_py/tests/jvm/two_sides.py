# SPDX-License-Identifier: Apache-2.0
"""One broker of Apache Kafka and one of ours, each alone in its cluster with the same topics, groups and
transactions, that the same questions are put to."""

from __future__ import annotations

import re
import socket
import struct
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from commitlog.records.batch import build_batch
from commitlog.wire import frames
from commitlog.wire.api_keys import ApiKey
from commitlog.wire.messages import request_class
from tests.end_to_end.cluster import BrokerProcess
from tests.end_to_end.secure import PLAIN, jaas
from tests.jvm.bad_requests import GROUP, READ, STATIC, TOPIC, VICTIM, Question
from tests.jvm.cluster import JVM, PYTHON, MixedCluster
from tests.jvm.test_acls import HOME, Peer
from tests.real_zookeeper import ZooKeeperProcess, free_port
from tests.server.authorization_table import leaves, make

OWN = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|127\.0\.0\.1:\d+|/cluster\d+")
"""Ids of members, addresses and paths within texts."""
HINT = re.compile(r", did you mean [^?]+\?")
"""Which only this broker gives."""
MADE_UP = (
    "throttle_time_ms", "port", "cluster_id", "rack", "timestamp", "log_append_time_ms", "token_id",
    "issue_timestamp_ms", "expiry_timestamp_ms", "max_timestamp_ms", "issue_timestamp", "expiry_timestamp",
    "max_timestamp", "session_id", "log_dir", "total_bytes",
    "usable_bytes", "size", "partition_size", "transaction_start_time_ms", "last_timestamp", "hmac",
    "topic_id", "producer_id", "documentation",
)  # fmt: skip
"""What differs whoever the broker is."""
SETTINGS = {
    "authorizer.class.name": "kafka.security.authorizer.AclAuthorizer",
    "super.users": "User:admin;User:ANONYMOUS",
    "transaction.state.log.num.partitions": "1",
    "offsets.topic.num.partitions": "1",
    "sasl.enabled.mechanisms": "PLAIN",
    "listener.name.sasl_plaintext.plain.sasl.jaas.config": jaas(PLAIN, user_admin="secret"),
    "delegation.token.secret.key": "secret-of-tokens",
    "auto.create.topics.enable": "false",
    "log.retention.ms": "-1",
}


AFTER = 0x7E57
"""The correlation id of the request that follows each, to see whether that is answered."""
Told = list[tuple[str, Any]]
NO_ANSWER: Told = [("no answer", None)]
UNKNOWN_SERVER_ERROR = -1
TRANSIENT = (14, 51)
"""COORDINATOR_LOAD_IN_PROGRESS, also when a broker has no producer ids left, and CONCURRENT_TRANSACTIONS as
long as the last question's transaction is being completed."""
RETRIES = 100
RECORDS = bytes(build_batch([(1_700_000_000_000, b"k", b"v", ())]))


class User(Peer):
    """A connection of User:admin, made anew whenever the broker closes it."""

    def __init__(self, broker: BrokerProcess, port: int) -> None:
        self._port = port
        super().__init__(broker, HOME)

    def _connect(self) -> socket.socket:
        self._socket = socket.create_connection((HOME, self._port), 30)
        for key, fields in (
            (ApiKey.SASL_HANDSHAKE, {"mechanism": "PLAIN"}),
            (ApiKey.SASL_AUTHENTICATE, {"auth_bytes": b"\0admin\0secret"}),
        ):
            answer = self.ask(make(request_class(key), fields), 1)
            assert answer is not None
            assert answer.error_code == 0
        return self._socket

    def exchange(self, frame: bytes) -> bytes | None:
        """The answer's payload to a frame without its size; None when the connection is closed instead, and
        nothing when none came before that to the next request."""
        after = frames.encode_request(make(request_class(ApiKey.API_VERSIONS), {}), 0, AFTER, "test")
        self._socket.sendall(len(frame).to_bytes(4, "big") + frame + after)
        payload = self._payload()
        if payload is not None and int.from_bytes(payload[:4], "big") == AFTER:
            return b""
        if payload is None or self._payload() is None:
            self._socket.close()
            self._connect()
        return payload

    def _payload(self) -> bytes | None:
        size = self._read(4)
        return None if size is None else self._read(struct.unpack(">i", size)[0])


class Side:
    """A cluster of one broker, Kafka's or ours, with what the questions name."""

    def __init__(self, directory: Path, zookeeper: ZooKeeperProcess, kind: str) -> None:
        self.cluster = MixedCluster(directory, zookeeper, [kind], SETTINGS)
        self.broker = self.cluster.brokers[0]
        self._sasl_port = free_port()
        own = f"PLAINTEXT://{HOME}:{self.broker.port}"
        self.broker.settings["listeners"] = f"{own},SASL_PLAINTEXT://{HOME}:{self._sasl_port}"
        self.values: dict[str, Any] = {}
        self._fresh = 0
        self._writers = 0
        self._token_changed = True
        self.last: Any = None
        """What was answered last, as it came."""

    def start(self) -> None:
        self.cluster.start()
        self.user = User(self.broker, self._sasl_port)
        self._make_topics()
        self._make_groups()
        self.values["<log dir>"] = str(self.broker.log_dir)
        _, stat = self.cluster.znodes.get("/brokers/ids/0")
        self.values["<broker epoch>"] = stat.czxid

    def _make_topics(self) -> None:
        must = self.user.must
        small = [{"name": "max.message.bytes", "value": "4000"}]
        for name, partitions in ((TOPIC, 2), (VICTIM, 1), (READ, 1)):
            topic = {"name": name, "num_partitions": partitions, "replication_factor": 1, "configs": small}
            must(ApiKey.CREATE_TOPICS, 7, topics=[topic], timeout_ms=30_000)
            described = must(ApiKey.METADATA, 12, topics=[{"name": name}])
            self.values[f"<{name}>"] = described.topics[0].topic_id
        for _ in range(2):
            written = [{"index": 0, "records": RECORDS}]
            data = [{"name": READ, "partition_data": written}]
            must(ApiKey.PRODUCE, 9, acks=-1, timeout_ms=30_000, topic_data=data)

    def _make_groups(self) -> None:
        must = self.user.must
        for group in (GROUP, STATIC):
            must(ApiKey.FIND_COORDINATOR, 4, coordinator_keys=[group], key_type=0)
        offsets = [{"name": TOPIC, "partitions": [{"partition_index": 0, "committed_offset": 1}]}]
        must(ApiKey.OFFSET_COMMIT, 8, group_id=GROUP, topics=offsets)
        joined = must(
            ApiKey.JOIN_GROUP, 5, group_id=STATIC, group_instance_id="one", session_timeout_ms=1_800_000,
            rebalance_timeout_ms=60_000, protocol_type="consumer",
            protocols=[{"name": "range", "metadata": b"x"}],
        )  # fmt: skip
        self.values["<member>"] = joined.member_id
        must(
            ApiKey.SYNC_GROUP, 5, group_id=STATIC, group_instance_id="one", generation_id=1,
            member_id=joined.member_id, protocol_type="consumer", protocol_name="range",
            assignments=[{"member_id": joined.member_id, "assignment": b"y"}],
        )  # fmt: skip

    def begin(self) -> None:
        """A transactional id of its own, open and with a group, for the questions that come."""
        self._writers += 1
        writer = self.values["<writer>"] = f"writer-{self._writers}"
        must = self.user.must
        must(ApiKey.FIND_COORDINATOR, 4, coordinator_keys=[writer], key_type=1)
        made = must(ApiKey.INIT_PRODUCER_ID, 3, transactional_id=writer, transaction_timeout_ms=900_000)
        self.values["<producer>"] = made.producer_id
        must(
            ApiKey.ADD_OFFSETS_TO_TXN, 3, transactional_id=writer, producer_id=made.producer_id,
            producer_epoch=made.producer_epoch, group_id=GROUP,
        )  # fmt: skip

    def frame(self, question: Question) -> bytes:
        """The question without its size."""
        self._fresh += 1
        if "<hmac>" in question.fields.values() and self._token_changed:
            made = self.user.must(ApiKey.CREATE_DELEGATION_TOKEN, 3, renewers=[], max_lifetime_ms=-1)
            self.values["<hmac>"] = bytes(made.hmac)
            self._token_changed = False
        values = {**self.values, "<fresh>": f"fresh-{self._fresh}"}

        def fill(value: Any) -> Any:
            return values.get(value, value) if isinstance(value, str) else value

        return frames.encode_request(question.request(fill), question.version, 7, "test")[4:]

    def answer(self, question: Question, frame: bytes | None = None) -> Told | None:
        """What comes of a question, or of a frame made of it."""
        sent = self.frame(question) if frame is None else frame
        for _ in range(RETRIES):
            told = self._ask(question, sent)
            if told is None or not any(("error_code", code) in told for code in TRANSIENT):
                break
            time.sleep(0.02)
        self._token_changed |= told is not None and ("error_code", 0) in told
        return told

    def _ask(self, question: Question, frame: bytes) -> Told | None:
        payload = self.user.exchange(frame)
        if not payload:
            return None if payload is None else NO_ANSWER
        try:
            _, self.last = frames.decode_response(question.key, question.version, memoryview(payload))
        except frames.MalformedMessage:
            return [("unreadable", payload)]
        return told_of(self.last, self.values)

    def close(self) -> None:
        self.cluster.close()


def told_of(answer: Any, values: Mapping[str, Any]) -> Told:
    """All that an answer says, but for what differs whoever the broker is; ``values`` go by their names."""
    names = {repr(value): name for name, value in values.items() if isinstance(value, bytes | str)}
    return [
        (name, names.get(repr(_plain(value)), _whole(value) if name == "records" else _plain(value)))
        for name, value in leaves(answer)
        if name not in MADE_UP
    ]


def _plain(value: Any) -> Any:
    if isinstance(value, bytearray | memoryview):
        return bytes(value)
    return HINT.sub("", OWN.sub("...", value)) if isinstance(value, str) else value


def _whole(records: Any) -> Any:
    """Without what Apache Kafka sends beside whole batches and messages: the beginning of the next, and the
    empty batch of offset -1 that fills up what it converts down."""
    if records is None:
        return None
    data, end = bytes(records), 0
    while end + 12 <= len(data):
        offset, size = struct.unpack_from(">qi", data, end)
        if offset < 0 or end + 12 + size > len(data):
            break
        end += 12 + size
    return data[:end]


@pytest.fixture(scope="module")
def sides(tmp_path_factory: pytest.TempPathFactory, zookeeper: ZooKeeperProcess) -> Iterator[dict[str, Side]]:
    with ExitStack() as stack:
        both = {}
        for kind in (PYTHON, JVM):
            both[kind] = Side(tmp_path_factory.mktemp(kind.ljust(6, "_")), zookeeper, kind)
            stack.callback(both[kind].close)
            both[kind].start()
        yield both


def difference(ours: Told | None, theirs: Told | None) -> str | None:
    """Where two answers part. The order of what they list is no promise, nor is what comes of an error that
    Apache Kafka did not expect, as long as this broker answers."""
    if ours is None or theirs is None:
        return None if ours == theirs else f"{_short(ours)}\n   Kafka: {_short(theirs)}"
    if ("error_code", UNKNOWN_SERVER_ERROR) in theirs and ours != NO_ANSWER:
        return None
    mine, kafkas = (Counter((name, repr(value)) for name, value in answer) for answer in (ours, theirs))
    return f"{_short(mine - kafkas)}\n   Kafka: {_short(kafkas - mine)}" if mine != kafkas else None


def _short(answer: Iterable[object] | None) -> str:
    return "closed" if answer is None else repr(list(answer))[:300]
