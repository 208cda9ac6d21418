# SPDX-License-Identifier: Apache-2.0
"""EndTxn (26), versions 0-4.

Behaviour (KafkaApis.handleEndTxnRequest, TransactionCoordinator.handleEndTransaction): answered once the
outcome is in the transaction log. The markers follow; until they are written, what the producer asks next is
answered with CONCURRENT_TRANSACTIONS.

Versions: 2 PRODUCER_FENCED may be answered, which before is INVALID_PRODUCER_EPOCH; 3 flexible; 4
TRANSACTION_ABORTABLE may be answered (KIP-890).
"""

from __future__ import annotations

from collections.abc import Awaitable

from commitlog.apis.registry import Api
from commitlog.apis.services import RequestContext, Services
from commitlog.apis.transactions import known_to, later
from commitlog.security.acl import AclOperation, ResourceType
from commitlog.wire.api_keys import ApiKey
from commitlog.wire.messages.end_txn_request import EndTxnRequest
from commitlog.wire.messages.end_txn_response import EndTxnResponse


def handle(
    services: Services, context: RequestContext, request: EndTxnRequest
) -> EndTxnResponse | Awaitable[EndTxnResponse]:
    context.require(AclOperation.WRITE, ResourceType.TRANSACTIONAL_ID, request.transactional_id)
    outcome = services.transactions.end_transaction(
        request.transactional_id, request.producer_id, request.producer_epoch, commit=request.committed
    )
    version = context.api_version
    return later(outcome, lambda error: EndTxnResponse(error_code=known_to(version, error)))


API = Api(ApiKey.END_TXN, 0, 4, handle)
