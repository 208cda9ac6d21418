# SPDX-License-Identifier: Apache-2.0
"""InitProducerId (22), versions 0-5.

Behaviour (KafkaApis.handleInitProducerIdRequest, TransactionCoordinator.handleInitProducerId):
- without a transactional id: a new producer id with epoch 0, whatever the rest of the request says;
- with one: the coordinator raises its epoch, which fences whoever used it before, and first aborts the
  transaction that is under way; meanwhile the answer is CONCURRENT_TRANSACTIONS; an empty one is
  INVALID_REQUEST;
- a producer id without an epoch, or the other way round, is INVALID_REQUEST.

Versions: 2 flexible; 3 the producer's present id and epoch (KIP-360); 4 PRODUCER_FENCED may be answered,
which before is INVALID_PRODUCER_EPOCH; 5 transactions v2 (KIP-890).
"""

from __future__ import annotations

from collections.abc import Awaitable

from commitlog.apis.registry import Api
from commitlog.apis.services import RequestContext, Services
from commitlog.apis.transactions import later
from commitlog.security.acl import AclOperation, ResourceType
from commitlog.transactions.coordinator import ProducerIdAndEpoch
from commitlog.wire.api_keys import ApiKey
from commitlog.wire.errors import ErrorCode
from commitlog.wire.messages.init_producer_id_request import InitProducerIdRequest
from commitlog.wire.messages.init_producer_id_response import InitProducerIdResponse

NO_PRODUCER_ID = -1
NO_PRODUCER_EPOCH = -1
PRODUCER_FENCED_VERSION = 4


def handle(
    services: Services, context: RequestContext, request: InitProducerIdRequest
) -> InitProducerIdResponse | Awaitable[InitProducerIdResponse]:
    if request.transactional_id is not None:
        context.require(AclOperation.WRITE, ResourceType.TRANSACTIONAL_ID, request.transactional_id)
    elif not (
        context.authorize_cluster(AclOperation.IDEMPOTENT_WRITE, log_if_denied=False)
        or context.authorize_any(AclOperation.WRITE, ResourceType.TOPIC)
    ):
        return _failed(ErrorCode.CLUSTER_AUTHORIZATION_FAILED)
    has_id, has_epoch = request.producer_id != NO_PRODUCER_ID, request.producer_epoch != NO_PRODUCER_EPOCH
    if has_id != has_epoch:
        return _failed(ErrorCode.INVALID_REQUEST)
    expected = ProducerIdAndEpoch(request.producer_id, request.producer_epoch) if has_id else None
    outcome = services.transactions.init_producer_id(
        request.transactional_id, request.transaction_timeout_ms, expected
    )

    def respond(found: ProducerIdAndEpoch) -> InitProducerIdResponse:
        if found.error is ErrorCode.NONE:
            return InitProducerIdResponse(producer_id=found.producer_id, producer_epoch=found.epoch)
        if found.error is ErrorCode.PRODUCER_FENCED and context.api_version < PRODUCER_FENCED_VERSION:
            return _failed(ErrorCode.INVALID_PRODUCER_EPOCH)
        return _failed(found.error)

    return later(outcome, respond)


def _failed(error: ErrorCode) -> InitProducerIdResponse:
    return InitProducerIdResponse(
        error_code=error, producer_id=NO_PRODUCER_ID, producer_epoch=NO_PRODUCER_EPOCH
    )


def error_response(
    request: InitProducerIdRequest, code: ErrorCode, message: str | None
) -> InitProducerIdResponse:
    return _failed(code)


API = Api(ApiKey.INIT_PRODUCER_ID, 0, 5, handle, error_response=error_response)
