# SPDX-License-Identifier: Apache-2.0
"""LeaderAndIsr (4), versions 0-7: the controller says which partitions this broker leads and follows.

Behaviour (KafkaApis.handleLeaderAndIsrRequest): refused as a whole with STALE_BROKER_EPOCH when it is meant
for an earlier registration of this broker, with STALE_CONTROLLER_EPOCH when it comes from an earlier
controller.

Versions: 0-1 partitions ungrouped, 1 isNew; 2 grouped by topic, broker epoch; 3 adding and removing replicas;
4 flexible; 5 topic ids, answers grouped by them, request type; 6 leader recovery state; 7 isKRaftController.
"""

from __future__ import annotations

from commitlog.apis.registry import Api
from commitlog.apis.services import RequestContext, Services
from commitlog.apis.topic_names import is_valid_topic_name
from commitlog.replication.state_change import refused, staleness
from commitlog.security.acl import AclOperation
from commitlog.wire.api_keys import ApiKey
from commitlog.wire.errors import ErrorCode
from commitlog.wire.messages.leader_and_isr_request import LeaderAndIsrRequest
from commitlog.wire.messages.leader_and_isr_response import LeaderAndIsrResponse


async def handle(
    services: Services, context: RequestContext, request: LeaderAndIsrRequest
) -> LeaderAndIsrResponse:
    if not context.authorize_cluster(AclOperation.CLUSTER_ACTION):
        return refused(request, context.api_version, ErrorCode.CLUSTER_AUTHORIZATION_FAILED)
    if not all(is_valid_topic_name(name) for name in _names(request)):
        # No controller makes such topics, and a partition's directory has the topic's name.
        code = staleness(services.replicas, request) or ErrorCode.INVALID_TOPIC_EXCEPTION
        return refused(request, context.api_version, code)
    new_topics = _new_topics(services, request)
    if new_topics:
        # The overrides of a new topic were written without a notification; its logs need them.
        await services.topic_configs.refresh(new_topics)
    return services.replicas.become_leader_or_follower(request, context.api_version)


def _new_topics(services: Services, request: LeaderAndIsrRequest) -> list[str]:
    """Topics of which a partition is hosted here from now on."""
    named = [(state.topic_name, state.partition_index) for state in request.ungrouped_partition_states]
    named += [
        (topic.topic_name, state.partition_index)
        for topic in request.topic_states
        for state in topic.partition_states
    ]
    return sorted({topic for topic, partition in named if _is_new(services, topic, partition)})


def _names(request: LeaderAndIsrRequest) -> set[str]:
    ungrouped = {state.topic_name for state in request.ungrouped_partition_states}
    return ungrouped | {topic.topic_name for topic in request.topic_states}


def _is_new(services: Services, topic: str, partition: int) -> bool:
    return services.replicas.hosted_partition(topic, partition) is None


API = Api(ApiKey.LEADER_AND_ISR, 0, 7, handle)
