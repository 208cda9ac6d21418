# SPDX-License-Identifier: Apache-2.0
"""The control requests of one step of a state machine, sent together (Kafka: ControllerBrokerRequestBatch).

Each broker gets at most one LeaderAndIsr, one UpdateMetadata and one StopReplica per batch, in this order: a
new leader knows its role before clients are sent to it. Whatever goes into a LeaderAndIsr also goes into the
UpdateMetadata of all live brokers.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, TypeVar

from commitlog.controller.channel import ControllerChannel
from commitlog.controller.context import (
    EPOCH_DURING_DELETE,
    Broker,
    ControllerContext,
    LeaderAndIsr,
    ReplicaAssignment,
    TopicPartition,
    during_delete,
)
from commitlog.controller.versions import ControlVersions
from commitlog.wire.message import ZERO_UUID
from commitlog.wire.messages.leader_and_isr_request import (
    LeaderAndIsrLiveLeader,
    LeaderAndIsrPartitionState,
    LeaderAndIsrRequest,
    LeaderAndIsrTopicState,
)
from commitlog.wire.messages.stop_replica_request import (
    StopReplicaPartitionState,
    StopReplicaPartitionV0,
    StopReplicaRequest,
    StopReplicaTopicState,
    StopReplicaTopicV1,
)
from commitlog.wire.messages.update_metadata_request import (
    UpdateMetadataBroker,
    UpdateMetadataEndpoint,
    UpdateMetadataPartitionState,
    UpdateMetadataRequest,
    UpdateMetadataTopicState,
)

log = logging.getLogger("commitlog.controller.state_change")

UNKNOWN_LEADER_EPOCH = -1
SECURITY_PROTOCOL_IDS = {"PLAINTEXT": 0, "SSL": 1, "SASL_PLAINTEXT": 2, "SASL_SSL": 3}

_State = TypeVar("_State", LeaderAndIsrPartitionState, UpdateMetadataPartitionState)


@dataclass(slots=True, frozen=True)
class ResponseEvents:
    """Where answers go: each of them puts an event into the controller's queue."""

    leader_and_isr: Callable[[int, Any], None]
    update_metadata: Callable[[int, Any], None]
    stop_replica_deletion: Callable[[int, dict[TopicPartition, int]], None]


@dataclass(slots=True, frozen=True)
class BatchSettings:
    """What does not change from batch to batch."""

    controller_id: int
    inter_broker_listener: str
    versions: ControlVersions


