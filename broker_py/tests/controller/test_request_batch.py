# SPDX-License-Identifier: Apache-2.0
"""What one step sends to whom, in which order, and in which form at which version."""

from __future__ import annotations

from typing import Any

import pytest

from commitlog.controller.context import (
    Broker,
    ControllerContext,
    LeaderAndIsr,
    ReplicaAssignment,
    TopicPartition,
)
from commitlog.controller.request_batch import BatchSettings, RequestBatch, ResponseEvents
from commitlog.controller.versions import ControlVersions
from commitlog.coordination.documents import Endpoint
from commitlog.wire.frames import decode_request, decode_request_header, encode_request
from commitlog.wire.messages.leader_and_isr_request import LeaderAndIsrRequest
from commitlog.wire.messages.stop_replica_request import StopReplicaRequest
from commitlog.wire.messages.stop_replica_response import StopReplicaPartitionError, StopReplicaResponse
from commitlog.wire.messages.update_metadata_request import UpdateMetadataRequest

T0, T1 = TopicPartition("t", 0), TopicPartition("t", 1)
TOPIC_ID = b"0123456789abcdef"


class Outbox:
    """Stands for the channel; what goes in must be what the wire can carry at that version."""

    def __init__(self) -> None:
        self.sent: list[tuple[int, Any]] = []
        self.callbacks: list[Any] = []

    def send(self, broker: int, message: Any, version: int, on_response: Any = None) -> None:
        frame = memoryview(encode_request(message, version, 1, "c"))[4:]
        self.sent.append((broker, decode_request(decode_request_header(frame), frame)))
        self.callbacks.append(on_response)

    def to(self, broker: int) -> list[Any]:
        return [message for one, message in self.sent if one == broker]


class Bench:
    def __init__(self, level: str = "3.9") -> None:
        self.context = ControllerContext(epoch=7)
        for one in (1, 2, 3):
            endpoint = Endpoint("PLAINTEXT", f"b{one}", 9090 + one, "PLAINTEXT")
            self.context.live_brokers[one] = Broker(one, 100 + one, (endpoint,), rack=f"r{one}")
        self.context.topic_ids["t"] = TOPIC_ID
        for partition in (T0, T1):
            self.context.set_assignment(partition, ReplicaAssignment((1, 2, 4)))
            self.context.leadership[partition] = LeaderAndIsr(
                1, 5, (1, 2), partition_epoch=9, controller_epoch=6
            )
        self.outbox = Outbox()
        self.deletions: list[tuple[int, dict[TopicPartition, int]]] = []
        responses = ResponseEvents(
            lambda *_: None, lambda *_: None, lambda broker, errors: self.deletions.append((broker, errors))
        )
        settings = BatchSettings(1, "PLAINTEXT", ControlVersions.of(level))
        self.batch = RequestBatch(settings, self.context, self.outbox, responses)  # type: ignore[arg-type]

    def add_leader_and_isr(self, *brokers: int, is_new: bool = False) -> None:
        state = self.context.leadership[T0]
        self.batch.add_leader_and_isr(brokers, T0, state, self.context.assignment(T0), is_new=is_new)


def test_leader_and_isr_then_update_metadata_then_stop_replica() -> None:
    bench = Bench()
    bench.batch.add_stop_replica((2,), T1, delete=False)
    bench.add_leader_and_isr(1, 2)
    bench.batch.send()
    assert [type(message) for message in bench.outbox.to(2)] == [
        LeaderAndIsrRequest,
        UpdateMetadataRequest,
        StopReplicaRequest,
    ]
    assert [type(message) for message in bench.outbox.to(3)] == [UpdateMetadataRequest], (
        "all live brokers hear"
    )
    assert not bench.outbox.to(4), "the dead one does not"


def test_leader_and_isr_in_full() -> None:
    bench = Bench()
    bench.add_leader_and_isr(2)
    bench.batch.send()
    request = bench.outbox.to(2)[0]
    assert (request.controller_id, request.controller_epoch, request.broker_epoch) == (1, 7, 102)
    assert (request.type, request.is_kraft_controller) == (0, False)
    assert [(one.broker_id, one.host_name, one.port) for one in request.live_leaders] == [(1, "b1", 9091)]
    (topic,) = request.topic_states
    assert (topic.topic_name, topic.topic_id) == ("t", TOPIC_ID)
    (state,) = topic.partition_states
    assert (state.leader, state.leader_epoch, state.isr, state.partition_epoch) == (1, 5, [1, 2], 9)
    assert (state.controller_epoch, state.replicas, state.is_new) == (6, [1, 2, 4], False)


