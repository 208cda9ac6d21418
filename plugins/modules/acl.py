#!/usr/bin/python
# -*- coding: utf-8 -*-
# Copyright: Contributors to the commitlog.kafka collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Declare the ACLs of a Kafka cluster."""

from __future__ import annotations

DOCUMENTATION = r"""
module: acl
short_description: Declare the ACLs of a Kafka cluster
version_added: 0.1.0
author:
  - The commitlog.kafka contributors (!UNKNOWN)
description:
  - Makes sure that ACLs are there, or not, a whole list of them in one go.
  - With O(purge), ACLs that are not listed are deleted, within the bounds of O(purge_principals), O(protected) and
    O(max_deletions).
  - ACLs are added before others are deleted, so nobody loses a right for a moment that the list gives.
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
  acls:
    description:
      - The ACLs. Each entry means one for every one of its operations and hosts.
    type: list
    elements: dict
    required: true
    suboptions:
      state:
        description:
          - Whether the ACL should be there.
        type: str
        choices: [present, absent]
        default: present
      principal:
        description:
          - Who it is about, for example V(User:billing), or V(User:*) for everybody.
        type: str
        required: true
      permission:
        description:
          - What it does. V(deny) comes before V(allow).
        type: str
        choices: [allow, deny]
        default: allow
      operations:
        description:
          - What it allows or denies.
        type: list
        elements: str
        required: true
        choices:
          - all
          - read
          - write
          - create
          - delete
          - alter
          - describe
          - cluster_action
          - describe_configs
          - alter_configs
          - idempotent_write
          - create_tokens
          - describe_tokens
      resource_type:
        description:
          - What kind of thing it protects.
        type: str
        required: true
        choices: [topic, group, cluster, transactional_id, delegation_token, user]
      resource_name:
        description:
          - The thing's name, or V(*) for all of its kind. Required, but for O(acls[].resource_type=cluster).
        type: str
      pattern_type:
        description:
          - Whether it is about the thing with this name, or about all whose names begin with it.
        type: str
        choices: [literal, prefixed]
        default: literal
      hosts:
        description:
          - Addresses that it is about, or V(*) for all.
        type: list
        elements: str
        default: ['*']
  purge:
    description:
      - Whether ACLs that O(acls) does not list are deleted.
    type: bool
    default: false
  purge_principals:
    description:
      - Principals, and patterns with C(*) and C(?), whose ACLs may be deleted by O(purge). Left out, those of all.
    type: list
    elements: str
  protected:
    description:
      - Principals, and patterns with C(*) and C(?), whose ACLs O(purge) never deletes.
    type: list
    elements: str
    default: []
  max_deletions:
    description:
      - How many ACLs may be deleted in one run. When it would be more, the module fails and changes nothing.
    type: int
    default: 20
seealso:
  - module: commitlog.kafka.acl_info
  - module: commitlog.kafka.user
"""

EXAMPLES = r"""
---
- name: Who may do what with payments
  commitlog.kafka.acl:
    acls:
      - principal: User:shop
        resource_type: topic
        resource_name: payments
        operations: [write, describe]
      - principal: User:billing
        resource_type: topic
        resource_name: payments
        operations: [read, describe]
      - principal: User:billing
        resource_type: group
        resource_name: billing-
        pattern_type: prefixed
        operations: [read]
    purge: true
    protected: ["User:admin"]
    bootstrap_servers: [kafka1:9092]
"""

RETURN = r"""
before:
  description: The ACLs that are deleted.
  returned: always
  type: list
  elements: dict
  contains: &acl
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
  sample: []
after:
  description: The ACLs that are created.
  returned: always
  type: list
  elements: dict
  contains: *acl
  sample:
    - principal: User:shop
      permission: allow
      operation: write
      resource_type: topic
      resource_name: payments
      pattern_type: literal
      host: '*'
kept:
  description: Number of ACLs of the cluster that are neither created nor deleted.
  returned: always
  type: int
  sample: 5
requests:
  description: The requests that changed something, or would have in check mode, in order.
  returned: always
  type: list
  elements: dict
  sample:
    - api: CreateAcls
      acls: ["User:shop may write topic payments (literal) from *"]
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.commitlog.kafka.plugins.module_utils._acl_admin import AclAdmin
from ansible_collections.commitlog.kafka.plugins.module_utils._acl_plan import (
    OPERATIONS,
    RESOURCE_TYPES,
    documents,
    expand,
    plan_acls,
)
from ansible_collections.commitlog.kafka.plugins.module_utils._connection import connect
from ansible_collections.commitlog.kafka.plugins.module_utils._module import run_module
from ansible_collections.commitlog.kafka.plugins.module_utils._purge import refuse_too_many


def run(module: AnsibleModule) -> dict[str, t.Any]:
    """Do what the arguments ask; the module's result."""
    params = module.params
    present, absent = expand(params["acls"])
    with AclAdmin(connect(params), params["timeout"], module.check_mode) as admin:
        current = admin.acls()
        purge = (params["purge_principals"] or ["*"]) if params["purge"] else []
        plan = plan_acls(current, present, absent, purge, params["protected"])
        refuse_too_many([str(acl) for acl in plan.deletions], params["max_deletions"])
        admin.create(plan.creations)
        admin.delete(plan.deletions)
        admin.wait_until_shown(plan)
    before, after = documents(plan.deletions), documents(plan.creations)
    return dict(
        changed=bool(plan.creations or plan.deletions),
        before=before,
        after=after,
        kept=len(current) - len(plan.deletions),
        requests=admin.requests,
        diff=dict(
            before="".join("{0}\n".format(acl) for acl in plan.deletions),
            after="".join("{0}\n".format(acl) for acl in plan.creations),
        ),
    )


def main() -> None:
    """Run the module."""
    run_module(
        run,
        dict(
            acls=dict(
                type="list",
                elements="dict",
                required=True,
                options=dict(
                    state=dict(type="str", choices=["present", "absent"], default="present"),
                    principal=dict(type="str", required=True),
                    permission=dict(type="str", choices=["allow", "deny"], default="allow"),
                    operations=dict(type="list", elements="str", required=True, choices=list(OPERATIONS)),
                    resource_type=dict(type="str", required=True, choices=list(RESOURCE_TYPES)),
                    resource_name=dict(type="str"),
                    pattern_type=dict(type="str", choices=["literal", "prefixed"], default="literal"),
                    hosts=dict(type="list", elements="str", default=["*"]),
                ),
            ),
            purge=dict(type="bool", default=False),
            purge_principals=dict(type="list", elements="str"),
            protected=dict(type="list", elements="str", default=[]),
            max_deletions=dict(type="int", default=20),
        ),
    )


if __name__ == "__main__":
    main()
