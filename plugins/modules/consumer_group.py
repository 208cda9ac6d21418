#!/usr/bin/python
# -*- coding: utf-8 -*-
# Copyright: Contributors to the commitlog.kafka collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reset the offsets of a consumer group, or delete it."""

from __future__ import annotations

DOCUMENTATION = r"""
module: consumer_group
short_description: Reset the offsets of a consumer group, or delete it
version_added: 0.1.0
author:
  - The commitlog.kafka contributors (!UNKNOWN)
description:
  - Sets where a consumer group goes on reading, or makes Kafka forget the group.
  - The group must not have members, since they would not hear of it. The module says which ones it has.
  - Check mode is the dry run, and returns the offsets as they would be.
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
    support: partial
    details:
      - With O(shift_by), the offsets move each time.
options:
  name:
    description:
      - Name of the group.
    type: str
    required: true
  state:
    description:
      - With V(present), the offsets are set as exactly one of O(reset_to), O(to_timestamp), O(shift_by), O(offsets) and
        O(from_file) says. A group that does not exist begins to, by its offsets.
      - With V(absent), the group is deleted, or, with O(topics), forgets the offsets of these topics.
    type: str
    choices: [present, absent]
    default: present
  topics:
    description:
      - The topics whose offsets are set or forgotten. Left out, those of which the group has offsets.
      - Not with O(offsets) or O(from_file), which say it themselves.
    type: list
    elements: str
  reset_to:
    description:
      - The V(earliest) or the V(latest) offset of each partition.
    type: str
    choices: [earliest, latest]
  to_timestamp:
    description:
      - The first record from this point in time on, in milliseconds since 1970, or as in V(2026-01-31T12:00:00Z), in UTC where
        no zone is said. In a partition without one, it is the end.
    type: str
  shift_by:
    description:
      - Number of records to skip, or, when negative, to read again. It ends where the partition does.
    type: int
  offsets:
    description:
      - The offsets themselves, by topic and partition, as in the examples.
      - One that the partition does not hold becomes the nearest that it does.
    type: dict
  from_file:
    description:
      - File on the host that runs the module, with C(topic,partition,offset) in each line, as
        C(kafka-consumer-groups.sh --export) writes it.
    type: path
seealso:
  - module: commitlog.kafka.consumer_group_info
"""

EXAMPLES = r"""
---
- name: Let billing read payments anew from noon on
  commitlog.kafka.consumer_group:
    name: billing
    topics: [payments]
    to_timestamp: "2026-01-31T12:00:00Z"
    bootstrap_servers: [kafka1:9092]

- name: Skip one bad record
  commitlog.kafka.consumer_group:
    name: billing
    offsets:
      payments: {"3": 1501}
    bootstrap_servers: [kafka1:9092]

- name: Forget a group
  commitlog.kafka.consumer_group:
    name: old-billing
    state: absent
    bootstrap_servers: [kafka1:9092]
"""

RETURN = r"""
before:
  description: The group as it was; empty when it did not exist.
  returned: always
  type: dict
  contains: &group
    state:
      description: The group's state, such as V(Empty).
      type: str
      returned: when the group exists
    offsets:
      description: The offsets that it has committed, by topic and partition.
      type: dict
      returned: when the group exists
  sample:
    state: Empty
    offsets: {"payments": {"0": 1500}}
after:
  description: The group as it is now, or as it would be in check mode; empty when it does not exist.
  returned: always
  type: dict
  contains: *group
  sample:
    state: Empty
    offsets: {"payments": {"0": 0}}
requests:
  description: The requests that changed something, or would have in check mode, in order.
  returned: always
  type: list
  elements: dict
  sample:
    - api: OffsetCommit
      group: billing
      offsets: {"payments": {"0": 0}}
"""

import pathlib
import typing as t

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.commitlog.kafka.plugins.module_utils._connection import connect
from ansible_collections.commitlog.kafka.plugins.module_utils._group_admin import GroupAdmin, GroupState
from ansible_collections.commitlog.kafka.plugins.module_utils._group_plan import (
    GroupConflict,
    Offsets,
    Partition,
    clamp,
    nested,
    parse_offsets,
    parse_offsets_file,
    parse_timestamp,
    shifted,
)
from ansible_collections.commitlog.kafka.plugins.module_utils._module import run_module

WAYS = ("reset_to", "to_timestamp", "shift_by", "offsets", "from_file")


def group_document(group: GroupState, offsets: Offsets) -> dict[str, t.Any]:
    """The group with these offsets, as the module returns it."""
    if not offsets and not group.exists:
        return {}
    return dict(state=group.state if group.state != "Dead" else "Empty", offsets=nested(offsets))


