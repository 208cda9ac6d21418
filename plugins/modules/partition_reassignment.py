#!/usr/bin/python
# -*- coding: utf-8 -*-
# Copyright: Contributors to the commitlog.kafka collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Move replicas between brokers."""

from __future__ import annotations

DOCUMENTATION = r"""
module: partition_reassignment
short_description: Move replicas between brokers
version_added: 0.1.0
author:
  - The commitlog.kafka contributors (!UNKNOWN)
description:
  - Spreads replicas and preferred leaders evenly over brokers, drains brokers, or puts replicas exactly where it is said.
  - As little as possible is moved, and a layout that already is as wanted is left alone.
  - In check mode the plan is made and returned, and nothing is moved.
  - A run that was interrupted, or did not wait, is continued by the next one with the same arguments.
extends_documentation_fragment:
  - commitlog.kafka.connection
  - commitlog.kafka.attributes
  - commitlog.kafka.attributes.actiongroup_kafka
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
  idempotent:
    support: full
options:
  state:
    description:
      - With V(present), replicas are moved as O(strategy) says.
      - With V(absent), what is being moved is returned to where it was, and throttles are taken away.
    type: str
    choices: [present, absent]
    default: present
  strategy:
    description:
      - Required when O(state=present).
      - With V(spread), every topic, and all of them together, are evened out over O(brokers). Use it after brokers were added.
      - With V(drain), the replicas on O(drain_brokers) are moved to others, and nothing else. Use it before brokers are removed.
      - With V(assignment), replicas are put where O(assignment) says.
    type: str
    choices: [spread, drain, assignment]
  topics:
    description:
      - The topics to move, by name or by a pattern with C(*) and C(?). Left out, all of them, Kafka's own included.
    type: list
    elements: str
  brokers:
    description:
      - Ids of the brokers that may hold the replicas. Left out, all that are alive, without O(drain_brokers).
    type: list
    elements: int
  drain_brokers:
    description:
      - Ids of the brokers to take all replicas from. Required when O(strategy=drain).
    type: list
    elements: int
  replication_factor:
    description:
      - Number of replicas that each partition is to have. Left out, as many as it has.
    type: int
  assignment:
    description:
      - The brokers of partitions, the preferred leader first, by topic and partition, as in the examples.
      - Required when O(strategy=assignment). Partitions that it does not name stay where they are.
    type: dict
  rack_aware:
    description:
      - Whether the replicas of a partition are kept on different racks where possible. Left out, they are when every broker has a
        C(broker.rack); when only some have, this is an error.
    type: bool
  throttle:
    description:
      - Bytes per second that each broker may spend on copying. Taken away when the copying is done, even by a later run.
      - What an earlier run began to move goes on at the throttle of this one, or without any.
    type: int
  batch_size:
    description:
      - Number of partitions to move at a time. Left out, all at once. Requires O(wait=true).
    type: int
  wait:
    description:
      - Whether to wait until all is copied. When V(false), O(throttle) stays until a run that waits.
    type: bool
    default: true
  wait_timeout:
    description:
      - Seconds to wait for each batch.
    type: int
    default: 3600
seealso:
  - module: commitlog.kafka.leader_election
  - module: commitlog.kafka.replication_throttle
  - module: commitlog.kafka.cluster_info
"""

EXAMPLES = r"""
---
- name: Give new brokers their share, with 50 MB/s at most
  commitlog.kafka.partition_reassignment:
    strategy: spread
    throttle: 50000000
    bootstrap_servers: [kafka1:9092]

- name: Empty broker 3 before it is removed
  commitlog.kafka.partition_reassignment:
    strategy: drain
    drain_brokers: [3]
    bootstrap_servers: [kafka1:9092]

- name: Give all topics of payments a third replica
  commitlog.kafka.partition_reassignment:
    strategy: drain
    drain_brokers: []
    topics: ["payments-*"]
    replication_factor: 3
    bootstrap_servers: [kafka1:9092]

- name: Put one partition where it should be
  commitlog.kafka.partition_reassignment:
    strategy: assignment
    assignment:
      test: {"0": [1, 2]}
    bootstrap_servers: [kafka1:9092]

- name: Stop moving and return to how it was
  commitlog.kafka.partition_reassignment:
    state: absent
    bootstrap_servers: [kafka1:9092]
"""

