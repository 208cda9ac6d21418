# SPDX-License-Identifier: Apache-2.0
"""Fetch by raw requests in every version from 4 on: offsets and epochs, sessions from beginning to
end (KIP-227), topic ids (KIP-516), logs that part (KIP-595), replicas. Apache Kafka 3.9.1 and this broker
answer alike, step by step.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from commitlog.wire.api_keys import ApiKey
from tests.jvm.bad_requests import READ, UNKNOWN_ID, VICTIM, Question
from tests.jvm.cluster import JVM, PYTHON
from tests.jvm.two_sides import RECORDS, Side, difference
from tests.jvm.two_sides import sides as sides

VERSIONS = range(4, 18)
TOPIC_IDS = 13
Partition = dict[str, Any]


class Client:
    """Asks both brokers the same, in one version of Fetch, and keeps the session that each has given it."""

    def __init__(self, sides: dict[str, Side], version: int) -> None:
        self._sides = sides
        self._version = version
        self.wrong: list[str] = []
        for side in sides.values():
            side.values["<session>"] = 0

    def fetch(
        self, what: str, *topics: dict[str, Any], forget: tuple[dict[str, Any], ...] = (), **fields: Any
    ) -> None:
        asked: dict[str, Any] = {"replica_id": -1, "max_bytes": 10_000, "min_bytes": 0, "max_wait_ms": 0}
        if self._version >= 15:
            del asked["replica_id"]
        asked |= {"topics": list(topics), **fields}
        if self._version >= 7:
            asked |= {"session_epoch": -1, "forgotten_topics_data": list(forget), **fields}
        question = Question(ApiKey.FETCH, self._version, what, asked)
        answers = {}
        for kind, side in self._sides.items():
            told = side.answer(question)
            if told is not None:
                told = [*told, ("in a session", bool(side.last.session_id))]
                side.values["<session>"] = side.last.session_id or side.values["<session>"]
            answers[kind] = told
        found = difference(answers[PYTHON], answers[JVM])
        if found:
            self.wrong.append(f"{question}:\n   {found}")

    def topic(self, name: str, *partitions: Partition) -> dict[str, Any]:
        return {**self.name(name), "partitions": [self._partition(**one) for one in partitions]}

    def name(self, name: str) -> dict[str, Any]:
        if self._version < TOPIC_IDS:
            return {"topic": name}
        return {"topic_id": UNKNOWN_ID if name == "nobody" else f"<{name}>"}

    def forgotten(self, name: str, *indexes: int) -> dict[str, Any]:
        return {**self.name(name), "partitions": list(indexes)}

    def _partition(self, **given: Any) -> Partition:
        since = {"log_start_offset": 5, "current_leader_epoch": 9, "last_fetched_epoch": 12}
        kept = {name: value for name, value in given.items() if since.get(name, 0) <= self._version}
        return {"partition_max_bytes": 10_000, **kept}


@pytest.fixture(params=VERSIONS)
def client(sides: dict[str, Side], request: pytest.FixtureRequest) -> Iterator[Client]:
    found = Client(sides, request.param)
    yield found
    assert not found.wrong, "\n".join(found.wrong)


def test_offsets_and_epochs(client: Client) -> None:
    for offset in (0, 1, 2, 3, -1, 2**62):
        client.fetch(f"from {offset}", client.topic(READ, {"fetch_offset": offset}))
    for epoch in (-1, 0, 1, 99):
        client.fetch(f"in epoch {epoch}", client.topic(READ, {"current_leader_epoch": epoch}))
    for fetched, offset in ((0, 1), (0, 2), (0, 3), (0, 9), (5, 1), (-1, 1), (5, 9)):
        parted = client.topic(READ, {"last_fetched_epoch": fetched, "fetch_offset": offset})
        client.fetch(f"after epoch {fetched} at {offset}", parted)
    client.fetch("committed", client.topic(READ, {}), isolation_level=1)
    client.fetch("of the whole", client.topic(READ, {}), client.topic(VICTIM, {}), max_bytes=1)
    client.fetch("of a partition", client.topic(READ, {"partition_max_bytes": 1}))
    client.fetch("of nothing", client.topic(READ, {"partition_max_bytes": 0}), max_bytes=0)
    client.fetch("what is not there", client.topic("nobody", {}), client.topic(READ, {"partition": 7}))
    client.fetch("waiting", client.topic(READ, {"fetch_offset": 2}), min_bytes=1, max_wait_ms=20)


def test_replicas(client: Client) -> None:
    for replica in (0, 1, 7):
        for epoch in (-1, 0, 2**40):
            state = {"replica_state": {"replica_id": replica, "replica_epoch": epoch}}
            fields = state if client._version >= 15 else {"replica_id": replica}
            client.fetch(f"by replica {replica}, {epoch}", client.topic(READ, {"fetch_offset": 2}), **fields)


def test_a_session(client: Client, sides: dict[str, Side]) -> None:
    if client._version < 7:
        return
    both = client.topic(READ, {}), client.topic(VICTIM, {}, {"partition": 7})
    session: dict[str, Any] = {"session_id": "<session>"}
    client.fetch("begun", *both, session_id=0, session_epoch=0)
    client.fetch("no news", session_epoch=1, **session)
    for side in sides.values():
        data = [{"name": VICTIM, "partition_data": [{"index": 0, "records": RECORDS}]}]
        side.user.must(ApiKey.PRODUCE, 9, acks=-1, timeout_ms=30_000, topic_data=data)
    client.fetch("what was written", session_epoch=2, **session)
    client.fetch("from the end", client.topic(READ, {"fetch_offset": 2}), session_epoch=3, **session)
    client.fetch("from below it", client.topic(READ, {"fetch_offset": 1}), session_epoch=4, **session)
    client.fetch("also what is not there", client.topic("nobody", {}), session_epoch=5, **session)
    client.fetch("still not", session_epoch=6, **session)
    client.fetch("one less", forget=(client.forgotten(READ, 0),), session_epoch=7, **session)
    missing = (client.forgotten("nobody", 0), client.forgotten(READ, 0, 5))
    client.fetch("and what is none of it", forget=missing, session_epoch=8, **session)
    client.fetch("an epoch twice", session_epoch=8, **session)
    client.fetch("an epoch left out", session_epoch=99, **session)
    client.fetch("goes on", session_epoch=9, **session)
    client.fetch("an unknown one", session_id=77, session_epoch=1)
    client.fetch("an unknown one begun", *both, session_id=77, session_epoch=0)
    client.fetch("an unknown one closed", *both, session_id=77, session_epoch=-1)
    client.fetch("begun anew", *both, session_epoch=0, **session)
    client.fetch("closed", *both, session_epoch=-1, **session)
    client.fetch("after its end", session_epoch=1, **session)
    client.fetch("of nothing", session_id=0, session_epoch=0)


def test_a_session_that_changes_between_names_and_ids(sides: dict[str, Side]) -> None:
    old, new = Client(sides, 12), Client(sides, 13)
    for first, then in ((old, new), (new, old)):
        first.fetch("begun", first.topic(READ, {}), session_id=0, session_epoch=0)
        then.fetch("goes on", then.topic(READ, {}), session_id="<session>", session_epoch=1)
        first.fetch("as it began", session_id="<session>", session_epoch=1)
        first.fetch("as it went on", session_id="<session>", session_epoch=2)
    assert not old.wrong + new.wrong, "\n".join(old.wrong + new.wrong)
