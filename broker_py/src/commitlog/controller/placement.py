# SPDX-License-Identifier: Apache-2.0
"""Where the replicas of new partitions go (Kafka: AdminUtils.assignReplicasToBrokers, KIP-36).

Leaders are spread evenly by a random start; followers of neighbouring partitions are shifted against each
other, so that a dead broker's load falls on all others. With racks, brokers are first put into an order that
alternates racks, and a replica is skipped while its rack or broker already holds one and another rack or
broker holds none.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Mapping, Sequence

from commitlog.wire.errors import ErrorCode, KafkaError

MAX_NEW_PARTITIONS = 100_000
"""More do not fit into a topic's znode, which ZooKeeper limits to 1 MiB (jute.maxbuffer); the words of the
refusal are those of Kafka's KRaft controller, while its ZooKeeper one dies of 2^31 of them."""


def assign_replicas(
    brokers: Mapping[int, str | None],
    partitions: int,
    replication_factor: int,
    *,
    rng: random.Random,
    fixed_start_index: int = -1,
    start_partition: int = -1,
) -> dict[int, list[int]]:
    """Assign ``partitions`` new partitions over ``brokers`` (id → rack); partition number → replicas, leader
    first.

    ``fixed_start_index`` and ``start_partition`` continue an existing topic's pattern when partitions are
    added.
    """
    if partitions <= 0:
        raise KafkaError(ErrorCode.INVALID_PARTITIONS, "Number of partitions must be larger than 0.")
    if partitions > MAX_NEW_PARTITIONS:
        raise KafkaError(ErrorCode.POLICY_VIOLATION, "Excessively large number of partitions per request.")
    if replication_factor <= 0:
        raise KafkaError(ErrorCode.INVALID_REPLICATION_FACTOR, "Replication factor must be larger than 0.")
    if replication_factor > len(brokers):
        raise KafkaError(
            ErrorCode.INVALID_REPLICATION_FACTOR,
            f"Replication factor: {replication_factor} larger than available brokers: {len(brokers)}.",
        )
    with_rack = {broker: rack for broker, rack in brokers.items() if rack is not None}
    if with_rack and len(with_rack) != len(brokers):
        raise KafkaError(
            ErrorCode.UNKNOWN_SERVER_ERROR,
            "Not all brokers have rack information for replica rack aware assignment.",
        )
    order = rack_alternated_brokers(with_rack) if with_rack else sorted(brokers)
    start_index = fixed_start_index if fixed_start_index >= 0 else rng.randrange(len(order))
    next_shift = fixed_start_index if fixed_start_index >= 0 else rng.randrange(len(order))
    assignment: dict[int, list[int]] = {}
    for partition in range(max(0, start_partition), max(0, start_partition) + partitions):
        if partition > 0 and partition % len(order) == 0:
            next_shift += 1
        first = (partition + start_index) % len(order)
        if with_rack:
            assignment[partition] = _across_racks(order, with_rack, first, next_shift, replication_factor)
        else:
            followers = (_follower(first, next_shift, j, len(order)) for j in range(replication_factor - 1))
            assignment[partition] = [order[first], *(order[one] for one in followers)]
    return assignment


def rack_alternated_brokers(racks: Mapping[int, str]) -> list[int]:
    """Brokers in an order in which neighbours sit in different racks as long as possible."""
    per_rack: dict[str, list[int]] = defaultdict(list)
    for broker in sorted(racks):
        per_rack[racks[broker]].append(broker)
    queues = [per_rack[rack] for rack in sorted(per_rack)]
    return [queue[turn] for turn in range(max(map(len, queues))) for queue in queues if turn < len(queue)]


def _follower(first: int, shift: int, index: int, brokers: int) -> int:
    return (first + 1 + (shift + index) % (brokers - 1)) % brokers


def _across_racks(
    order: Sequence[int], racks: Mapping[int, str], first: int, shift: int, replication_factor: int
) -> list[int]:
    rack_count, broker_count = len(set(racks.values())), len(order)
    replicas = [order[first]]
    used_racks = {racks[order[first]]}
    index = 0
    while len(replicas) < replication_factor:
        broker = order[_follower(first, shift * rack_count, index, broker_count)]
        index += 1
        rack_has_one = racks[broker] in used_racks and len(used_racks) < rack_count
        broker_has_one = broker in replicas and len(set(replicas)) < broker_count
        if not rack_has_one and not broker_has_one:
            replicas.append(broker)
            used_racks.add(racks[broker])
    return replicas
