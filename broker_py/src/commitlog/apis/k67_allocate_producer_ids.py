# SPDX-License-Identifier: Apache-2.0
"""AllocateProducerIds (67), version 0 (KIP-730): a broker asks the controller for a block of producer ids.

Behaviour (KafkaController.processAllocateProducerIds): see controller.producer_id_blocks.
"""

from __future__ import annotations

from commitlog.apis.registry import Api
from commitlog.apis.services import RequestContext, Services
from commitlog.wire.api_keys import ApiKey
from commitlog.wire.errors import KafkaError
from commitlog.wire.messages.allocate_producer_ids_request import AllocateProducerIdsRequest
from commitlog.wire.messages.allocate_producer_ids_response import AllocateProducerIdsResponse


async def handle(
    services: Services, context: RequestContext, request: AllocateProducerIdsRequest
) -> AllocateProducerIdsResponse:
    try:
        return await services.controller.allocate_producer_ids(request)
    except KafkaError as error:
        return AllocateProducerIdsResponse(error_code=error.code)


API = Api(ApiKey.ALLOCATE_PRODUCER_IDS, 0, 0, handle, cluster_action=True)
