# SPDX-License-Identifier: Apache-2.0
"""ListTransactions (66), versions 0-1 (KIP-664): the transactional ids that this broker coordinates.

Behaviour (KafkaApis.handleListTransactionsRequest): filters by state and producer id; state names that do not
exist are answered back; while a partition is loading, COORDINATOR_LOAD_IN_PROGRESS.

Versions: 1 a filter by duration (KIP-994).
"""

from __future__ import annotations

from commitlog.apis.registry import Api
from commitlog.apis.services import RequestContext, Services
from commitlog.security.acl import AclOperation, ResourceType
from commitlog.transactions.admin import list_transactions
from commitlog.wire.api_keys import ApiKey
from commitlog.wire.messages.list_transactions_request import ListTransactionsRequest
from commitlog.wire.messages.list_transactions_response import ListTransactionsResponse


def handle(
    services: Services, context: RequestContext, request: ListTransactionsRequest
) -> ListTransactionsResponse:
    answer = list_transactions(services.transactions, request, services.now_ms())
    described = context.authorized(
        AclOperation.DESCRIBE,
        ResourceType.TRANSACTIONAL_ID,
        (one.transactional_id for one in answer.transaction_states),
    )
    answer.transaction_states = [
        one for one in answer.transaction_states if one.transactional_id in described
    ]
    return answer


API = Api(ApiKey.LIST_TRANSACTIONS, 0, 1, handle)
