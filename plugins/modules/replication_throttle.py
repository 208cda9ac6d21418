#!/usr/bin/python
# -*- coding: utf-8 -*-
# Copyright: Contributors to the commitlog.kafka collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Limit how fast brokers catch up."""

from __future__ import annotations

DOCUMENTATION = r"""
module: replication_throttle
short_description: Limit how fast brokers that are behind catch up
version_added: 0.1.0
author:
  - The commitlog.kafka contributors (!UNKNOWN)
description:
  - A broker that comes back after a long time, or takes the place of a lost one, copies what it lacks as fast as the others
    give it, at the cost of clients. This limits what it takes, and what the others give it.
  - Replicas that are in sync are never held back.
  - For replicas that are moved, M(commitlog.kafka.partition_reassignment) has a throttle of its own.
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
      - With V(present), the replicas of O(brokers) are copied no faster than at O(rate).
      - With V(absent), every throttle of replication is taken away, those of replicas that are being moved included.
    type: str
    choices: [present, absent]
    default: present
  brokers:
    description:
      - Ids of the brokers that catch up. Required when O(state=present).
      - They may be down. One that is has no rate of its own until the module is run again, so that it takes as much as all
        others together give it.
    type: list
    elements: int
  rate:
    description:
      - Bytes per second that each broker may give, or take. Required when O(state=present).
    type: int
seealso:
  - module: commitlog.kafka.partition_reassignment
"""

EXAMPLES = r"""
---
- name: Let broker 3 catch up with 20 MB/s at most, before it is started
  commitlog.kafka.replication_throttle:
    brokers: [3]
    rate: 20000000
    bootstrap_servers: [kafka1:9092]

- name: Take the throttle away, once it is in sync
  commitlog.kafka.replication_throttle:
    state: absent
    bootstrap_servers: [kafka1:9092]
"""

RETURN = r"""
before:
  description: The settings of throttles as they were, of C(brokers) by id and of C(topics) by name.
  returned: always
  type: dict
  sample: {"brokers": {}, "topics": {}}
after:
  description: The settings of throttles as they are now, or as they would be in check mode.
  returned: always
  type: dict
  sample:
    brokers:
      "1": {"follower.replication.throttled.rate": "20000000", "leader.replication.throttled.rate": "20000000"}
    topics:
      test: {"follower.replication.throttled.replicas": "0:3", "leader.replication.throttled.replicas": "0:1"}
requests:
  description: The requests that changed something, or would have in check mode, in order.
  returned: always
  type: list
  elements: dict
  sample:
    - api: IncrementalAlterConfigs
      topic: test
      set: {"follower.replication.throttled.replicas": "0:3", "leader.replication.throttled.replicas": "0:1"}
      delete: []
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.commitlog.kafka.plugins.module_utils._admin import RequestFailed
from ansible_collections.commitlog.kafka.plugins.module_utils._cluster_admin import ClusterAdmin
from ansible_collections.commitlog.kafka.plugins.module_utils._cluster_health import ClusterState
from ansible_collections.commitlog.kafka.plugins.module_utils._connection import connect
from ansible_collections.commitlog.kafka.plugins.module_utils._module import run_module
from ansible_collections.commitlog.kafka.plugins.module_utils._throttle import (
    TOPIC_THROTTLES,
    Throttles,
    added,
    catching_up,
    changes_between,
    rates,
    throttles_left,
)


def read(admin: ClusterAdmin) -> ClusterState:
    """The brokers and the topics, with what of their settings is about throttles."""
    return admin.cluster(only_settings=list(TOPIC_THROTTLES))


def wanted_throttles(state: ClusterState, before: Throttles, brokers: list[int], rate: int) -> Throttles:
    """What there is to be; nothing new for brokers that have nothing to copy."""
    replicas = catching_up(state.topics, set(brokers))
    return added(before, {**replicas, **rates([broker.id for broker in state.brokers], rate)}) if replicas else before


def unknown_brokers(state: ClusterState, brokers: list[int]) -> list[int]:
    """Those that neither run nor have a replica, as after a slip of the pen."""
    holding = {broker for topic in state.topics for partition in topic.partitions for broker in partition.replicas}
    return sorted(set(brokers) - holding - {broker.id for broker in state.brokers})


def by_kind(throttles: Throttles) -> dict[str, dict[str, dict[str, str]]]:
    """Throttles as the module returns them."""
    return {
        kind + "s": {name: settings for (its_kind, name), settings in sorted(throttles.items()) if its_kind == kind}
        for kind in ("broker", "topic")
    }


def wait_until_shown(admin: ClusterAdmin, after: Throttles) -> None:
    """Wait until the brokers tell what they have just accepted: it reaches them through ZooKeeper."""

    def state() -> tuple[t.Optional[bool], str]:
        late = changes_between(throttles_left(admin, read(admin)), after)
        return (None, "{0} {1} has others".format(late[0].kind, late[0].name)) if late else (True, "")

    admin.wait("the throttles were accepted but are not in force", state)


def run(module: AnsibleModule) -> dict[str, t.Any]:
    """Do what the arguments ask; the module's result."""
    params = module.params
    if params["rate"] is not None and params["rate"] < 1:
        raise RequestFailed("rate: {0} is not a positive number".format(params["rate"]))
    with ClusterAdmin(connect(params), params["timeout"], module.check_mode) as admin:
        state = read(admin)
        for broker in unknown_brokers(state, params["brokers"] or []):
            module.warn("brokers: {0} neither runs nor has a replica, so there is nothing that it could copy".format(broker))
        before = throttles_left(admin, state)
        after = wanted_throttles(state, before, params["brokers"], params["rate"]) if params["state"] == "present" else {}
        admin.alter_configs(changes_between(before, after))
        if admin.requests and not admin.check_mode:
            wait_until_shown(admin, after)
    return admin.outcome(before != after, by_kind(before), by_kind(after))


def main() -> None:
    """Run the module."""
    run_module(
        run,
        dict(
            state=dict(type="str", choices=["present", "absent"], default="present"),
            brokers=dict(type="list", elements="int"),
            rate=dict(type="int"),
        ),
        required_if=[("state", "present", ("brokers", "rate"))],
    )


if __name__ == "__main__":
    main()
