# SPDX-License-Identifier: Apache-2.0
"""Fetching from the closest replica (KIP-392): the leader sends a consumer to a follower in its rack."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from commitlog.replication.partition import Partition

RACK_AWARE = "org.apache.kafka.common.replica.RackAwareReplicaSelector"
"""The one ReplicaSelector that Kafka ships; any other name in replica.selector.class selects nothing."""


def preferred_read_replica(partition: Partition, rack: str, offset: int) -> int | None:
    """The follower that the consumer should ask, None for this leader
    (ReplicaManager.findPreferredReadReplica).

    Followers out of the ISR may lag ever further behind, and one that lacks the offset would refuse it: both
    are left out. Of the rest in the consumer's rack, the one that is furthest, then the one caught up last.
    """
    host = partition.host
    if host.config.replica_selector_class != RACK_AWARE:
        return None
    leader = host.metadata.broker(host.broker_id)
    if leader is not None and leader.rack == rack:
        return None
    candidates = []
    for replica in partition.in_sync.replicas.values():
        broker = host.metadata.broker(replica.broker_id)
        if (
            broker is not None
            and broker.rack == rack
            and replica.broker_id in partition.isr
            and replica.log_start_offset <= offset <= replica.log_end_offset
        ):
            candidates.append((replica.log_end_offset, replica.last_caught_up_ms, replica.broker_id))
    return max(candidates)[2] if candidates else None
