# SPDX-License-Identifier: Apache-2.0
"""Every version that Apache Kafka 3.9 lists in ZooKeeper mode is served, no other is, and the document says
so.

tests/jvm/test_tools.py compares the list with Apache Kafka's own.
"""

from __future__ import annotations

from commitlog.apis.k18_api_versions import served_versions
from commitlog.wire.api_keys import API_VERSIONS, ApiKey
from tests.apis.served_table import DOCUMENT, KAFKA_3_9, between, count, section, served

LISTED = {key: (0, high) for key, high in KAFKA_3_9.items()}


def test_what_is_served_is_what_kafka_lists() -> None:
    assert served() == LISTED
    assert {key: API_VERSIONS[ApiKey(key)][:2] for key in served()} == LISTED


def test_what_api_versions_answers_is_what_kafka_lists() -> None:
    answered = {one.api_key: (one.min_version, one.max_version) for one in served_versions()}
    assert answered == LISTED


def test_a_version_that_is_missing_is_missed() -> None:
    assert (len(LISTED), count(LISTED)) == (62, count(served()))
    assert count({**LISTED, 0: (3, 11), 1: (0, 16)}) == count(LISTED) - 4
    assert count({key: span for key, span in LISTED.items() if key != 69}) == count(LISTED) - 1


def test_the_document_is_up_to_date() -> None:
    assert between(DOCUMENT.read_text()) == section()
