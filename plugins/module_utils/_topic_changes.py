# -*- coding: utf-8 -*-
# Copyright: Contributors to the commitlog.kafka collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Topics as they are wanted, one or a hundred: compared in one go, changed with as few requests as Kafka has for it."""

from __future__ import annotations

import typing as t

from ansible_collections.commitlog.kafka.plugins.module_utils._cluster_admin import ClusterAdmin
from ansible_collections.commitlog.kafka.plugins.module_utils._config_admin import ConfigChange
from ansible_collections.commitlog.kafka.plugins.module_utils._reassignment import SETTINGS_NEEDED, Terms, carry_out, layout_of
from ansible_collections.commitlog.kafka.plugins.module_utils._reassignment_plan import (
    PlanImpossible,
    Planner,
    differences,
    rack_map,
)
from ansible_collections.commitlog.kafka.plugins.module_utils._topic_plan import (
    TopicConflict,
    TopicPlan,
    TopicState,
    WantedTopic,
    describe,
    describe_after,
    describe_wanted,
    parse_assignment,
    plan_changes,
    setting_text,
)

Described = t.Dict[str, t.Dict[str, t.Any]]


def topic_argument_spec() -> dict[str, t.Any]:
    """The options that say how a topic should be, but for its name."""
    return dict(
        state=dict(type="str", choices=["present", "absent"], default="present"),
        partitions=dict(type="int"),
        replication_factor=dict(type="int"),
        replica_assignment=dict(type="dict"),
        config=dict(type="dict", default={}),
    )


def topic_rules() -> list[tuple[str, str]]:
    """What of topic_argument_spec() excludes each other."""
    return [("replica_assignment", "partitions"), ("replica_assignment", "replication_factor")]


def reassignment_argument_spec() -> dict[str, t.Any]:
    """The options that say how replicas of existing topics are moved."""
    return dict(throttle=dict(type="int"), reassignment_timeout=dict(type="int", default=3600))


def wanted_topic(params: dict[str, t.Any]) -> WantedTopic:
    """A topic's arguments, checked. Raises TopicConflict."""
    for name in ("partitions", "replication_factor"):
        if params[name] is not None and params[name] < 1:
            raise TopicConflict("{0}: {1} is not a positive number".format(name, params[name]))
    return WantedTopic(
        name=params["name"],
        partitions=params["partitions"],
        replication_factor=params["replication_factor"],
        replica_assignment=parse_assignment(params["replica_assignment"]),
        config={str(name): setting_text(name, value) for name, value in (params["config"] or {}).items()},
    )


class TopicChanges:
    """What to do so that the topics are as wanted; planned by the constructor, done by carry_out()."""

    def __init__(
        self, admin: ClusterAdmin, wanted: list[WantedTopic], current: list[TopicState], doomed: list[TopicState]
    ) -> None:
        self._admin = admin
        existing = {topic.name: topic for topic in current}
        self.creations = [topic for topic in wanted if topic.name not in existing]
        self.deletions = doomed
        self.plans: dict[str, TopicPlan] = {}
        self._current = existing
        self._created: dict[str, tuple[int, int]] = {}
        self._ready: list[TopicState] = []
        for topic in wanted:
            if topic.name in existing:
                plan = plan_changes(existing[topic.name], topic)
                if not plan.empty:
                    self.plans[topic.name] = plan
        self._cluster = None
        self._moving: dict[tuple[str, int], dict[str, list[int]]] = {}
        if any(plan.replication_factor or plan.moves for plan in self.plans.values()):
            self._plan_moves()

    def _plan_moves(self) -> None:
        """Find places for more replicas, or choose those to give up, with the whole cluster in view."""
        self._cluster = cluster = self._admin.cluster(only_settings=SETTINGS_NEEDED)
        self._moving = self._admin.reassignments()
        layout = layout_of(cluster, self._moving)
        alive = {broker.id: broker.rack for broker in cluster.brokers}
        factors = {name: plan.replication_factor for name, plan in self.plans.items() if plan.replication_factor is not None}
        selected = [partition for partition in layout if partition[0] in factors]
        down = sorted({broker for partition in selected for broker in layout[partition]} - set(alive))
        if down:
            raise TopicConflict("replication_factor: brokers {0} hold replicas and are not alive; start them first".format(down))
        try:
            moves = differences(layout, Planner(layout, alive, rack_map(alive, None), selected).drain(factors))
        except PlanImpossible as error:
            raise TopicConflict("replication_factor: {0}".format(error)) from error
        for (topic, index), replicas in moves.items():
            self.plans[topic].moves[index] = replicas
        for name, plan in self.plans.items():
            dead = sorted({broker for replicas in plan.moves.values() for broker in replicas} - set(alive))
            if dead:
                raise TopicConflict("replica_assignment of {0}: brokers {1} are not alive".format(name, dead))

    @property
    def changed(self) -> bool:
        """Whether there is anything to do."""
        return bool(self.creations or self.plans or self.deletions)

    def carry_out(self, throttle: t.Optional[int], wait_s: int) -> None:
        """Delete, create, configure, move and grow, and wait for it; in check mode the cluster judges what it can."""
        admin = self._admin
        admin.delete([topic.name for topic in self.deletions])
        self._created = admin.create(self.creations)
        configured = {name: plan for name, plan in self.plans.items() if plan.set_config or plan.reset_config}
        admin.alter_configs([ConfigChange("topic", name, p.set_config, p.reset_config) for name, p in configured.items()])
        if self._cluster is not None:
            moves = {(name, index): replicas for name, plan in self.plans.items() for index, replicas in plan.moves.items()}
            pending = [partition for partition in self._moving if partition[0] in self.plans]
            carry_out(admin, self._cluster, moves, pending, Terms(throttle, None, wait_s))
        grown = {name: plan for name, plan in self.plans.items() if plan.grow_to is not None}
        admin.grow(grown)
        if admin.check_mode:
            return
        if self.deletions:
            admin.wait_until_gone([topic.name for topic in self.deletions])
        ready: dict[str, t.Optional[int]] = {topic.name: None for topic in self.creations}
        ready.update((name, plan.grow_to) for name, plan in grown.items())
        self._ready = admin.wait_until_led(ready)

    def before(self) -> Described:
        """The topics that change, as they were; {} for those to be made."""
        result: Described = {topic.name: {} for topic in self.creations}
        result.update((name, describe(self._current[name])) for name in self.plans)
        result.update((topic.name, describe(topic)) for topic in self.deletions)
        return dict(sorted(result.items()))

    def after(self) -> Described:
        """The same topics as they are now, or would be in check mode.

        What was asked is what is returned, since a broker may show it a moment later; only where the cluster chose, it is asked.
        """
        result: Described = {topic.name: {} for topic in self.deletions}
        for topic in self.creations:
            result[topic.name] = describe_wanted(topic, *self._created.get(topic.name, (-1, -1)))
        for name, plan in self.plans.items():
            result[name] = describe_after(self._current[name], plan)
        for found in self._ready:
            described = result[found.name]
            for state in found.partitions:
                if not described["replica_assignment"].get(str(state.partition)):
                    described["replica_assignment"][str(state.partition)] = state.replicas
        return dict(sorted(result.items()))
