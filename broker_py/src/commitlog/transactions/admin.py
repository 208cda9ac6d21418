# SPDX-License-Identifier: Apache-2.0
"""Looking at transactions (KIP-664): list, describe."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from commitlog.transactions.metadata import TransactionMetadata, TransactionState
from commitlog.wire.errors import ErrorCode, KafkaError
from commitlog.wire.messages import describe_transactions_response as described
from commitlog.wire.messages import list_transactions_response as listed
from commitlog.wire.messages.list_transactions_request import ListTransactionsRequest

if TYPE_CHECKING:
    from commitlog.transactions.coordinator import TransactionCoordinator

_BY_LABEL = {state.label: state for state in TransactionState}


def list_transactions(
    coordinator: TransactionCoordinator, request: ListTransactionsRequest, now_ms: int
) -> listed.ListTransactionsResponse:
    """Those that pass every filter; no filter, or an empty one, lets all pass."""
    if not coordinator.is_active:
        return listed.ListTransactionsResponse(error_code=ErrorCode.COORDINATOR_NOT_AVAILABLE)
    if coordinator.cache.is_loading:
        return listed.ListTransactionsResponse(error_code=ErrorCode.COORDINATOR_LOAD_IN_PROGRESS)
    names = request.state_filters
    includes = _filter(request, {_BY_LABEL[name] for name in names if name in _BY_LABEL}, now_ms)
    return listed.ListTransactionsResponse(
        unknown_state_filters=[name for name in names if name not in _BY_LABEL],
        transaction_states=[
            listed.TransactionState(
                transactional_id=metadata.transactional_id,
                producer_id=metadata.producer_id,
                transaction_state=metadata.state.label,
            )
            for metadata in coordinator.cache
            if includes(metadata)
        ],
    )


def _filter(
    request: ListTransactionsRequest, states: set[TransactionState], now_ms: int
) -> Callable[[TransactionMetadata], bool]:
    producer_ids = set(request.producer_id_filters)

    def includes(metadata: TransactionMetadata) -> bool:
        if producer_ids and metadata.producer_id not in producer_ids:
            return False
        if request.state_filters and metadata.state not in states:
            return False
        return request.duration_filter < 0 or now_ms - metadata.start_ms > request.duration_filter

    return includes


def describe_transaction(
    coordinator: TransactionCoordinator, transactional_id: str
) -> described.TransactionState:
    answer = described.TransactionState(transactional_id=transactional_id)
    if not coordinator.is_active:
        answer.error_code = ErrorCode.COORDINATOR_NOT_AVAILABLE
        return answer
    if not transactional_id:
        answer.error_code = ErrorCode.INVALID_REQUEST
        return answer
    try:
        _, metadata = coordinator.cache.find(transactional_id)
    except KafkaError as reason:
        answer.error_code = reason.code
        return answer
    if metadata is None:
        answer.error_code = ErrorCode.TRANSACTIONAL_ID_NOT_FOUND
        return answer
    topics: dict[str, list[int]] = {}
    for topic, index in sorted(metadata.partitions):
        topics.setdefault(topic, []).append(index)
    answer.topics = [described.TopicData(topic=name, partitions=found) for name, found in topics.items()]
    answer.producer_id = metadata.producer_id
    answer.producer_epoch = metadata.producer_epoch
    answer.transaction_state = metadata.state.label
    answer.transaction_timeout_ms = metadata.timeout_ms
    answer.transaction_start_time_ms = metadata.start_ms
    return answer
