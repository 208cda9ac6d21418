# SPDX-License-Identifier: Apache-2.0
"""TxnOffsetCommit (28), versions 0-4.

Behaviour (KafkaApis.handleTxnOffsetCommitRequest):
- partitions that the metadata cache does not know are UNKNOWN_TOPIC_OR_PARTITION, the others go to the group
  coordinator, which writes them as part of the producer's transaction;
- from version 3 on the consumer's member id and generation fence a consumer that has lost its partitions
  (KIP-447);
- what would open the transaction in the offsets partition waits for its coordinator to confirm it (KIP-890).

Versions: 2 leader epoch, and COORDINATOR_LOAD_IN_PROGRESS may be answered, which before is
COORDINATOR_NOT_AVAILABLE (KAFKA-7296); 3 flexible; 4 TRANSACTION_ABORTABLE may be answered (KIP-890).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from commitlog.apis.named_twice import named_once
from commitlog.apis.registry import Api
from commitlog.apis.services import RequestContext, Services
from commitlog.apis.transactions import later
from commitlog.apis.verification import begin_verification
from commitlog.groups.log_writer import OFFSETS_TOPIC
from commitlog.groups.transactional import txn_commit_response
from commitlog.security.acl import AclOperation, ResourceType
from commitlog.transactions.verification import Verification
from commitlog.wire.api_keys import ApiKey
from commitlog.wire.errors import ErrorCode
from commitlog.wire.messages.txn_offset_commit_request import (
    TxnOffsetCommitRequest,
    TxnOffsetCommitRequestTopic,
)
from commitlog.wire.messages.txn_offset_commit_response import (
    TxnOffsetCommitResponse,
    TxnOffsetCommitResponsePartition,
    TxnOffsetCommitResponseTopic,
)

LOADING_VERSION = 2
ABORTABLE_VERSION = 4


def handle(
    services: Services, context: RequestContext, request: TxnOffsetCommitRequest
) -> TxnOffsetCommitResponse | Awaitable[TxnOffsetCommitResponse]:
    context.require(AclOperation.WRITE, ResourceType.TRANSACTIONAL_ID, request.transactional_id)
    context.require(AclOperation.READ, ResourceType.GROUP, request.group_id)
    refused, known = _split(services, context, request)
    if not known:
        return TxnOffsetCommitResponse(topics=refused)
    request.topics = named_once(known)

    def respond(answer: TxnOffsetCommitResponse) -> TxnOffsetCommitResponse:
        answer.topics = _merge(refused, answer.topics)
        if context.api_version < LOADING_VERSION:
            _hide_loading(answer)
        return answer

    error = services.groups.error_for(request.group_id)
    if error is not ErrorCode.NONE:
        return respond(txn_commit_response(request, error))
    if services.verifier.is_enabled:
        partition = (OFFSETS_TOPIC, services.groups.partition_for(request.group_id))
        asked = begin_verification(services, partition, request.producer_id, request.producer_epoch)
        if asked is not None:
            return _verify_and_commit(services, context, request, asked, respond)
    return later(services.groups.txn_commit_offsets(request), respond)


async def _verify_and_commit(
    services: Services,
    context: RequestContext,
    request: TxnOffsetCommitRequest,
    asked: Verification,
    respond: Callable[[TxnOffsetCommitResponse], TxnOffsetCommitResponse],
) -> TxnOffsetCommitResponse:
    errors = await services.verifier.verify(
        request.transactional_id,
        request.producer_id,
        request.producer_epoch,
        [asked.partition],
        knows_abortable=context.api_version >= ABORTABLE_VERSION,
    )
    error = errors[asked.partition]
    if error is ErrorCode.NONE and not asked.still_holds():
        error = ErrorCode.INVALID_TXN_STATE
    if error is ErrorCode.NETWORK_EXCEPTION:
        error = ErrorCode.COORDINATOR_LOAD_IN_PROGRESS  # which makes clients of every age try again
    if error is not ErrorCode.NONE:
        return respond(txn_commit_response(request, error))
    answer = services.groups.txn_commit_offsets(request)
    return respond(await answer if isinstance(answer, asyncio.Future) else answer)


def _split(
    services: Services, context: RequestContext, request: TxnOffsetCommitRequest
) -> tuple[list[TxnOffsetCommitResponseTopic], list[TxnOffsetCommitRequestTopic]]:
    """Answers for partitions that may not be read or do not exist, and the topics with those that do."""
    refused: list[TxnOffsetCommitResponseTopic] = []
    known: list[TxnOffsetCommitRequestTopic] = []
    readable = context.authorized(
        AclOperation.READ, ResourceType.TOPIC, (topic.name for topic in request.topics)
    )
    for topic in request.topics:
        if topic.name not in readable:
            indexes = [one.partition_index for one in topic.partitions]
            refused.append(_refusal(topic.name, indexes, ErrorCode.TOPIC_AUTHORIZATION_FAILED))
            continue
        exists = services.metadata.partitions(topic.name)
        missing = [one.partition_index for one in topic.partitions if one.partition_index not in exists]
        if missing:
            refused.append(_refusal(topic.name, missing, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION))
            topic.partitions = [one for one in topic.partitions if one.partition_index in exists]
        if topic.partitions:
            known.append(topic)
    return refused, known


def _refusal(topic: str, indexes: list[int], error: ErrorCode) -> TxnOffsetCommitResponseTopic:
    return TxnOffsetCommitResponseTopic(
        name=topic,
        partitions=[
            TxnOffsetCommitResponsePartition(partition_index=index, error_code=error) for index in indexes
        ],
    )


def _merge(
    refused: list[TxnOffsetCommitResponseTopic], answered: list[TxnOffsetCommitResponseTopic]
) -> list[TxnOffsetCommitResponseTopic]:
    """One entry a topic, as TxnOffsetCommitResponse.Builder.merge makes it."""
    topics = {topic.name: topic for topic in refused}
    for topic in answered:
        if topic.name in topics:
            topics[topic.name].partitions.extend(topic.partitions)
        else:
            topics[topic.name] = topic
    return list(topics.values())


def _hide_loading(answer: TxnOffsetCommitResponse) -> None:
    for topic in answer.topics:
        for partition in topic.partitions:
            if partition.error_code == ErrorCode.COORDINATOR_LOAD_IN_PROGRESS:
                partition.error_code = ErrorCode.COORDINATOR_NOT_AVAILABLE


def error_response(
    request: TxnOffsetCommitRequest, code: ErrorCode, message: str | None
) -> TxnOffsetCommitResponse:
    return txn_commit_response(request, code)


API = Api(ApiKey.TXN_OFFSET_COMMIT, 0, 4, handle, error_response=error_response)
