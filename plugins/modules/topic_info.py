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
  - Returns the partitions, replicas, in-sync replicas, offsets and settings of topics, and what is wrong with them.
  - Needs two requests for all topics together, and two for each broker with O(include_offsets).
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
  include_offsets:
    description:
      - Whether partitions have their earliest and latest offset. It is asked of every leader.
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
    min_insync_replicas:
      description: The topic's effective C(min.insync.replicas).
      type: int
      returned: always
    under_replicated:
      description: Number of partitions with a replica that is not in sync.
      type: int
      returned: always
    under_min_isr:
      description: Number of partitions that refuse writes with C(acks=all), for want of in-sync replicas.
      type: int
      returned: always
    at_min_isr:
      description: Number of partitions that would refuse such writes with one in-sync replica less.
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
        under_replicated:
          description: Whether a replica is not in sync.
          type: bool
          returned: always
        under_min_isr:
          description: Whether it has fewer in-sync replicas than the lesser of C(min.insync.replicas) and its number of replicas.
          type: bool
          returned: always
        at_min_isr:
          description: Whether it has just as many.
          type: bool
          returned: always
        offline:
          description: Whether it has no leader.
          type: bool
          returned: always
        earliest_offset:
          description: Offset of the first record that is still there; null without a leader.
          type: int
          returned: with O(include_offsets)
        latest_offset:
          description: Offset that the next record will get; null without a leader.
          type: int
          returned: with O(include_offsets)
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

from ansible_collections.commitlog.kafka.plugins.module_utils._connection import connect
from ansible_collections.commitlog.kafka.plugins.module_utils._module import run_module
from ansible_collections.commitlog.kafka.plugins.module_utils._topic_admin import TopicAdmin
from ansible_collections.commitlog.kafka.plugins.module_utils._topic_plan import PartitionState, TopicState

FLAGS = ("under_replicated", "under_min_isr", "at_min_isr", "offline")
Offsets = t.Dict[t.Tuple[str, int], t.Tuple[int, int]]


def partition_document(topic: TopicState, p: PartitionState, offsets: t.Optional[Offsets]) -> dict[str, t.Any]:
    """One partition as the module returns it."""
    document = dict(
        dataclasses.asdict(p),
        under_replicated=p.under_replicated,
        under_min_isr=p.under_min_isr(topic.min_isr),
        at_min_isr=p.at_min_isr(topic.min_isr),
        offline=p.offline,
    )
    if offsets is not None:
        document["earliest_offset"], document["latest_offset"] = offsets.get((topic.name, p.partition), (None, None))
    return document


def topic_document(topic: TopicState, include_defaults: bool, offsets: t.Optional[Offsets]) -> dict[str, t.Any]:
    """One topic as the module returns it."""
    config = topic.overrides
    if include_defaults:
        config = {name: entry.value for name, entry in sorted(topic.settings.items())}
    partitions = [partition_document(topic, p, offsets) for p in topic.partitions]
    return dict(
        name=topic.name,
        topic_id=topic.topic_id,
        internal=topic.internal,
        replication_factor=topic.replication_factor,
        min_insync_replicas=topic.min_isr,
        config=config,
        **{flag: sum(1 for p in partitions if p[flag]) for flag in FLAGS},
        partitions=partitions,
    )


def run(module: AnsibleModule) -> dict[str, t.Any]:
    """Read what the arguments ask for; the module's result."""
    params = module.params
    with TopicAdmin(connect(params), params["timeout"]) as admin:
        topics = admin.read_all(sorted(set(params["name"])) if params["name"] is not None else None)
        if params["name"] is None and not params["include_internal"]:
            topics = [topic for topic in topics if not topic.internal]
        offsets = None
        if params["include_offsets"]:
            offsets = admin.offsets([(topic.name, p.partition) for topic in topics for p in topic.partitions if not p.offline])
    found = {topic.name for topic in topics}
    return dict(
        changed=False,
        topics=[topic_document(topic, params["include_defaults"], offsets) for topic in topics],
        missing=sorted(set(params["name"] or []) - found),
    )


def main() -> None:
    """Run the module."""
    run_module(
        run,
        dict(
            name=dict(type="list", elements="str", aliases=["names"]),
            include_internal=dict(type="bool", default=False),
            include_defaults=dict(type="bool", default=False),
            include_offsets=dict(type="bool", default=False),
        ),
    )


if __name__ == "__main__":
    main()
