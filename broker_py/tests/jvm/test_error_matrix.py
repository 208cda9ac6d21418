# SPDX-License-Identifier: Apache-2.0
"""Every API, in its oldest and its newest version, asked what nobody should ask: field by field out of range,
names too long, ids unknown, epochs stale; frames cut short, lengths that lie. Apache Kafka 3.9.1 and this
broker answer alike, field by field, or close the connection alike.

COMMITLOG_JVM_VERSIONS=all asks in every version.
"""

from __future__ import annotations

import os

import pytest

from commitlog.apis.registry import served_apis
from commitlog.wire.api_keys import ApiKey
from tests.jvm.bad_batches import bad_batches, bad_contents
from tests.jvm.bad_requests import TOPIC, VICTIM, Good, Question, damages, questions
from tests.jvm.cluster import JVM, PYTHON
from tests.jvm.good_admin_requests import OF_ADMINISTRATORS, OF_BROKERS
from tests.jvm.good_client_requests import OF_CLIENTS
from tests.jvm.two_sides import UNKNOWN_SERVER_ERROR, Side, Told, difference
from tests.jvm.two_sides import sides as sides

INVALID_RECORD = 87
GOOD = [*OF_CLIENTS, *OF_ADMINISTRATORS, *OF_BROKERS]

MEANT = {
    # Apache Kafka subtracts the partitions that there are, and has a large number.
    ApiKey.CREATE_PARTITIONS: "which is higher than the requested -2147483648.",
    # A security protocol that is none, in the versions from 1 to 4: its parser throws.
    ApiKey.UPDATE_METADATA: "[('error_code', 11)]\n   Kafka: closed",
}
"""What this broker says where it means to differ."""


def versions(good: Good) -> list[int]:
    api = served_apis()[int(good.key)]
    low, high = max(api.min_version, good.since), min(api.max_version, good.until)
    return list(range(low, high + 1)) if os.environ.get("COMMITLOG_JVM_VERSIONS") else sorted({low, high})


def test_every_api_is_asked() -> None:
    assert {int(good.key) for good in GOOD} == set(served_apis())


def written(version: int, what: str, topic: str, index: int, data: bytes) -> Question:
    partition_data = [{"index": index, "records": data}]
    fields = {
        "acks": -1,
        "timeout_ms": 1000,
        "topic_data": [{"name": topic, "partition_data": partition_data}],
    }
    return Question(ApiKey.PRODUCE, version, what, fields)


def test_record_data(sides: dict[str, Side]) -> None:
    """Of every format, damaged in every way; what was taken in is the same too."""
    wrong = []
    for what, version, data in bad_batches():
        question = written(version, what, TOPIC, 1, data)
        wrong += asked(sides, question, str(question))
    assert not wrong, f"{len(wrong)}\n" + "\n".join(wrong[:80])


def test_records_that_the_header_does_not_tell_of(sides: dict[str, Side]) -> None:
    """This broker looks at no record of an intact batch, and takes in what Apache Kafka calls an
    INVALID_RECORD, or cannot open; everything else is answered alike."""
    wrong = []
    for what, data in bad_contents():
        question = written(11, what, VICTIM, 0, data)
        ours, theirs = (error_codes(sides[kind].answer(question)) for kind in (PYTHON, JVM))
        if ours != theirs and (ours != {0} or not theirs <= {INVALID_RECORD, UNKNOWN_SERVER_ERROR}):
            wrong.append(f"{question}: {ours}, Kafka: {theirs}")
    assert not wrong, f"{len(wrong)}\n" + "\n".join(wrong[:80])


def error_codes(told: Told | None) -> set[int]:
    return {value for name, value in told or () if name == "error_code"}


@pytest.mark.parametrize("good", GOOD, ids=lambda good: f"{good.key.name}-{good.what}".replace(" ", "-"))
def test_bad_requests(sides: dict[str, Side], good: Good) -> None:
    """Each field with each bad value, then the frame itself damaged."""
    if "<writer>" in good.fields.values():
        for side in sides.values():
            side.begin()
    wrong = []
    for version in versions(good):
        for question in questions(good, version):
            wrong += asked(sides, question, str(question))
        if good.damaged:
            question = next(questions(good, version))
            whole = {kind: side.frame(question) for kind, side in sides.items()}
            for what, change in damages(min(map(len, whole.values()))):
                wrong += asked(
                    sides,
                    question,
                    f"{question}, {what}",
                    {kind: change(frame) for kind, frame in whole.items()},
                )
    assert not wrong, f"{len(wrong)}\n" + "\n".join(wrong[:60])


def asked(
    sides: dict[str, Side], question: Question, what: str, frames: dict[str, bytes] | None = None
) -> list[str]:
    ours, theirs = (sides[kind].answer(question, (frames or {}).get(kind)) for kind in (PYTHON, JVM))
    found = difference(ours, theirs)
    if found is None or MEANT.get(question.key, found + "?") in found:
        return []
    return [f"{what}:\n   {found}"]
