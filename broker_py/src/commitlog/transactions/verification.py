# SPDX-License-Identifier: Apache-2.0
"""Asking a transaction's coordinator whether partitions are part of it (KIP-890, part 1).

A transactional batch that would open a transaction in a partition is appended only when the coordinator
knows of it: else a delayed batch of a transaction that has ended would leave the partition with one that
nobody ends, and its last stable offset would stand still. Kafka's AddPartitionsToTxnManager, with the guard
of UnifiedLog.maybeStartTransactionVerification. A coordinator on this broker is asked directly.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from commitlog.transactions.log_writer import TRANSACTIONS_TOPIC
from commitlog.transactions.metadata import TopicPartition
from commitlog.wire.errors import ErrorCode, KafkaError
from commitlog.wire.messages.add_partitions_to_txn_request import (
    AddPartitionsToTxnRequest,
    AddPartitionsToTxnTopic,
    AddPartitionsToTxnTransaction,
)
from commitlog.wire.messages.add_partitions_to_txn_response import AddPartitionsToTxnResponse

if TYPE_CHECKING:
    from commitlog.config.broker import BrokerConfig
    from commitlog.replication.metadata_cache import Endpoint, MetadataCache
    from commitlog.storage.producer_state import ProducerStates
    from commitlog.transactions.coordinator import TransactionCoordinator
    from commitlog.transactions.markers import BrokerLink, Connect

logger = logging.getLogger("commitlog.transactions.verification")

Errors = dict[TopicPartition, ErrorCode]


@dataclass(slots=True)
class Verification:
    """One partition that a producer's batch would open a transaction in.

    The guard is taken before the coordinator is asked: a marker that arrives meanwhile takes it away, and
    with it what the answer was worth.
    """

    partition: TopicPartition
    states: ProducerStates
    producer_id: int
    producer_epoch: int
    guard: object

    @classmethod
    def begin(
        cls, partition: TopicPartition, states: ProducerStates, producer_id: int, producer_epoch: int
    ) -> Verification | None:
        """None when the transaction is open there already, which says that it was verified."""
        guard = states.begin_verification(producer_id, producer_epoch)
        if guard is None:
            return None
        return cls(partition, states, producer_id, producer_epoch, guard)

    def still_holds(self) -> bool:
        """Asked in the turn of the loop in which the batch is appended."""
        return self.states.is_verified(self.producer_id, self.producer_epoch, self.guard)


class TransactionVerifier:
    """Knows where each transactional id is coordinated, and holds one connection to each such broker."""

    def __init__(
        self,
        config: BrokerConfig,
        coordinator: TransactionCoordinator,
        metadata: MetadataCache,
        connect: Connect,
    ) -> None:
        self._config = config
        self._coordinator = coordinator
        self._metadata = metadata
        self._connect = connect
        self._links: dict[int, tuple[Endpoint, BrokerLink]] = {}
        self._opening = asyncio.Lock()

    def close(self) -> None:
        for broker_id in list(self._links):
            self._drop(broker_id)

    @property
    def is_enabled(self) -> bool:
        return self._config.transaction_partition_verification_enable

    async def verify(
        self,
        transactional_id: str,
        producer_id: int,
        producer_epoch: int,
        partitions: Sequence[TopicPartition],
        *,
        knows_abortable: bool,
    ) -> Errors:
        """The error of each partition, NONE for one that may be appended to.

        `knows_abortable`: the client's version of the request has TRANSACTION_ABORTABLE.
        """
        index = self._coordinator.partition_for(transactional_id)
        state = self._metadata.partition_state(TRANSACTIONS_TOPIC, index)
        if state is None:
            return dict.fromkeys(partitions, ErrorCode.COORDINATOR_NOT_AVAILABLE)
        if state.leader == self._config.broker_id:
            errors = self._coordinator.verify_partitions(
                transactional_id, producer_id, producer_epoch, partitions
            )
        else:
            request = _request(transactional_id, producer_id, producer_epoch, partitions)
            errors = await self._ask(state.leader, request, partitions)
        return {one: _for_client(error, knows_abortable) for one, error in errors.items()}

    async def _ask(
        self, broker_id: int, request: AddPartitionsToTxnRequest, partitions: Sequence[TopicPartition]
    ) -> Errors:
        endpoint = self._metadata.broker_endpoint(broker_id, self._config.inter_broker_listener_name)
        if endpoint is None:
            return dict.fromkeys(partitions, ErrorCode.COORDINATOR_NOT_AVAILABLE)
        try:
            link = await self._link(broker_id, endpoint)
            response = await link.send(request)
        except KafkaError as reason:
            if reason.code is not ErrorCode.UNSUPPORTED_VERSION:
                raise
            return dict.fromkeys(partitions, ErrorCode.NONE)  # an older broker, that cannot verify
        except (OSError, TimeoutError) as reason:
            logger.info("AddPartitionsToTxn could not be sent to broker %d: %s", broker_id, reason)
            self._drop(broker_id)
            return dict.fromkeys(partitions, ErrorCode.NETWORK_EXCEPTION)
        return _errors_of(response, partitions)

    async def _link(self, broker_id: int, endpoint: Endpoint) -> BrokerLink:
        async with self._opening:
            known = self._links.get(broker_id)
            if known is not None and known[0] == endpoint:
                return known[1]
            self._drop(broker_id)
            link = await self._connect(broker_id, endpoint)
            self._links[broker_id] = endpoint, link
            return link

    def _drop(self, broker_id: int) -> None:
        known = self._links.pop(broker_id, None)
        if known is not None:
            known[1].close()


def _request(
    transactional_id: str, producer_id: int, producer_epoch: int, partitions: Sequence[TopicPartition]
) -> AddPartitionsToTxnRequest:
    topics: dict[str, list[int]] = {}
    for topic, index in partitions:
        topics.setdefault(topic, []).append(index)
    return AddPartitionsToTxnRequest(
        transactions=[
            AddPartitionsToTxnTransaction(
                transactional_id=transactional_id,
                producer_id=producer_id,
                producer_epoch=producer_epoch,
                verify_only=True,
                topics=[
                    AddPartitionsToTxnTopic(name=topic, partitions=indexes)
                    for topic, indexes in topics.items()
                ],
            )
        ]
    )


def _errors_of(response: AddPartitionsToTxnResponse, partitions: Sequence[TopicPartition]) -> Errors:
    whole = ErrorCode.of(response.error_code)
    if whole is ErrorCode.CLUSTER_AUTHORIZATION_FAILED:
        whole = ErrorCode.INVALID_TXN_STATE
    # A partition that is not answered for is not verified.
    missing = whole if whole is not ErrorCode.NONE else ErrorCode.UNKNOWN_SERVER_ERROR
    errors: Errors = dict.fromkeys(partitions, missing)
    if whole is ErrorCode.NONE:
        for transaction in response.results_by_transaction:
            for topic in transaction.topic_results:
                for one in topic.results_by_partition:
                    errors[topic.name, one.partition_index] = ErrorCode.of(one.partition_error_code)
    return errors


def _for_client(error: ErrorCode, knows_abortable: bool) -> ErrorCode:
    """A producer that only writes does not know all errors of one that talks to the coordinator."""
    if error is ErrorCode.PRODUCER_FENCED:
        return ErrorCode.INVALID_PRODUCER_EPOCH
    if error is ErrorCode.TRANSACTION_ABORTABLE and not knows_abortable:
        return ErrorCode.INVALID_TXN_STATE
    return error
