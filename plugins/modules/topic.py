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
      - Number of replicas of each partition of a new topic. Left out, it is the cluster's C(default.replication.factor).
      - Another number than an existing topic has is an error, since this module does not move replicas.
    type: int
  replica_assignment:
    description:
      - The brokers of each partition, the preferred leader first, instead of O(partitions) and O(replication_factor).
      - For an existing topic, the partitions that it has must be listed as they are, and further ones make it grow.
    type: dict
  config:
    description:
      - Settings of the topic by Kafka's names, for example C(retention.ms).
      - A setting that is null returns to the cluster's default.
      - Settings that are not named are left alone, so an empty mapping changes nothing.
      - Lists are joined by commas.
    type: dict
    default: {}
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
      description: Number of partitions; V(-1) stands for the cluster's default in check mode.
      type: int
      returned: when the topic exists
    replication_factor:
      description: Number of replicas of the first partition; V(-1) stands for the cluster's default in check mode.
      type: int
      returned: when the topic exists
    replica_assignment:
      description: The brokers of each partition, the preferred leader first; empty where the cluster is still to choose.
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

from ansible_collections.commitlog.kafka.plugins.module_utils._admin import RequestFailed
from ansible_collections.commitlog.kafka.plugins.module_utils._connection import (
    ClusterUnreachable,
    connect,
    connection_argument_spec,
    connection_rules,
    require_libraries,
)
from ansible_collections.commitlog.kafka.plugins.module_utils._topic_admin import TopicAdmin
from ansible_collections.commitlog.kafka.plugins.module_utils._topic_plan import (
    TopicConflict,
    WantedTopic,
    describe,
    describe_after,
    describe_wanted,
    parse_assignment,
    plan_changes,
    setting_text,
)

Outcome = t.Tuple[t.Dict[str, t.Any], t.Dict[str, t.Any]]


def wanted_topic(params: dict[str, t.Any]) -> WantedTopic:
    """The module's arguments, checked. Raises TopicConflict."""
    for name in ("partitions", "replication_factor"):
        if params[name] is not None and params[name] < 1:
            raise TopicConflict("{0}: {1} is not a positive number".format(name, params[name]))
    return WantedTopic(
        name=params["name"],
        partitions=params["partitions"],
        replication_factor=params["replication_factor"],
        replica_assignment=parse_assignment(params["replica_assignment"]),
        config={str(name): setting_text(name, value) for name, value in (params["config"] or {}).items()},
    )


def ensure_present(admin: TopicAdmin, wanted: WantedTopic, check_mode: bool) -> Outcome:
    """Create or change the topic; the topic before and after."""
    current = admin.read(wanted.name)
    if current is None:
        admin.create(wanted, validate_only=check_mode)
        if check_mode:
            return {}, describe_wanted(wanted)
        admin.wait_until_led(wanted.name)
        return {}, describe(admin.read(wanted.name))
    before = describe(current)
    plan = plan_changes(current, wanted)
    if plan.empty:
        return before, before
    admin.carry_out(wanted.name, plan, validate_only=check_mode)
    if check_mode:
        return before, describe_after(current, plan)
    if plan.grow_to is not None:
        admin.wait_until_led(wanted.name, plan.grow_to)
    # Settings reach the brokers through ZooKeeper a moment after the request was accepted: what was asked is what is returned.
    return before, dict(describe(admin.read(wanted.name)), config=describe_after(current, plan)["config"])


def ensure_absent(admin: TopicAdmin, name: str, check_mode: bool) -> Outcome:
    """Delete the topic; the topic before and after."""
    current = admin.read(name)
    if current is None:
        return {}, {}
    if check_mode:
        admin.requests.append(dict(api="DeleteTopics", topic=name))
    else:
        admin.delete(name)
        admin.wait_until_gone(name)
    return describe(current), {}


def run(module: AnsibleModule) -> dict[str, t.Any]:
    """Do what the arguments ask; the module's result."""
    params = module.params
    wanted = wanted_topic(params)
    admin = TopicAdmin(connect(params), params["timeout"])
    try:
        if params["state"] == "present":
            before, after = ensure_present(admin, wanted, module.check_mode)
        else:
            before, after = ensure_absent(admin, wanted.name, module.check_mode)
    finally:
        admin.close()
    return dict(
        changed=before != after,
        before=before,
        after=after,
        requests=admin.requests,
        diff=dict(before=before, after=after),
    )


def main() -> None:
    """Run the module."""
    rules = connection_rules()
    rules["mutually_exclusive"] = [
        *rules["mutually_exclusive"],
        ("replica_assignment", "partitions"),
        ("replica_assignment", "replication_factor"),
    ]
    module = AnsibleModule(
        argument_spec=dict(
            name=dict(type="str", required=True),
            state=dict(type="str", choices=["present", "absent"], default="present"),
            partitions=dict(type="int"),
            replication_factor=dict(type="int"),
            replica_assignment=dict(type="dict"),
            config=dict(type="dict", default={}),
            **connection_argument_spec(),
        ),
        supports_check_mode=True,
        **rules,
    )
    require_libraries(module)
    try:
        module.exit_json(**run(module))
    except (ClusterUnreachable, TopicConflict, RequestFailed) as error:
        module.fail_json(msg=str(error))


if __name__ == "__main__":
    main()
