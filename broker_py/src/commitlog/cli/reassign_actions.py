# SPDX-License-Identifier: Apache-2.0
"""The actions of kafka-reassign-partitions.sh: generate, execute, verify, cancel, list."""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping, Sequence

from commitlog.cli.admin import Admin, ErrorCode, KafkaError, TopicPartition, by_topic, check
from commitlog.cli.java_order import hash_order, strings_in_hash_order
from commitlog.cli.reassign_directories import directory_states, execute_moves
from commitlog.cli.reassign_plan import (
    Plan,
    format_plan,
    moves,
    parse_brokers,
    parse_plan,
    parse_topics,
    reassigning_brokers,
    throttled,
)
from commitlog.cli.reassign_throttles import clear_throttles, set_directory_throttle, set_throttle
from commitlog.cli.topics_errors import Terse, ToolError
from commitlog.controller.placement import assign_replicas
from commitlog.wire.messages.alter_partition_reassignments_request import (
    AlterPartitionReassignmentsRequest,
    ReassignablePartition,
    ReassignableTopic,
)
from commitlog.wire.messages.alter_partition_reassignments_response import AlterPartitionReassignmentsResponse
from commitlog.wire.messages.list_partition_reassignments_request import (
    ListPartitionReassignmentsRequest,
    ListPartitionReassignmentsTopics,
)
from commitlog.wire.messages.list_partition_reassignments_response import OngoingPartitionReassignment

__all__ = ["Terse", "cancel", "execute", "generate", "list_ongoing", "verify"]

Assignment = dict[TopicPartition, Sequence[int]]

EXISTING = (
    "Cannot execute because there is an existing partition assignment.  Use --additional to override this "
    "and "
    "create a new partition assignment in addition to the existing one. The --additional flag can also be "
    "used to "
    "change the throttle by resubmitting the current reassignment."
)
VERIFY_PERIODICALLY = (
    "Warning: You must run --verify periodically, until the reassignment completes, to ensure the throttle "
    "is "
    "removed."
)


def _numbers(numbers: Iterable[int]) -> str:
    return ",".join(map(str, numbers))


def _plural(items: Sequence[object] | Mapping[TopicPartition, object]) -> str:
    return "" if len(items) == 1 else "s"


async def ongoing(
    admin: Admin, partitions: Sequence[TopicPartition] | None = None
) -> dict[TopicPartition, OngoingPartitionReassignment]:
    """Active reassignments; None: all."""
    topics = None
    if partitions is not None:
        topics = [
            ListPartitionReassignmentsTopics(name=topic, partition_indexes=numbers)
            for topic, numbers in by_topic(partitions).items()
        ]
    request = ListPartitionReassignmentsRequest(topics=topics)
    response = await admin.ask_controller(request, lambda answer: [answer.error_code])
    check(response.error_code, response.error_message)
    return {
        TopicPartition(topic.name, one.partition_index): one
        for topic in response.topics
        for one in topic.partitions
    }


async def list_ongoing(admin: Admin) -> None:
    found = await ongoing(admin)
    if not found:
        print("No partition reassignments found.")
        return
    print("Current partition reassignments:")
    for partition in sorted(found):
        one = found[partition]
        line = f"{partition}: replicas: {_numbers(one.replicas)}."
        if one.adding_replicas:
            line += f" adding: {_numbers(one.adding_replicas)}."
        if one.removing_replicas:
            line += f" removing: {_numbers(one.removing_replicas)}."
        print(line)


async def _replicas(admin: Admin, topics: Sequence[str]) -> Assignment:
    found: Assignment = {}
    if not topics:
        return found
    for topic in (await admin.metadata(topics)).topics:
        code = ErrorCode.of(topic.error_code)
        if code == ErrorCode.UNKNOWN_TOPIC_OR_PARTITION:
            raise KafkaError(code, f"Topic {topic.name} not found.")
        check(code)
        for partition in topic.partitions:
            number = partition.partition_index
            found[TopicPartition(topic.name or "", number)] = partition.replica_nodes
    return found


