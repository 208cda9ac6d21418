# SPDX-License-Identifier: Apache-2.0
"""kafka-configs.sh --bootstrap-server: configurations of topics, brokers and loggers by the brokers' APIs;
quotas and SCRAM credentials are in configs_quotas.py."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from commitlog.cli.admin import Admin, KafkaError, check, connected
from commitlog.cli.configs_options import BROKERS, LOGGERS, METRICS, TOPICS, ConfigCommand
from commitlog.cli.java_order import strings_in_hash_order
from commitlog.cli.jopt import ArgumentError
from commitlog.cli.topics_errors import ToolError
from commitlog.wire.errors import ErrorCode
from commitlog.wire.messages.alter_configs_request import AlterableConfig as WholeConfig
from commitlog.wire.messages.alter_configs_request import AlterConfigsRequest
from commitlog.wire.messages.alter_configs_request import AlterConfigsResource as WholeResource
from commitlog.wire.messages.describe_configs_request import DescribeConfigsRequest, DescribeConfigsResource
from commitlog.wire.messages.describe_configs_response import DescribeConfigsResourceResult
from commitlog.wire.messages.incremental_alter_configs_request import (
    AlterableConfig,
    AlterConfigsResource,
    IncrementalAlterConfigsRequest,
)

RESOURCES = {TOPICS: 2, BROKERS: 4, LOGGERS: 8, METRICS: 16}
SOURCES = {
    1: "DYNAMIC_TOPIC_CONFIG",
    2: "DYNAMIC_BROKER_CONFIG",
    3: "DYNAMIC_DEFAULT_BROKER_CONFIG",
    4: "STATIC_BROKER_CONFIG",
    5: "DEFAULT_CONFIG",
    6: "DYNAMIC_BROKER_LOGGER_CONFIG",
    7: "DYNAMIC_CLIENT_METRICS_CONFIG",
}
SET, DELETE = 0, 1
"""AlterConfigOp.OpType."""


async def run_with_brokers(command: ConfigCommand) -> None:
    """Do the command and print what Kafka prints."""
    from commitlog.cli import configs_quotas

    parsed = command.parsed
    bootstrap = parsed.only("bootstrap-server")
    if bootstrap is None:
        raise ToolError(
            "--bootstrap-controller asks a KRaft controller, and a cluster with ZooKeeper has none"
        )
    if command.alters and len(command.types) != len(command.names):
        raise ArgumentError("An entity name must be specified for every entity type")
    async with connected(bootstrap, parsed.only("command-config")) as admin:
        kind = command.types[0]
        if not command.alters:
            if kind in RESOURCES:
                await _describe(admin, command)
            else:
                await configs_quotas.describe(admin, command)
            return
        if kind in RESOURCES:
            await _alter(admin, kind, command.names[0], command.added(), command.deleted())
        else:
            await configs_quotas.alter(admin, command, command.added(), command.deleted())
        if command.names[0]:
            print(f"Completed updating config for {kind[:-1]} {command.names[0]}.")
        else:
            print(f"Completed updating default config for {kind} in the cluster.")


async def _describe(admin: Admin, command: ConfigCommand) -> None:
    kind = command.types[0]
    everything = command.parsed.has("all")
    for name in command.names[:1] or await _all_entities(admin, kind):
        if name:
            print(f"{'All' if everything else 'Dynamic'} configs for {kind[:-1]} {name} are:")
        else:
            print(f"Default configs for {kind} in the cluster are:")
        for entry in await _configs(admin, kind, name, everything=everything):
            synonyms = ", ".join(
                f"{SOURCES.get(one.source, 'UNKNOWN')}:{one.name}={_text(one.value)}"
                for one in entry.synonyms
            )
            sensitive = str(entry.is_sensitive).lower()
            print(f"  {entry.name}={_text(entry.value)} sensitive={sensitive} synonyms={{{synonyms}}}")


def _text(value: str | None) -> str:
    return "null" if value is None else value


async def _all_entities(admin: Admin, kind: str) -> list[str]:
    if kind == TOPICS:
        return strings_in_hash_order(topic.name or "" for topic in await admin.all_topics())
    if kind in (BROKERS, LOGGERS):
        return [*(str(node.id) for node in await admin.nodes()), ""]
    raise KafkaError(ErrorCode.UNSUPPORTED_VERSION, "The node does not support LIST_CLIENT_METRICS_RESOURCES")


async def _configs(
    admin: Admin, kind: str, name: str, *, everything: bool
) -> list[DescribeConfigsResourceResult]:
    """The entity's settings by name; without `everything`, those that were set dynamically for itself."""
    resource = DescribeConfigsResource(
        resource_type=RESOURCES[kind], resource_name=name, configuration_keys=None
    )
    request = DescribeConfigsRequest(resources=[resource], include_synonyms=True)
    if kind in (BROKERS, LOGGERS) and name:
        response = await admin.ask_broker(int(name), request)
    else:
        response = await admin.ask(request)
    result = response.results[0]
    check(result.error_code, result.error_message)
    source = {TOPICS: 1, BROKERS: 2 if name else 3, METRICS: 7}.get(kind)
    shown = [one for one in result.configs if everything or source is None or one.config_source == source]
    return sorted(shown, key=lambda one: one.name)


async def _alter(
    admin: Admin, kind: str, name: str, added: Mapping[str, str], deleted: Sequence[str]
) -> None:
    old = {one.name: one.value for one in await _configs(admin, kind, name, everything=False)}
    if kind == LOGGERS:
        unknown = [one for one in (*deleted, *added) if one not in old]
        if unknown:
            raise ArgumentError(f"Invalid broker logger(s): {','.join(unknown)}")
    else:
        missing = [one for one in deleted if one not in old]
        if missing:
            raise ArgumentError(f"Invalid config(s): {','.join(missing)}")
    if kind == BROKERS:
        kept = {one: value for one, value in {**old, **added}.items() if one not in deleted}
        hidden = [one for one, value in kept.items() if value is None]
        if hidden:
            raise ArgumentError(
                "All sensitive broker config entries must be specified for --alter, missing entries: "
                f"Set({', '.join(hidden)})"
            )
        await _replace(admin, name, kept)
        return
    await _change(admin, kind, name, added, deleted)


async def _replace(admin: Admin, name: str, configs: Mapping[str, str | None]) -> None:
    """AlterConfigs, which Kafka's tool still uses for brokers."""
    whole = [WholeConfig(name=one, value=value) for one, value in configs.items()]
    resource = WholeResource(resource_type=RESOURCES[BROKERS], resource_name=name, configs=whole)
    request = AlterConfigsRequest(resources=[resource])
    response = await (admin.ask_broker(int(name), request) if name else admin.ask(request))
    _check_all((one.error_code, one.error_message) for one in response.responses)


async def _change(
    admin: Admin, kind: str, name: str, added: Mapping[str, str], deleted: Sequence[str]
) -> None:
    changes = [AlterableConfig(name=one, config_operation=SET, value=value) for one, value in added.items()]
    changes += [AlterableConfig(name=one, config_operation=DELETE, value="") for one in deleted]
    resource = AlterConfigsResource(resource_type=RESOURCES[kind], resource_name=name, configs=changes)
    request = IncrementalAlterConfigsRequest(resources=[resource])
    response = await (admin.ask_broker(int(name), request) if kind == LOGGERS else admin.ask(request))
    _check_all((one.error_code, one.error_message) for one in response.responses)


def _check_all(results: Iterable[tuple[int, str | None]]) -> None:
    for code, message in results:
        check(code, message)
