#!/usr/bin/python
# -*- coding: utf-8 -*-
# Copyright: Contributors to the commitlog.kafka collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Describe a Kafka cluster and its health."""

from __future__ import annotations

DOCUMENTATION = r"""
module: cluster_info
short_description: Describe a Kafka cluster and its health
version_added: 0.1.0
author:
  - The commitlog.kafka contributors (!UNKNOWN)
description:
  - Returns the brokers, the controller, the feature levels and the health of a cluster, the health in one word with its reasons.
  - Says of every broker whether it can be stopped now without a partition going offline or refusing writes with C(acks=all).
    This is the question to ask before a broker is restarted.
  - Needs four requests, however many topics there are.
extends_documentation_fragment:
  - commitlog.kafka.connection
  - commitlog.kafka.attributes
  - commitlog.kafka.attributes.info_module
  - commitlog.kafka.attributes.actiongroup_kafka
options:
  expected_brokers:
    description:
      - Ids of the brokers that should be alive. One that is not makes the cluster V(degraded).
      - Brokers that hold replicas are always expected.
    type: list
    elements: int
seealso:
  - module: commitlog.kafka.broker_info
  - module: commitlog.kafka.topic_info
"""

EXAMPLES = r"""
---
- name: Wait until the cluster is healthy
  commitlog.kafka.cluster_info:
    bootstrap_servers: [kafka1:9092, kafka2:9092]
    expected_brokers: [0, 1, 2]
  register: cluster
  until: cluster is succeeded and cluster.health == 'healthy'
  retries: 60
  delay: 2

- name: Stop here unless broker 1 can be restarted without anybody noticing
  ansible.builtin.assert:
    that: cluster.brokers | selectattr('id', 'equalto', 1) | map(attribute='can_stop') | first
    fail_msg: "{{ cluster.reasons | join('; ') }}"
"""

RETURN = r"""
cluster_id:
  description: The cluster's id.
  returned: always
  type: str
  sample: J3RGQqLGQ2uSlHgZ4R6Kpw
controller_id:
  description: Id of the broker that is the controller; V(-1) for none.
  returned: always
  type: int
  sample: 0
health:
  description:
    - V(critical) when a partition cannot be read, or not be written with C(acks=all), or there is no controller.
    - V(degraded) when all is served with less redundancy than was asked for, or a broker is missing.
    - V(healthy) otherwise.
  returned: always
  type: str
  sample: degraded
reasons:
  description: Why the cluster is not V(healthy), the worst first; empty when it is.
  returned: always
  type: list
  elements: str
  sample: ["2 partitions with replicas that are not in sync: test-0, test-1"]
brokers:
  description: The brokers that are alive, by id.
  returned: always
  type: list
  elements: dict
  contains:
    id:
      description: The broker's id.
      type: int
      returned: always
    host:
      description: Host of the listener that was asked.
      type: str
      returned: always
    port:
      description: Port of that listener.
      type: int
      returned: always
    rack:
      description: The broker's C(broker.rack); null when it has none.
      type: str
      returned: always
    controller:
      description: Whether it is the controller.
      type: bool
      returned: always
    leaders:
      description: Number of partitions that it leads.
      type: int
      returned: always
    replicas:
      description: Number of partitions that it keeps.
      type: int
      returned: always
    in_sync:
      description: Whether it is in the ISR of every partition that it keeps.
      type: bool
      returned: always
    can_stop:
      description:
        - Whether both RV(brokers[].offline_if_stopped) and RV(brokers[].under_min_isr_if_stopped) are empty.
        - Partitions with a single replica do not count, since nothing that the cluster could wait for would help them.
      type: bool
      returned: always
    offline_if_stopped:
      description: Partitions of several replicas that only this broker has in sync, as V(topic-partition).
      type: list
      elements: str
      returned: always
    under_min_isr_if_stopped:
      description: Partitions that would refuse writes with C(acks=all) without this broker.
      type: list
      elements: str
      returned: always
    single_replica:
      description: Partitions whose only replica is on this broker.
      type: list
      elements: str
      returned: always
missing_brokers:
  description: Ids of brokers that hold replicas or are expected, and are not alive.
  returned: always
  type: list
  elements: int
  sample: []
topics:
  description: Number of topics, Kafka's own included.
  returned: always
  type: int
  sample: 3
partitions:
  description: Number of partitions.
  returned: always
  type: int
  sample: 54
offline:
  description: Partitions without a leader, as V(topic-partition).
  returned: always
  type: list
  elements: str
  sample: []
under_min_isr:
  description: Partitions with fewer in-sync replicas than C(min.insync.replicas).
  returned: always
  type: list
  elements: str
  sample: []
at_min_isr:
  description: Partitions that miss a replica and have just as many in sync as C(min.insync.replicas) asks for.
  returned: always
  type: list
  elements: str
  sample: ["test-0"]
under_replicated:
  description: Partitions with a replica that is not in sync.
  returned: always
  type: list
  elements: str
  sample: ["test-0", "test-1"]
reassigning:
  description: Partitions whose replicas are being moved.
  returned: always
  type: list
  elements: str
  sample: []
features:
  description:
    - Feature levels by name, with the range that is C(supported) and the range that is C(finalized).
    - Empty in ZooKeeper mode, where no feature has been finalized.
  returned: always
  type: dict
  sample: {}
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.commitlog.kafka.plugins.module_utils._cluster_admin import ClusterAdmin
from ansible_collections.commitlog.kafka.plugins.module_utils._cluster_health import (
    broker_document,
    findings,
    judge,
    missing_brokers,
)
from ansible_collections.commitlog.kafka.plugins.module_utils._connection import connect
from ansible_collections.commitlog.kafka.plugins.module_utils._module import run_module


def run(module: AnsibleModule) -> dict[str, t.Any]:
    """Read what the arguments ask for; the module's result."""
    params = module.params
    with ClusterAdmin(connect(params), params["timeout"]) as admin:
        state = admin.cluster()
        features = admin.features()
        moving = admin.reassignments()
    expected = params["expected_brokers"]
    health, reasons = judge(state, expected)
    alive = {broker.id for broker in state.brokers}
    return dict(
        changed=False,
        cluster_id=state.cluster_id,
        controller_id=state.controller_id,
        health=health,
        reasons=reasons,
        brokers=[broker_document(state, broker) for broker in state.brokers],
        missing_brokers=sorted(set(missing_brokers(state)) | (set(expected or []) - alive)),
        topics=len(state.topics),
        partitions=sum(len(topic.partitions) for topic in state.topics),
        reassigning=["{0}-{1}".format(*partition) for partition in moving],
        features=features,
        **findings(state),
    )


def main() -> None:
    """Run the module."""
    run_module(
        run,
        dict(
            expected_brokers=dict(type="list", elements="int"),
        ),
    )


if __name__ == "__main__":
    main()
