# SPDX-License-Identifier: Apache-2.0
"""ConsumerGroupDescribe (69), version 0 (KIP-848).

Behaviour (KafkaApis.handleConsumerGroupDescribe): listed and refused, as ConsumerGroupHeartbeat is. Admin
clients ask this first and, so refused, ask DescribeGroups.
"""

from __future__ import annotations

from commitlog.apis.registry import Api
from commitlog.apis.services import RequestContext, Services
from commitlog.wire.api_keys import ApiKey
from commitlog.wire.errors import ErrorCode
from commitlog.wire.messages.consumer_group_describe_request import ConsumerGroupDescribeRequest
from commitlog.wire.messages.consumer_group_describe_response import (
    ConsumerGroupDescribeResponse,
    DescribedGroup,
)


def handle(
    services: Services, context: RequestContext, request: ConsumerGroupDescribeRequest
) -> ConsumerGroupDescribeResponse:
    return error_response(request, ErrorCode.UNSUPPORTED_VERSION, None)


def error_response(
    request: ConsumerGroupDescribeRequest, code: ErrorCode, message: str | None
) -> ConsumerGroupDescribeResponse:
    return ConsumerGroupDescribeResponse(
        groups=[DescribedGroup(group_id=group, error_code=code) for group in request.group_ids]
    )


API = Api(ApiKey.CONSUMER_GROUP_DESCRIBE, 0, 0, handle, error_response=error_response)
