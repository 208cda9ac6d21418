# SPDX-License-Identifier: Apache-2.0
"""DescribeCluster (60), versions 0-1.

Behaviour (KafkaApis.handleDescribeCluster): cluster id, controller and brokers as this broker's cache knows
them, for the listener on which it was asked.

Versions: 1 (KIP-919) names the kind of endpoint that is asked about; a broker only knows brokers.
"""

from __future__ import annotations

from commitlog.apis.k03_metadata import CLUSTER_OPERATIONS, NO_CONTROLLER
from commitlog.apis.registry import Api
from commitlog.apis.services import RequestContext, Services
from commitlog.wire.api_keys import ApiKey
from commitlog.wire.errors import ErrorCode, KafkaError
from commitlog.wire.messages.describe_cluster_request import DescribeClusterRequest
from commitlog.wire.messages.describe_cluster_response import DescribeClusterBroker, DescribeClusterResponse

BROKER_ENDPOINTS = 1
_ENDPOINT_TYPES = {0: "UNKNOWN", 1: "BROKER", 2: "CONTROLLER"}


def handle(
    services: Services, context: RequestContext, request: DescribeClusterRequest
) -> DescribeClusterResponse:
    if request.endpoint_type != BROKER_ENDPOINTS:
        wanted = _ENDPOINT_TYPES.get(request.endpoint_type, "UNKNOWN")
        known = wanted != "UNKNOWN"
        raise KafkaError(
            ErrorCode.MISMATCHED_ENDPOINT_TYPE if known else ErrorCode.UNSUPPORTED_ENDPOINT_TYPE,
            f"The request was sent to an endpoint of type BROKER, but we wanted an endpoint of type {wanted}",
        )
    metadata = services.metadata
    response = DescribeClusterResponse(
        cluster_id=services.cluster_id,
        controller_id=NO_CONTROLLER if metadata.controller_id is None else metadata.controller_id,
    )
    for broker in metadata.alive_brokers():
        endpoint = broker.endpoints.get(context.listener_name)
        if endpoint is not None:
            response.brokers.append(
                DescribeClusterBroker(
                    broker_id=broker.id, host=endpoint.host, port=endpoint.port, rack=broker.rack
                )
            )
    if request.include_cluster_authorized_operations:
        response.cluster_authorized_operations = CLUSTER_OPERATIONS
    return response


API = Api(ApiKey.DESCRIBE_CLUSTER, 0, 1, handle)
