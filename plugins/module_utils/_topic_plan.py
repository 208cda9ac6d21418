# -*- coding: utf-8 -*-
# Copyright: Contributors to the commitlog.kafka collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What stands between a topic as it is and a topic as it is wanted. No I/O: texts and numbers in, a plan out."""

from __future__ import annotations

import dataclasses
import typing as t

from ansible_collections.commitlog.kafka.plugins.module_utils._errors import ModuleFailure


class TopicConflict(ModuleFailure):
    """The wanted topic cannot be reached from the one that exists; the text says why and what to do."""


@dataclasses.dataclass
class PartitionState:
    """One partition as the cluster's metadata shows it. Replicas and ISR are broker ids, the leader is -1 for none."""

    partition: int
    leader: int
    leader_epoch: int
    replicas: list[int]
    isr: list[int]
    offline_replicas: list[int]

    @property
    def offline(self) -> bool:
        """Whether nobody leads it, so that it can be neither read nor written."""
        return self.leader < 0

    @property
    def under_replicated(self) -> bool:
        """Whether a replica is missing from the ISR."""
        return len(self.isr) < len(self.replicas)

    def under_min_isr(self, min_isr: int) -> bool:
        """Whether writes with acks=all are refused. min.insync.replicas counts as the number of replicas at most."""
        return len(self.isr) < min(min_isr, len(self.replicas))

    def at_min_isr(self, min_isr: int) -> bool:
        """Whether writes with acks=all are refused as soon as one replica more falls behind."""
        return len(self.isr) == min(min_isr, len(self.replicas))


@dataclasses.dataclass
class Setting:
    """One topic setting: its effective value, its type by Kafka's name (INT, LIST, ...), and whether the topic itself sets it."""

    value: t.Optional[str]
    type: t.Optional[str]
    is_override: bool


@dataclasses.dataclass
class TopicState:
    """An existing topic."""

    name: str
    topic_id: t.Optional[str]
    internal: bool
    partitions: list[PartitionState]
    settings: dict[str, Setting]

    @property
    def overrides(self) -> dict[str, t.Optional[str]]:
        """The settings that the topic itself makes."""
        return {name: entry.value for name, entry in sorted(self.settings.items()) if entry.is_override}

    @property
    def min_isr(self) -> int:
        """The topic's min.insync.replicas; 1 where the settings were not read."""
        entry = self.settings.get("min.insync.replicas")
        return int(entry.value) if entry is not None and entry.value else 1

    @property
    def replication_factor(self) -> int:
        """The number of replicas of partition 0, as Kafka's own tools count it."""
        return len(self.partitions[0].replicas) if self.partitions else 0


@dataclasses.dataclass
class WantedTopic:
    """The module's arguments: None means not said."""

    name: str
    partitions: t.Optional[int] = None
    replication_factor: t.Optional[int] = None
    replica_assignment: t.Optional[dict[int, list[int]]] = None
    config: dict[str, t.Optional[str]] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass
class TopicPlan:
    """The changes to make to an existing topic."""

    grow_to: t.Optional[int] = None
    new_assignments: t.Optional[list[list[int]]] = None
    set_config: dict[str, str] = dataclasses.field(default_factory=dict)
    reset_config: list[str] = dataclasses.field(default_factory=list)
    replication_factor: t.Optional[int] = None
    moves: dict[int, list[int]] = dataclasses.field(default_factory=dict)
    """Existing partitions to move and their new replicas; those for another replication_factor are filled in by the planner."""

    @property
    def empty(self) -> bool:
        """Whether the topic already is as wanted."""
        return not (self.grow_to or self.set_config or self.reset_config or self.replication_factor or self.moves)


def setting_text(name: str, value: t.Any) -> t.Optional[str]:
    """A playbook's value as the text that Kafka stores: true for True, a,b for a list, None for null.

    Raises TopicConflict for values that no Kafka setting can have.
    """
    if value is None:
        return None
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (list, tuple)):
        return ",".join(str(setting_text(name, item)) for item in value)
    if isinstance(value, dict):
        raise TopicConflict("config.{0}: a mapping is not a value that Kafka knows".format(name))
    return str(value)


def parse_assignment(raw: t.Optional[dict[t.Any, t.Any]], gaps: bool = False) -> t.Optional[dict[int, list[int]]]:
    """The replica_assignment option with numbers for its keys and items. Raises TopicConflict, naming the partition."""
    if raw is None:
        return None
    assignment = {}
    for partition, replicas in raw.items():
        try:
            index = int(partition)
            brokers = [int(broker) for broker in replicas]
        except (TypeError, ValueError) as error:
            raise TopicConflict(
                "replica_assignment.{0}: expected a list of broker ids, as in {{0: [1, 2]}}".format(partition)
            ) from error
        if not brokers or len(set(brokers)) != len(brokers):
            raise TopicConflict("replica_assignment.{0}: {1} is empty or names a broker twice".format(index, brokers))
        assignment[index] = brokers
    if not gaps and sorted(assignment) != list(range(len(assignment))):
        raise TopicConflict(
            "replica_assignment: partitions must be numbered from 0 without gaps, found {0}".format(sorted(assignment))
        )
    return assignment


