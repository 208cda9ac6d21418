# SPDX-License-Identifier: Apache-2.0
"""WriteTxnMarkers (27), versions 0-1: a transaction coordinator tells how transactions ended.

Behaviour (KafkaApis.handleWriteTxnMarkersRequest):
- each marker is appended to each of its partitions by itself, and answered when all in-sync replicas have it;
- a partition that is not hosted here is UNKNOWN_TOPIC_OR_PARTITION; a producer's or coordinator's epoch that
  is behind what the partition has seen is INVALID_PRODUCER_EPOCH or TRANSACTION_COORDINATOR_FENCED;
- a marker in `__consumer_offsets` makes the offsets of the transaction the groups' own, or forgets them,
  before it is answered.

Versions: 1 flexible.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable

from commitlog.apis.registry import Api
from commitlog.apis.services import RequestContext, Services
from commitlog.groups.log_writer import OFFSETS_TOPIC
from commitlog.records.control import end_transaction_marker
from commitlog.replication.replica_manager import AppendResult
from commitlog.security.acl import AclOperation
from commitlog.wire.api_keys import ApiKey
from commitlog.wire.errors import ErrorCode, KafkaError
from commitlog.wire.messages.write_txn_markers_request import WritableTxnMarker, WriteTxnMarkersRequest
from commitlog.wire.messages.write_txn_markers_response import (
    WritableTxnMarkerPartitionResult,
    WritableTxnMarkerResult,
    WritableTxnMarkerTopicResult,
    WriteTxnMarkersResponse,
)

logger = logging.getLogger("commitlog.apis.k27_write_txn_markers")

TopicPartition = tuple[str, int]
Errors = dict[int, dict[TopicPartition, ErrorCode]]


def handle(
    services: Services, context: RequestContext, request: WriteTxnMarkersRequest
) -> WriteTxnMarkersResponse | Awaitable[WriteTxnMarkersResponse]:
    if not context.authorize_cluster(AclOperation.ALTER, log_if_denied=False):
        context.require_cluster(AclOperation.CLUSTER_ACTION)
    if any(marker.producer_id == -1 or marker.producer_epoch == -1 for marker in request.markers):
        # No batch can say that; in Kafka the exception of MemoryRecordsBuilder, for which there is no code.
        raise KafkaError(ErrorCode.UNKNOWN_SERVER_ERROR)
    errors: Errors = {}
    waiting = []
    for marker in request.markers:
        pending = _append(services, marker, errors.setdefault(marker.producer_id, {}))
        if pending is not None:
            waiting.append(pending)
    return _respond_later(errors, waiting) if waiting else _response(errors)


def _append(
    services: Services, marker: WritableTxnMarker, errors: dict[TopicPartition, ErrorCode]
) -> asyncio.Future[None] | None:
    """Append one marker to its partitions; a future when some followers do not have it yet."""
    hosted: list[TopicPartition] = []
    for topic in marker.topics:
        for index in topic.partition_indexes:
            partition = services.replicas.hosted_partition(topic.name, index)
            if partition is None or partition.log is None:
                errors[topic.name, index] = ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
            else:
                hosted.append((topic.name, index))
    if not hosted:
        return None
    timestamp = services.now_ms()
    outcome = services.replicas.append_records(
        acks=-1,
        timeout_ms=services.config.request_timeout_ms,
        entries=[
            (
                *partition,
                end_transaction_marker(
                    timestamp=timestamp,
                    producer_id=marker.producer_id,
                    producer_epoch=marker.producer_epoch,
                    committed=marker.transaction_result,
                    coordinator_epoch=marker.coordinator_epoch,
                ),
            )
            for partition in hosted
        ],
        origin="coordinator",
        allow_internal=True,
    )

    def appended(results: list[AppendResult]) -> None:
        errors.update((each, result.error) for each, result in zip(hosted, results, strict=True))
        ended = [index for topic, index in hosted if topic == OFFSETS_TOPIC and not errors[topic, index]]
        if ended:
            services.groups.on_transaction_completed(
                marker.producer_id, ended, committed=marker.transaction_result
            )

    if isinstance(outcome, list):
        appended(outcome)
        return None
    return outcome.then(appended)


async def _respond_later(errors: Errors, waiting: list[asyncio.Future[None]]) -> WriteTxnMarkersResponse:
    # Not gather: when the coordinator's connection ends these must go on, since groups learn from them.
    for each in waiting:
        await asyncio.shield(each)
    return _response(errors)


def _response(errors: Errors) -> WriteTxnMarkersResponse:
    response = WriteTxnMarkersResponse()
    for producer_id, found in errors.items():
        topics: dict[str, WritableTxnMarkerTopicResult] = {}
        for (topic, index), error in found.items():
            if topic not in topics:
                topics[topic] = WritableTxnMarkerTopicResult(name=topic)
            topics[topic].partitions.append(
                WritableTxnMarkerPartitionResult(partition_index=index, error_code=error)
            )
        response.markers.append(
            WritableTxnMarkerResult(producer_id=producer_id, topics=list(topics.values()))
        )
    return response


def error_response(
    request: WriteTxnMarkersRequest, code: ErrorCode, message: str | None
) -> WriteTxnMarkersResponse:
    errors: Errors = {}
    for marker in request.markers:
        found = errors.setdefault(marker.producer_id, {})
        found.update(
            ((topic.name, index), code) for topic in marker.topics for index in topic.partition_indexes
        )
    return _response(errors)


API = Api(ApiKey.WRITE_TXN_MARKERS, 0, 1, handle, error_response=error_response)
