# SPDX-License-Identifier: Apache-2.0
"""AddPartitionsToTxn (24), versions 0-5.

Behaviour (KafkaApis.handleAddPartitionsToTxnRequest):
- versions 0-3 are a producer's, with one transaction; 4 and above another broker's, with several, each of
  which may be verify-only: are these partitions in the ongoing transaction? (KIP-890);
- all partitions of a transaction are added or none: one that does not exist is UNKNOWN_TOPIC_OR_PARTITION,
  and then the others are OPERATION_NOT_ATTEMPTED;
- what goes wrong at the coordinator is the error of every partition.

Versions: 2 PRODUCER_FENCED may be answered, which before is INVALID_PRODUCER_EPOCH; 3 flexible; 4 batches
and verification; 5 TRANSACTION_ABORTABLE may be answered.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Container, Iterable, Mapping, Sequence

from commitlog.apis.registry import Api
from commitlog.apis.services import EVERYTHING, RequestContext, Services
from commitlog.apis.topic_names import is_internal_topic
from commitlog.apis.transactions import known_to
from commitlog.security.acl import AclOperation, ResourceType
from commitlog.transactions.metadata import TopicPartition
from commitlog.wire.api_keys import ApiKey
from commitlog.wire.errors import ErrorCode
from commitlog.wire.messages.add_partitions_to_txn_request import (
    AddPartitionsToTxnRequest,
    AddPartitionsToTxnTopic,
    AddPartitionsToTxnTransaction,
)
from commitlog.wire.messages.add_partitions_to_txn_response import (
    AddPartitionsToTxnPartitionResult,
    AddPartitionsToTxnResponse,
    AddPartitionsToTxnResult,
    AddPartitionsToTxnTopicResult,
)

BATCHED_VERSION = 4

Errors = Mapping[TopicPartition, ErrorCode]
Topics = Sequence[AddPartitionsToTxnTopic]
Outcome = tuple["Errors | ErrorCode | asyncio.Future[ErrorCode]", Topics]


def handle(
    services: Services, context: RequestContext, request: AddPartitionsToTxnRequest
) -> AddPartitionsToTxnResponse | Awaitable[AddPartitionsToTxnResponse]:
    version = context.api_version
    if version >= BATCHED_VERSION:
        context.require_cluster(AclOperation.CLUSTER_ACTION)
    transactions = [
        (one.transactional_id, _add(services, context, one)) for one in _transactions(request, version)
    ]
    if any(isinstance(outcome, asyncio.Future) for _, (outcome, _) in transactions):
        return _respond_later(version, transactions)
    return _response(version, [(name, _done(outcome, found)) for name, (outcome, found) in transactions])


def _transactions(request: AddPartitionsToTxnRequest, version: int) -> list[AddPartitionsToTxnTransaction]:
    if version >= BATCHED_VERSION:
        return request.transactions
    return [
        AddPartitionsToTxnTransaction(
            transactional_id=request.v3_and_below_transactional_id,
            producer_id=request.v3_and_below_producer_id,
            producer_epoch=request.v3_and_below_producer_epoch,
            topics=request.v3_and_below_topics,
        )
    ]


def _add(services: Services, context: RequestContext, transaction: AddPartitionsToTxnTransaction) -> Outcome:
    version = context.api_version
    partitions = _partitions(transaction.topics)
    writable = EVERYTHING
    if version < BATCHED_VERSION:
        name = transaction.transactional_id
        if not context.authorize(AclOperation.WRITE, ResourceType.TRANSACTIONAL_ID, name):
            return ErrorCode.TRANSACTIONAL_ID_AUTHORIZATION_FAILED, transaction.topics
        writable = _writable(context, partitions)
    refused = {}
    for one in partitions:
        if one[0] not in writable:
            refused[one] = ErrorCode.TOPIC_AUTHORIZATION_FAILED
        elif services.metadata.partition_state(*one) is None:
            refused[one] = ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
    if refused:
        return dict.fromkeys(partitions, ErrorCode.OPERATION_NOT_ATTEMPTED) | refused, transaction.topics
    name, producer_id, epoch = (
        transaction.transactional_id,
        transaction.producer_id,
        transaction.producer_epoch,
    )
    if transaction.verify_only:
        errors = services.transactions.verify_partitions(name, producer_id, epoch, partitions)
        return errors, transaction.topics
    outcome = services.transactions.add_partitions(name, producer_id, epoch, partitions)
    return known_to(version, outcome) if isinstance(outcome, ErrorCode) else outcome, transaction.topics


def _writable(context: RequestContext, partitions: list[TopicPartition]) -> Container[str]:
    """The internal topics are nobody's to write, whatever the ACLs."""
    if context.authorizer is None:
        return EVERYTHING
    topics = [topic for topic, _ in partitions if not is_internal_topic(topic)]
    return context.authorized(AclOperation.WRITE, ResourceType.TOPIC, topics)


def _partitions(topics: Iterable[AddPartitionsToTxnTopic]) -> list[TopicPartition]:
    return [(topic.name, index) for topic in topics for index in topic.partitions]


def _done(
    outcome: Errors | ErrorCode | asyncio.Future[ErrorCode], topics: Topics
) -> list[AddPartitionsToTxnTopicResult]:
    assert not isinstance(outcome, asyncio.Future)
    return _all(topics, outcome) if isinstance(outcome, ErrorCode) else _each(outcome)


async def _respond_later(version: int, transactions: list[tuple[str, Outcome]]) -> AddPartitionsToTxnResponse:
    results = []
    for name, (outcome, found) in transactions:
        if isinstance(outcome, asyncio.Future):
            outcome = known_to(version, await outcome)
        results.append((name, _done(outcome, found)))
    return _response(version, results)


def _response(
    version: int, results: list[tuple[str, list[AddPartitionsToTxnTopicResult]]]
) -> AddPartitionsToTxnResponse:
    if version < BATCHED_VERSION:
        return AddPartitionsToTxnResponse(results_by_topic_v3_and_below=results[0][1])
    return AddPartitionsToTxnResponse(
        results_by_transaction=[
            AddPartitionsToTxnResult(transactional_id=name, topic_results=topics) for name, topics in results
        ]
    )


def _all(topics: Topics, error: ErrorCode) -> list[AddPartitionsToTxnTopicResult]:
    """What the request names, as it names it: AddPartitionsToTxnRequest.errorResponseForTopics."""
    return [
        AddPartitionsToTxnTopicResult(
            name=topic.name,
            results_by_partition=[
                AddPartitionsToTxnPartitionResult(partition_index=index, partition_error_code=error)
                for index in topic.partitions
            ],
        )
        for topic in topics
    ]


def _each(errors: Errors) -> list[AddPartitionsToTxnTopicResult]:
    topics: dict[str, AddPartitionsToTxnTopicResult] = {}
    for (topic, index), error in errors.items():
        if topic not in topics:
            topics[topic] = AddPartitionsToTxnTopicResult(name=topic)
        topics[topic].results_by_partition.append(
            AddPartitionsToTxnPartitionResult(partition_index=index, partition_error_code=error)
        )
    return list(topics.values())


def error_response(
    request: AddPartitionsToTxnRequest, code: ErrorCode, message: str | None
) -> AddPartitionsToTxnResponse:
    """Up to version 3 the error of every partition, from 4 on one of the whole."""
    return AddPartitionsToTxnResponse(
        error_code=code, results_by_topic_v3_and_below=_all(request.v3_and_below_topics, code)
    )


API = Api(ApiKey.ADD_PARTITIONS_TO_TXN, 0, 5, handle, error_response=error_response)
