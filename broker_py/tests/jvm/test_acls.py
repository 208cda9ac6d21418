# SPDX-License-Identifier: Apache-2.0
"""Apache Kafka 3.9.1 and this broker answer whoever may not in the same words, and keep one set of ACLs.

All are User:ANONYMOUS here; who may what is told by the address that they come from: brokers and the tools
come from HOME and may everything, the others come from AWAY.
"""

from __future__ import annotations

import re
import socket
import struct
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from commitlog.wire import frames
from commitlog.wire.api_keys import ApiKey
from commitlog.wire.messages import request_class
from tests.end_to_end.cluster import BrokerProcess, wait_until
from tests.jvm.cluster import JVM, PYTHON, MixedCluster, mixed_cluster
from tests.jvm.tools import KafkaTools
from tests.real_zookeeper import ZooKeeperProcess
from tests.security.world import acl
from tests.server.acl_questions import QUESTIONS
from tests.server.authorization_table import (
    DENIALS,
    SECRET,
    TARGET,
    Ids,
    Row,
    batch,
    error_codes,
    leaves,
    make,
)
from tests.server.test_authorization import asked

HOME, AWAY = "127.0.0.1", "127.0.0.9"
HOME_RIGHTS = ("TOPIC:*", "GROUP:*", "TRANSACTIONAL_ID:*", "CLUSTER:kafka-cluster")
SETTINGS = {
    "authorizer_class_name": "kafka.security.authorizer.AclAuthorizer",
    "allow_everyone_if_no_acl_found": "true",  # until the first ACLs are there
    "transaction_state_log_num_partitions": "1",
}


class Peer:
    """A connection of somebody at an address of this host."""

    def __init__(self, broker: BrokerProcess, source: str) -> None:
        self._broker = broker
        self._source = source
        self._socket = self._connect()

    def _connect(self) -> socket.socket:
        return socket.create_connection((HOME, self._broker.port), 30, source_address=(self._source, 0))

    def ask(self, request: Any, version: int) -> Any | None:
        """The answer; None when the connection was closed instead (the next question has a new one)."""
        self._socket.sendall(frames.encode_request(request, version, 7, "test"))
        size = self._read(4)
        if size is None:
            self._socket.close()
            self._socket = self._connect()
            return None
        payload = self._read(struct.unpack(">i", size)[0])
        assert payload is not None
        return frames.decode_response(request.API_KEY, version, memoryview(payload))[1]

    def _read(self, size: int) -> bytes | None:
        found = b""
        while len(found) < size:
            try:
                more = self._socket.recv(size - len(found))
            except ConnectionResetError:
                more = b""
            except TimeoutError:
                raise AssertionError(f"broker {self._broker.id} does not answer") from None
            if not more:
                return None
            found += more
        return found

    def must(self, key: ApiKey, version: int, **fields: Any) -> Any:
        """Ask until there is no error: coordinators come into being slowly."""

        def answered() -> Any:
            answer = self.ask(make(request_class(key), fields), version)
            assert answer is not None
            return answer if error_codes(answer) <= {0} else None

        return wait_until(answered, f"{key.name} to be done")

    def close(self) -> None:
        self._socket.close()


def creation(text: str) -> dict[str, Any]:
    binding = acl(text)
    return {
        "resource_type": binding.pattern.resource_type,
        "resource_name": binding.pattern.name,
        "resource_pattern_type": binding.pattern.pattern_type,
        "principal": str(binding.entry.principal),
        "host": binding.entry.host,
        "operation": binding.entry.operation,
        "permission_type": binding.entry.permission,
    }