def test_new_once_means_new() -> None:
    bench = Bench()
    bench.add_leader_and_isr(2, is_new=True)
    bench.add_leader_and_isr(2, is_new=False)
    bench.batch.send()
    assert bench.outbox.to(2)[0].topic_states[0].partition_states[0].is_new


def test_update_metadata_in_full() -> None:
    bench = Bench()
    bench.batch.add_update_metadata((3,), (T0,))
    bench.batch.send()
    (request,) = bench.outbox.to(3)
    assert (request.controller_id, request.controller_epoch, request.broker_epoch) == (1, 7, 103)
    assert [(one.id, one.rack) for one in request.live_brokers] == [(1, "r1"), (2, "r2"), (3, "r3")]
    endpoint = request.live_brokers[1].endpoints[0]
    assert (endpoint.listener, endpoint.host, endpoint.port, endpoint.security_protocol) == (
        "PLAINTEXT",
        "b2",
        9092,
        0,
    )
    state = request.topic_states[0].partition_states[0]
    assert (state.leader, state.leader_epoch, state.isr, state.zk_version) == (1, 5, [1, 2], 9)
    assert (state.replicas, state.offline_replicas) == ([1, 2, 4], [4])


def test_update_metadata_without_partitions_still_carries_the_brokers() -> None:
    bench = Bench()
    bench.batch.add_update_metadata((1, 2), ())
    bench.batch.send()
    assert {broker for broker, _ in bench.outbox.sent} == {1, 2}
    assert len(bench.outbox.to(1)[0].live_brokers) == 3


def test_a_topic_being_deleted_is_dropped_from_caches() -> None:
    bench = Bench()
    bench.context.topics_to_be_deleted.add("t")
    bench.batch.add_update_metadata((1,), (T0,))
    bench.batch.add_stop_replica((1,), T0, delete=True)
    bench.batch.send()
    metadata, stop = bench.outbox.to(1)
    state = metadata.topic_states[0].partition_states[0]
    assert (state.leader, state.leader_epoch) == (-2, 0)
    stopped = stop.topic_states[0].partition_states[0]
    assert (stopped.leader_epoch, stopped.delete_partition) == (-2, True)


def test_stop_replica_carries_the_leader_epoch_or_unknown() -> None:
    bench = Bench()
    del bench.context.leadership[T1]
    bench.batch.add_stop_replica((2,), T0, delete=False)
    bench.batch.add_stop_replica((2,), T1, delete=False)
    bench.batch.send()
    (request,) = bench.outbox.to(2)
    states = {one.partition_index: one for one in request.topic_states[0].partition_states}
    assert (states[0].leader_epoch, states[1].leader_epoch) == (5, -1)


def test_answers_to_deletions_name_every_partition_that_was_to_go() -> None:
    bench = Bench()
    bench.batch.add_stop_replica((2,), T0, delete=True)
    bench.batch.add_stop_replica((2,), T1, delete=False)
    bench.batch.send()
    answer = StopReplicaResponse(partition_errors=[StopReplicaPartitionError("t", 0, 56)])
    bench.outbox.callbacks[0](2, answer)
    bench.outbox.callbacks[0](2, StopReplicaResponse(error_code=77))
    assert bench.deletions == [(2, {T0: 56}), (2, {T0: 77})]


@pytest.mark.parametrize(
    "level", ["0.8.2", "0.9.0", "0.10.0", "0.10.2", "1.0", "2.2", "2.4-IV0", "2.4", "2.6"]
)
def test_older_levels_carry_the_same_content(level: str) -> None:
    bench = Bench(level)
    bench.add_leader_and_isr(2)
    bench.batch.add_stop_replica((2,), T0, delete=True)
    bench.batch.add_stop_replica((2,), T1, delete=False)
    bench.batch.send()
    leader_and_isr, metadata, *stops = bench.outbox.to(2)
    versions = ControlVersions.of(level)
    if versions.leader_and_isr < 2:
        assert [one.topic_name for one in leader_and_isr.ungrouped_partition_states] == ["t"]
    else:
        assert [one.topic_name for one in leader_and_isr.topic_states] == ["t"]
    if versions.update_metadata == 0:
        assert (metadata.live_brokers[0].v0_host, metadata.live_brokers[0].v0_port) == ("b1", 9091)
    else:
        assert [one.endpoints[0].port for one in metadata.live_brokers] == [9091, 9092, 9093]
    if versions.stop_replica >= 3:
        assert len(stops) == 1
    else:
        assert [one.delete_partitions for one in stops] == [False, True], "one flag a request"