RETURN = r"""
before:
  description: The brokers of each partition that is moved, the preferred leader first, by topic and partition.
  returned: always
  type: dict
  sample: {"test": {"0": [0, 1]}}
after:
  description: The brokers of each of them now, or as they would be in check mode.
  returned: always
  type: dict
  sample: {"test": {"0": [2, 1]}}
moved:
  description: How much the plan moves.
  returned: always
  type: dict
  contains:
    partitions:
      description: Number of partitions whose list of replicas changes, if only in its order.
      type: int
      returned: always
    replicas:
      description: Number of replicas that are copied to a broker that did not have them.
      type: int
      returned: always
  sample: {"partitions": 1, "replicas": 1}
distribution:
  description: Number of replicas and of preferred leaders per broker, before and after.
  returned: always
  type: dict
  sample:
    before: {"0": {"replicas": 2, "leaders": 1}, "1": {"replicas": 2, "leaders": 1}, "2": {"replicas": 0, "leaders": 0}}
    after: {"0": {"replicas": 1, "leaders": 1}, "1": {"replicas": 2, "leaders": 1}, "2": {"replicas": 1, "leaders": 0}}
in_progress:
  description: Partitions that are still being moved when the module returns, as V(topic-partition).
  returned: always
  type: list
  elements: str
  sample: []
requests:
  description: The requests that changed something, or would have in check mode, in order.
  returned: always
  type: list
  elements: dict
  sample:
    - api: AlterPartitionReassignments
      partitions: {"test-0": [2, 1]}
"""

import fnmatch
import typing as t

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.commitlog.kafka.plugins.module_utils._cluster_admin import ClusterAdmin
from ansible_collections.commitlog.kafka.plugins.module_utils._cluster_health import ClusterState
from ansible_collections.commitlog.kafka.plugins.module_utils._connection import connect
from ansible_collections.commitlog.kafka.plugins.module_utils._module import run_module
from ansible_collections.commitlog.kafka.plugins.module_utils._reassignment import (
    SETTINGS_NEEDED,
    Terms,
    cancel,
    carry_out,
    layout_of,
    require_alive,
)
from ansible_collections.commitlog.kafka.plugins.module_utils._reassignment_plan import (
    Layout,
    Partition,
    PlanImpossible,
    Planner,
    differences,
    distribution,
    nested,
    rack_map,
    replicas_copied,
)
from ansible_collections.commitlog.kafka.plugins.module_utils._topic_plan import TopicConflict, parse_assignment


def selected_partitions(layout: Layout, patterns: t.Optional[list[str]]) -> list[Partition]:
    """The partitions of the topics named. Raises PlanImpossible for a name or pattern that fits none."""
    if patterns is None:
        return sorted(layout)
    names = {topic for topic, _index in layout}
    for pattern in patterns:
        if not any(fnmatch.fnmatchcase(name, pattern) for name in names):
            raise PlanImpossible("topics: {0} fits no topic of the cluster".format(pattern))
    return sorted(p for p in layout if any(fnmatch.fnmatchcase(p[0], pattern) for pattern in patterns))


def target_brokers(params: dict[str, t.Any], state: ClusterState, layout: Layout, selected: list[Partition]) -> list[int]:
    """The brokers that may hold replicas. Raises PlanImpossible for those that are not alive."""
    alive = {broker.id for broker in state.brokers}
    drained = set(params["drain_brokers"] or [])
    if params["brokers"] is not None:
        dead = sorted(set(params["brokers"]) - alive)
        if dead:
            raise PlanImpossible("brokers: {0} are not alive; alive are {1}".format(dead, sorted(alive)))
        return sorted(set(params["brokers"]) - drained)
    down = sorted({broker for partition in selected for broker in layout[partition]} - alive - drained)
    if down:
        raise PlanImpossible(
            "brokers {0} hold replicas and are not alive; start them, or name those that are gone for good in drain_brokers, "
            "or the ones to use in brokers".format(down)
        )
    return sorted(alive - drained)


def explicit_layout(raw: dict[t.Any, t.Any], layout: Layout) -> Layout:
    """The assignment option, checked against what exists."""
    wanted: Layout = {}
    for topic, partitions in raw.items():
        if not isinstance(partitions, dict):
            raise PlanImpossible("assignment.{0}: expected partitions with their brokers, as in {{0: [1, 2]}}".format(topic))
        try:
            parsed = parse_assignment(partitions, gaps=True) or {}
        except TopicConflict as error:
            raise PlanImpossible(str(error).replace("replica_assignment", "assignment." + str(topic), 1)) from error
        for index, brokers in parsed.items():
            if (str(topic), index) not in layout:
                raise PlanImpossible("assignment.{0}.{1}: there is no such partition".format(topic, index))
            wanted[str(topic), index] = brokers
    return wanted


