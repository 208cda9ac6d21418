# SPDX-License-Identifier: Apache-2.0
"""Changing the settings of topics and brokers, for AlterConfigs and IncrementalAlterConfigs.

Kafka's ConfigAdminManager (what a request may say) and ZkAdminManager.alterConfigs /
incrementalAlterConfigs (what is written). Any broker may do it: the write is fenced by /controller, and
a notification tells the others.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Protocol

from commitlog.apis.services import RequestContext, Services
from commitlog.config.definitions import Definition, Type, broker_definitions, topic_definitions
from commitlog.config.dynamic import validate_dynamic
from commitlog.config.password_encoder import PasswordError, password_encoder, refuse_cluster_wide
from commitlog.config.properties import ConfigError
from commitlog.config.topic import validate_topic_config
from commitlog.coordination.paths import DEFAULT_ENTITY
from commitlog.security import acl
from commitlog.security.acl import AclOperation
from commitlog.wire.errors import ErrorCode, KafkaError

log = logging.getLogger("commitlog.apis.config_changes")


class ResourceType(IntEnum):
    """ConfigResource.Type."""

    TOPIC = 2
    BROKER = 4
    BROKER_LOGGER = 8


CLIENT_METRICS = 16
"""A resource that only KRaft has settings of."""


class Operation(IntEnum):
    """AlterConfigOp.OpType."""

    SET = 0
    DELETE = 1
    APPEND = 2
    SUBTRACT = 3


class Config(Protocol):
    """One setting of a request, in either API."""

    name: str
    value: str | None


class NamedResource(Protocol):
    """What a request speaks of."""

    resource_type: int
    resource_name: str


class Resource(NamedResource, Protocol):
    """One resource to change, in either API."""

    @property
    def configs(self) -> Sequence[Config]: ...


Change = Callable[[Mapping[str, str], Mapping[str, Definition]], dict[str, str]]
"""From the settings of now to those that are wanted, given the definitions of that kind of resource."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """The answer for one resource."""

    code: ErrorCode
    message: str | None


def resource_name(resource: NamedResource) -> str:
    """As Kafka's log lines and messages name a resource."""
    try:
        kind = ResourceType(resource.resource_type).name
    except ValueError:
        kind = "UNKNOWN"
    return f"ConfigResource(type={kind}, name='{resource.resource_name}')"


def broker_id_of(services: Services, name: str, *, unexpected: str = "broker id, expected") -> int | None:
    """The broker that a resource names: None for the cluster-wide default, else only this one."""
    if not name:
        return None
    try:
        broker_id = int(name)
    except ValueError:
        raise KafkaError(
            ErrorCode.INVALID_REQUEST, f"Node id must be an integer, but it is: {name}"
        ) from None
    if broker_id != services.broker_id:
        raise KafkaError(
            ErrorCode.INVALID_REQUEST,
            f"Unexpected {unexpected} {services.broker_id}, but received {name}",
        )
    return broker_id


def authorization_error(
    context: RequestContext, operation: AclOperation, resource: NamedResource
) -> ErrorCode | None:
    """Topics are asked for by name; brokers and their loggers belong to the cluster."""
    if resource.resource_type == ResourceType.TOPIC:
        if not context.authorize(operation, acl.ResourceType.TOPIC, resource.resource_name):
            return ErrorCode.TOPIC_AUTHORIZATION_FAILED
    elif not context.authorize_cluster(operation):
        return ErrorCode.CLUSTER_AUTHORIZATION_FAILED
    return None


def require_alter(services: Services, context: RequestContext, resource: NamedResource) -> None:
    """A broker's id is looked at before anybody's rights, as in Kafka."""
    if resource.resource_type == ResourceType.BROKER:
        broker_id_of(services, resource.resource_name)
    denied = authorization_error(context, AclOperation.ALTER_CONFIGS, resource)
    if denied is not None:
        raise KafkaError(denied)


async def change_all(
    resources: Sequence[Resource],
    change_one: Callable[[Resource], Awaitable[None]],
) -> list[Outcome]:
    """Change each resource by itself; one that is named twice is not changed at all."""
    times = Counter((one.resource_type, one.resource_name) for one in resources)
    outcomes = []
    for resource in resources:
        try:
            if times[resource.resource_type, resource.resource_name] > 1:
                text = "Each resource must appear at most once."
                raise KafkaError(ErrorCode.INVALID_REQUEST, text)
            _check_configs(resource.configs)
            await change_one(resource)
            outcomes.append(Outcome(ErrorCode.NONE, None))
        except KafkaError as error:
            log.info("Error processing alter configs request for %s: %s", resource_name(resource), error)
            outcomes.append(Outcome(error.code, error.message))
        except Exception:
            log.exception("Error processing alter configs request for resource %s", resource_name(resource))
            outcomes.append(Outcome(ErrorCode.UNKNOWN_SERVER_ERROR, None))
    return outcomes


