# SPDX-License-Identifier: Apache-2.0
"""Topics that come into being since somebody asked for them (Kafka's DefaultAutoTopicCreationManager).

Whichever broker is asked writes the topic's znodes itself, the controller or not: in ZooKeeper mode Apache
Kafka 3.9 sends nothing to the controller for that. It answers when they are written (createTopicsInZk):
LEADER_NOT_AVAILABLE, or why not. Each topic has at most one creation under way; whoever asks meanwhile is
told UNKNOWN_TOPIC_OR_PARTITION.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Mapping
from typing import TYPE_CHECKING

from commitlog.apis.topic_names import is_valid_topic_name
from commitlog.controller.topic_admin import NewTopic
from commitlog.coordination.client import CoordinationError
from commitlog.wire.errors import ErrorCode, KafkaError

if TYPE_CHECKING:
    from commitlog.config.broker import BrokerConfig
    from commitlog.controller.topic_admin import TopicAdmin

log = logging.getLogger("commitlog.server.auto_topics")

OFFSETS_TOPIC = "__consumer_offsets"
TRANSACTIONS_TOPIC = "__transaction_state"
MAX_IN_FLIGHT = 1000
"""Topics whose creation may be under way at once; what is beyond is told to ask again."""


class AutoTopicCreation:
    """See the module. ``offsets_topic_configs`` are the group coordinator's settings for its topic."""

    def __init__(
        self,
        config: BrokerConfig,
        topic_admin: TopicAdmin,
        offsets_topic_configs: Callable[[], Mapping[str, str]],
    ) -> None:
        self._config = config
        self._topic_admin = topic_admin
        self._offsets_topic_configs = offsets_topic_configs
        self._in_flight: set[str] = set()

    async def create(self, topics: Collection[str], count: Callable[[int], None]) -> dict[str, ErrorCode]:
        """See apis.services.AutoTopics."""
        answers: dict[str, ErrorCode] = {}
        creatable: list[str] = []
        for name in topics:
            if not is_valid_topic_name(name):
                answers[name] = ErrorCode.INVALID_TOPIC_EXCEPTION
            elif name in self._in_flight or len(self._in_flight) >= MAX_IN_FLIGHT:
                answers[name] = ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
            else:
                self._in_flight.add(name)
                creatable.append(name)
        try:
            for name in creatable:
                answers[name] = await self._create(name, count)
        finally:
            self._in_flight.difference_update(creatable)
        return answers

    async def _create(self, name: str, count: Callable[[int], None]) -> ErrorCode:
        try:
            await self._topic_admin.create_topic(self._settings(name), permit=count)
        except KafkaError as error:
            if error.code is ErrorCode.TOPIC_ALREADY_EXISTS:
                return ErrorCode.LEADER_NOT_AVAILABLE
            log.warning("Topic %s is not created automatically: %s", name, error)
            return error.code
        except CoordinationError as error:
            log.warning("Topic %s is not created automatically: %s", name, error)
            return ErrorCode.UNKNOWN_SERVER_ERROR
        log.info("Topic %s was created automatically", name)
        return ErrorCode.LEADER_NOT_AVAILABLE

    def _settings(self, name: str) -> NewTopic:
        config = self._config
        if name == OFFSETS_TOPIC:
            return NewTopic(
                name,
                config.offsets_topic_num_partitions,
                config.offsets_topic_replication_factor,
                configs=dict(self._offsets_topic_configs()),
            )
        if name == TRANSACTIONS_TOPIC:
            return NewTopic(
                name,
                config.transaction_state_log_num_partitions,
                config.transaction_state_log_replication_factor,
                configs=self._transactions_topic_configs(),
            )
        return NewTopic(name, config.num_partitions, config.default_replication_factor)

    def _transactions_topic_configs(self) -> dict[str, str | None]:
        """TransactionStateManager.transactionTopicConfigs."""
        return {
            "unclean.leader.election.enable": "false",
            "compression.type": "uncompressed",
            "cleanup.policy": "compact",
            "min.insync.replicas": str(self._config.transaction_state_log_min_isr),
            "segment.bytes": str(self._config.transaction_state_log_segment_bytes),
        }
