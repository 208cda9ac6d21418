# SPDX-License-Identifier: Apache-2.0
"""ConsumerGroupHeartbeat (68), version 0 (KIP-848).

Behaviour (KafkaApis.handleConsumerGroupHeartbeat): the new group protocol is KRaft's. A broker in ZooKeeper
mode lists the API and refuses every request, whoever asks and whatever is in it, before any right is looked
at.
"""

from __future__ import annotations

from commitlog.apis.registry import Api
from commitlog.apis.services import RequestContext, Services
from commitlog.wire.api_keys import ApiKey
from commitlog.wire.errors import ErrorCode
from commitlog.wire.messages.consumer_group_heartbeat_request import ConsumerGroupHeartbeatRequest
from commitlog.wire.messages.consumer_group_heartbeat_response import ConsumerGroupHeartbeatResponse


def handle(
    services: Services, context: RequestContext, request: ConsumerGroupHeartbeatRequest
) -> ConsumerGroupHeartbeatResponse:
    return ConsumerGroupHeartbeatResponse(error_code=ErrorCode.UNSUPPORTED_VERSION)


API = Api(ApiKey.CONSUMER_GROUP_HEARTBEAT, 0, 0, handle)