def _check_configs(configs: Iterable[Config]) -> None:
    """ConfigAdminManager.preprocess; a deletion needs no value."""
    names = [config.name for config in configs]
    if len(names) != len(set(names)):
        raise KafkaError(ErrorCode.INVALID_REQUEST, "Error due to duplicate config keys")
    nulls = [
        config.name
        for config in configs
        if config.value is None and getattr(config, "config_operation", Operation.SET) != Operation.DELETE
    ]
    if nulls:
        raise KafkaError(ErrorCode.INVALID_REQUEST, f"Null value not supported for : {','.join(nulls)}")


async def change_resource(
    services: Services, resource: Resource, change: Change, *, validate_only: bool
) -> None:
    """Compute, check and write the new settings of one resource; raises KafkaError."""
    if resource.resource_type == ResourceType.TOPIC:
        await _change_topic(services, resource.resource_name, change, validate_only=validate_only)
    elif resource.resource_type == ResourceType.BROKER:
        await _change_broker(services, resource.resource_name, change, validate_only=validate_only)
    else:
        text = f"Unknown resource type {resource.resource_type}"
        if resource.resource_type == CLIENT_METRICS:
            text = (
                "AlterConfigs is only supported for topics and brokers, but resource type is CLIENT_METRICS"
            )
        raise KafkaError(ErrorCode.INVALID_REQUEST, text)


async def _change_topic(services: Services, topic: str, change: Change, *, validate_only: bool) -> None:
    if not topic:
        raise KafkaError(ErrorCode.INVALID_REQUEST, "Default topic resources are not allowed.")
    if not services.metadata.contains_topic(topic):
        text = f"The topic '{topic}' does not exist."
        raise KafkaError(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, text)
    now = await services.topic_admin.entity_configs.read("topics", topic)
    wanted = change(now, topic_definitions())
    unknown = [name for name in wanted if name not in topic_definitions()]
    try:
        validate_topic_config(wanted, services.config)
    except ConfigError as error:
        # Kafka says which resource it was for a bad value, but not for an unknown name.
        resource = f"ConfigResource(type=TOPIC, name='{topic}')"
        prefix = "" if unknown else f"Invalid config value for resource {resource}: "
        raise KafkaError(ErrorCode.INVALID_CONFIG, prefix + error.message) from None
    if not validate_only:
        log.info("Updating topic %s with new configuration: %s", topic, wanted)
        await services.topic_admin.change_topic_config(topic, wanted)


async def _change_broker(services: Services, name: str, change: Change, *, validate_only: bool) -> None:
    broker_id = broker_id_of(services, name)
    entity = DEFAULT_ENTITY if broker_id is None else str(broker_id)
    resource = f"ConfigResource(type=BROKER, name='{name}')"
    encoder = password_encoder(services.config)
    stored = await services.topic_admin.entity_configs.read("brokers", entity)
    now = encoder.decode_all(stored, [])
    wanted = change(now, broker_definitions())
    try:
        validate_dynamic(wanted, services.config, per_broker=broker_id is not None)
        if broker_id is None:
            refuse_cluster_wide(list(wanted))
        kept = encoder.encode_all(wanted)
    except ConfigError as error:
        raise KafkaError(ErrorCode.INVALID_REQUEST, error.message) from None
    except PasswordError as error:
        text = f"Invalid config value for resource {resource}: {error}"
        raise KafkaError(ErrorCode.INVALID_REQUEST, text) from None
    if not validate_only:
        log.info("Updating broker %s with new configuration: %s", entity, sorted(wanted))
        await services.topic_admin.entity_configs.change("brokers", entity, kept)


def edit_list(
    operation: Operation, name: str, value: str, now: str | None, definitions: Mapping[str, Definition]
) -> str:
    """APPEND and SUBTRACT: the list with the value's items added or taken away
    (prepareIncrementalConfigs).
    """
    row = definitions.get(name)
    if row is None:
        raise KafkaError(ErrorCode.INVALID_CONFIG, f"Unknown config name: {name}")
    if row.type is not Type.LIST:
        verb = operation.name.lower()
        text = f"Config value {verb} is not allowed for config key: {name}"
        raise KafkaError(ErrorCode.INVALID_CONFIG, text)
    text = now if now is not None else row.format(row.default) or ""
    items = [item for item in text.split(",") if item]
    given = value.split(",")
    if operation is Operation.APPEND:
        return ",".join(dict.fromkeys([*items, *given]))
    return ",".join(item for item in items if item not in given)