class Side:
    """A cluster of one broker, Kafka's or ours, whose only secret is kept from AWAY."""

    def __init__(self, cluster: MixedCluster) -> None:
        self.broker = cluster.brokers[0]
        self.home, self.away = Peer(self.broker, HOME), Peer(self.broker, AWAY)
        self.ids: Ids = {}
        for name in (TARGET, SECRET):
            topic = {"name": name, "num_partitions": 1, "replication_factor": 1}
            made = self.home.must(ApiKey.CREATE_TOPICS, 7, topics=[topic], timeout_ms=30_000)
            self.ids[name] = made.topics[0].topic_id
            data = [{"name": name, "partition_data": [{"index": 0, "records": batch()}]}]
            self.home.must(ApiKey.PRODUCE, 9, acks=1, timeout_ms=5000, topic_data=data)
        for name in (TARGET, SECRET):
            for key_type in (0, 1):
                self.home.must(ApiKey.FIND_COORDINATOR, 4, coordinator_keys=[name], key_type=key_type)
            offsets = [{"name": SECRET, "partitions": [{"partition_index": 0, "committed_offset": 1}]}]
            self.home.must(ApiKey.OFFSET_COMMIT, 8, group_id=name, topics=offsets)
            self.home.must(ApiKey.INIT_PRODUCER_ID, 3, transactional_id=name, transaction_timeout_ms=60_000)
        self.create(*(f"allow User:ANONYMOUS ALL {resource} from {HOME}" for resource in HOME_RIGHTS))

    def create(self, *acls: str) -> None:
        self.home.must(ApiKey.CREATE_ACLS, 3, creations=[creation(one) for one in acls])

    def revoke(self) -> None:
        away = {"resource_type_filter": 1, "resource_name_filter": None, "pattern_type_filter": 1}
        wanted = away | {"host_filter": AWAY, "principal_filter": None, "operation": 1, "permission_type": 1}
        self.home.must(ApiKey.DELETE_ACLS, 3, filters=[wanted])

    def answer(self, row: Row, version: int) -> Any:
        return self.away.ask(row.request(self.ids), version)

    def close(self) -> None:
        self.home.close()
        self.away.close()


@pytest.fixture(scope="module")
def sides(tmp_path_factory: pytest.TempPathFactory, zookeeper: ZooKeeperProcess) -> Iterator[dict[str, Side]]:
    with ExitStack() as stack:
        both = {}
        for kind in (PYTHON, JVM):
            directory = tmp_path_factory.mktemp(kind)
            cluster = stack.enter_context(mixed_cluster(directory, zookeeper, [kind], **SETTINGS))
            both[kind] = Side(cluster)
            stack.callback(both[kind].close)
        yield both


def told(side: Side, answer: Any) -> list[tuple[str, Any]] | None:
    """All that an answer says, but for what differs whoever the broker is."""
    if answer is None:
        return None
    ids = {value: name for name, value in side.ids.items()}
    return [
        (name, ids.get(value, value) if isinstance(value, bytes) else _plain(value))
        for name, value in leaves(answer)
        if name not in ("throttle_time_ms", "port", "cluster_id", "rack")
    ]


def _plain(value: Any) -> Any:
    """The broker's own description of a request stands in an error's text."""
    if not isinstance(value, str):
        return value
    return re.sub(r"Request .* is not authorized", "It is not authorized", value)


def newest_and_oldest() -> list[tuple[Row, int]]:
    rows: dict[tuple[str, str], list[tuple[Row, int]]] = {}
    for row, version in asked():
        rows.setdefault((row.key.name, row.what), []).append((row, version))
    return [one for each in rows.values() for one in (each[:1] if len(each) == 1 else [each[0], each[-1]])]


def differences(sides: dict[str, Side]) -> list[str]:
    wrong = []
    for row, version in newest_and_oldest():
        if row.key is ApiKey.API_VERSIONS:
            continue  # nobody is denied that, and the lists are compared elsewhere
        ours, theirs = (told(sides[kind], sides[kind].answer(row, version)) for kind in (PYTHON, JVM))
        if ours != theirs:
            wrong.append(f"{row.key.name} ({row.what}) version {version}:\n  {ours}\n  Kafka: {theirs}")
    return wrong


def test_whoever_may_not_is_told_the_same(sides: dict[str, Side]) -> None:
    wrong = differences(sides)
    assert not wrong, "\n".join(wrong)


def test_rights_next_door_open_nothing_on_either_side(sides: dict[str, Side]) -> None:
    for side in sides.values():
        side.create(
            *(
                f"allow User:ANONYMOUS ALL {kind}:{name} from {AWAY}"
                for kind in ("TOPIC", "GROUP", "TRANSACTIONAL_ID")
                for name in ("tar", "target-**", "Target", "newer")
            )
        )
    try:
        wrong = differences(sides)
        assert not wrong, "\n".join(wrong)
    finally:
        for side in sides.values():
            side.revoke()