def plan_moves(params: dict[str, t.Any], state: ClusterState, layout: Layout, selected: list[Partition]) -> Layout:
    """What to move where. Raises PlanImpossible."""
    if params["strategy"] == "assignment":
        wanted = explicit_layout(params["assignment"], layout)
        require_alive(wanted, {broker.id for broker in state.brokers})
        return differences(layout, wanted)
    targets = target_brokers(params, state, layout, selected)
    racks = rack_map({broker.id: broker.rack for broker in state.brokers}, params["rack_aware"])
    planner = Planner(layout, targets, racks, selected)
    plan = planner.drain if params["strategy"] == "drain" else planner.spread
    return differences(layout, plan(params["replication_factor"]))


def document(admin: ClusterAdmin, brokers: list[int], before: Layout, moves: Layout, moving: list[Partition]) -> dict[str, t.Any]:
    """The module's result."""
    after = {**before, **moves}
    changes = dict(before=nested({partition: before[partition] for partition in moves}), after=nested(moves))
    return dict(
        changed=bool(admin.requests),
        moved=dict(partitions=len(moves), replicas=replicas_copied(before, moves)),
        distribution=dict(before=distribution(before, brokers), after=distribution(after, brokers)),
        in_progress=["{0}-{1}".format(*partition) for partition in moving],
        requests=admin.requests,
        diff=changes,
        **changes,
    )


def ensure_present(admin: ClusterAdmin, params: dict[str, t.Any]) -> dict[str, t.Any]:
    """Move what is not where it should be."""
    state = admin.cluster(only_settings=SETTINGS_NEEDED)
    moving = admin.reassignments()
    layout = layout_of(state, moving)
    selected = selected_partitions(layout, params["topics"])
    moves = plan_moves(params, state, layout, selected)
    terms = Terms(params["throttle"], params["batch_size"], params["wait_timeout"] if params["wait"] else None)
    carry_out(admin, state, moves, [partition for partition in selected if partition in moving], terms)
    left = [] if admin.check_mode or terms.wait_s is not None else [p for p in admin.reassignments() if p in set(selected)]
    return document(admin, [broker.id for broker in state.brokers], layout, moves, left)


def ensure_absent(admin: ClusterAdmin, params: dict[str, t.Any]) -> dict[str, t.Any]:
    """Return what is being moved."""
    state = admin.cluster(only_settings=SETTINGS_NEEDED)
    moving = admin.reassignments()
    layout = layout_of(state, moving)
    chosen = [partition for partition in selected_partitions(layout, params["topics"]) if partition in moving]
    cancel(admin, state, chosen, params["wait_timeout"] if params["wait"] else None)
    back = {p: [broker for broker in moving[p]["replicas"] if broker not in moving[p]["adding_replicas"]] for p in chosen}
    return document(admin, [broker.id for broker in state.brokers], layout, back, [])


def run(module: AnsibleModule) -> dict[str, t.Any]:
    """Do what the arguments ask; the module's result."""
    params = module.params
    for name in ("replication_factor", "throttle", "batch_size"):
        if params[name] is not None and params[name] < 1:
            raise PlanImpossible("{0}: {1} is not a positive number".format(name, params[name]))
    if params["batch_size"] is not None and not params["wait"]:
        raise PlanImpossible("batch_size: batches follow each other only with wait: true")
    with ClusterAdmin(connect(params), params["timeout"], module.check_mode) as admin:
        return ensure_present(admin, params) if params["state"] == "present" else ensure_absent(admin, params)


def main() -> None:
    """Run the module."""
    run_module(
        run,
        dict(
            state=dict(type="str", choices=["present", "absent"], default="present"),
            strategy=dict(type="str", choices=["spread", "drain", "assignment"]),
            topics=dict(type="list", elements="str"),
            brokers=dict(type="list", elements="int"),
            drain_brokers=dict(type="list", elements="int"),
            replication_factor=dict(type="int"),
            assignment=dict(type="dict"),
            rack_aware=dict(type="bool"),
            throttle=dict(type="int"),
            batch_size=dict(type="int"),
            wait=dict(type="bool", default=True),
            wait_timeout=dict(type="int", default=3600),
        ),
        required_if=[
            ("state", "present", ("strategy",)),
            ("strategy", "drain", ("drain_brokers",)),
            ("strategy", "assignment", ("assignment",)),
        ],
        mutually_exclusive=[
            ("assignment", "topics"),
            ("assignment", "brokers"),
            ("assignment", "drain_brokers"),
            ("assignment", "replication_factor"),
        ],
    )


if __name__ == "__main__":
    main()
