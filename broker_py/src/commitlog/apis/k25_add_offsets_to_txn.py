# SPDX-License-Identifier: Apache-2.0
"""AddOffsetsToTxn (25), versions 0-4.

Behaviour (KafkaApis.handleAddOffsetsToTxnRequest): the group's partition of `__consumer_offsets` becomes
part of the transaction, as AddPartitionsToTxn would make it.

Versions: 2 PRODUCER_FENCED may be answered, which before is INVALID_PRODUCER_EPOCH; 3 flexible; 4
TRANSACTION_ABORTABLE may be answered (KIP-890).
"""

from __future__ import annotations

from collections.abc import Awaitable

from commitlog.apis.registry import Api
from commitlog.apis.services import RequestContext, Services
from commitlog.apis.transactions import known_to, later
from commitlog.groups.log_writer import OFFSETS_TOPIC
from commitlog.security.acl import AclOperation, ResourceType
from commitlog.wire.api_keys import ApiKey
from commitlog.wire.messages.add_offsets_to_txn_request import AddOffsetsToTxnRequest
from commitlog.wire.messages.add_offsets_to_txn_response import AddOffsetsToTxnResponse


def handle(
    services: Services, context: RequestContext, request: AddOffsetsToTxnRequest
) -> AddOffsetsToTxnResponse | Awaitable[AddOffsetsToTxnResponse]:
    context.require(AclOperation.WRITE, ResourceType.TRANSACTIONAL_ID, request.transactional_id)
    context.require(AclOperation.READ, ResourceType.GROUP, request.group_id)
    outcome = services.transactions.add_partitions(
        request.transactional_id,
        request.producer_id,
        request.producer_epoch,
        [(OFFSETS_TOPIC, services.groups.partition_for(request.group_id))],
    )
    version = context.api_version
    return later(outcome, lambda error: AddOffsetsToTxnResponse(error_code=known_to(version, error)))


API = Api(ApiKey.ADD_OFFSETS_TO_TXN, 0, 4, handle)
