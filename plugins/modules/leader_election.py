#!/usr/bin/python
# -*- coding: utf-8 -*-
# Copyright: Contributors to the commitlog.kafka collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Have leaders of partitions elected."""

from __future__ import annotations

DOCUMENTATION = r"""
module: leader_election
short_description: Have the leaders of partitions elected
version_added: 0.1.0
author:
  - The commitlog.kafka contributors (!UNKNOWN)
description:
  - Gives partitions back to their preferred leader, which is the first of their replicas. After brokers were restarted, this
    spreads the load again.
  - Or, for partitions without a leader, makes a replica leader that was not in sync. Records that only the lost leader had
    are lost.
  - Only partitions that need it take part.
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
  type:
    description:
      - With V(preferred), the preferred leader of each partition, if it is in sync.
      - With V(unclean), any living replica, for partitions that have no leader. Requires O(topics), since it loses records.
    type: str
    choices: [preferred, unclean]
    default: preferred
  topics:
    description:
      - The topics whose partitions take part. Left out, all do.
    type: list
    elements: str
seealso:
  - module: commitlog.kafka.partition_reassignment
"""

EXAMPLES = r"""
---
- name: Give every partition back to its preferred leader
  commitlog.kafka.leader_election:
    bootstrap_servers: [kafka1:9092]

- name: Serve again what is left of a topic whose in-sync replicas are gone for good
  commitlog.kafka.leader_election:
    type: unclean
    topics: [clicks]
    bootstrap_servers: [kafka1:9092]
"""

RETURN = r"""
before:
  description: The leader of each partition that took part, V(-1) for none, by topic and partition.
  returned: always
  type: dict
  sample: {"test": {"0": 1}}
after:
  description: The leader of each of them now, or as it would be in check mode.
  returned: always
  type: dict
  sample: {"test": {"0": 0}}
skipped_partitions:
  description: Partitions that need an election and cannot have one, with the reason.
  returned: always
  type: list
  elements: dict
  contains:
    topic:
      description: Name of the topic.
      type: str
      returned: always
    partition:
      description: Number of the partition.
      type: int
      returned: always
    reason:
      description: Why it keeps the leader that it has.
      type: str
      returned: always
  sample: []
requests:
  description: The requests that changed something, or would have in check mode, in order.
  returned: always
  type: list
  elements: dict
  sample:
    - api: ElectLeaders
      type: preferred
      partitions: {"test": [0]}
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.commitlog.kafka.plugins.module_utils._admin import RequestFailed
from ansible_collections.commitlog.kafka.plugins.module_utils._cluster_admin import ClusterAdmin
from ansible_collections.commitlog.kafka.plugins.module_utils._cluster_health import ClusterState
from ansible_collections.commitlog.kafka.plugins.module_utils._connection import connect
from ansible_collections.commitlog.kafka.plugins.module_utils._election_plan import ElectionPlan, leaders_of, plan_election
from ansible_collections.commitlog.kafka.plugins.module_utils._module import run_module

Leaders = t.Dict[str, t.Dict[str, int]]


def read(admin: ClusterAdmin, topics: t.Optional[list[str]]) -> ClusterState:
    """The brokers and the topics that take part. Raises RequestFailed for a topic that does not exist."""
    state = admin.cluster(with_topics=False)
    state.topics = admin.read_all(sorted(set(topics)) if topics is not None else None, with_settings=False)
    missing = sorted(set(topics or []) - {topic.name for topic in state.topics})
    if missing:
        raise RequestFailed("topics: {0} not found in the cluster".format(", ".join(missing)))
    return state


def elect(admin: ClusterAdmin, kind: str, plan: ElectionPlan) -> Leaders:
    """Carry the plan out; the leaders once the brokers show them, or as expected in check mode."""
    refused = admin.elect(kind, list(plan.wanted))
    if refused:
        (topic, index), text = sorted(refused.items())[0]
        raise RequestFailed(
            "ElectLeaders: {0} of {1} partitions were refused, the first is partition {2} of {3}: {4}".format(
                len(refused), len(plan.wanted), index, topic, text
            )
        )
    if admin.check_mode:
        return plan.expected()
    names = sorted({topic for topic, _index in plan.wanted})

    def settled() -> tuple[t.Optional[Leaders], str]:
        views = [leaders_of(topics, plan.wanted) for topics in admin.read_everywhere(names)]
        leaders = views[-1]
        waiting = [
            "{0}-{1}".format(topic, index)
            for view in views
            for (topic, index), broker in plan.wanted.items()
            if (view[topic][str(index)] != broker if kind == "preferred" else view[topic][str(index)] < 0)
        ]
        return (None, "the brokers do not show the new leader of " + ", ".join(waiting[:5])) if waiting else (leaders, "")

    found: Leaders = admin.wait("the election was accepted but is not done", settled)
    return found


def run(module: AnsibleModule) -> dict[str, t.Any]:
    """Do what the arguments ask; the module's result."""
    params = module.params
    kind = params["type"]
    with ClusterAdmin(connect(params), params["timeout"], module.check_mode) as admin:
        state = read(admin, params["topics"])
        plan = plan_election(kind, state.topics, {broker.id for broker in state.brokers})
        before = leaders_of(state.topics, plan.wanted)
        after = plan.expected()
        if plan.wanted:
            after = elect(admin, kind, plan)
    return admin.outcome(before != after, before, after, skipped_partitions=plan.skipped)


def main() -> None:
    """Run the module."""
    run_module(
        run,
        dict(
            type=dict(type="str", choices=["preferred", "unclean"], default="preferred"),
            topics=dict(type="list", elements="str"),
        ),
        required_if=[("type", "unclean", ("topics",))],
    )


if __name__ == "__main__":
    main()
