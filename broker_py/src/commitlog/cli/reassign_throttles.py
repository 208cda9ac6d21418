# SPDX-License-Identifier: Apache-2.0
"""Throttles of kafka-reassign-partitions.sh: settings of topics and brokers while replicas move."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

from commitlog.cli.admin import Admin, check
from commitlog.cli.java_order import hash_order, strings_in_hash_order
from commitlog.cli.reassign_plan import Plan
from commitlog.wire.messages.incremental_alter_configs_request import (
    AlterableConfig,
    AlterConfigsResource,
    IncrementalAlterConfigsRequest,
)

TOPIC, BROKER = 2, 4
SET, DELETE = 0, 1
LEADER_RATE = "leader.replication.throttled.rate"
FOLLOWER_RATE = "follower.replication.throttled.rate"
DIRECTORY_RATE = "replica.alter.log.dirs.io.max.bytes.per.second"
LEADER_REPLICAS = "leader.replication.throttled.replicas"
FOLLOWER_REPLICAS = "follower.replication.throttled.replicas"


async def _alter(admin: Admin, kind: int, name: str, configs: Sequence[AlterableConfig]) -> None:
    resource = AlterConfigsResource(resource_type=kind, resource_name=name, configs=list(configs))
    request = IncrementalAlterConfigsRequest(resources=[resource])
    admin.begin_call()
    response = await (admin.ask_broker(int(name), request) if kind == BROKER else admin.ask(request))
    for result in response.responses:
        check(result.error_code, result.error_message)


def _set(values: Iterable[tuple[str, str]]) -> list[AlterableConfig]:
    return [AlterableConfig(name=name, config_operation=SET, value=value) for name, value in values]


def _deleted(names: Iterable[str]) -> list[AlterableConfig]:
    return [AlterableConfig(name=name, config_operation=DELETE, value=None) for name in names]


async def set_throttle(
    admin: Admin,
    leaders: Mapping[str, str],
    followers: Mapping[str, str],
    brokers: Collection[int],
    rate: int,
) -> None:
    """modifyReassignmentThrottle."""
    for topic in strings_in_hash_order(leaders):
        values = ((LEADER_REPLICAS, leaders[topic]), (FOLLOWER_REPLICAS, followers[topic]))
        await _alter(admin, TOPIC, topic, _set(values))
    for broker in brokers:
        values = ((LEADER_RATE, str(rate)), (FOLLOWER_RATE, str(rate)))
        await _alter(admin, BROKER, str(broker), _set(values))
    print(f"The inter-broker throttle limit was set to {rate} B/s")


async def set_directory_throttle(admin: Admin, brokers: Collection[int], rate: int) -> None:
    for broker in brokers:
        await _alter(admin, BROKER, str(broker), _set([(DIRECTORY_RATE, str(rate))]))
    print(f"The replica-alter-dir throttle limit was set to {rate} B/s")


async def clear_throttles(admin: Admin, plan: Plan) -> None:
    """clearAllThrottles: of all live brokers, of those in the plan, and of its topics."""
    live = [node.id for node in await admin.nodes()]
    named = [broker for _, replicas in plan.partitions for broker in replicas]
    brokers = hash_order(dict.fromkeys([*live, *named]), int)
    shown = ",".join(map(str, brokers))
    print(f"Clearing broker-level throttles on broker{'' if len(brokers) == 1 else 's'} {shown}")
    for broker in brokers:
        await _alter(admin, BROKER, str(broker), _deleted((LEADER_RATE, FOLLOWER_RATE, DIRECTORY_RATE)))
    topics = strings_in_hash_order(dict.fromkeys(partition.topic for partition, _ in plan.partitions))
    print(f"Clearing topic-level throttles on topic{'' if len(topics) == 1 else 's'} {','.join(topics)}")
    for topic in topics:
        await _alter(admin, TOPIC, topic, _deleted((LEADER_REPLICAS, FOLLOWER_REPLICAS)))
