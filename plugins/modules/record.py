#!/usr/bin/python
# -*- coding: utf-8 -*-
# Copyright: Contributors to the commitlog.kafka collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Write and read one record."""

from __future__ import annotations

DOCUMENTATION = r"""
module: record
short_description: Write and read one record, as a smoke test
version_added: 0.1.0
author:
  - The commitlog.kafka contributors (!UNKNOWN)
description:
  - Writes a record and waits until it is acknowledged, reads one, or does both and compares them.
  - This is for smoke tests. It is no way to move data.
extends_documentation_fragment:
  - commitlog.kafka.connection
  - commitlog.kafka.attributes
  - commitlog.kafka.attributes.actiongroup_kafka
attributes:
  check_mode:
    support: full
    details:
      - In check mode nothing is written, and with O(state=round_trip) nothing is read, but the topic must exist and be led.
  diff_mode:
    support: full
  idempotent:
    support: none
    details:
      - A record that is written is one more each time. With O(state=read), nothing changes.
options:
  topic:
    description:
      - Name of the topic. It must exist.
    type: str
    required: true
  state:
    description:
      - With V(written), a record is written.
      - With V(read), the first record is read that has the O(key) and the O(value), as far as they are said.
      - With V(round_trip), a record is written, and read again at the place that was acknowledged.
    type: str
    choices: [written, read, round_trip]
    default: round_trip
  partition:
    description:
      - Number of the partition. Left out, the key or else chance chooses where to write, and all are read.
    type: int
  key:
    description:
      - Key of the record. Left out, it has none.
    type: str
  value:
    description:
      - Value of the record. Required to write one.
    type: str
  headers:
    description:
      - Headers of the record to write.
    type: dict
    default: {}
  acks:
    description:
      - Who must have a written record before it counts as written, V(all) in-sync replicas or the leader alone with V(1).
    type: str
    choices: [all, '1']
    default: all
  offset:
    description:
      - Offset to read from in each partition. Left out, reading starts at the earliest.
    type: int
seealso:
  - module: commitlog.kafka.topic_info
"""

EXAMPLES = r"""
---
- name: Prove that the cluster takes records and gives them back
  commitlog.kafka.record:
    topic: test
    value: "smoke test of {{ now(utc=true).isoformat() }}"
    bootstrap_servers: [kafka1:9092]

- name: Write through one broker
  commitlog.kafka.record:
    topic: test
    key: greeting
    value: hello
    state: written
    bootstrap_servers: [kafka1:9092]

- name: Read it through another
  commitlog.kafka.record:
    topic: test
    key: greeting
    state: read
    bootstrap_servers: [kafka2:9092]
"""

RETURN = r"""
record:
  description: The record written or read; in check mode, the one that would be written, without its place.
  returned: always
  type: dict
  contains:
    topic:
      description: Name of the topic.
      type: str
      returned: always
    partition:
      description: Number of the partition; null in check mode when it was not said.
      type: int
      returned: always
    offset:
      description: Its offset; null in check mode.
      type: int
      returned: always
    key:
      description: Its key; bytes that are not UTF-8 are written with backslashes.
      type: str
      returned: always
    value:
      description: Its value; null for a tombstone.
      type: str
      returned: always
    headers:
      description: Its headers.
      type: dict
      returned: always
    timestamp:
      description: Its timestamp in milliseconds since 1970.
      type: int
      returned: when it was read
before:
  description: Always empty, since what was there before does not matter.
  returned: always
  type: dict
  sample: {}
after:
  description: The record, when one was written, without its place; else empty.
  returned: always
  type: dict
  sample: {"topic": "test", "key": null, "value": "hello", "headers": {}}
milliseconds:
  description: Time that it took, for each of C(written) and C(read) that was done.
  returned: always
  type: dict
  sample: {"written": 12, "read": 30}
requests:
  description: The requests that changed something, or would have in check mode, in order.
  returned: always
  type: list
  elements: dict
  sample:
    - api: Produce
      topic: test
"""

import time
import typing as t

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.commitlog.kafka.plugins.module_utils._admin import RequestFailed
from ansible_collections.commitlog.kafka.plugins.module_utils._clients import Record, produce, read
from ansible_collections.commitlog.kafka.plugins.module_utils._connection import connect
from ansible_collections.commitlog.kafka.plugins.module_utils._module import run_module
from ansible_collections.commitlog.kafka.plugins.module_utils._topic_admin import TopicAdmin


