# SPDX-License-Identifier: Apache-2.0
"""DescribeCluster (60), versions 0-1.

Behaviour (KafkaApis.handleDescribeCluster): cluster id, controller and brokers as this broker's cache knows
them, for the listener on which it was asked.

Versions: 1 (KIP-919) names the kind of endpoint that is asked about; a broker only knows brokers.
"""

from __future__ import annotations

from commitlog.apis.k03_metadata import NO_CONTROLLER, cluster_operations
from commitlog.apis.registry import Api
from commitlog.apis.services import RequestContext, Services
from commitlog.wire.api_keys import ApiKey
from commitlog.wire.errors import ErrorCode, KafkaError
from commitlog.wire.messages.describe_cluster_request import DescribeClusterRequest
from commitlog.wire.messages.describe_cluster_response import DescribeClusterBroker, DescribeClusterResponse

BROKER_ENDPOINTS = 1
CONTROLLER_ENDPOINTS = 2


def handle(
    services: Services, context: RequestContext, request: DescribeClusterRequest
) -> DescribeClusterResponse:
    if request.endpoint_type != BROKER_ENDPOINTS:
        raise _wrong_endpoint_type(request.endpoint_type)
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
        response.cluster_authorized_operations = cluster_operations(context)
    return response


def _wrong_endpoint_type(endpoint_type: int) -> KafkaError:
    if endpoint_type == CONTROLLER_ENDPOINTS:
        return KafkaError(
            ErrorCode.MISMATCHED_ENDPOINT_TYPE,
            "The request was sent to an endpoint of type BROKER, but we wanted an endpoint of type "
            "CONTROLLER",
        )
    text = f"Unsupported endpoint type {endpoint_type}"
    return KafkaError(ErrorCode.UNSUPPORTED_ENDPOINT_TYPE, text)


API = Api(ApiKey.DESCRIBE_CLUSTER, 0, 1, handle)
