#!/usr/bin/python
# -*- coding: utf-8 -*-
# Copyright: Contributors to the commitlog.kafka collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Describe Kafka brokers."""

from __future__ import annotations

DOCUMENTATION = r"""
module: broker_info
short_description: Describe Kafka brokers
version_added: 0.1.0
author:
  - The commitlog.kafka contributors (!UNKNOWN)
description:
  - Returns the brokers of a cluster with their settings and, when asked, what is in their log directories.
extends_documentation_fragment:
  - commitlog.kafka.connection
  - commitlog.kafka.attributes
  - commitlog.kafka.attributes.info_module
  - commitlog.kafka.attributes.actiongroup_kafka
options:
  brokers:
    description:
      - Ids of the brokers to describe. One that is not alive is left out of RV(brokers) and named in RV(missing).
      - Left out, all that are alive are described.
    type: list
    elements: int
  include_defaults:
    description:
      - Whether RV(brokers[].config) has every setting with its effective value, instead of only those that are not Kafka's
        defaults.
    type: bool
    default: false
  include_log_dirs:
    description:
      - Whether RV(brokers[].log_dirs) is there.
    type: bool
    default: false
seealso:
  - module: commitlog.kafka.broker_config
  - module: commitlog.kafka.cluster_info
"""

EXAMPLES = r"""
---
- name: See how full the disks are
  commitlog.kafka.broker_info:
    include_log_dirs: true
    bootstrap_servers: [kafka1:9092]
  register: brokers

- name: Check that broker 2 is empty before it is removed
  ansible.builtin.assert:
    that: removed.log_dirs | map(attribute='replicas') | sum == 0
  vars:
    removed: "{{ brokers.brokers | selectattr('id', 'equalto', 2) | first }}"
"""

RETURN = r"""
brokers:
  description: The brokers found, by id.
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
    api_version:
      description: The version of Kafka that its served APIs amount to, as far as kafka-python tells versions apart.
      type: str
      returned: always
    config:
      description: Settings by name. Of a secret, the value is null.
      type: dict
      returned: always
    dynamic_config:
      description: The settings that the broker's own dynamic configuration makes. Of a secret, the value is null.
      type: dict
      returned: always
    log_dirs:
      description: The broker's log directories.
      type: list
      elements: dict
      returned: with O(include_log_dirs)
      contains:
        path:
          description: Path of the directory.
          type: str
          returned: always
        error:
          description: Kafka's name for what is wrong with it; null when nothing is.
          type: str
          returned: always
        replicas:
          description: Number of replicas in it.
          type: int
          returned: always
        size:
          description: Bytes in their logs.
          type: int
          returned: always
        total_bytes:
          description: Size of the file system; V(-1) when the broker does not say.
          type: int
          returned: always
        usable_bytes:
          description: Bytes free on it; V(-1) when the broker does not say.
          type: int
          returned: always
missing:
  description: The ids asked for of which no broker is alive.
  returned: always
  type: list
  elements: int
  sample: []
"""

import dataclasses
import typing as t

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.commitlog.kafka.plugins.module_utils._cluster_admin import ClusterAdmin
from ansible_collections.commitlog.kafka.plugins.module_utils._cluster_health import BrokerState
from ansible_collections.commitlog.kafka.plugins.module_utils._config_admin import BrokerSetting
from ansible_collections.commitlog.kafka.plugins.module_utils._connection import connect
from ansible_collections.commitlog.kafka.plugins.module_utils._module import run_module


def broker_document(broker: BrokerState, settings: dict[str, BrokerSetting], include_defaults: bool) -> dict[str, t.Any]:
    """One broker as the module returns it, without what only the cluster knows."""
    shown = {name: s for name, s in sorted(settings.items()) if include_defaults or s.source != "DEFAULT_CONFIG"}
    return dict(
        dataclasses.asdict(broker),
        config={name: None if entry.sensitive else entry.value for name, entry in shown.items()},
        dynamic_config={name: None if s.sensitive else s.value for name, s in sorted(settings.items()) if s.dynamic},
    )


def run(module: AnsibleModule) -> dict[str, t.Any]:
    """Read what the arguments ask for; the module's result."""
    params = module.params
    wanted = params["brokers"]
    with ClusterAdmin(connect(params), params["timeout"]) as admin:
        state = admin.cluster(with_topics=False)
        found = [broker for broker in state.brokers if wanted is None or broker.id in wanted]
        ids = [broker.id for broker in found]
        settings = admin.broker_settings(ids)
        documents = [broker_document(broker, settings.get(broker.id, {}), params["include_defaults"]) for broker in found]
        log_dirs = admin.log_dirs(ids) if params["include_log_dirs"] else {}
        for document in documents:
            document["controller"] = document["id"] == state.controller_id
            document["api_version"] = admin.broker_version(document["id"])
            if params["include_log_dirs"]:
                document["log_dirs"] = log_dirs[document["id"]]
    return dict(changed=False, brokers=documents, missing=sorted(set(wanted or []) - set(ids)))


def main() -> None:
    """Run the module."""
    run_module(
        run,
        dict(
            brokers=dict(type="list", elements="int"),
            include_defaults=dict(type="bool", default=False),
            include_log_dirs=dict(type="bool", default=False),
        ),
    )


if __name__ == "__main__":
    main()