async def generate(admin: Admin, text: str, broker_list: str, *, rack_aware: bool) -> None:
    wanted = parse_brokers(broker_list)
    current = await _replicas(admin, strings_in_hash_order(parse_topics(text)))
    nodes = [node for node in await admin.nodes() if node.id in wanted]
    racks = {node.id: node.rack if rack_aware else None for node in nodes}
    without = [rack for rack in racks.values() if rack is None]
    if rack_aware and without and len(without) != len(racks):
        raise ToolError(
            "Not all brokers have rack information. Add --disable-rack-aware in command line to make replica "
            "assignment without rack information."
        )
    proposed: Assignment = {}
    for topic, numbers in by_topic(current).items():
        factor = len(current[TopicPartition(topic, numbers[0])])
        assigned = assign_replicas(racks, len(numbers), factor, rng=random.Random())
        proposed.update({TopicPartition(topic, number): replicas for number, replicas in assigned.items()})
    print(f"Current partition replica assignment\n{format_plan(current)}\n")
    print(f"Proposed partition reassignment configuration\n{format_plan(proposed)}")


async def execute(
    admin: Admin,
    text: str,
    *,
    additional: bool,
    throttle: int,
    directory_throttle: int,
    timeout_ms: int,
) -> None:
    plan = parse_plan(text)
    plan.check()
    active = await ongoing(admin)
    if active and not additional:
        raise Terse(EXISTING)
    targets = plan.targets
    await _check_brokers(admin, targets)
    current = await _current(admin, targets)
    print(
        f"Current partition replica assignment\n\n{format_plan(current)}\n\nSave this to use as the "
        "--reassignment-json-file option during rollback"
    )
    if throttle >= 0 or directory_throttle >= 0:
        print(VERIFY_PERIODICALLY)
        if throttle >= 0:
            known = {one: (move.replicas, move.adding_replicas) for one, move in active.items()}
            moving = moves(known, targets, current)
            leaders, followers = throttled(moving, leaders=True), throttled(moving, leaders=False)
            await set_throttle(admin, leaders, followers, reassigning_brokers(moving), throttle)
        if directory_throttle >= 0:
            brokers = hash_order({replica.broker for replica in plan.directories}, int)
            await set_directory_throttle(admin, brokers, directory_throttle)
    errors = await _alter(admin, targets)
    if errors:
        raise Terse(f"Error reassigning partition(s):\n{_error_lines(errors)}")
    shown = ",".join(map(str, sorted(targets)))
    print(f"Successfully started partition reassignment{_plural(targets)} for {shown}")
    if plan.directories:
        await execute_moves(admin, plan.directories, timeout_ms)


async def _check_brokers(admin: Admin, targets: Assignment) -> None:
    live = {node.id for node in await admin.nodes()}
    wanted = {broker for replicas in targets.values() for broker in replicas}
    for broker in hash_order(wanted, int):
        if broker not in live:
            raise ToolError(f"Unknown broker id {broker}")


async def _current(admin: Admin, targets: Assignment) -> Assignment:
    topics = strings_in_hash_order(dict.fromkeys(partition.topic for partition in targets))
    replicas = await _replicas(admin, topics)
    missing = [str(partition) for partition in targets if partition not in replicas]
    if missing:
        raise KafkaError(
            ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, f"Unable to find partition: {', '.join(missing)}"
        )
    return {partition: replicas[partition] for partition in targets}


def _error_lines(errors: Mapping[TopicPartition, KafkaError]) -> str:
    return "\n".join(
        f"{partition}: {errors[partition].message or errors[partition].code.message}"
        for partition in sorted(errors)
    )


def _codes(response: AlterPartitionReassignmentsResponse) -> list[int]:
    partitions = [one.error_code for topic in response.responses for one in topic.partitions]
    return [response.error_code, *partitions]


