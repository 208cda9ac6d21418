# SPDX-License-Identifier: Apache-2.0
"""DescribeConfigs, AlterConfigs and IncrementalAlterConfigs; codes and words are those of Apache Kafka
3.9.1.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable, Coroutine
from types import SimpleNamespace
from typing import Any

import pytest

from commitlog.apis import k32_describe_configs, k33_alter_configs, k44_incremental_alter_configs
from commitlog.config.broker import BrokerConfig
from commitlog.controller.topic_admin import TopicAdmin
from commitlog.coordination import paths
from commitlog.coordination.client import ensure_path
from commitlog.coordination.documents import ConfigEntity, ControllerDocument
from commitlog.coordination.memory import MemoryEnsemble
from commitlog.replication.metadata_cache import MetadataCache
from commitlog.wire.errors import ErrorCode
from commitlog.wire.messages import alter_configs_request, incremental_alter_configs_request
from commitlog.wire.messages.describe_configs_request import DescribeConfigsRequest, DescribeConfigsResource
from commitlog.wire.messages.describe_configs_response import DescribeConfigsResult
from commitlog.wire.messages.update_metadata_request import (
    UpdateMetadataPartitionState,
    UpdateMetadataRequest,
    UpdateMetadataTopicState,
)
from tests.apis.controller_services import ask_services, versions

TOPIC, BROKER, LOGGER = 2, 4, 8
SET, DELETE, APPEND, SUBTRACT = range(4)
DESCRIBE_VERSIONS = versions(k32_describe_configs.API)
Incremental = incremental_alter_configs_request.AlterableConfig


class World:
    """Broker 0 and topic t over the ensemble in memory, with a controller in office."""

    async def start(self) -> None:
        self.client = MemoryEnsemble().client("broker")
        await self.client.start()
        await ensure_path(self.client, "/config/topics")
        await ensure_path(self.client, "/brokers/topics/t")
        await ensure_path(self.client, paths.CONFIG_CHANGES)
        await self.client.create(paths.CONTROLLER, ControllerDocument(0, 1).encode(), ephemeral=True)
        config = BrokerConfig.from_properties(
            {"broker.id": "0", "zookeeper.connect": "localhost:2181", "log.retention.hours": "10"}
        )
        cache = MetadataCache(0)
        state = UpdateMetadataTopicState(topic_name="t", partition_states=[UpdateMetadataPartitionState()])
        cache.update(UpdateMetadataRequest(topic_states=[state]))
        self.services = SimpleNamespace(
            config=config,
            broker_id=0,
            metadata=cache,
            topic_admin=TopicAdmin(config, self.client, rng=random.Random(1)),
        )

    async def stored(self, kind: str, name: str) -> dict[str, str]:
        data, _ = await self.client.get(paths.config_entity(kind, name))
        return dict(ConfigEntity.decode(data).config)

    async def describe(
        self, kind: int, name: str, keys: list[str] | None = None, version: int = 4, **options: bool
    ) -> DescribeConfigsResult:
        resource = DescribeConfigsResource(resource_type=kind, resource_name=name, configuration_keys=keys)
        request = DescribeConfigsRequest(resources=[resource], **options)
        (result,) = (await ask_services(self.services, k32_describe_configs.API, request, version)).results
        assert isinstance(result, DescribeConfigsResult)
        return result

    async def change(
        self, kind: int, name: str, *configs: Incremental, version: int = 1, validate_only: bool = False
    ) -> tuple[int, str | None]:
        resource = incremental_alter_configs_request.AlterConfigsResource(
            resource_type=kind, resource_name=name, configs=list(configs)
        )
        request = incremental_alter_configs_request.IncrementalAlterConfigsRequest(
            resources=[resource], validate_only=validate_only
        )
        response = await ask_services(self.services, k44_incremental_alter_configs.API, request, version)
        (one,) = response.responses
        assert (one.resource_type, one.resource_name) == (kind, name)
        return one.error_code, one.error_message

    async def replace(
        self, kind: int, name: str, version: int = 2, **configs: str | None
    ) -> tuple[int, str | None]:
        resource = alter_configs_request.AlterConfigsResource(
            resource_type=kind,
            resource_name=name,
            configs=[
                alter_configs_request.AlterableConfig(name=key.replace("_", "."), value=value)
                for key, value in configs.items()
            ],
        )
        request = alter_configs_request.AlterConfigsRequest(resources=[resource])
        (one,) = (await ask_services(self.services, k33_alter_configs.API, request, version)).responses
        return one.error_code, one.error_message


def run(test: Callable[[World], Coroutine[Any, Any, None]]) -> None:
    async def main() -> None:
        world = World()
        await world.start()
        await asyncio.wait_for(test(world), 20)

    asyncio.run(main())


def op(name: str, value: str | None, operation: int = SET) -> Incremental:
    return Incremental(name=name, value=value, config_operation=operation)


NOT_LONG = "for configuration retention.ms: Not a number of type LONG"
NOT_AT_DEFAULT_LEVEL = "Cannot update these configs at default cluster level, broker id must be specified"
NAMED = "ConfigResource(type=TOPIC, name='t')"


@pytest.mark.parametrize(
    ("kind", "name", "configs", "expected"),
    [
        (
            TOPIC,
            "t",
            [op("retention.ms", "abc")],
            (40, f"Invalid config value for resource {NAMED}: Invalid value abc {NOT_LONG}"),
        ),
        (
            TOPIC,
            "t",
            [op("retention.ms", "5", APPEND)],
            (40, "Config value append is not allowed for config key: retention.ms"),
        ),
        (TOPIC, "t", [op("retention.ms", None)], (42, "Null value not supported for : retention.ms")),
        (
            TOPIC,
            "t",
            [op("retention.ms", "5"), op("retention.ms", "", DELETE)],
            (42, "Error due to duplicate config keys"),
        ),
        (TOPIC, "nope", [op("retention.ms", "5")], (3, "The topic 'nope' does not exist.")),
        (TOPIC, "", [op("retention.ms", "5")], (42, "Default topic resources are not allowed.")),
        (
            BROKER,
            "0",
            [op("broker.id", "5")],
            (42, "Cannot update these configs dynamically: Set(broker.id)"),
        ),
        (
            BROKER,
            "0",
            [op("log.retention.ms", "x")],
            (42, f"Invalid value x {NOT_LONG.replace('retention.ms', 'log.retention.ms')}"),
        ),
        (
            BROKER,
            "7",
            [op("log.retention.ms", "5")],
            (42, "Unexpected broker id, expected 0, but received 7"),
        ),
        (BROKER, "x", [op("log.retention.ms", "5")], (42, "Node id must be an integer, but it is: x")),
        (
            BROKER,
            "",
            [op("advertised.listeners", "x")],
            (42, f"{NOT_AT_DEFAULT_LEVEL}: Set(advertised.listeners)"),
        ),
        (3, "x", [op("a", "1")], (42, "Unknown resource type 3")),
        (LOGGER, "0", [op("a", "INFO")], (40, "Logger a does not exist!")),
    ],
)
def test_refusals_have_kafka_s_code_and_words(
    kind: int, name: str, configs: list[Incremental], expected: tuple[int, str]
) -> None:
    async def test(world: World) -> None:
        assert await world.change(kind, name, *configs) == expected
        assert await world.client.children(paths.CONFIG_CHANGES) == []

    run(test)


def test_an_unknown_name_is_refused_by_name() -> None:
    async def test(world: World) -> None:
        code, message = await world.change(TOPIC, "t", op("retention.mss", "1"))
        assert code == ErrorCode.INVALID_CONFIG
        assert message is not None
        assert message.startswith("Unknown topic config name: retention.mss")

    run(test)


@pytest.mark.parametrize("version", versions(k44_incremental_alter_configs.API))
def test_single_settings_are_set_edited_and_deleted(version: int) -> None:
    async def test(world: World) -> None:
        async def change(*configs: Incremental) -> dict[str, str]:
            assert await world.change(TOPIC, "t", *configs, version=version) == (0, None)
            return await world.stored("topics", "t")

        assert await change(op("retention.ms", "5"), op("segment.ms", "6")) == {
            "retention.ms": "5",
            "segment.ms": "6",
        }
        assert await change(op("segment.ms", None, DELETE)) == {"retention.ms": "5"}
        assert (await change(op("cleanup.policy", "compact", APPEND)))["cleanup.policy"] == "delete,compact"
        assert (await change(op("cleanup.policy", "compact", APPEND)))["cleanup.policy"] == "delete,compact"
        assert (await change(op("cleanup.policy", "delete", SUBTRACT)))["cleanup.policy"] == "compact"
        changes = await world.client.children(paths.CONFIG_CHANGES)
        assert len(changes) == 5

    run(test)


def test_validate_only_writes_nothing() -> None:
    async def test(world: World) -> None:
        assert await world.change(TOPIC, "t", op("retention.ms", "5"), validate_only=True) == (0, None)
        assert await world.client.exists(paths.topic_config("t")) is None
        assert (await world.change(TOPIC, "t", op("retention.ms", "x"), validate_only=True))[0] == 40

    run(test)


def test_one_resource_named_twice_is_not_changed() -> None:
    async def test(world: World) -> None:
        resource = incremental_alter_configs_request.AlterConfigsResource(
            resource_type=TOPIC, resource_name="t", configs=[op("retention.ms", "5")]
        )
        request = incremental_alter_configs_request.IncrementalAlterConfigsRequest(
            resources=[resource, resource]
        )
        response = await ask_services(world.services, k44_incremental_alter_configs.API, request, 1)
        text = "Each resource must appear at most once."
        assert [(one.error_code, one.error_message) for one in response.responses] == [(42, text), (42, text)]
        assert await world.client.exists(paths.topic_config("t")) is None

    run(test)


@pytest.mark.parametrize("version", versions(k33_alter_configs.API))
def test_alter_configs_replaces_everything(version: int) -> None:
    async def test(world: World) -> None:
        assert await world.replace(TOPIC, "t", version, retention_ms="5", segment_ms="6") == (0, None)
        assert await world.replace(TOPIC, "t", version, segment_ms="7") == (0, None)
        assert await world.stored("topics", "t") == {"segment.ms": "7"}
        assert (await world.replace(TOPIC, "t", version, segment_ms=None))[0] == 42

    run(test)


@pytest.mark.parametrize("version", DESCRIBE_VERSIONS)
def test_a_topic_s_settings_with_their_sources(version: int) -> None:
    async def test(world: World) -> None:
        await world.change(TOPIC, "t", op("max.message.bytes", "2000"))
        world.services.config.update_dynamic({"log.retention.ms": "6000"}, {"log.retention.ms": "5"})
        options = {"include_synonyms": True} if version else {}
        keys = ["max.message.bytes", "retention.ms", "cleanup.policy"]
        result = await world.describe(TOPIC, "t", keys, version, **options)
        found = {entry.name: entry for entry in result.configs}
        assert {name: entry.value for name, entry in found.items()} == {
            "max.message.bytes": "2000",
            "retention.ms": "5",
            "cleanup.policy": "delete",
        }
        if version == 0:
            defaults = {name: entry.is_default for name, entry in found.items()}
            assert defaults == {"max.message.bytes": False, "retention.ms": False, "cleanup.policy": False}
            return
        sources = {name: entry.config_source for name, entry in found.items()}
        assert sources == {"max.message.bytes": 1, "retention.ms": 2, "cleanup.policy": 5}
        assert [(one.name, one.value, one.source) for one in found["retention.ms"].synonyms] == [
            ("log.retention.ms", "5", 2),
            ("log.retention.ms", "6000", 3),
            ("log.retention.hours", "10", 4),
            ("log.retention.hours", "168", 5),
        ]
        assert found["retention.ms"].config_type == (5 if version >= 3 else 0)

    run(test)


def test_a_broker_s_settings() -> None:
    async def test(world: World) -> None:
        world.services.config.update_dynamic({"log.retention.ms": "6000"}, {})
        result = await world.describe(BROKER, "0", include_documentation=True)
        found = {entry.name: entry for entry in result.configs}
        assert found["zookeeper.connect"].read_only
        assert found["zookeeper.connect"].config_source == 4
        assert not found["log.retention.ms"].read_only
        assert found["broker.id"].documentation == "The broker id for this server."
        secret = found["ssl.keystore.password"]
        assert secret.is_sensitive
        assert secret.value is None
        (dynamic,) = (await world.describe(BROKER, "")).configs
        assert (dynamic.name, dynamic.value, dynamic.config_source) == ("log.retention.ms", "6000", 3)
        assert (await world.describe(BROKER, "0", ["broker.id"])).configs[0].documentation is None

    run(test)


@pytest.mark.parametrize(
    ("kind", "name", "code", "message"),
    [
        (TOPIC, "nope", 3, ""),
        (TOPIC, "", 17, "Topic name is invalid: the empty string is not allowed"),
        (BROKER, "9", 42, "Unexpected broker id, expected 0 or empty string, but received 9"),
        (BROKER, "x", 42, "Broker id must be an integer, but it is: x"),
        (LOGGER, "", 42, "Broker id must not be empty"),
        (3, "0", 42, None),
    ],
)
def test_what_cannot_be_described(kind: int, name: str, code: int, message: str | None) -> None:
    async def test(world: World) -> None:
        result = await world.describe(kind, name)
        assert (result.error_code, result.configs) == (code, [])
        if message is not None:
            assert result.error_message == message

    run(test)


def test_log_levels_are_settings_of_the_process() -> None:
    async def test(world: World) -> None:
        name = "commitlog.test.levels"
        logger = logging.getLogger(name)
        assert (await world.change(LOGGER, "0", op(name, "LOUD")))[0] == ErrorCode.INVALID_CONFIG
        assert (await world.change(LOGGER, "0", op(name, "DEBUG", APPEND)))[0] == ErrorCode.INVALID_REQUEST
        assert (await world.change(LOGGER, "0", op("root", None, DELETE)))[0] == ErrorCode.INVALID_REQUEST
        assert await world.change(LOGGER, "0", op(name, "DEBUG"), validate_only=True) == (0, None)
        assert logger.level == logging.NOTSET
        assert await world.change(LOGGER, "0", op(name, "DEBUG")) == (0, None)
        assert logger.level == logging.DEBUG
        (entry,) = (await world.describe(LOGGER, "0", [name])).configs
        assert (entry.value, entry.config_source) == ("DEBUG", 6)
        assert await world.change(LOGGER, "0", op(name, None, DELETE)) == (0, None)
        assert logger.level == logging.NOTSET

    run(test)


def test_resources_that_have_no_settings_here() -> None:
    async def test(world: World) -> None:
        result = await world.describe(16, "m")
        assert (result.error_code, result.error_message) == (
            ErrorCode.INVALID_REQUEST,
            "Config type client-metrics is only supported on KRaft clusters",
        )
        assert await world.change(16, "m", op("interval.ms", "1")) == (
            ErrorCode.INVALID_REQUEST,
            "AlterConfigs is only supported for topics and brokers, but resource type is CLIENT_METRICS",
        )
        result = await world.describe(3, "m")
        assert (result.error_code, result.error_message) == (
            ErrorCode.INVALID_REQUEST,
            ErrorCode.INVALID_REQUEST.message,
        )

    run(test)


def test_none_named_is_all() -> None:
    async def test(world: World) -> None:
        everything = await world.describe(TOPIC, "t", None)
        assert len((await world.describe(TOPIC, "t", [])).configs) == len(everything.configs) > 30

    run(test)


def test_what_is_edited_is_read_before_it_is_asked_for() -> None:
    async def test(world: World) -> None:
        path = 'Invalid path string "/config/topics/.." caused by relative paths not allowed @16'
        assert await world.change(TOPIC, "..", op("flush.messages", "1")) == (
            ErrorCode.INVALID_CONFIG,
            f"Invalid config value for resource ConfigResource(type=TOPIC, name='..'): {path}",
        )

    run(test)


def test_a_list_takes_an_empty_item_and_the_setting_does_not() -> None:
    async def test(world: World) -> None:
        code, text = await world.change(TOPIC, "t", op("cleanup.policy", "", APPEND))
        assert code == ErrorCode.INVALID_CONFIG
        assert text is not None
        assert text.endswith(
            "Invalid value  for configuration cleanup.policy: String must be one of: compact, delete"
        )

    run(test)
