# SPDX-License-Identifier: Apache-2.0
"""LeaderAndIsr and StopReplica: the controller says what this broker leads, follows and lets go
(ReplicaManager).

Nothing here waits: a request is applied in one turn of the loop, so that no client sees half of it.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from commitlog.replication.metadata_cache import ZERO_UUID
from commitlog.wire.errors import ErrorCode, KafkaError
from commitlog.wire.messages.leader_and_isr_response import (
    LeaderAndIsrPartitionError,
    LeaderAndIsrResponse,
    LeaderAndIsrTopicError,
)
from commitlog.wire.messages.stop_replica_response import StopReplicaPartitionError, StopReplicaResponse

if TYPE_CHECKING:
    from commitlog.replication.partition import Partition
    from commitlog.replication.replica_manager import ReplicaManager
    from commitlog.wire.messages.leader_and_isr_request import (
        LeaderAndIsrPartitionState,
        LeaderAndIsrRequest,
    )
    from commitlog.wire.messages.stop_replica_request import StopReplicaRequest

logger = logging.getLogger("commitlog.replication.state_change")

NO_EPOCH = -1
TOPIC_ID_VERSION = 5
EPOCH_DURING_DELETE = -2

Key = tuple[str, int]
_Change = tuple["Partition", "LeaderAndIsrPartitionState", bytes]


def leader_and_isr(
    replicas: ReplicaManager, request: LeaderAndIsrRequest, version: int
) -> LeaderAndIsrResponse:
    """Apply one LeaderAndIsr, unless a newer registration or controller has made it void."""
    stale = staleness(replicas, request)
    if stale is not None:
        return refused(request, version, stale)
    errors: dict[Key, ErrorCode] = {}
    to_lead: list[_Change] = []
    to_follow: list[_Change] = []
    topic_ids = {}
    for topic, topic_id, state in _states(request):
        topic_ids[topic] = topic_id
        key = topic, state.partition_index
        if replicas.is_offline(key):
            errors[key] = ErrorCode.KAFKA_STORAGE_ERROR
            continue
        partition = replicas.get_or_make(key)
        error = _check(replicas, request, partition, topic_id, state)
        if error is None:
            changes = to_lead if state.leader == replicas.broker_id else to_follow
            changes.append((partition, state, topic_id))
        else:
            errors[key] = error
            replicas.forget_if_empty(partition)
    leaders = _make_leaders(replicas, to_lead, errors)
    followers = _make_followers(replicas, to_follow, errors)
    replicas.fetchers.stop_idle()
    replicas.resume_moves(partition for partition, _, _ in (*to_lead, *to_follow))
    replicas.leadership_changed(leaders, followers)
    return _response(version, ErrorCode.NONE, errors, topic_ids)


def staleness(replicas: ReplicaManager, request: LeaderAndIsrRequest) -> ErrorCode | None:
    """Why the request is void, if it is."""
    if replicas.is_broker_epoch_stale(request.broker_epoch):
        return ErrorCode.STALE_BROKER_EPOCH
    if not replicas.accept_controller_epoch(request.controller_epoch):
        logger.warning(
            "Ignoring LeaderAndIsr request from controller %d since its controller epoch %d is old. Latest "
            "known controller epoch is %d",
            request.controller_id,
            request.controller_epoch,
            replicas.controller_epoch,
        )
        return ErrorCode.STALE_CONTROLLER_EPOCH
    return None


def _states(request: LeaderAndIsrRequest) -> Iterator[tuple[str, bytes, LeaderAndIsrPartitionState]]:
    for state in request.ungrouped_partition_states:
        yield state.topic_name, ZERO_UUID, state
    for topic in request.topic_states:
        for state in topic.partition_states:
            yield topic.topic_name, topic.topic_id, state


def _check(
    replicas: ReplicaManager,
    request: LeaderAndIsrRequest,
    partition: Partition,
    topic_id: bytes,
    state: LeaderAndIsrPartitionState,
) -> ErrorCode | None:
    """None when the state is to be applied; else what to answer, NONE included when a topic id was all that
    it brought."""
    log_topic_id = partition.topic_id
    if topic_id != log_topic_id and topic_id != ZERO_UUID and log_topic_id != ZERO_UUID:
        logger.error(
            "Topic ID in memory: %s does not match the topic ID for partition %s-%d received: %s.",
            log_topic_id.hex(),
            partition.topic,
            partition.partition,
            topic_id.hex(),
        )
        return ErrorCode.INCONSISTENT_TOPIC_ID
    current = partition.leader_epoch
    if state.leader_epoch > current or (state.leader_epoch == current and request.is_kraft_controller):
        if replicas.broker_id in state.replicas:
            return None
        logger.warning(
            "Ignoring LeaderAndIsr request for partition %s-%d as itself is not in assigned replica list %s",
            partition.topic,
            partition.partition,
            state.replicas,
        )
        return ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
    if state.leader_epoch == current and (topic_id != ZERO_UUID) != (log_topic_id != ZERO_UUID):
        # The cluster began (or ceased) to use topic ids; no new epoch comes with that.
        return _change_topic_id(replicas, partition, topic_id, is_leader=state.leader == replicas.broker_id)
    logger.info(
        "Ignoring LeaderAndIsr request from controller %d epoch %d for partition %s-%d since its leader "
        "epoch %d is not newer than the current leader epoch %d",
        request.controller_id,
        request.controller_epoch,
        partition.topic,
        partition.partition,
        state.leader_epoch,
        current,
    )
    return ErrorCode.STALE_CONTROLLER_EPOCH


def _change_topic_id(
    replicas: ReplicaManager, partition: Partition, topic_id: bytes, *, is_leader: bool
) -> ErrorCode:
    if topic_id != ZERO_UUID:
        partition.assign_topic_id(topic_id)
    elif is_leader:
        return ErrorCode.STALE_CONTROLLER_EPOCH
    if not is_leader:
        replicas.fetchers.update_topic_id((partition.topic, partition.partition), topic_id)
    return ErrorCode.NONE


def _make_leaders(
    replicas: ReplicaManager, changes: Sequence[_Change], errors: dict[Key, ErrorCode]
) -> list[Partition]:
    replicas.fetchers.remove((partition.topic, partition.partition) for partition, _, _ in changes)
    leaders = []
    for partition, state, topic_id in changes:
        key = partition.topic, partition.partition
        errors[key] = ErrorCode.NONE
        try:
            if partition.make_leader(state, topic_id):
                leaders.append(partition)
        except KafkaError as error:
            errors[key] = _storage_failed(replicas, partition, "become-leader", error)
            continue
        replicas.wake(partition)
    return leaders


def _make_followers(
    replicas: ReplicaManager, changes: Sequence[_Change], errors: dict[Key, ErrorCode]
) -> list[Partition]:
    followers = []
    for partition, state, topic_id in changes:
        key = partition.topic, partition.partition
        errors[key] = ErrorCode.NONE
        try:
            if not replicas.metadata.is_alive(state.leader):
                logger.error(
                    "Received LeaderAndIsrRequest for partition %s-%d but cannot become follower since the "
                    "new leader %d is unavailable.",
                    *key,
                    state.leader,
                )
                # The log must be there all the same: its high watermark belongs into the checkpoint
                # (KAFKA-1647).
                partition.create_log(topic_id, is_new=state.is_new)
            elif partition.make_follower(state, topic_id):
                followers.append(partition)
        except KafkaError as error:
            errors[key] = _storage_failed(replicas, partition, "become-follower", error)
    # Fetchers stop before they start anew: the place to begin at is read from a log that nobody writes.
    replicas.fetchers.remove((partition.topic, partition.partition) for partition in followers)
    for partition in followers:
        replicas.wake(partition)
    replicas.follow(followers, {partition: topic_id for partition, _, topic_id in changes})
    return followers


def _storage_failed(
    replicas: ReplicaManager, partition: Partition, change: str, error: KafkaError
) -> ErrorCode:
    logger.error(
        "Skipped the %s state change for partition %s-%d since the replica is offline due to %s",
        change,
        partition.topic,
        partition.partition,
        error,
    )
    if error.code is ErrorCode.KAFKA_STORAGE_ERROR:
        replicas.mark_offline(partition)
    return error.code


def refused(request: LeaderAndIsrRequest, version: int, code: ErrorCode) -> LeaderAndIsrResponse:
    """The error of the whole and of every partition as it is named, by topic id from version 5 on
    (LeaderAndIsrRequest.getErrorResponse)."""
    response = LeaderAndIsrResponse(error_code=code)
    if version < TOPIC_ID_VERSION:
        response.partition_errors = [
            LeaderAndIsrPartitionError(topic, state.partition_index, code)
            for topic, _, state in _states(request)
        ]
        return response
    response.topics = [
        LeaderAndIsrTopicError(
            topic.topic_id,
            [LeaderAndIsrPartitionError("", state.partition_index, code) for state in topic.partition_states],
        )
        for topic in request.topic_states
    ]
    return response


def _response(
    version: int, error: ErrorCode, errors: dict[Key, ErrorCode], topic_ids: dict[str, bytes]
) -> LeaderAndIsrResponse:
    """By name up to version 4, by topic id from 5."""
    response = LeaderAndIsrResponse(error_code=error)
    topics: dict[str, LeaderAndIsrTopicError] = {}
    for (topic, index), code in errors.items():
        if version < TOPIC_ID_VERSION:
            response.partition_errors.append(
                LeaderAndIsrPartitionError(topic_name=topic, partition_index=index, error_code=code)
            )
            continue
        if topic not in topics:
            topics[topic] = LeaderAndIsrTopicError(topic_id=topic_ids[topic])
        topics[topic].partition_errors.append(
            LeaderAndIsrPartitionError(partition_index=index, error_code=code)
        )
    response.topics.extend(topics.values())
    return response


def stop_replica(replicas: ReplicaManager, request: StopReplicaRequest) -> StopReplicaResponse:
    """Stop, and where asked delete, replicas."""
    if replicas.is_broker_epoch_stale(request.broker_epoch):
        return StopReplicaResponse(error_code=ErrorCode.STALE_BROKER_EPOCH)
    if not replicas.accept_controller_epoch(request.controller_epoch):
        logger.warning(
            "Ignoring StopReplica request from controller %d since its controller epoch %d is old. Latest "
            "known controller epoch is %d",
            request.controller_id,
            request.controller_epoch,
            replicas.controller_epoch,
        )
        return StopReplicaResponse(error_code=ErrorCode.STALE_CONTROLLER_EPOCH)
    errors: dict[Key, ErrorCode] = {}
    stopping: dict[Key, bool] = {}
    for key, leader_epoch, delete in _stops(request):
        partition = replicas.hosted_partition(*key)
        if replicas.is_offline(key):
            errors[key] = ErrorCode.KAFKA_STORAGE_ERROR
        elif partition is not None and 0 <= leader_epoch < partition.leader_epoch:
            # A deletion does not raise the leader epoch: -2 stands above all; -1 comes from versions that
            # have none.
            logger.warning(
                "Ignoring StopReplica request (delete=%s) for partition %s-%d since its leader epoch %d is "
                "smaller than the current leader epoch %d",
                delete,
                *key,
                leader_epoch,
                partition.leader_epoch,
            )
            errors[key] = ErrorCode.FENCED_LEADER_EPOCH
        else:
            stopping[key] = delete
            errors[key] = ErrorCode.NONE
    errors.update(replicas.stop_partitions(stopping))
    return StopReplicaResponse(
        partition_errors=[
            StopReplicaPartitionError(topic_name=topic, partition_index=index, error_code=code)
            for (topic, index), code in errors.items()
        ]
    )


def _stops(request: StopReplicaRequest) -> Iterator[tuple[Key, int, bool]]:
    """(partition, leader epoch, delete) of any version: 0 lists partitions, 1-2 topics, 3+ states of their
    own."""
    for old in request.ungrouped_partitions:
        yield (old.topic_name, old.partition_index), NO_EPOCH, request.delete_partitions
    for topic in request.topics:
        for index in topic.partition_indexes:
            yield (topic.name, index), NO_EPOCH, request.delete_partitions
    for topic_state in request.topic_states:
        for state in topic_state.partition_states:
            key = topic_state.topic_name, state.partition_index
            yield key, state.leader_epoch, state.delete_partition
