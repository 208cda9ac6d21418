# SPDX-License-Identifier: Apache-2.0
"""Topic administration against ZooKeeper: validation and znode writes (Kafka: ZkAdminManager,
AdminZkClient)."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from commitlog.config.broker import BrokerConfig
    from commitlog.coordination.client import Coordination


@dataclass(slots=True)
class NewTopic:
    """One topic to create; -1 means the broker's default, as in CreateTopics v4+."""

    name: str
    num_partitions: int = -1
    replication_factor: int = -1
    assignments: dict[int, list[int]] = field(default_factory=dict)
    configs: dict[str, str | None] = field(default_factory=dict)


@dataclass(slots=True, frozen=True)
class CreatedTopic:
    name: str
    topic_id: bytes
    num_partitions: int
    replication_factor: int


class TopicAdmin:
    """Creates, deletes, grows and configures topics; every refusal is a KafkaError with Kafka's code and
    text."""

    def __init__(
        self, config: BrokerConfig | None, coordination: Coordination, *, rng: random.Random
    ) -> None:
        raise NotImplementedError

    async def create_topic(self, topic: NewTopic, *, validate_only: bool = False) -> CreatedTopic:
        """Validate and write config znode, then topic znode."""
        raise NotImplementedError

    async def delete_topic(self, name: str) -> None:
        """Ask the controller for the deletion by /admin/delete_topics/<name>."""
        raise NotImplementedError

    async def create_partitions(
        self,
        name: str,
        count: int,
        assignments: Sequence[Sequence[int]] | None = None,
        *,
        validate_only: bool = False,
    ) -> None:
        """Grow a topic to ``count`` partitions in total."""
        raise NotImplementedError

    async def entity_config(self, entity_type: str, entity_name: str) -> dict[str, str]:
        """The overrides stored at /config/<type>/<name> (name unsanitized)."""
        raise NotImplementedError

    async def change_topic_config(self, name: str, configs: Mapping[str, str]) -> None:
        """Validate and replace a topic's whole set of overrides, then notify brokers."""
        raise NotImplementedError

    async def change_entity_config(
        self, entity_type: str, entity_name: str, configs: Mapping[str, str]
    ) -> None:
        """Write any entity's overrides: multi with a check of /controller, then the change notification."""
        raise NotImplementedError
