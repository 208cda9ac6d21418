#!/usr/bin/python
# -*- coding: utf-8 -*-
# Copyright: Contributors to the commitlog.kafka collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Create, change and delete one Kafka topic."""

from __future__ import annotations

DOCUMENTATION = r"""
module: topic
short_description: Create, change and delete a Kafka topic
version_added: 0.1.0
author:
  - The commitlog.kafka contributors (!UNKNOWN)
description:
  - Makes sure that a topic exists with so many partitions, replicas and settings, or that it does not exist.
  - Only what is said is changed, and only where it differs. Settings that O(config) does not name are left alone.
  - A created or grown topic is ready when the module returns, since every partition has a leader.
  - Another number of replicas is reached by moving as little as possible, and waited for.
extends_documentation_fragment:
  - commitlog.kafka.connection
  - commitlog.kafka.attributes
  - commitlog.kafka.attributes.actiongroup_kafka
attributes:
  check_mode:
    support: full
    details:
      - The cluster itself judges the request, without carrying it out, so what it would refuse fails in check mode too.
  diff_mode:
    support: full
  idempotent:
    support: full
options:
  name:
    description:
      - Name of the topic, of 1 to 249 letters, digits, dots, underscores and hyphens.
    type: str
    required: true
  state:
    description:
      - Whether the topic should exist.
    type: str
    choices: [present, absent]
    default: present
  partitions:
    description:
      - Number of partitions. Left out, a new topic gets the cluster's C(num.partitions) and an existing one keeps what it has.
      - A topic can grow. To ask for fewer partitions than it has is an error, since Kafka cannot take them away.
    type: int
  replication_factor:
    description:
      - Number of replicas of each partition. Left out, a new topic gets the cluster's C(default.replication.factor) and an
        existing one keeps what it has.
      - Replicas are added where there is the least, on racks that have none if brokers have a C(broker.rack); the preferred
        leader stays.
    type: int
  replica_assignment:
    description:
      - The brokers of each partition, the preferred leader first, instead of O(partitions) and O(replication_factor).
      - The partitions of an existing topic are moved to these brokers, and further ones make it grow.
    type: dict
  config:
    description:
      - Settings of the topic by Kafka's names, for example C(retention.ms).
      - A setting that is null returns to the cluster's default.
      - Settings that are not named are left alone, so an empty mapping changes nothing.
      - Lists are joined by commas.
    type: dict
    default: {}
  throttle:
    description:
      - Bytes per second that each broker may spend on copying replicas that are moved or added.
    type: int
  reassignment_timeout:
    description:
      - Seconds to wait until replicas have been copied. After that, running the module again goes on waiting.
    type: int
    default: 3600
seealso:
  - module: commitlog.kafka.topics
  - module: commitlog.kafka.topic_info
"""

EXAMPLES = r"""
---
- name: Make the article's topic, with the brokers found in ZooKeeper
  commitlog.kafka.topic:
    name: test
    partitions: 1
    replication_factor: 2
    zookeeper_connect: kafka1:2181

- name: Keep a week of payments and never accept a write that one broker alone has
  commitlog.kafka.topic:
    name: payments
    partitions: 12
    replication_factor: 3
    config:
      retention.ms: 604800000
      min.insync.replicas: 2
      cleanup.policy: [compact, delete]
    bootstrap_servers: [kafka1:9092, kafka2:9092]

- name: Return the retention to the cluster's default, leaving the other settings alone
  commitlog.kafka.topic:
    name: payments
    config:
      retention.ms: null
    bootstrap_servers: [kafka1:9092]

- name: Give an existing topic a third replica, with 20 MB/s at most
  commitlog.kafka.topic:
    name: payments
    replication_factor: 3
    throttle: 20000000
    bootstrap_servers: [kafka1:9092]

- name: Remove a topic
  commitlog.kafka.topic:
    name: old-payments
    state: absent
    bootstrap_servers: [kafka1:9092]
"""

RETURN = r"""
before:
  description: The topic as it was; empty when it did not exist.
  returned: always
  type: dict
  contains: &topic
    name:
      description: Name of the topic.
      type: str
      returned: when the topic exists
    partitions:
      description: Number of partitions.
      type: int
      returned: when the topic exists
    replication_factor:
      description: Number of replicas of the first partition.
      type: int
      returned: when the topic exists
    replica_assignment:
      description: The brokers of each partition, the preferred leader first; empty in check mode where the cluster will choose.
      type: dict
      returned: when the topic exists
    config:
      description: The settings that the topic itself makes.
      type: dict
      returned: when the topic exists
  sample:
    name: test
    partitions: 1
    replication_factor: 2
    replica_assignment: {"0": [0, 1]}
    config: {}
after:
  description: The topic as it is now, or as it would be in check mode; empty when it does not exist.
  returned: always
  type: dict
  contains: *topic
  sample:
    name: test
    partitions: 1
    replication_factor: 2
    replica_assignment: {"0": [0, 1]}
    config: {"retention.ms": "604800000"}
requests:
  description: The requests that changed something, or would have in check mode, in order.
  returned: always
  type: list
  elements: dict
  sample:
    - api: IncrementalAlterConfigs
      topic: test
      set: {"retention.ms": "604800000"}
      delete: []
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.commitlog.kafka.plugins.module_utils._cluster_admin import ClusterAdmin
from ansible_collections.commitlog.kafka.plugins.module_utils._connection import connect
from ansible_collections.commitlog.kafka.plugins.module_utils._module import run_module
from ansible_collections.commitlog.kafka.plugins.module_utils._topic_changes import (
    TopicChanges,
    reassignment_argument_spec,
    topic_argument_spec,
    topic_rules,
    wanted_topic,
)
from ansible_collections.commitlog.kafka.plugins.module_utils._topic_plan import describe


def run(module: AnsibleModule) -> dict[str, t.Any]:
    """Do what the arguments ask; the module's result."""
    params = module.params
    wanted = wanted_topic(params)
    present = params["state"] == "present"
    with ClusterAdmin(connect(params), params["timeout"], module.check_mode) as admin:
        current = admin.read_all([wanted.name])
        changes = TopicChanges(admin, [wanted] if present else [], current, [] if present else current)
        before = describe(current[0] if current else None)
        after = before
        if changes.changed:
            changes.carry_out(params["throttle"], params["reassignment_timeout"])
            after = changes.after()[wanted.name]
    return admin.outcome(changes.changed, before, after)


def main() -> None:
    """Run the module."""
    run_module(
        run,
        dict(
            name=dict(type="str", required=True),
            **topic_argument_spec(),
            **reassignment_argument_spec(),
        ),
        mutually_exclusive=topic_rules(),
    )


if __name__ == "__main__":
    main()
