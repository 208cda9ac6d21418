# -*- coding: utf-8 -*-
# Copyright: Contributors to the commitlog.kafka collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which partitions need another leader, and who it would be. No I/O."""

from __future__ import annotations

import dataclasses
import typing as t

from ansible_collections.commitlog.kafka.plugins.module_utils._topic_plan import PartitionState, TopicState


@dataclasses.dataclass
class ElectionPlan:
    """The leaders to be, by (topic, partition), and what cannot be elected."""

    wanted: dict[tuple[str, int], int] = dataclasses.field(default_factory=dict)
    skipped: list[dict[str, t.Any]] = dataclasses.field(default_factory=list)

    def expected(self) -> dict[str, dict[str, int]]:
        """The leaders to be, as the module returns them."""
        result: dict[str, dict[str, int]] = {}
        for (topic, index), broker in self.wanted.items():
            result.setdefault(topic, {})[str(index)] = broker
        return result


def plan_election(kind: str, topics: list[TopicState], alive: set[int]) -> ElectionPlan:
    """What an election of this kind ("preferred" or "unclean") would change."""
    plan = ElectionPlan()
    for topic in topics:
        for p in topic.partitions:
            if not _needed(kind, p):
                continue
            candidate = _preferred(p, alive) if kind == "preferred" else _first_alive(p, alive)
            if isinstance(candidate, str):
                plan.skipped.append(dict(topic=topic.name, partition=p.partition, reason=candidate))
            else:
                plan.wanted[(topic.name, p.partition)] = candidate
    return plan


def _needed(kind: str, p: PartitionState) -> bool:
    return p.leader != p.replicas[0] if kind == "preferred" else p.leader < 0


def _preferred(p: PartitionState, alive: set[int]) -> t.Union[int, str]:
    preferred = p.replicas[0]
    if preferred not in alive:
        return "its preferred leader, broker {0}, is not alive".format(preferred)
    if preferred not in p.isr:
        return "its preferred leader, broker {0}, is not in sync".format(preferred)
    return preferred


def _first_alive(p: PartitionState, alive: set[int]) -> t.Union[int, str]:
    """As the controller chooses: the first living replica that is in sync, or else the first that lives."""
    living = [broker for broker in p.replicas if broker in alive]
    if not living:
        return "none of its replicas {0} is alive".format(p.replicas)
    return next((broker for broker in living if broker in p.isr), living[0])


def leaders_of(topics: list[TopicState], partitions: t.Iterable[tuple[str, int]]) -> dict[str, dict[str, int]]:
    """The present leaders of these partitions, as the module returns them."""
    known = {(topic.name, p.partition): p.leader for topic in topics for p in topic.partitions}
    result: dict[str, dict[str, int]] = {}
    for topic, index in partitions:
        result.setdefault(topic, {})[str(index)] = known.get((topic, index), -1)
    return result