def test_the_same_rights_open_the_same_doors(sides: dict[str, Side]) -> None:
    """Each of a row's rights alone, then all of them."""
    wrong = []
    newest = {(row.key, row.what): (row, version) for row, version in asked() if row.grants}
    for row, version in newest.values():
        grants = [f"allow User:ANONYMOUS {grant} from {AWAY}" for grant in row.grants]
        for granted in [*([one] for one in grants if len(grants) > 1), grants]:
            codes = {}
            for kind, side in sides.items():
                side.create(*granted)
                codes[kind] = error_codes(side.answer(row, version)) & DENIALS
                side.revoke()
            if codes[PYTHON] != codes[JVM]:
                wrong.append(f"{row.key.name} ({row.what}) version {version} with {granted}: {codes}")
    assert not wrong, "\n".join(wrong)


def test_an_administrator_who_errs_is_told_the_same(sides: dict[str, Side]) -> None:
    wrong = []
    for what, key, version, fields, _ in QUESTIONS:
        request = make(request_class(key), fields)
        answers = {kind: told(side, side.home.ask(request, version)) for kind, side in sides.items()}
        # Both answer sets: their order is no promise.
        ours, theirs = (answer and sorted(answer, key=repr) for answer in answers.values())
        if ours != theirs:
            wrong.append(f"{key.name} of {what}:\n  {ours}\n  Kafka: {theirs}")
    assert not wrong, "\n".join(wrong)


def listed(text: str) -> list[str]:
    """A tool prints sets; their order is no promise."""
    return sorted(line.strip() for line in text.splitlines() if line.strip())


def test_acls_travel_between_both_kinds_and_kafkas_tool_keeps_them(
    tmp_path: Path, zookeeper: ZooKeeperProcess, tools: KafkaTools
) -> None:
    with mixed_cluster(tmp_path, zookeeper, [PYTHON, JVM], **SETTINGS) as cluster:
        by_zookeeper = [
            "--authorizer",
            SETTINGS["authorizer_class_name"],
            "--authorizer-properties",
            f"zookeeper.connect={cluster.connect_string}",
        ]
        by_broker = [["--bootstrap-server", broker.address] for broker in cluster.brokers]
        home = ["--allow-principal", "User:ANONYMOUS", "--allow-host", HOME, "--operation", "All"]
        everything = ["--topic", "*", "--group", "*", "--cluster", "--transactional-id", "*"]
        tools.run("kafka-acls", *by_broker[0], "--add", *home, *everything)
        away = [Peer(broker, AWAY) for broker in cluster.brokers]
        name = {"topics": [{"name": "orders-1"}], "allow_auto_topic_creation": False}

        def denied() -> list[bool]:
            request = make(request_class(ApiKey.METADATA), name)
            return [29 in error_codes(peer.ask(request, 12)) for peer in away]

        wait_until(lambda: all(denied()), "both brokers to be closed to strangers")
        allow = ["--allow-principal", "User:ANONYMOUS", "--allow-host", AWAY, "--operation", "Describe"]
        orders = ["--topic", "orders-", "--resource-pattern-type", "prefixed"]
        for adding, removing in ((by_broker[0], by_broker[1]), (by_broker[1], by_zookeeper)):
            tools.run("kafka-acls", *adding, "--add", *allow, *orders)
            wait_until(lambda: not any(denied()), f"both brokers to know what {adding} added")
            shown = [
                listed(tools.run("kafka-acls", *where, "--list").out) for where in (*by_broker, by_zookeeper)
            ]
            assert shown[0] == shown[1] == shown[2]
            assert any("patternType=PREFIXED" in line for line in shown[0])
            tools.run("kafka-acls", *removing, "--remove", "--force", *allow, *orders)
            wait_until(lambda: all(denied()), f"both brokers to know what {removing} removed")
        tools.run("kafka-acls", *by_zookeeper, "--add", *allow, *orders)
        wait_until(lambda: not any(denied()), "both brokers to know what was added in ZooKeeper")
        for peer in away:
            peer.close()
