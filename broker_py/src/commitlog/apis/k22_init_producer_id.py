# SPDX-License-Identifier: Apache-2.0
"""InitProducerId (22), versions 0-5.

Behaviour (KafkaApis.handleInitProducerIdRequest, TransactionCoordinator.handleInitProducerId): - without a
transactional id: a new producer id with epoch 0, whatever the rest of the request says; - with one: there
is no transaction coordinator yet, COORDINATOR_NOT_AVAILABLE; an empty one is INVALID_REQUEST; - a producer
id without an epoch, or the other way round, is INVALID_REQUEST.

Versions: 2 flexible; 3 the producer's present id and epoch (KIP-360); 4 PRODUCER_FENCED may be answered; 5
transactions v2 (KIP-890).
"""

from __future__ import annotations

from commitlog.apis.registry import Api
from commitlog.apis.services import RequestContext, Services
from commitlog.wire.api_keys import ApiKey
from commitlog.wire.errors import ErrorCode, KafkaError
from commitlog.wire.messages.init_producer_id_request import InitProducerIdRequest
from commitlog.wire.messages.init_producer_id_response import InitProducerIdResponse

NO_PRODUCER_ID = -1
NO_PRODUCER_EPOCH = -1


def handle(
    services: Services, context: RequestContext, request: InitProducerIdRequest
) -> InitProducerIdResponse:
    has_id, has_epoch = request.producer_id != NO_PRODUCER_ID, request.producer_epoch != NO_PRODUCER_EPOCH
    if has_id != has_epoch or request.transactional_id == "":
        return _failed(ErrorCode.INVALID_REQUEST)
    if request.transactional_id is not None:
        return _failed(ErrorCode.COORDINATOR_NOT_AVAILABLE)
    try:
        producer_id = services.producer_ids.next_id()
    except KafkaError as reason:
        return _failed(reason.code)
    return InitProducerIdResponse(producer_id=producer_id, producer_epoch=0)


def _failed(error: ErrorCode) -> InitProducerIdResponse:
    return InitProducerIdResponse(
        error_code=error, producer_id=NO_PRODUCER_ID, producer_epoch=NO_PRODUCER_EPOCH
    )


def error_response(
    request: InitProducerIdRequest, code: ErrorCode, message: str | None
) -> InitProducerIdResponse:
    return _failed(code)


API = Api(ApiKey.INIT_PRODUCER_ID, 0, 5, handle, error_response=error_response)
