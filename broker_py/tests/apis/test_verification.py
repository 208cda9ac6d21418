# SPDX-License-Identifier: Apache-2.0
"""Transactional records and offsets are appended once their coordinator has confirmed them (KIP-890)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from commitlog.apis import k28_txn_offset_commit
from commitlog.storage.producer_state import ProducerStates
from commitlog.wire.errors import ErrorCode
from tests.apis.group_services import Broker
from tests.apis.test_k27_k61_markers import PRODUCER, mark, produce
from tests.apis.test_k28_txn_offset_commit import commit, request
from tests.groups.virtual_loop import in_virtual_time
from tests.replication.cluster import Cluster, scenario

E = ErrorCode


class Verifier:
    """Answers as it is told; counts."""

    is_enabled = True

    def __init__(self) -> None:
        self.error = E.NONE
        self.asked: list[tuple[Any, ...]] = []
        self.meanwhile: Callable[[], Awaitable[object]] | None = None

    async def verify(
        self, name: str, producer_id: int, epoch: int, partitions: list[Any], *, knows_abortable: bool
    ) -> dict[Any, ErrorCode]:
        self.asked.append((name, producer_id, epoch, tuple(partitions), knows_abortable))
        if self.meanwhile is not None:
            await self.meanwhile()
        return dict.fromkeys(partitions, self.error)


def test_the_first_batch_of_a_transaction_is_asked_about(tmp_path: Path) -> None:
    async def main(cluster: Cluster) -> None:
        cluster.create_topic("t", [0])
        node = cluster.nodes[0]
        verifier = node.services.verifier = Verifier()
        assert await produce(node, 0) is E.NONE
        assert await produce(node, 1) is E.NONE
        assert verifier.asked == [("id", PRODUCER, 0, (("t", 0),), False)]
        assert await mark(node) is E.NONE
        assert await produce(node, 2) is E.NONE
        assert len(verifier.asked) == 2
        assert (
            await produce(node, 0, epoch=1) is E.NONE
        )  # the open transaction was verified, whatever its epoch
        assert len(verifier.asked) == 2

    scenario(tmp_path, main, 0)


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (E.INVALID_TXN_STATE, E.INVALID_TXN_STATE),
        (E.INVALID_PRODUCER_EPOCH, E.INVALID_PRODUCER_EPOCH),
        (E.INVALID_PRODUCER_ID_MAPPING, E.INVALID_PRODUCER_ID_MAPPING),
        (E.CONCURRENT_TRANSACTIONS, E.NOT_ENOUGH_REPLICAS),
        (E.NETWORK_EXCEPTION, E.NOT_ENOUGH_REPLICAS),
        (E.COORDINATOR_LOAD_IN_PROGRESS, E.NOT_ENOUGH_REPLICAS),
        (E.COORDINATOR_NOT_AVAILABLE, E.NOT_ENOUGH_REPLICAS),
        (E.NOT_COORDINATOR, E.NOT_ENOUGH_REPLICAS),
    ],
)
def test_what_is_not_confirmed_is_not_appended(tmp_path: Path, error: ErrorCode, told: ErrorCode) -> None:
    async def main(cluster: Cluster) -> None:
        cluster.create_topic("t", [0])
        node = cluster.nodes[0]
        verifier = node.services.verifier = Verifier()
        verifier.error = error
        assert await produce(node, 0) is told
        assert node.values("t") == []
        verifier.error = E.NONE
        assert await produce(node, 0) is E.NONE

    scenario(tmp_path, main, 0)


def test_a_marker_that_arrives_while_the_coordinator_is_asked(tmp_path: Path) -> None:
    async def main(cluster: Cluster) -> None:
        cluster.create_topic("t", [0])
        node = cluster.nodes[0]
        verifier = node.services.verifier = Verifier()
        verifier.meanwhile = lambda: mark(node, committed=False)
        assert await produce(node, 0) is E.INVALID_TXN_STATE
        assert node.replicas.partition("t", 0).log.last_stable_offset == 1

    scenario(tmp_path, main, 0)


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (E.NONE, E.NONE),
        (E.NETWORK_EXCEPTION, E.COORDINATOR_LOAD_IN_PROGRESS),
        (E.TRANSACTION_ABORTABLE, E.TRANSACTION_ABORTABLE),
        (E.NOT_COORDINATOR, E.NOT_COORDINATOR),
    ],
)
@in_virtual_time
async def test_offsets_too(error: ErrorCode, told: ErrorCode) -> None:
    broker = await Broker().started()
    verifier = broker.services.verifier = Verifier()
    verifier.error = error
    hosted = SimpleNamespace(is_leader=True, log=SimpleNamespace(producer_states=ProducerStates("o-0", 1)))
    broker.services.replicas = SimpleNamespace(hosted_partition=lambda topic, partition: hosted)
    version = k28_txn_offset_commit.API.max_version
    assert await commit(broker, version, request(0)) == {0: told}
    assert [asked[-1] for asked in verifier.asked] == [True]
    assert bool(broker.harness.replicas.appends) is (told is E.NONE)