def explicit_offsets(params: dict[str, t.Any]) -> t.Optional[Offsets]:
    """The offsets that the arguments spell out; None where they say how to find them. Raises GroupConflict."""
    if params["offsets"] is not None:
        return parse_offsets(params["offsets"])
    if params["from_file"] is not None:
        try:
            text = pathlib.Path(params["from_file"]).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise GroupConflict("from_file: {0}".format(error)) from error
        return parse_offsets_file(text, params["from_file"])
    return None


def chosen_partitions(admin: GroupAdmin, group: GroupState, topics: t.Optional[list[str]]) -> list[Partition]:
    """The partitions whose offsets are set. Raises GroupConflict when there are none."""
    if topics is None:
        if not group.offsets:
            raise GroupConflict("topics: group {0} has no offsets, so say which topics are meant".format(group.name))
        return sorted(group.offsets)
    found = admin.read_all(sorted(set(topics)), with_settings=False)
    missing = sorted(set(topics) - {topic.name for topic in found})
    if missing:
        raise GroupConflict("topics: {0} not found in the cluster".format(", ".join(missing)))
    return [(topic.name, p.partition) for topic in found for p in topic.partitions]


def new_offsets(admin: GroupAdmin, group: GroupState, params: dict[str, t.Any]) -> Offsets:
    """Where the group is to go on reading."""
    explicit = explicit_offsets(params)
    partitions = sorted(explicit) if explicit is not None else chosen_partitions(admin, group, params["topics"])
    ends = admin.offsets(partitions)
    earliest = {partition: ends[partition][0] for partition in partitions}
    latest = {partition: ends[partition][1] for partition in partitions}
    if explicit is not None:
        return clamp(explicit, earliest, latest)
    if params["to_timestamp"] is not None:
        return clamp(admin.offsets_at(partitions, parse_timestamp(params["to_timestamp"])), earliest, latest)
    if params["shift_by"] is not None:
        without = [partition for partition in partitions if partition not in group.offsets]
        if without:
            raise GroupConflict("shift_by: group {0} has no offset for partition {2} of {1}".format(group.name, *without[0]))
        return shifted({p: group.offsets[p] for p in partitions}, params["shift_by"], earliest, latest)
    return earliest if params["reset_to"] == "earliest" else latest


def require_idle(group: GroupState) -> None:
    """Raise GroupConflict when the group has members, naming the first."""
    if group.active:
        first = group.members[0]
        raise GroupConflict(
            "group {0} has {1} members and is {2}; stop them first. One is {3} on {4}".format(
                group.name, len(group.members), group.state, first["client_id"], first["host"]
            )
        )


def ensure_present(admin: GroupAdmin, group: GroupState, params: dict[str, t.Any]) -> dict[str, t.Any]:
    """Set the offsets that differ; the group afterwards."""
    wanted = new_offsets(admin, group, params)
    changes = {partition: offset for partition, offset in wanted.items() if group.offsets.get(partition) != offset}
    if changes:
        require_idle(group)
        admin.commit(group.name, changes)
    return group_document(group, {**group.offsets, **changes})


def ensure_absent(admin: GroupAdmin, group: GroupState, topics: t.Optional[list[str]]) -> dict[str, t.Any]:
    """Delete the group, or what it knows of some topics; the group afterwards."""
    if not group.exists:
        return {}
    if topics is None:
        require_idle(group)
        admin.delete_group(group.name)
        return {}
    forgotten = sorted(partition for partition in group.offsets if partition[0] in topics)
    if forgotten:
        require_idle(group)
        admin.delete_offsets(group.name, forgotten)
    return group_document(group, {p: offset for p, offset in group.offsets.items() if p not in forgotten})


def run(module: AnsibleModule) -> dict[str, t.Any]:
    """Do what the arguments ask; the module's result."""
    params = module.params
    with GroupAdmin(connect(params), params["timeout"], module.check_mode) as admin:
        group = admin.groups([params["name"]])[0]
        before = group_document(group, group.offsets)
        if params["state"] == "present":
            after = ensure_present(admin, group, params)
        else:
            after = ensure_absent(admin, group, params["topics"])
    return admin.outcome(bool(admin.requests), before, after)


def main() -> None:
    """Run the module."""
    run_module(
        run,
        dict(
            name=dict(type="str", required=True),
            state=dict(type="str", choices=["present", "absent"], default="present"),
            topics=dict(type="list", elements="str"),
            reset_to=dict(type="str", choices=["earliest", "latest"]),
            to_timestamp=dict(type="str"),
            shift_by=dict(type="int"),
            offsets=dict(type="dict"),
            from_file=dict(type="path"),
        ),
        mutually_exclusive=[WAYS, ("topics", "offsets"), ("topics", "from_file")],
        required_if=[("state", "present", WAYS, True)],
    )


if __name__ == "__main__":
    main()
