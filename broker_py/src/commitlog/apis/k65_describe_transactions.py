# SPDX-License-Identifier: Apache-2.0
"""DescribeTransactions (65), version 0 (KIP-664): the state of transactional ids, at their coordinator.

Behaviour (KafkaApis.handleDescribeTransactionsRequest): each id with an error of its own,
TRANSACTIONAL_ID_NOT_FOUND for one that is not known.
"""

from __future__ import annotations

from commitlog.apis.registry import Api
from commitlog.apis.services import RequestContext, Services
from commitlog.security.acl import AclOperation, ResourceType
from commitlog.transactions.admin import describe_transaction
from commitlog.wire.api_keys import ApiKey
from commitlog.wire.errors import ErrorCode
from commitlog.wire.messages.describe_transactions_request import DescribeTransactionsRequest
from commitlog.wire.messages.describe_transactions_response import (
    DescribeTransactionsResponse,
    TransactionState,
)


def handle(
    services: Services, context: RequestContext, request: DescribeTransactionsRequest
) -> DescribeTransactionsResponse:
    return DescribeTransactionsResponse(
        transaction_states=[_describe(services, context, name) for name in request.transactional_ids]
    )


def _describe(services: Services, context: RequestContext, name: str) -> TransactionState:
    describe = AclOperation.DESCRIBE
    if not context.authorize(describe, ResourceType.TRANSACTIONAL_ID, name):
        denied = ErrorCode.TRANSACTIONAL_ID_AUTHORIZATION_FAILED
        return TransactionState(transactional_id=name, error_code=denied)
    answer = describe_transaction(services.transactions, name)
    shown = context.authorized(describe, ResourceType.TOPIC, (topic.topic for topic in answer.topics))
    answer.topics = [topic for topic in answer.topics if topic.topic in shown]
    return answer


def error_response(
    request: DescribeTransactionsRequest, code: ErrorCode, message: str | None
) -> DescribeTransactionsResponse:
    return DescribeTransactionsResponse(
        transaction_states=[
            TransactionState(transactional_id=name, error_code=code) for name in request.transactional_ids
        ]
    )


API = Api(ApiKey.DESCRIBE_TRANSACTIONS, 0, 0, handle, error_response=error_response)
