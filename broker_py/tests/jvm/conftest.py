# SPDX-License-Identifier: Apache-2.0
"""Everything here needs Apache Kafka's jars and a real ZooKeeper, and is skipped, saying so, without them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests import kafka_jars
from tests.end_to_end.conftest import zookeeper as zookeeper
from tests.jvm.tools import KafkaTools

TEST_TIMEOUT_S = 300
"""JVMs start slowly on a busy machine."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    reason = kafka_jars.missing()
    for item in items:
        if "tests/jvm/" in item.nodeid or item.nodeid.startswith("jvm/"):
            item.add_marker(pytest.mark.jvm)
            item.add_marker(pytest.mark.zookeeper)
            item.add_marker(pytest.mark.timeout(TEST_TIMEOUT_S))
            if reason is not None:
                item.add_marker(pytest.mark.skip(reason=f"Apache Kafka is not asked: {reason}"))


@pytest.fixture(scope="session")
def tools() -> Iterator[KafkaTools]:
    running = KafkaTools()
    try:
        yield running
    finally:
        running.close()
