# SPDX-License-Identifier: Apache-2.0
"""Topics that come into being since somebody asked for them (Kafka's DefaultAutoTopicCreationManager).

The active controller creates them itself; any other broker sends CreateTopics to the controller when it can
be reached, and writes the znodes itself when none is known. Each topic has at most one creation under way.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection, Mapping
from typing import TYPE_CHECKING

from commitlog.apis.topic_names import is_valid_topic_name
from commitlog.controller.topic_admin import NewTopic
from commitlog.coordination.client import CoordinationError
from commitlog.wire.errors import ErrorCode, KafkaError
from commitlog.wire.messages.create_topics_request import (
    CreatableTopic,
    CreatableTopicConfig,
    CreateTopicsRequest,
)

if TYPE_CHECKING:
    from commitlog.config.broker import BrokerConfig
    from commitlog.controller.controller import KafkaController
    from commitlog.controller.topic_admin import TopicAdmin
    from commitlog.replication.metadata_cache import MetadataCache
    from commitlog.server.controller_client import ControllerClient

log = logging.getLogger("commitlog.server.auto_topics")

OFFSETS_TOPIC = "__consumer_offsets"
TRANSACTIONS_TOPIC = "__transaction_state"
CREATE_TOPICS_VERSION = 5
MAX_IN_FLIGHT = 1000
"""Topics whose creation may be under way at once; what is beyond is told to ask again."""


class AutoTopicCreation:
    """See the module. ``offsets_topic_configs`` are the group coordinator's settings for its topic."""

    def __init__(
        self,
        config: BrokerConfig,
        metadata: MetadataCache,
        controller: KafkaController,
        controller_client: ControllerClient,
        topic_admin: TopicAdmin,
        offsets_topic_configs: Callable[[], Mapping[str, str]],
    ) -> None:
        self._config = config
        self._metadata = metadata
        self._controller = controller
        self._controller_client = controller_client
        self._topic_admin = topic_admin
        self._offsets_topic_configs = offsets_topic_configs
        self._in_flight: set[str] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    def create(self, topics: Collection[str], count: Callable[[int], None]) -> dict[str, ErrorCode]:
        """Begin; what to answer for each topic meanwhile (see apis.services.AutoTopics)."""
        answers: dict[str, ErrorCode] = {}
        creatable: list[NewTopic] = []
        active = self._controller.is_active
        for name in topics:
            if not is_valid_topic_name(name):
                answers[name] = ErrorCode.INVALID_TOPIC_EXCEPTION
                continue
            answers[name] = ErrorCode.LEADER_NOT_AVAILABLE if active else ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
            if name in self._in_flight or len(self._in_flight) >= MAX_IN_FLIGHT:
                continue
            topic = self._settings(name)
            if active and topic.replication_factor > len(self._metadata.alive_brokers()):
                log.warning(
                    "Topic %s is not created automatically: replication factor %d with %d brokers alive",
                    name,
                    topic.replication_factor,
                    len(self._metadata.alive_brokers()),
                )
                answers[name] = ErrorCode.INVALID_REPLICATION_FACTOR
                continue
            count(topic.num_partitions)
            creatable.append(topic)
        if creatable:
            self._in_flight.update(topic.name for topic in creatable)
            task = asyncio.get_running_loop().create_task(self._create(creatable))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        return answers

    async def stop(self) -> None:
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

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

    async def _create(self, topics: list[NewTopic]) -> None:
        names = [topic.name for topic in topics]
        try:
            if self._controller.is_active or self._controller_client.controller_endpoint() is None:
                await self._create_here(topics)
            else:
                await self._ask_controller(topics)
        except (OSError, KafkaError, CoordinationError) as error:
            log.warning("Auto topic creation of %s failed, clients will ask again: %s", names, error)
        except Exception:
            log.exception("Auto topic creation of %s failed", names)
        finally:
            self._in_flight.difference_update(names)

    async def _create_here(self, topics: list[NewTopic]) -> None:
        for topic in topics:
            try:
                await self._topic_admin.create_topic(topic)
                log.info("Topic %s was created automatically", topic.name)
            except KafkaError as error:
                if error.code is not ErrorCode.TOPIC_ALREADY_EXISTS:
                    log.warning("Auto topic creation of %s failed: %s", topic.name, error)

    async def _ask_controller(self, topics: list[NewTopic]) -> None:
        log.info("Sent auto-creation request for %s to the active controller.", [one.name for one in topics])
        request = CreateTopicsRequest(
            topics=[
                CreatableTopic(
                    name=topic.name,
                    num_partitions=topic.num_partitions,
                    replication_factor=topic.replication_factor,
                    configs=[
                        CreatableTopicConfig(name=key, value=value) for key, value in topic.configs.items()
                    ],
                )
                for topic in topics
            ],
            timeout_ms=self._config.request_timeout_ms,
        )
        response = await self._controller_client.send(request, CREATE_TOPICS_VERSION)
        for result in response.topics:
            code = ErrorCode.of(result.error_code)
            if code not in (ErrorCode.NONE, ErrorCode.TOPIC_ALREADY_EXISTS):
                log.warning(
                    "Auto topic creation of %s was refused by the controller: %s %s",
                    result.name,
                    code.name,
                    result.error_message or "",
                )
