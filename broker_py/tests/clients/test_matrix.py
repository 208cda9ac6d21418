# SPDX-License-Identifier: Apache-2.0
"""Every client that is here can do what docs/client-matrix.md says; `make client-libs` fetches the others.

A cell that is no longer what the document says fails, whichever way it changed: `make clients` writes it
anew.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

from tests import real_zookeeper
from tests.clients.features import FEATURES
from tests.clients.matrix import AT_ONCE, prepared_cluster, run_client
from tests.clients.roster import ROSTER, Client
from tests.clients.table import Row

DOCUMENT = Path(__file__).parents[3] / "docs" / "client-matrix.md"

Running = dict[str, "Future[Row]"]


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """All clients' drivers, a few at a time; a test waits for its own."""
    if reason := real_zookeeper.missing():
        pytest.skip(f"no real ZooKeeper here: {reason}")
    directory = tmp_path_factory.mktemp("matrix")
    zookeeper = real_zookeeper.ZooKeeperProcess(directory)
    try:
        with prepared_cluster(directory, zookeeper) as cluster, ThreadPoolExecutor(AT_ONCE) as pool:
            yield {
                client.name: pool.submit(run_client, cluster, client)
                for client in ROSTER
                if client.missing() is None
            }
    finally:
        zookeeper.stop()


def documented(client: Client) -> dict[str, str]:
    """The client's column: what the document says of each feature, by its title."""
    rows = [line.split("|")[1:-1] for line in DOCUMENT.read_text().splitlines() if line.startswith("| ")]
    header, cells = rows[0], rows[1:]
    (column,) = [
        n for n, title in enumerate(header) if re.match(rf"{re.escape(client.name)}( \d|$)", title.strip())
    ]
    return {row[0].strip(): row[column].strip() for row in cells}


@pytest.mark.timeout(900)
@pytest.mark.parametrize("client", ROSTER, ids=lambda client: client.name)
def test_what_the_client_can_do(running: Running, client: Client) -> None:
    if reason := client.missing():
        pytest.skip(f"{client.name} is not tried: {reason}")
    row = running[client.name].result()
    print(row.errors)
    assert row.failed() == []
    found = {
        feature.title: "-" if cell.cell == "no" else cell.cell
        for feature, cell in zip(FEATURES, row.cells, strict=True)
    }
    assert found == documented(client)
