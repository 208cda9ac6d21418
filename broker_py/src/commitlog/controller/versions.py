# SPDX-License-Identifier: Apache-2.0
"""Which version of each control request the controller sends (Kafka: ControllerBrokerRequestBatch).

The controller does not negotiate with ApiVersions: inter.broker.protocol.version alone decides, so that a
cluster can be upgraded broker by broker.
"""

from __future__ import annotations

from dataclasses import dataclass

from commitlog.config.metadata_version import rank
from commitlog.replication.inter_broker_version import InterBrokerVersion

_LEADER_AND_ISR = (
    ("3.4-IV0", 7),
    ("3.2-IV0", 6),
    ("2.8-IV1", 5),
    ("2.4-IV1", 4),
    ("2.4-IV0", 3),
    ("2.2-IV0", 2),
    ("1.0-IV0", 1),
)
_UPDATE_METADATA = (
    ("3.4-IV0", 8),
    ("2.8-IV1", 7),
    ("2.4-IV1", 6),
    ("2.2-IV0", 5),
    ("1.0-IV0", 4),
    ("0.10.2-IV0", 3),
    ("0.10.0-IV1", 2),
    ("0.9.0", 1),
)
_STOP_REPLICA = (("3.4-IV0", 4), ("2.6-IV0", 3), ("2.4-IV1", 2), ("2.2-IV0", 1))


@dataclass(slots=True, frozen=True)
class ControlVersions:
    """What one inter.broker.protocol.version means for the controller."""

    leader_and_isr: int
    update_metadata: int
    stop_replica: int
    topic_ids: bool
    leader_recovery: bool
    feature_versioning: bool
    feature_document_version: int

    @classmethod
    def of(cls, inter_broker_protocol_version: str) -> ControlVersions:
        known = InterBrokerVersion.of(inter_broker_protocol_version)
        level = rank(known.level)

        def version(table: tuple[tuple[str, int], ...]) -> int:
            return next((number for first, number in table if level >= rank(first)), 0)

        return cls(
            leader_and_isr=version(_LEADER_AND_ISR),
            update_metadata=version(_UPDATE_METADATA),
            stop_replica=version(_STOP_REPLICA),
            topic_ids=known.topic_ids,
            leader_recovery=known.leader_recovery,
            feature_versioning=level >= rank("2.7-IV0"),
            feature_document_version=2 if level >= rank("3.3-IV0") else 1,
        )
