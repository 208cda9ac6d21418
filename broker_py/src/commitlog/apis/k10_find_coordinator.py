# SPDX-License-Identifier: Apache-2.0
"""FindCoordinator (10), versions 0-6.

Behaviour (KafkaApis.getCoordinator):
- the coordinator of a group is the leader of its partition of `__consumer_offsets`, at its endpoint of the
  listener on which it was asked for;
- when the topic does not exist it is created, and COORDINATOR_NOT_AVAILABLE is answered; so it is while the
  partition has no leader that lives;
- that of a transactional id is found likewise by `__transaction_state`;
- there is no share coordinator: COORDINATOR_NOT_AVAILABLE;
- a success carries the error message "NONE" up to version 3, as Kafka's does.

Versions: 1 key type, throttle time, error message; 3 flexible; 4 several keys (KIP-699); 5 transactions v2
(KIP-890); 6 key type share (KIP-932), which before is INVALID_REQUEST.
"""

from __future__ import annotations

from collections.abc import Awaitable
from enum import IntEnum
from functools import partial

from commitlog.apis.registry import Api
from commitlog.apis.services import RequestContext, Services
from commitlog.apis.throttling import count_mutations
from commitlog.groups.log_writer import OFFSETS_TOPIC
from commitlog.security.acl import AclOperation, ResourceType
from commitlog.transactions.log_writer import TRANSACTIONS_TOPIC
from commitlog.wire.api_keys import ApiKey
from commitlog.wire.errors import ErrorCode, KafkaError
from commitlog.wire.messages.find_coordinator_request import FindCoordinatorRequest
from commitlog.wire.messages.find_coordinator_response import Coordinator, FindCoordinatorResponse

BATCHED_VERSION = 4
SHARE_VERSION = 6
NO_NODE = (-1, "", -1)

Node = tuple[int, str, int]
Found = tuple[str, ErrorCode, Node]
"""A key, and what is answered of it."""


class KeyType(IntEnum):
    """FindCoordinatorRequest.CoordinatorType."""

    GROUP = 0
    TRANSACTION = 1
    SHARE = 2


def handle(
    services: Services, context: RequestContext, request: FindCoordinatorRequest
) -> FindCoordinatorResponse | Awaitable[FindCoordinatorResponse]:
    if request.key_type not in list(KeyType):
        if context.api_version >= BATCHED_VERSION and not request.coordinator_keys:
            return FindCoordinatorResponse()  # since then errors are those of keys
        raise KafkaError(ErrorCode.INVALID_REQUEST)
    key_type = KeyType(request.key_type)
    batched = context.api_version >= BATCHED_VERSION
    asked = request.coordinator_keys if batched else [request.key]
    missing: set[str] = set()
    found = [(key, *_find(services, context, key_type, key, missing)) for key in asked]
    answer = _batch(found) if batched else _alone(found[0])
    return _when_created(services, context, missing, answer) if missing else answer


async def _when_created(
    services: Services, context: RequestContext, topics: set[str], answer: FindCoordinatorResponse
) -> FindCoordinatorResponse:
    await services.auto_topics.create(topics, partial(count_mutations, services, context))
    return answer


def _batch(found: list[Found]) -> FindCoordinatorResponse:
    return FindCoordinatorResponse(
        coordinators=[
            Coordinator(key=key, node_id=node_id, host=host, port=port, error_code=error)
            for key, error, (node_id, host, port) in found
        ]
    )


def _alone(found: Found) -> FindCoordinatorResponse:
    _, error, (node_id, host, port) = found
    message = ErrorCode.NONE.name if error is ErrorCode.NONE else error.message
    return FindCoordinatorResponse(
        error_code=error, error_message=message, node_id=node_id, host=host, port=port
    )


def _find(
    services: Services, context: RequestContext, key_type: KeyType, key: str, missing: set[str]
) -> tuple[ErrorCode, Node]:
    """``missing`` gets the topic that is to be created for it."""
    denied = _denied(context, key_type, key)
    if denied is not None:
        return denied, NO_NODE
    if key_type is KeyType.SHARE and context.api_version < SHARE_VERSION:
        return ErrorCode.INVALID_REQUEST, NO_NODE
    if key_type is KeyType.GROUP:
        topic, partition = OFFSETS_TOPIC, services.groups.partition_for(key)
    elif key_type is KeyType.TRANSACTION:
        topic, partition = TRANSACTIONS_TOPIC, services.transactions.partition_for(key)
    else:
        return ErrorCode.COORDINATOR_NOT_AVAILABLE, NO_NODE
    metadata = services.metadata
    if not metadata.contains_topic(topic):
        missing.add(topic)
        return ErrorCode.COORDINATOR_NOT_AVAILABLE, NO_NODE
    state = metadata.partition_state(topic, partition)
    endpoint = None if state is None else metadata.broker_endpoint(state.leader, context.listener_name)
    if state is None or endpoint is None:
        return ErrorCode.COORDINATOR_NOT_AVAILABLE, NO_NODE
    return ErrorCode.NONE, (state.leader, endpoint.host, endpoint.port)


def _denied(context: RequestContext, key_type: KeyType, key: str) -> ErrorCode | None:
    describe = AclOperation.DESCRIBE
    if key_type is KeyType.GROUP and not context.authorize(describe, ResourceType.GROUP, key):
        return ErrorCode.GROUP_AUTHORIZATION_FAILED
    if key_type is KeyType.TRANSACTION and not context.authorize(
        describe, ResourceType.TRANSACTIONAL_ID, key
    ):
        return ErrorCode.TRANSACTIONAL_ID_AUTHORIZATION_FAILED
    if (
        key_type is KeyType.SHARE
        and context.api_version >= SHARE_VERSION
        and not context.authorize_cluster(AclOperation.CLUSTER_ACTION)
    ):
        return ErrorCode.CLUSTER_AUTHORIZATION_FAILED
    return None


def error_response(
    request: FindCoordinatorRequest, code: ErrorCode, message: str | None
) -> FindCoordinatorResponse:
    node_id, host, port = NO_NODE
    text = code.message  # whatever the reason said, as FindCoordinatorRequest.getErrorResponse
    if request.coordinator_keys:
        return FindCoordinatorResponse(
            coordinators=[
                Coordinator(
                    key=key, node_id=node_id, host=host, port=port, error_code=code, error_message=text
                )
                for key in request.coordinator_keys
            ]
        )
    return FindCoordinatorResponse(error_code=code, error_message=text, node_id=node_id, host=host, port=port)


API = Api(ApiKey.FIND_COORDINATOR, 0, 6, handle, error_response=error_response)
