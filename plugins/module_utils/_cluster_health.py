# -*- coding: utf-8 -*-
# Copyright: Contributors to the commitlog.kafka collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a cluster is, in one word with its reasons, and what would happen if one broker stopped. No I/O."""

from __future__ import annotations

import dataclasses
import typing as t

from ansible_collections.commitlog.kafka.plugins.module_utils._topic_plan import PartitionState, TopicState

HEALTHY = "healthy"
DEGRADED = "degraded"
CRITICAL = "critical"
NAMED_AT_MOST = 5


@dataclasses.dataclass
class BrokerState:
    """One broker that is registered and alive."""

    id: int
    host: str
    port: int
    rack: t.Optional[str]


@dataclasses.dataclass
class ClusterState:
    """The cluster as its metadata show it; the controller is -1 for none."""

    cluster_id: t.Optional[str]
    controller_id: int
    brokers: list[BrokerState]
    topics: list[TopicState]


def partition_names(state: ClusterState, test: t.Callable[[TopicState, PartitionState], bool]) -> list[str]:
    """The partitions that pass the test, as topic-partition."""
    return ["{0}-{1}".format(topic.name, p.partition) for topic in state.topics for p in topic.partitions if test(topic, p)]


def findings(state: ClusterState) -> dict[str, list[str]]:
    """The partitions that are not as they should be, by what is wrong with them."""
    return dict(
        offline=partition_names(state, lambda _topic, p: p.offline),
        under_min_isr=partition_names(state, lambda topic, p: p.under_min_isr(topic.min_isr)),
        at_min_isr=partition_names(state, lambda topic, p: p.under_replicated and p.at_min_isr(topic.min_isr)),
        under_replicated=partition_names(state, lambda _topic, p: p.under_replicated),
    )


def missing_brokers(state: ClusterState) -> list[int]:
    """Brokers that hold replicas and are not alive."""
    alive = {broker.id for broker in state.brokers}
    return sorted({broker for topic in state.topics for p in topic.partitions for broker in p.replicas} - alive)


def judge(state: ClusterState, expected: t.Optional[list[int]]) -> tuple[str, list[str]]:
    """The cluster's health in one word, and the reasons for it.

    critical: something cannot be read or written with acks=all, or nobody controls the cluster.
    degraded: all is served, with less redundancy than was asked for. healthy: neither.
    """
    found = findings(state)
    critical, degraded = [], []
    if state.controller_id < 0:
        critical.append("no broker is the controller")
    elif state.controller_id not in {broker.id for broker in state.brokers}:
        critical.append("the controller {0} is not alive".format(state.controller_id))
    _say(critical, found["offline"], "without a leader")
    _say(critical, found["under_min_isr"], "with fewer in-sync replicas than min.insync.replicas")
    _say(degraded, found["under_replicated"], "with replicas that are not in sync")
    absent = missing_brokers(state)
    if absent:
        degraded.append("brokers {0} hold replicas and are not alive".format(absent))
    unseen = sorted(set(expected or []) - {broker.id for broker in state.brokers} - set(absent))
    if unseen:
        degraded.append("brokers {0} are expected and are not alive".format(unseen))
    word = CRITICAL if critical else DEGRADED if degraded else HEALTHY
    return word, critical + degraded


def _say(reasons: list[str], names: list[str], what: str) -> None:
    if names:
        more = "" if len(names) <= NAMED_AT_MOST else " and {0} more".format(len(names) - NAMED_AT_MOST)
        plural = "partition" if len(names) == 1 else "partitions"
        reasons.append("{0} {1} {2}: {3}{4}".format(len(names), plural, what, ", ".join(names[:NAMED_AT_MOST]), more))


def if_stopped(state: ClusterState, broker: int) -> dict[str, t.Any]:
    """What stopping one broker would do to the partitions that are well now.

    A partition that only this broker has in sync goes offline; one whose ISR would fall below min.insync.replicas refuses writes
    with acks=all. Partitions with one replica are listed apart: stopping their only broker always takes them down.
    """

    def hit(p: PartitionState) -> bool:
        return broker in p.isr and not p.offline

    def single(p: PartitionState) -> bool:
        return len(p.replicas) == 1

    offline = partition_names(state, lambda _topic, p: hit(p) and not single(p) and p.isr == [broker])
    below = partition_names(
        state,
        lambda topic, p: hit(p) and len(p.isr) > 1 and p.at_min_isr(topic.min_isr),
    )
    return dict(
        can_stop=not offline and not below,
        offline_if_stopped=offline,
        under_min_isr_if_stopped=below,
        single_replica=partition_names(state, lambda _topic, p: hit(p) and single(p)),
    )


def broker_document(state: ClusterState, broker: BrokerState) -> dict[str, t.Any]:
    """One broker as the modules return it."""
    partitions = [p for topic in state.topics for p in topic.partitions]
    return dict(
        dataclasses.asdict(broker),
        controller=broker.id == state.controller_id,
        leaders=sum(1 for p in partitions if p.leader == broker.id),
        replicas=sum(1 for p in partitions if broker.id in p.replicas),
        in_sync=all(broker.id in p.isr for p in partitions if broker.id in p.replicas),
        **if_stopped(state, broker.id),
    )