async def _alter(
    admin: Admin, targets: Mapping[TopicPartition, Sequence[int] | None]
) -> dict[TopicPartition, KafkaError]:
    """Start these reassignments, or cancel where the target is None; what failed."""
    request = AlterPartitionReassignmentsRequest(
        topics=[
            ReassignableTopic(
                name=topic,
                partitions=[
                    ReassignablePartition(
                        partition_index=number, replicas=_listed(targets[TopicPartition(topic, number)])
                    )
                    for number in numbers
                ],
            )
            for topic, numbers in by_topic(targets).items()
        ]
    )
    response = await admin.ask_controller(request, _codes)
    if response.error_code != ErrorCode.NONE:
        error = KafkaError(ErrorCode.of(response.error_code), response.error_message)
        return dict.fromkeys(targets, error)
    return {
        TopicPartition(topic.name, one.partition_index): KafkaError(
            ErrorCode.of(one.error_code), one.error_message
        )
        for topic in response.responses
        for one in topic.partitions
        if one.error_code != ErrorCode.NONE
    }


def _listed(replicas: Sequence[int] | None) -> list[int] | None:
    return None if replicas is None else list(replicas)


async def verify(admin: Admin, text: str, *, preserve_throttles: bool) -> None:
    plan = parse_plan(text)
    active = await ongoing(admin)
    print("Status of partition reassignment:")
    for line in await _partition_states(admin, plan, active):
        print(line)
    states = await directory_states(admin, plan.directories)
    print("\n".join(states[replica].text(replica) for replica in sorted(states)))
    moving = any(not state.done for state in states.values())
    if not active and not moving and not preserve_throttles:
        await clear_throttles(admin, plan)


async def _partition_states(admin: Admin, plan: Plan, active: Mapping[TopicPartition, object]) -> list[str]:
    targets = plan.targets
    topics = {partition.topic for partition in targets if partition not in active}
    existing: dict[str, dict[int, Sequence[int]]] = {}
    if topics:
        for topic in (await admin.metadata(sorted(topics))).topics:
            code = ErrorCode.of(topic.error_code)
            if code != ErrorCode.UNKNOWN_TOPIC_OR_PARTITION:
                check(code)
            numbers: dict[int, Sequence[int]] = {
                one.partition_index: one.replica_nodes for one in topic.partitions
            }
            existing[topic.name or ""] = numbers
    lines: list[str] = []
    for partition in sorted(targets):
        if partition in active:
            lines.append(f"Reassignment of partition {partition} is still in progress.")
            continue
        current = existing.get(partition.topic, {}).get(partition.partition, ())
        target = targets[partition]
        if list(current) == list(target):
            lines.append(f"Reassignment of partition {partition} is completed.")
        else:
            lines.append(
                f"There is no active reassignment of partition {partition}, but replica set is "
                f"{_numbers(current)} rather than {_numbers(target)}."
            )
    return lines


async def cancel(admin: Admin, text: str, *, preserve_throttles: bool, timeout_ms: int) -> None:
    plan = parse_plan(text)
    found = await ongoing(admin, list(plan.targets))
    # As in Kafka's tool: what only adds replicas is not cancelled.
    active = [one for one, move in found.items() if not move.adding_replicas or move.removing_replicas]
    if active:
        errors = await _alter(admin, dict.fromkeys(active))
        if errors:
            raise Terse(
                f"Error cancelling partition reassignment{_plural(errors)} for:\n{_error_lines(errors)}"
            )
        shown = ",".join(map(str, sorted(active)))
        print(f"Successfully cancelled partition reassignment{_plural(active)} for: {shown}")
    else:
        print("None of the specified partition reassignments are active.")
    states = await directory_states(admin, plan.directories)
    back = {replica: state.current for replica, state in states.items() if state.active}
    if back:
        await execute_moves(admin, back, timeout_ms)
    else:
        # Kafka ends no line here.
        print("None of the specified partition moves are active.", end="")
    if not preserve_throttles:
        await clear_throttles(admin, plan)
