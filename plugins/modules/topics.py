#!/usr/bin/python
# -*- coding: utf-8 -*-
# Copyright: Contributors to the commitlog.kafka collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Create, change and delete many Kafka topics at once."""

from __future__ import annotations

DOCUMENTATION = r"""
module: topics
short_description: Create, change and delete many Kafka topics at once
version_added: 0.1.0
author:
  - The commitlog.kafka contributors (!UNKNOWN)
description:
  - Makes sure that topics are as listed, over one connection and with two requests to compare them, however many there are.
  - Everything is compared and checked before anything is changed, so a mistake in one topic changes none.
  - With O(purge), topics that are not listed are deleted, within the bounds of O(protected) and O(max_deletions).
extends_documentation_fragment:
  - commitlog.kafka.connection
  - commitlog.kafka.attributes
  - commitlog.kafka.attributes.actiongroup_kafka
attributes:
  check_mode:
    support: full
    details:
      - The cluster itself judges the requests, without carrying them out, so what it would refuse fails in check mode too.
  diff_mode:
    support: full
  idempotent:
    support: full
options:
  topics:
    description:
      - The topics.
    type: list
    elements: dict
    required: true
    suboptions:
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
          - Number of partitions, as in M(commitlog.kafka.topic).
        type: int
      replication_factor:
        description:
          - Number of replicas of each partition, as in M(commitlog.kafka.topic).
        type: int
      replica_assignment:
        description:
          - The brokers of each partition, as in M(commitlog.kafka.topic).
        type: dict
      config:
        description:
          - Settings of the topic by Kafka's names, as in M(commitlog.kafka.topic).
        type: dict
        default: {}
  purge:
    description:
      - Whether topics that O(topics) does not list are deleted. Kafka's own, whose names begin with two underscores, never are.
    type: bool
    default: false
  protected:
    description:
      - Names, and patterns with C(*) and C(?), of topics that are never deleted. To list one with C(state=absent) is an error.
    type: list
    elements: str
    default: []
  max_deletions:
    description:
      - How many topics may be deleted in one run. When it would be more, the module fails and changes nothing.
    type: int
    default: 10
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
  - module: commitlog.kafka.topic
  - module: commitlog.kafka.topic_info
"""

EXAMPLES = r"""
---
- name: Topics as code
  commitlog.kafka.topics:
    topics:
      - name: payments
        partitions: 12
        replication_factor: 3
        config:
          min.insync.replicas: 2
      - name: clicks
        partitions: 24
        replication_factor: 2
        config:
          retention.ms: 86400000
      - name: old-payments
        state: absent
    purge: true
    protected: ["connect-*", "_schemas"]
    max_deletions: 3
    bootstrap_servers: [kafka1:9092, kafka2:9092]
"""

RETURN = r"""
before:
  description: The topics that change, as they were, by name; empty for one that did not exist.
  returned: always
  type: dict
  sample:
    payments: {}
    clicks:
      name: clicks
      partitions: 24
      replication_factor: 2
      replica_assignment: {"0": [0, 1]}
      config: {}
after:
  description: The same topics as they are now, or as they would be in check mode; empty for one that does not exist.
  returned: always
  type: dict
  sample:
    payments:
      name: payments
      partitions: 12
      replication_factor: 3
      replica_assignment: {"0": [0, 1, 2]}
      config: {"min.insync.replicas": "2"}
created:
  description: Names of the topics that were created, or would be in check mode.
  returned: always
  type: list
  elements: str
  sample: [payments]
altered:
  description: Names of the topics that were changed, or would be in check mode.
  returned: always
  type: list
  elements: str
  sample: [clicks]
deleted:
  description: Names of the topics that were deleted, or would be in check mode.
  returned: always
  type: list
  elements: str
  sample: [old-payments]
requests:
  description:
    - The requests that changed something, or would have in check mode, in order.
    - Those that follow each other with the same C(api) were sent together.
  returned: always
  type: list
  elements: dict
  sample:
    - api: CreateTopics
      topic: payments
      num_partitions: 12
      replication_factor: 3
      configs: {"min.insync.replicas": "2"}
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.commitlog.kafka.plugins.module_utils._cluster_admin import ClusterAdmin
from ansible_collections.commitlog.kafka.plugins.module_utils._connection import connect
from ansible_collections.commitlog.kafka.plugins.module_utils._module import run_module
from ansible_collections.commitlog.kafka.plugins.module_utils._purge import (
    refuse_protected,
    refuse_too_many,
    to_purge,
)
from ansible_collections.commitlog.kafka.plugins.module_utils._topic_changes import (
    TopicChanges,
    reassignment_argument_spec,
    topic_argument_spec,
    topic_rules,
    wanted_topic,
)
from ansible_collections.commitlog.kafka.plugins.module_utils._topic_plan import TopicConflict, TopicState, WantedTopic


def wanted_topics(params: dict[str, t.Any]) -> tuple[list[WantedTopic], list[str]]:
    """The topics that should exist, and the names of those that should not. Raises TopicConflict, naming the topic."""
    present, absent, seen = [], [], set()
    for entry in params["topics"]:
        if entry["name"] in seen:
            raise TopicConflict("topics: {0} is listed twice".format(entry["name"]))
        seen.add(entry["name"])
        try:
            topic = wanted_topic(entry)
        except TopicConflict as error:
            raise TopicConflict("topic {0}: {1}".format(entry["name"], error)) from error
        if entry["state"] == "present":
            present.append(topic)
        else:
            absent.append(topic.name)
    return present, absent


def doomed_topics(params: dict[str, t.Any], existing: list[TopicState], absent: list[str]) -> list[TopicState]:
    """The topics to delete. Raises PurgeRefused for protected ones, and for too many."""
    refuse_protected(absent, params["protected"])
    names = {topic.name for topic in existing if topic.name in absent}
    if params["purge"]:
        listed = {entry["name"] for entry in params["topics"]}
        names.update(to_purge((topic.name for topic in existing if not topic.internal), listed, params["protected"]))
    refuse_too_many(names, params["max_deletions"])
    return [topic for topic in existing if topic.name in names]


def run(module: AnsibleModule) -> dict[str, t.Any]:
    """Do what the arguments ask; the module's result."""
    params = module.params
    present, absent = wanted_topics(params)
    with ClusterAdmin(connect(params), params["timeout"], module.check_mode) as admin:
        names = None if params["purge"] else sorted([topic.name for topic in present] + absent)
        existing = admin.read_all(names)
        doomed = doomed_topics(params, existing, absent)
        changes = TopicChanges(admin, present, existing, doomed)
        before = changes.before()
        after = before
        if changes.changed:
            changes.carry_out(params["throttle"], params["reassignment_timeout"])
            after = changes.after()
    return admin.outcome(
        changes.changed,
        before,
        after,
        created=sorted(topic.name for topic in changes.creations),
        altered=sorted(changes.plans),
        deleted=[topic.name for topic in doomed],
    )


def main() -> None:
    """Run the module."""
    run_module(
        run,
        dict(
            topics=dict(
                type="list",
                elements="dict",
                required=True,
                options=dict(name=dict(type="str", required=True), **topic_argument_spec()),
                mutually_exclusive=topic_rules(),
            ),
            purge=dict(type="bool", default=False),
            protected=dict(type="list", elements="str", default=[]),
            max_deletions=dict(type="int", default=10),
            **reassignment_argument_spec(),
        ),
    )


if __name__ == "__main__":
    main()