def earliest_offsets(params: dict[str, t.Any]) -> dict[int, int]:
    """The earliest offset of each partition asked for. Raises RequestFailed when the topic is missing or not led."""
    name, wanted = params["topic"], params["partition"]
    with TopicAdmin(connect(params), params["timeout"]) as admin:
        topic = admin.read(name, with_settings=False)
        if topic is None:
            raise RequestFailed("topic: {0} not found in the cluster".format(name))
        states = [p for p in topic.partitions if wanted is None or p.partition == wanted]
        if not states:
            raise RequestFailed("partition: {0} has partitions 0 to {1}".format(name, len(topic.partitions) - 1))
        leaderless = [p.partition for p in states if p.offline]
        if leaderless:
            raise RequestFailed("topic {0}: partitions {1} have no leader".format(name, leaderless))
        if params["state"] != "read":
            return {p.partition: 0 for p in states}
        ends = admin.offsets([(name, p.partition) for p in states])
        return {index: max(ends[name, index][0], params["offset"] or 0) for _name, index in ends}


def wanted_record(params: dict[str, t.Any]) -> Record:
    """The record to write, without its place."""
    headers = {str(name): str(value) for name, value in params["headers"].items()}
    return dict(topic=params["topic"], key=params["key"], value=params["value"], headers=headers)


def write(params: dict[str, t.Any]) -> Record:
    """Write the record; it with its place."""
    wanted = wanted_record(params)
    partition, offset = produce(
        params,
        params["topic"],
        params["partition"],
        None if params["key"] is None else params["key"].encode(),
        params["value"].encode(),
        [(name, value.encode()) for name, value in wanted["headers"].items()],
        "all" if params["acks"] == "all" else 1,
    )
    return dict(wanted, partition=partition, offset=offset)


def matcher(params: dict[str, t.Any]) -> t.Callable[[Record], bool]:
    """Whether a record has the key and the value that are said."""
    said = {name: params[name] for name in ("key", "value") if params[name] is not None}
    return lambda record: all(record[name] == text for name, text in said.items())


def read_back(params: dict[str, t.Any], written: Record) -> Record:
    """Read the record at the place that was acknowledged. Raises RequestFailed when another one is there."""
    index, offset = written["partition"], written["offset"]
    found = read(params, params["topic"], [index], {index: offset}, lambda record: True)
    if any(found[name] != value for name, value in written.items()):
        raise RequestFailed("wrote {0} and read back {1}".format(written, found))
    return found


def run(module: AnsibleModule) -> dict[str, t.Any]:
    """Do what the arguments ask; the module's result."""
    params = module.params
    starts = earliest_offsets(params)
    writes = params["state"] != "read"
    after = wanted_record(params) if writes else {}
    took: dict[str, int] = {}
    begun = time.monotonic()

    def lap(name: str) -> None:
        took[name] = int((time.monotonic() - begun) * 1000) - sum(took.values())

    if writes and module.check_mode:
        record: Record = dict(after, partition=params["partition"], offset=None)
    elif writes:
        record = write(params)
        lap("written")
        if params["state"] == "round_trip":
            record = read_back(params, record)
            lap("read")
    else:
        record = read(params, params["topic"], sorted(starts), starts, matcher(params))
        lap("read")
    return dict(
        changed=writes,
        record=record,
        before={},
        after=after,
        milliseconds=took,
        requests=[dict(api="Produce", topic=params["topic"])] if writes else [],
        diff=dict(before={}, after=after),
    )


def main() -> None:
    """Run the module."""
    run_module(
        run,
        dict(
            topic=dict(type="str", required=True),
            state=dict(type="str", choices=["written", "read", "round_trip"], default="round_trip"),
            partition=dict(type="int"),
            key=dict(type="str", no_log=False),
            value=dict(type="str"),
            headers=dict(type="dict", default={}),
            acks=dict(type="str", choices=["all", "1"], default="all"),
            offset=dict(type="int"),
        ),
        required_if=[("state", "written", ("value",)), ("state", "round_trip", ("value",))],
    )


if __name__ == "__main__":
    main()