def plan_changes(current: TopicState, wanted: WantedTopic) -> TopicPlan:
    """What to do so that current becomes wanted. Raises TopicConflict where Kafka (or this module) cannot."""
    plan = TopicPlan()
    have = len(current.partitions)
    want = len(wanted.replica_assignment) if wanted.replica_assignment is not None else wanted.partitions
    if want is not None and want < have:
        raise TopicConflict(
            "partitions: topic {0} has {1} partitions and {2} are wanted, but Kafka cannot take partitions away; "
            "delete the topic and create it anew, or ask for {1} or more".format(current.name, have, want)
        )
    _plan_replicas(plan, current, wanted)
    if want is not None and want > have:
        plan.grow_to = want
        if wanted.replica_assignment is not None:
            plan.new_assignments = [wanted.replica_assignment[index] for index in range(have, want)]
    unknown = sorted(name for name in wanted.config if name not in current.settings)
    if unknown:
        raise TopicConflict("config: unknown topic setting {0}".format(", ".join(unknown)))
    for name, text in sorted(wanted.config.items()):
        entry = current.settings[name]
        if text is None:
            if entry.is_override:
                plan.reset_config.append(name)
        elif not (entry.is_override and same_value(entry, text)):
            plan.set_config[name] = text
    return plan


def _plan_replicas(plan: TopicPlan, current: TopicState, wanted: WantedTopic) -> None:
    if wanted.replica_assignment is not None:
        for state in current.partitions:
            if wanted.replica_assignment[state.partition] != state.replicas:
                plan.moves[state.partition] = wanted.replica_assignment[state.partition]
    factor = wanted.replication_factor
    if factor is not None and any(len(state.replicas) != factor for state in current.partitions):
        plan.replication_factor = factor


def same_value(entry: Setting, text: str) -> bool:
    """Whether text means the value that the topic has, by the setting's type: 0.50 is 0.5 for a DOUBLE, but not for a STRING."""
    have = entry.value
    if have is None or have == text:
        return have == text
    try:
        if entry.type in ("INT", "LONG", "SHORT"):
            return int(have) == int(text)
        if entry.type == "DOUBLE":
            return float(have) == float(text)
    except ValueError:
        return False
    if entry.type == "BOOLEAN":
        return have.lower() == text.strip().lower()
    if entry.type == "LIST":
        return [item.strip() for item in have.split(",")] == [item.strip() for item in text.split(",")]
    return False


def describe(topic: t.Optional[TopicState]) -> dict[str, t.Any]:
    """An existing topic as the modules return it and diff it; {} for none."""
    if topic is None:
        return {}
    return dict(
        name=topic.name,
        partitions=len(topic.partitions),
        replication_factor=topic.replication_factor,
        replica_assignment={str(state.partition): state.replicas for state in topic.partitions},
        config=topic.overrides,
    )


def describe_after(current: TopicState, plan: TopicPlan) -> dict[str, t.Any]:
    """What describe() would give once plan is carried out; a partition that the brokers will place has no replicas yet."""
    after = describe(current)
    config = {name: value for name, value in current.overrides.items() if name not in plan.reset_config}
    config.update(plan.set_config)
    after["config"] = dict(sorted(config.items()))
    for index, replicas in plan.moves.items():
        after["replica_assignment"][str(index)] = replicas
    after["replication_factor"] = len(after["replica_assignment"]["0"])
    if plan.grow_to is not None:
        have = after["partitions"]
        after["partitions"] = plan.grow_to
        for index in range(have, plan.grow_to):
            after["replica_assignment"][str(index)] = plan.new_assignments[index - have] if plan.new_assignments else []
    return after


def describe_wanted(wanted: WantedTopic, partitions: int = -1, replication_factor: int = -1) -> dict[str, t.Any]:
    """What describe() would give for a topic that is still to be made, with the numbers that the cluster chooses."""
    assignment = wanted.replica_assignment or {}
    factor = len(assignment[0]) if assignment else wanted.replication_factor
    return dict(
        name=wanted.name,
        partitions=len(assignment) or wanted.partitions or partitions,
        replication_factor=factor or replication_factor,
        replica_assignment={str(index): replicas for index, replicas in sorted(assignment.items())},
        config={name: text for name, text in sorted(wanted.config.items()) if text is not None},
    )
