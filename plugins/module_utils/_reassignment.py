# -*- coding: utf-8 -*-
# Copyright: Contributors to the commitlog.kafka collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Moving replicas: throttled when asked, in batches when asked, and waited for.

Answers to ReassignPartitionsCommand in Apache Kafka. An interrupted run is continued by the next one: what is being moved
counts as being where it goes, its throttle becomes that of the next run, and is taken away once nothing moves any more.
"""

from __future__ import annotations

import dataclasses
import typing as t

from ansible_collections.commitlog.kafka.plugins.module_utils._admin import RequestFailed
from ansible_collections.commitlog.kafka.plugins.module_utils._cluster_admin import ClusterAdmin
from ansible_collections.commitlog.kafka.plugins.module_utils._cluster_health import ClusterState
from ansible_collections.commitlog.kafka.plugins.module_utils._reassignment_plan import Layout, Partition
from ansible_collections.commitlog.kafka.plugins.module_utils._throttle import (
    FOLLOWER_REPLICAS,
    LEADER_REPLICAS,
    TOPIC_THROTTLES,
    Throttles,
    added,
    changes_between,
    rates,
    throttles_left,
)

SETTINGS_NEEDED = ["min.insync.replicas", *TOPIC_THROTTLES]
POLL_S = 0.3


@dataclasses.dataclass
class Terms:
    """How to move: bytes per second and broker, partitions at a time, and how long to wait; None for no limit, or no waiting."""

    throttle: t.Optional[int]
    batch_size: t.Optional[int]
    wait_s: t.Optional[int]


def layout_of(state: ClusterState, moving: dict[Partition, dict[str, list[int]]]) -> Layout:
    """Where every partition is, or where it is going."""
    layout = {(topic.name, p.partition): list(p.replicas) for topic in state.topics for p in topic.partitions}
    for partition, entry in moving.items():
        if partition in layout:
            layout[partition] = [broker for broker in entry["replicas"] if broker not in entry["removing_replicas"]]
    return layout


def carry_out(admin: ClusterAdmin, state: ClusterState, moves: Layout, pending: list[Partition], terms: Terms) -> None:
    """Make the moves and wait for them and for those pending, as the terms say."""
    current = {(topic.name, p.partition): list(p.replicas) for topic in state.topics for p in topic.partitions}
    throttled = throttles_left(admin, state) if terms.throttle or pending else {}
    if pending:
        throttled = _go_on_at(admin, throttled, terms.throttle)
    if terms.throttle and moves:
        _set_throttle(admin, state, current, moves, terms.throttle, throttled)
    ordered = sorted(moves)
    size = terms.batch_size or len(ordered) or 1
    for start in range(0, len(ordered), size):
        batch = ordered[start : start + size]
        admin.reassign({partition: moves[partition] for partition in batch})
        if terms.wait_s is not None and not admin.check_mode:
            _wait(admin, [*batch, *pending], terms.wait_s)
    if pending and not moves and terms.wait_s is not None and not admin.check_mode:
        _wait(admin, pending, terms.wait_s)
    if terms.wait_s is None:
        return
    if terms.throttle:
        admin.alter_configs(changes_between(throttled, {}))
    if not admin.check_mode:
        _verify(admin, moves)


def _wait(admin: ClusterAdmin, partitions: list[Partition], limit_s: int) -> None:
    def state() -> tuple[t.Optional[bool], str]:
        moving = admin.reassignments()
        left = ["{0}-{1}".format(*partition) for partition in partitions if partition in moving]
        if not left:
            return True, ""
        more = " and {0} more".format(len(left) - 5) if len(left) > 5 else ""
        return None, (
            "{0}{1} are still being moved; run it again to go on waiting, or with state: absent to return them".format(
                ", ".join(left[:5]), more
            )
        )

    admin.wait("the reassignment was accepted but is not done", state, limit_s, POLL_S)


def _verify(admin: ClusterAdmin, moves: Layout) -> None:
    names = sorted({topic for topic, _index in moves})
    if not names:
        return

    def state() -> tuple[t.Optional[bool], str]:
        for topics in admin.read_everywhere(names):
            have = {(topic.name, p.partition): p.replicas for topic in topics for p in topic.partitions}
            for partition, replicas in moves.items():
                if have.get(partition) != replicas:
                    return None, "partition {1} of {0} is on {2}, not on {3}; did somebody cancel it?".format(
                        partition[0], partition[1], have.get(partition), replicas
                    )
        return True, ""

    admin.wait("the reassignment is over but not as asked", state)


# -- the throttle


def _go_on_at(admin: ClusterAdmin, throttled: Throttles, rate: t.Optional[int]) -> Throttles:
    """What an earlier run began to move goes on at the rate of this one, or without any; the throttles then."""
    wanted = added(throttled, rates((int(name) for kind, name in throttled if kind == "broker"), rate)) if rate else {}
    admin.alter_configs(changes_between(throttled, wanted))
    return wanted


def _set_throttle(
    admin: ClusterAdmin,
    state: ClusterState,
    current: Layout,
    moves: Layout,
    rate: int,
    throttled: Throttles,
) -> None:
    """Limit what leaders send and followers take of the replicas being copied, as kafka-reassign-partitions.sh does."""
    leaders: dict[str, list[str]] = {}
    followers: dict[str, list[str]] = {}
    brokers = set()
    for (topic, index), replicas in sorted(moves.items()):
        adding = [broker for broker in replicas if broker not in current[topic, index]]
        if adding:
            leaders.setdefault(topic, []).extend("{0}:{1}".format(index, broker) for broker in current[topic, index])
            followers.setdefault(topic, []).extend("{0}:{1}".format(index, broker) for broker in adding)
            brokers.update(current[topic, index], adding)
    wanted = rates(brokers & {broker.id for broker in state.brokers}, rate)
    for topic in leaders:
        wanted["topic", topic] = {FOLLOWER_REPLICAS: ",".join(followers[topic]), LEADER_REPLICAS: ",".join(leaders[topic])}
    before = {place: dict(settings) for place, settings in throttled.items()}
    throttled.update(added(throttled, wanted))
    admin.alter_configs(changes_between(before, throttled))


def cancel(admin: ClusterAdmin, state: ClusterState, moving: list[Partition], wait_s: t.Optional[int]) -> None:
    """Return partitions to where they were, and take throttles away."""
    throttled = throttles_left(admin, state)
    if moving:
        admin.cancel(moving)
        if wait_s is not None and not admin.check_mode:
            _wait(admin, moving, wait_s)
    admin.alter_configs(changes_between(throttled, {}))


def unknown_brokers(layout: Layout, alive: set[int]) -> list[int]:
    """Brokers of a wanted layout that are not alive."""
    return sorted({broker for replicas in layout.values() for broker in replicas} - alive)


def require_alive(layout: Layout, alive: set[int]) -> None:
    """Raise RequestFailed for replicas that would go to a broker that cannot take them."""
    dead = unknown_brokers(layout, alive)
    if dead:
        raise RequestFailed("assignment: brokers {0} are not alive; alive are {1}".format(dead, sorted(alive)))
