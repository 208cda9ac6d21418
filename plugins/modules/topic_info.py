#!/usr/bin/python
# -*- coding: utf-8 -*-
# Copyright: Contributors to the commitlog.kafka collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Describe Kafka topics."""

from __future__ import annotations

DOCUMENTATION = r"""
module: topic_info
short_description: Describe Kafka topics
version_added: 0.1.0
author:
  - The commitlog.kafka contributors (!UNKNOWN)
description:
  - Returns the partitions, replicas, in-sync replicas and settings of topics, and what is wrong with them.
extends_documentation_fragment:
  - commitlog.kafka.connection
  - commitlog.kafka.attributes
  - commitlog.kafka.attributes.info_module
  - commitlog.kafka.attributes.actiongroup_kafka
options:
  name:
    description:
      - The topics to describe. One that does not exist is left out of RV(topics) and named in RV(missing).
      - Left out, all topics are described.
    type: list
    elements: str
    aliases: [names]
  include_internal:
    description:
      - Whether Kafka's own topics, such as C(__consumer_offsets), are described when O(name) is left out.
    type: bool
    default: false
  include_defaults:
    description:
      - Whether RV(topics[].config) has every setting with its effective value, instead of only what the topic itself sets.
    type: bool
    default: false
"""

EXAMPLES = r"""
---
- name: Describe the article's topic
  commitlog.kafka.topic_info:
    name: test
    zookeeper_connect: kafka1:2181
  register: described

- name: Fail unless every replica of it is in sync
  ansible.builtin.assert:
    that: described.topics | map(attribute='under_replicated') | max == 0

- name: List all topics
  commitlog.kafka.topic_info:
    bootstrap_servers: [kafka1:9092]
"""

RETURN = r"""
topics:
  description: The topics found, sorted by name.
  returned: always
  type: list
  elements: dict
  contains:
    name:
      description: Name of the topic.
      type: str
      returned: always
    topic_id:
      description: The topic's id; null where the cluster gives none.
      type: str
      returned: always
    internal:
      description: Whether it is one of Kafka's own topics.
      type: bool
      returned: always
    replication_factor:
      description: Number of replicas of the first partition.
      type: int
      returned: always
    config:
      description: The settings that the topic itself makes; with O(include_defaults) all settings.
      type: dict
      returned: always
    under_replicated:
      description: Number of partitions with a replica that is not in sync.
      type: int
      returned: always
    offline:
      description: Number of partitions without a leader.
      type: int
      returned: always
    partitions:
      description: The partitions, in order.
      returned: always
      type: list
      elements: dict
      contains:
        partition:
          description: Number of the partition.
          type: int
          returned: always
        leader:
          description: Id of the broker that leads it; V(-1) for none.
          type: int
          returned: always
        leader_epoch:
          description: How often leadership changed.
          type: int
          returned: always
        replicas:
          description: Ids of the brokers that keep it, the preferred leader first.
          type: list
          elements: int
          returned: always
        isr:
          description: Ids of the brokers that are in sync.
          type: list
          elements: int
          returned: always
        offline_replicas:
          description: Ids of the brokers among RV(topics[].partitions[].replicas) that are down.
          type: list
          elements: int
          returned: always
missing:
  description: The names asked for that no topic has.
  returned: always
  type: list
  elements: str
  sample: []
"""

import dataclasses
import typing as t

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.commitlog.kafka.plugins.module_utils._connection import (
    ClusterUnreachable,
    connect,
    connection_argument_spec,
    connection_rules,
    require_libraries,
)
from ansible_collections.commitlog.kafka.plugins.module_utils._topic_admin import RequestFailed, TopicAdmin
from ansible_collections.commitlog.kafka.plugins.module_utils._topic_plan import TopicState


def topic_document(topic: TopicState, include_defaults: bool) -> dict[str, t.Any]:
    """One topic as the module returns it."""
    config = topic.overrides
    if include_defaults:
        config = {name: entry.value for name, entry in sorted(topic.settings.items())}
    return dict(
        name=topic.name,
        topic_id=topic.topic_id,
        internal=topic.internal,
        replication_factor=topic.replication_factor,
        config=config,
        under_replicated=sum(1 for p in topic.partitions if len(p.isr) < len(p.replicas)),
        offline=sum(1 for p in topic.partitions if p.leader < 0),
        partitions=[dataclasses.asdict(p) for p in topic.partitions],
    )


def run(module: AnsibleModule) -> dict[str, t.Any]:
    """Read what the arguments ask for; the module's result."""
    params = module.params
    admin = TopicAdmin(connect(params), params["timeout"])
    try:
        names = params["name"] if params["name"] is not None else admin.names()
        topics = admin.read_all(sorted(set(names)))
    finally:
        admin.close()
    if params["name"] is None and not params["include_internal"]:
        topics = [topic for topic in topics if not topic.internal]
    found = {topic.name for topic in topics}
    return dict(
        changed=False,
        topics=[topic_document(topic, params["include_defaults"]) for topic in topics],
        missing=sorted(set(params["name"] or []) - found),
    )


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec=dict(
            name=dict(type="list", elements="str", aliases=["names"]),
            include_internal=dict(type="bool", default=False),
            include_defaults=dict(type="bool", default=False),
            **connection_argument_spec(),
        ),
        supports_check_mode=True,
        **connection_rules(),
    )
    require_libraries(module)
    try:
        module.exit_json(**run(module))
    except (ClusterUnreachable, RequestFailed) as error:
        module.fail_json(msg=str(error))


if __name__ == "__main__":
    main()
