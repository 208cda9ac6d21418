#!/usr/bin/python
# -*- coding: utf-8 -*-
# Copyright: Contributors to the commitlog.kafka collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Describe consumer groups and their lag."""

from __future__ import annotations

DOCUMENTATION = r"""
module: consumer_group_info
short_description: Describe consumer groups and their lag
version_added: 0.1.0
author:
  - The commitlog.kafka contributors (!UNKNOWN)
description:
  - Returns the state, the members, the offsets and the lag of consumer groups.
extends_documentation_fragment:
  - commitlog.kafka.connection
  - commitlog.kafka.attributes
  - commitlog.kafka.attributes.info_module
  - commitlog.kafka.attributes.actiongroup_kafka
options:
  name:
    description:
      - The groups to describe. One that does not exist is left out of RV(groups) and named in RV(missing).
      - Left out, all groups are described.
    type: list
    elements: str
    aliases: [names]
seealso:
  - module: commitlog.kafka.consumer_group
"""

EXAMPLES = r"""
---
- name: Wait until billing has read everything
  commitlog.kafka.consumer_group_info:
    name: [billing]
    bootstrap_servers: [kafka1:9092]
  register: found
  until: found is succeeded and found.groups | length == 1 and found.groups[0].lag == 0
  retries: 60
  delay: 5
"""

RETURN = r"""
groups:
  description: The groups found, by name.
  returned: always
  type: list
  elements: dict
  contains:
    name:
      description: Name of the group.
      type: str
      returned: always
    state:
      description: Its state by Kafka's name, such as V(Stable) or V(Empty).
      type: str
      returned: always
    protocol_type:
      description: What its members are, such as V(consumer).
      type: str
      returned: always
    assignor:
      description: The assignor that its members agreed on.
      type: str
      returned: always
    lag:
      description: Records that are still to be read, of all partitions with a known end.
      type: int
      returned: always
    members:
      description: Its members.
      type: list
      elements: dict
      returned: always
      contains:
        member_id:
          description: Id that the coordinator gave it.
          type: str
          returned: always
        instance_id:
          description: Its C(group.instance.id); null when it has none.
          type: str
          returned: always
        client_id:
          description: Its C(client.id).
          type: str
          returned: always
        host:
          description: Address that it is connected from.
          type: str
          returned: always
        assignment:
          description: The partitions that it reads, by topic.
          type: dict
          returned: always
    partitions:
      description: The partitions that it has an offset for.
      type: list
      elements: dict
      returned: always
      contains:
        topic:
          description: Name of the topic.
          type: str
          returned: always
        partition:
          description: Number of the partition.
          type: int
          returned: always
        offset:
          description: Offset that the group goes on reading at.
          type: int
          returned: always
        latest_offset:
          description: Offset that the next record will get; null when the partition has no leader, or no longer exists.
          type: int
          returned: always
        lag:
          description: Records that are still to be read; null when RV(groups[].partitions[].latest_offset) is.
          type: int
          returned: always
        member_id:
          description: The member that reads it; null for none.
          type: str
          returned: always
missing:
  description: The names asked for that no group has.
  returned: always
  type: list
  elements: str
  sample: []
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.commitlog.kafka.plugins.module_utils._connection import connect
from ansible_collections.commitlog.kafka.plugins.module_utils._group_admin import GroupAdmin, GroupState
from ansible_collections.commitlog.kafka.plugins.module_utils._group_plan import Offsets, lag
from ansible_collections.commitlog.kafka.plugins.module_utils._module import run_module


def latest_offsets(admin: GroupAdmin, groups: list[GroupState]) -> Offsets:
    """The end of every partition that a group has an offset for and that has a leader."""
    wanted = {partition for group in groups for partition in group.offsets}
    topics = admin.read_all(sorted({topic for topic, _index in wanted}), with_settings=False)
    led = {(topic.name, p.partition) for topic in topics for p in topic.partitions if not p.offline}
    return {partition: ends[1] for partition, ends in admin.offsets(sorted(wanted & led)).items()}


def group_document(group: GroupState, latest: Offsets) -> dict[str, t.Any]:
    """One group as the module returns it."""
    readers = {
        (topic, index): member["member_id"]
        for member in group.members
        for topic, indexes in member["assignment"].items()
        for index in indexes
    }
    partitions = [
        dict(
            topic=topic,
            partition=index,
            offset=offset,
            latest_offset=latest.get((topic, index)),
            lag=lag(offset, latest.get((topic, index))),
            member_id=readers.get((topic, index)),
        )
        for (topic, index), offset in sorted(group.offsets.items())
    ]
    return dict(
        name=group.name,
        state=group.state,
        protocol_type=group.protocol_type,
        assignor=group.assignor,
        lag=sum(p["lag"] or 0 for p in partitions),
        members=group.members,
        partitions=partitions,
    )


def run(module: AnsibleModule) -> dict[str, t.Any]:
    """Read what the arguments ask for; the module's result."""
    params = module.params
    with GroupAdmin(connect(params), params["timeout"]) as admin:
        names = sorted(set(params["name"])) if params["name"] is not None else admin.group_names()
        groups = [group for group in admin.groups(names) if group.exists]
        latest = latest_offsets(admin, groups)
    found = {group.name for group in groups}
    return dict(
        changed=False,
        groups=[group_document(group, latest) for group in groups],
        missing=sorted(set(params["name"] or []) - found),
    )


def main() -> None:
    """Run the module."""
    run_module(
        run,
        dict(
            name=dict(type="list", elements="str", aliases=["names"]),
        ),
    )


if __name__ == "__main__":
    main()
