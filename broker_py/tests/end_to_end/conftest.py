# SPDX-License-Identifier: Apache-2.0
"""One ZooKeeper for all clusters of the session."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests import real_zookeeper


@pytest.fixture(scope="session")
def zookeeper(tmp_path_factory: pytest.TempPathFactory) -> Iterator[real_zookeeper.ZooKeeperProcess]:
    reason = real_zookeeper.missing()
    if reason is not None:
        pytest.skip(f"no real ZooKeeper here: {reason}")
    process = real_zookeeper.ZooKeeperProcess(tmp_path_factory.mktemp("ensemble"))
    try:
        yield process
    finally:
        process.stop()
