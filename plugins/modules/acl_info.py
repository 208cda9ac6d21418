#!/usr/bin/python
# -*- coding: utf-8 -*-
# Copyright: Contributors to the commitlog.kafka collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""List the ACLs of a Kafka cluster."""

from __future__ import annotations

DOCUMENTATION = r"""
module: acl_info
short_description: List the ACLs of a Kafka cluster
version_added: 0.1.0
author:
  - The commitlog.kafka contributors (!UNKNOWN)
description:
  - Returns the ACLs of a cluster, all of them or those that are asked for.
extends_documentation_fragment:
  - commitlog.kafka.connection
  - commitlog.kafka.attributes
  - commitlog.kafka.attributes.info_module
  - commitlog.kafka.attributes.actiongroup_kafka
options:
  principal:
    description:
      - Only ACLs about this principal, for example V(User:billing).
    type: str
  resource_type:
    description:
      - Only ACLs of this kind of thing.
    type: str
    choices: [topic, group, cluster, transactional_id, delegation_token, user]
  resource_name:
    description:
      - Only ACLs that say this name, or, with O(matching), that apply to the thing with this name.
    type: str
  matching:
    description:
      - Whether prefixes and V(*) that apply to O(resource_name) count too.
    type: bool
    default: false
seealso:
  - module: commitlog.kafka.acl
"""

EXAMPLES = r"""
---
- name: Find out who may do what with payments
  commitlog.kafka.acl_info:
    resource_type: topic
    resource_name: payments
    matching: true
    bootstrap_servers: [kafka1:9092]
"""

RETURN = r"""
acls:
  description: The ACLs found, in order.
  returned: always
  type: list
  elements: dict
  contains:
    principal:
      description: Who it is about.
      type: str
      returned: always
    permission:
      description: V(allow) or V(deny).
      type: str
      returned: always
    operation:
      description: What it allows or denies.
      type: str
      returned: always
    resource_type:
      description: What kind of thing it protects.
      type: str
      returned: always
    resource_name:
      description: The thing's name.
      type: str
      returned: always
    pattern_type:
      description: V(literal) or V(prefixed).
      type: str
      returned: always
    host:
      description: Address that it is about.
      type: str
      returned: always
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.commitlog.kafka.plugins.module_utils._acl_admin import AclAdmin
from ansible_collections.commitlog.kafka.plugins.module_utils._acl_plan import RESOURCE_TYPES, documents
from ansible_collections.commitlog.kafka.plugins.module_utils._connection import connect
from ansible_collections.commitlog.kafka.plugins.module_utils._module import run_module


def run(module: AnsibleModule) -> dict[str, t.Any]:
    """Read what the arguments ask for; the module's result."""
    params = module.params
    with AclAdmin(connect(params), params["timeout"]) as admin:
        found = admin.acls(params["principal"], params["resource_type"], params["resource_name"], params["matching"])
    return dict(changed=False, acls=documents(found))


def main() -> None:
    """Run the module."""
    run_module(
        run,
        dict(
            principal=dict(type="str"),
            resource_type=dict(type="str", choices=list(RESOURCE_TYPES)),
            resource_name=dict(type="str"),
            matching=dict(type="bool", default=False),
        ),
    )


if __name__ == "__main__":
    main()