class RequestBatch:
    """Gather with ``add_*``, then ``send()`` once."""

    def __init__(
        self,
        settings: BatchSettings,
        context: ControllerContext,
        channel: ControllerChannel,
        responses: ResponseEvents,
    ) -> None:
        self._settings = settings
        self._context = context
        self._channel = channel
        self._responses = responses
        self._leader_and_isr: dict[int, dict[TopicPartition, LeaderAndIsrPartitionState]] = defaultdict(dict)
        self._stop_replica: dict[int, dict[TopicPartition, StopReplicaPartitionState]] = defaultdict(dict)
        self._update_metadata_brokers: set[int] = set()
        self._update_metadata: dict[TopicPartition, UpdateMetadataPartitionState] = {}

    def add_leader_and_isr(
        self,
        brokers: Iterable[int],
        partition: TopicPartition,
        state: LeaderAndIsr,
        assignment: ReplicaAssignment,
        *,
        is_new: bool,
    ) -> None:
        for broker in brokers:
            if broker < 0:
                continue
            earlier = self._leader_and_isr[broker].get(partition)
            self._leader_and_isr[broker][partition] = LeaderAndIsrPartitionState(
                topic_name=partition.topic,
                partition_index=partition.partition,
                controller_epoch=state.controller_epoch,
                leader=state.leader,
                leader_epoch=state.leader_epoch,
                isr=list(state.isr),
                partition_epoch=state.partition_epoch,
                replicas=list(assignment.replicas),
                adding_replicas=list(assignment.adding),
                removing_replicas=list(assignment.removing),
                is_new=is_new or (earlier is not None and earlier.is_new),
                leader_recovery_state=int(state.recovering),
            )
        self.add_update_metadata(self._context.live_or_shutting_down_ids, (partition,))

    def add_stop_replica(self, brokers: Iterable[int], partition: TopicPartition, *, delete: bool) -> None:
        if self._context.is_topic_queued_for_deletion(partition.topic):
            leader_epoch = EPOCH_DURING_DELETE
        else:
            state = self._context.leadership.get(partition)
            leader_epoch = UNKNOWN_LEADER_EPOCH if state is None else state.leader_epoch
        for broker in brokers:
            if broker < 0:
                continue
            earlier = self._stop_replica[broker].get(partition)
            self._stop_replica[broker][partition] = StopReplicaPartitionState(
                partition_index=partition.partition,
                leader_epoch=leader_epoch,
                delete_partition=delete or (earlier is not None and earlier.delete_partition),
            )

    def add_update_metadata(self, brokers: Iterable[int], partitions: Iterable[TopicPartition]) -> None:
        """Even without partitions the request is sent: it carries the list of live brokers."""
        self._update_metadata_brokers.update(broker for broker in brokers if broker >= 0)
        for partition in partitions:
            state = self._context.leadership.get(partition)
            if state is None:
                log.info(
                    "Leader not yet assigned for partition %s. Skip sending UpdateMetadataRequest.", partition
                )
                continue
            if self._context.is_topic_queued_for_deletion(partition.topic):
                state = during_delete(state.isr, state.controller_epoch)
            replicas = self._context.replicas(partition)
            self._update_metadata[partition] = UpdateMetadataPartitionState(
                topic_name=partition.topic,
                partition_index=partition.partition,
                controller_epoch=state.controller_epoch,
                leader=state.leader,
                leader_epoch=state.leader_epoch,
                isr=list(state.isr),
                zk_version=state.partition_epoch,
                replicas=list(replicas),
                offline_replicas=[
                    one for one in replicas if not self._context.is_replica_online(one, partition)
                ],
            )

    def send(self) -> None:
        """Queue everything gathered, for live brokers only."""
        live = self._context.live_brokers
        for broker_id in sorted(self._leader_and_isr.keys() & live.keys()):
            self._send_leader_and_isr(live[broker_id], self._leader_and_isr[broker_id])
        for broker_id in sorted(self._update_metadata_brokers & live.keys()):
            self._send_update_metadata(live[broker_id])
        for broker_id in sorted(self._stop_replica.keys() & live.keys()):
            self._send_stop_replica(live[broker_id], self._stop_replica[broker_id])

    def _topic_id(self, topic: str) -> bytes:
        return self._context.topic_ids.get(topic, ZERO_UUID)

    def _send_leader_and_isr(
        self, broker: Broker, states: dict[TopicPartition, LeaderAndIsrPartitionState]
    ) -> None:
        version = self._settings.versions.leader_and_isr
        leaders = {state.leader for state in states.values()}
        request = LeaderAndIsrRequest(
            controller_id=self._settings.controller_id,
            controller_epoch=self._context.epoch,
            broker_epoch=broker.epoch,
            live_leaders=[
                LeaderAndIsrLiveLeader(leader_id, endpoint.host, endpoint.port)
                for leader_id in sorted(leaders & self._context.live_brokers.keys())
                for endpoint in (self._inter_broker_endpoint(self._context.live_brokers[leader_id]),)
                if endpoint is not None
            ],
        )
        if version >= 2:
            request.topic_states = [
                LeaderAndIsrTopicState(topic, self._topic_id(topic), partition_states)
                for topic, partition_states in _by_topic(states).items()
            ]
        else:
            request.ungrouped_partition_states = list(states.values())
        log.info(
            "Sending LeaderAndIsr request to broker %d with %d become-leader and %d become-follower "
            "partitions",
            broker.id,
            sum(state.leader == broker.id for state in states.values()),
            sum(state.leader != broker.id for state in states.values()),
        )
        self._channel.send(broker.id, request, version, self._responses.leader_and_isr)

    def _inter_broker_endpoint(self, broker: Broker) -> Any:
        return broker.endpoint(self._settings.inter_broker_listener)

    def _send_update_metadata(self, broker: Broker) -> None:
        version = self._settings.versions.update_metadata
        request = UpdateMetadataRequest(
            controller_id=self._settings.controller_id,
            controller_epoch=self._context.epoch,
            broker_epoch=broker.epoch,
            live_brokers=[self._metadata_broker(one, version) for one in self._context.live_brokers.values()],
        )
        if version >= 5:
            request.topic_states = [
                UpdateMetadataTopicState(topic, self._topic_id(topic), partition_states)
                for topic, partition_states in _by_topic(self._update_metadata).items()
            ]
        else:
            request.ungrouped_partition_states = list(self._update_metadata.values())
        log.info(
            "Sending UpdateMetadata request to broker %d for %d partitions",
            broker.id,
            len(self._update_metadata),
        )
        self._channel.send(broker.id, request, version, self._responses.update_metadata)

    @staticmethod
    def _metadata_broker(broker: Broker, version: int) -> UpdateMetadataBroker:
        described = UpdateMetadataBroker(id=broker.id, rack=broker.rack)
        plaintext = next((one for one in broker.endpoints if one.security_protocol == "PLAINTEXT"), None)
        if version == 0 and plaintext is not None:
            described.v0_host, described.v0_port = plaintext.host, plaintext.port
        elif version < 3:
            # Listener names came with KIP-103; before, a broker had one endpoint per security protocol.
            endpoints = [one for one in broker.endpoints if one.listener_name == one.security_protocol]
            described.endpoints = [_metadata_endpoint(one) for one in endpoints]
        else:
            described.endpoints = [_metadata_endpoint(one) for one in broker.endpoints]
        return described

    def _send_stop_replica(
        self, broker: Broker, states: dict[TopicPartition, StopReplicaPartitionState]
    ) -> None:
        version = self._settings.versions.stop_replica
        if version >= 3:
            topics: dict[str, list[StopReplicaPartitionState]] = defaultdict(list)
            for partition, state in states.items():
                topics[partition.topic].append(state)
            request = self._stop_request(broker)
            request.topic_states = [
                StopReplicaTopicState(topic, partition_states) for topic, partition_states in topics.items()
            ]
            self._send_stop_request(broker, request, version, states)
            return
        # Up to version 2 one flag rules the whole request, so deletions travel on their own.
        for delete in (False, True):
            chosen = {one: state for one, state in states.items() if state.delete_partition is delete}
            if chosen:
                request = self._stop_request(broker)
                request.delete_partitions = delete
                if version == 0:
                    request.ungrouped_partitions = [StopReplicaPartitionV0(*one) for one in chosen]
                else:
                    indexes: dict[str, list[int]] = defaultdict(list)
                    for topic, index in chosen:
                        indexes[topic].append(index)
                    request.topics = [StopReplicaTopicV1(topic, which) for topic, which in indexes.items()]
                self._send_stop_request(broker, request, version, chosen)

    def _stop_request(self, broker: Broker) -> StopReplicaRequest:
        return StopReplicaRequest(
            controller_id=self._settings.controller_id,
            controller_epoch=self._context.epoch,
            broker_epoch=broker.epoch,
        )

    def _send_stop_request(
        self,
        broker: Broker,
        request: StopReplicaRequest,
        version: int,
        states: dict[TopicPartition, StopReplicaPartitionState],
    ) -> None:
        deleting = [partition for partition, state in states.items() if state.delete_partition]

        def on_response(broker_id: int, response: Any) -> None:
            if not deleting:
                return
            errors = dict.fromkeys(deleting, response.error_code)
            for one in response.partition_errors:
                partition = TopicPartition(one.topic_name, one.partition_index)
                if partition in deleting:
                    errors[partition] = one.error_code or response.error_code
            self._responses.stop_replica_deletion(broker_id, errors)

        log.info(
            "Sending StopReplica request to broker %d for %d partitions, %d of them to be deleted",
            broker.id,
            len(states),
            len(deleting),
        )
        self._channel.send(broker.id, request, version, on_response)


def _metadata_endpoint(endpoint: Any) -> UpdateMetadataEndpoint:
    return UpdateMetadataEndpoint(
        port=endpoint.port,
        host=endpoint.host,
        listener=endpoint.listener_name,
        security_protocol=SECURITY_PROTOCOL_IDS[endpoint.security_protocol],
    )


def _by_topic(states: dict[TopicPartition, _State]) -> dict[str, list[_State]]:
    grouped: dict[str, list[_State]] = defaultdict(list)
    for partition, state in states.items():
        grouped[partition.topic].append(state)
    return grouped
