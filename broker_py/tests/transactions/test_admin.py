# SPDX-License-Identifier: Apache-2.0
"""ListTransactions and DescribeTransactions (KIP-664)."""

from __future__ import annotations

from typing import Any

from commitlog.transactions.admin import describe_transaction, list_transactions
from commitlog.wire.errors import ErrorCode
from commitlog.wire.messages.list_transactions_request import ListTransactionsRequest
from tests.groups.virtual_loop import in_virtual_time
from tests.transactions.harness import START_MS, TIMEOUT_MS, TP0, TP1, Harness

E = ErrorCode


def listed(harness: Harness, **filters: Any) -> Any:
    return list_transactions(harness.coordinator, ListTransactionsRequest(**filters), harness.now_ms())


@in_virtual_time
async def test_list_and_its_filters() -> None:
    harness = await Harness().started()
    harness.initialized(name="empty")
    await harness.pass_ms(1_000)
    harness.ongoing(name="open")
    await harness.pass_ms(500)

    def names(**filters: Any) -> set[str]:
        return {state.transactional_id for state in listed(harness, **filters).transaction_states}

    assert names() == {"empty", "open"}
    assert names(state_filters=["Ongoing"]) == {"open"}
    assert names(state_filters=["Nonsense"]) == set()
    assert listed(harness, state_filters=["Nonsense", "Empty"]).unknown_state_filters == ["Nonsense"]
    assert names(producer_id_filters=[1000]) == {"empty"}
    assert "open" in names(duration_filter=499)
    assert "open" not in names(duration_filter=500)


@in_virtual_time
async def test_describe() -> None:
    harness = await Harness().started()
    harness.ongoing(TP1, TP0, name="open")
    found = describe_transaction(harness.coordinator, "open")
    assert (found.error_code, found.transaction_state, found.producer_id) == (E.NONE, "Ongoing", 1000)
    assert (found.producer_epoch, found.transaction_timeout_ms) == (0, TIMEOUT_MS)
    assert found.transaction_start_time_ms == START_MS
    assert [(topic.topic, topic.partitions) for topic in found.topics] == [("topic", [0, 1])]
    assert describe_transaction(harness.coordinator, "nobody").error_code == E.TRANSACTIONAL_ID_NOT_FOUND
    assert describe_transaction(harness.coordinator, "").error_code == E.INVALID_REQUEST


@in_virtual_time
async def test_before_the_start_and_of_others() -> None:
    harness = Harness()
    assert listed(harness).error_code == E.COORDINATOR_NOT_AVAILABLE
    assert describe_transaction(harness.coordinator, "t").error_code == E.COORDINATOR_NOT_AVAILABLE
    harness.coordinator.start()
    assert describe_transaction(harness.coordinator, "t").error_code == E.NOT_COORDINATOR
    harness.replicas.log(0)
    harness.coordinator.on_election(0, 0)
    assert listed(harness).error_code == E.COORDINATOR_LOAD_IN_PROGRESS
