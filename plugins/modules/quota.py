#!/usr/bin/python
# -*- coding: utf-8 -*-
# Copyright: Contributors to the commitlog.kafka collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Set the quotas of users, clients and addresses."""

from __future__ import annotations

DOCUMENTATION = r"""
module: quota
short_description: Set the quotas of users, clients and addresses of Kafka
version_added: 0.1.0
author:
  - The commitlog.kafka contributors (!UNKNOWN)
description:
  - Sets how much users, clients and addresses may ask of the brokers.
  - Only what is said is changed, and only where it differs. Quotas that O(quotas) does not name are left alone.
  - Needs Apache Kafka 2.6 or later.
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
    support: full
options:
  user:
    description:
      - Name of the user.
    type: str
  client:
    description:
      - The C(client.id) of the client.
    type: str
  ip:
    description:
      - Address of the client.
    type: str
  defaults:
    description:
      - Of which of these it is the quota of those that have none of their own.
      - For example, V([client]) with O(user=billing) is for every client of billing that has no quota.
    type: list
    elements: str
    choices: [user, client, ip]
    default: []
  state:
    description:
      - With V(absent), all quotas of the entity are removed.
    type: str
    choices: [present, absent]
    default: present
  quotas:
    description:
      - Quotas by Kafka's names. Required when O(state=present).
      - For users and clients, V(producer_byte_rate) and V(consumer_byte_rate) in bytes per second and broker,
        V(request_percentage) of one thread's time, and V(controller_mutation_rate) in partitions per second.
      - For addresses, V(connection_creation_rate) in connections per second.
      - A quota that is null is removed.
    type: dict
seealso:
  - module: commitlog.kafka.quota_info
"""

EXAMPLES = r"""
---
- name: Let billing write 10 MB/s to each broker
  commitlog.kafka.quota:
    user: billing
    quotas:
      producer_byte_rate: 10000000
    bootstrap_servers: [kafka1:9092]

- name: Let every address connect ten times a second
  commitlog.kafka.quota:
    defaults: [ip]
    quotas:
      connection_creation_rate: 10
    bootstrap_servers: [kafka1:9092]
"""

RETURN = r"""
entity:
  description: Whose quotas they are; null stands for those that have none of their own.
  returned: always
  type: dict
  sample: {"user": "billing"}
before:
  description: The quotas as they were.
  returned: always
  type: dict
  sample: {}
after:
  description: The quotas as they are now, or as they would be in check mode.
  returned: always
  type: dict
  sample: {"producer_byte_rate": 10000000.0}
requests:
  description: The requests that changed something, or would have in check mode, in order.
  returned: always
  type: list
  elements: dict
  sample:
    - api: AlterClientQuotas
      entity: {"user": "billing"}
      set: {"producer_byte_rate": 10000000.0}
      delete: []
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.commitlog.kafka.plugins.module_utils._connection import connect
from ansible_collections.commitlog.kafka.plugins.module_utils._module import run_module
from ansible_collections.commitlog.kafka.plugins.module_utils._quota_admin import QuotaAdmin
from ansible_collections.commitlog.kafka.plugins.module_utils._quota_plan import (
    ENTITY_TYPES,
    parse_entity,
    parse_quotas,
    plan_quotas,
)


def run(module: AnsibleModule) -> dict[str, t.Any]:
    """Do what the arguments ask; the module's result."""
    params = module.params
    entity = parse_entity(params)
    wanted = parse_quotas(params["quotas"] or {}, entity)
    with QuotaAdmin(connect(params), params["timeout"], module.check_mode) as admin:
        before = admin.quotas_of(entity)
        if params["state"] == "absent":
            wanted = dict.fromkeys(before)
        to_set, to_remove, after = plan_quotas(before, wanted)
        if to_set or to_remove:
            admin.alter(entity, to_set, to_remove)
            admin.wait_until_shown(entity, after)
    return admin.outcome(bool(admin.requests), before, after, entity=entity)


def main() -> None:
    """Run the module."""
    run_module(
        run,
        dict(
            user=dict(type="str"),
            client=dict(type="str"),
            ip=dict(type="str"),
            defaults=dict(type="list", elements="str", choices=list(ENTITY_TYPES), default=[]),
            state=dict(type="str", choices=["present", "absent"], default="present"),
            quotas=dict(type="dict"),
        ),
        required_if=[("state", "present", ("quotas",))],
    )


if __name__ == "__main__":
    main()
