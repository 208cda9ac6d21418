# SPDX-License-Identifier: Apache-2.0
"""ControlledShutdown (7), versions 0-3: a broker asks the controller to move leadership away before it stops.

Behaviour (KafkaApis.handleControlledShutdownRequest): the answer names the partitions that the broker still
leads; it asks again until there are none, or gives up.

Versions: 0 is sent with a request header without client id; 1 with the usual one; 2 broker epoch; 3 flexible.
"""

from __future__ import annotations

from commitlog.apis.registry import Api
from commitlog.apis.services import RequestContext, Services
from commitlog.wire.api_keys import ApiKey
from commitlog.wire.errors import KafkaError
from commitlog.wire.messages.controlled_shutdown_request import ControlledShutdownRequest
from commitlog.wire.messages.controlled_shutdown_response import (
    ControlledShutdownResponse,
    RemainingPartition,
)


async def handle(
    services: Services, context: RequestContext, request: ControlledShutdownRequest
) -> ControlledShutdownResponse:
    try:
        remaining = await services.controller.controlled_shutdown(request.broker_id, request.broker_epoch)
    except KafkaError as error:
        return ControlledShutdownResponse(error_code=error.code)
    return ControlledShutdownResponse(
        remaining_partitions=[
            RemainingPartition(topic_name=topic, partition_index=partition)
            for topic, partition in sorted(remaining)
        ]
    )


API = Api(ApiKey.CONTROLLED_SHUTDOWN, 0, 3, handle, cluster_action=True)
