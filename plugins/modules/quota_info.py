#!/usr/bin/python
# -*- coding: utf-8 -*-
# Copyright: Contributors to the commitlog.kafka collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""List the quotas of users, clients and addresses of Kafka."""

from __future__ import annotations

DOCUMENTATION = r"""
module: quota_info
short_description: List the quotas of users, clients and addresses of Kafka
version_added: 0.1.0
author:
  - The commitlog.kafka contributors (!UNKNOWN)
description:
  - Returns the quotas that are set, all of them or those of one user, client or address.
extends_documentation_fragment:
  - commitlog.kafka.connection
  - commitlog.kafka.attributes
  - commitlog.kafka.attributes.info_module
  - commitlog.kafka.attributes.actiongroup_kafka
options:
  user:
    description:
      - Only quotas in which this user is named.
    type: str
  client:
    description:
      - Only quotas in which the client with this C(client.id) is named.
    type: str
  ip:
    description:
      - Only quotas in which this address is named.
    type: str
seealso:
  - module: commitlog.kafka.quota
"""

EXAMPLES = r"""
---
- name: List all quotas
  commitlog.kafka.quota_info:
    bootstrap_servers: [kafka1:9092]
"""

RETURN = r"""
quotas:
  description: The quotas found.
  returned: always
  type: list
  elements: dict
  contains:
    entity:
      description: Whose they are, by Kafka's entity types; null stands for those that have none of their own.
      type: dict
      returned: always
    quotas:
      description: The quotas by Kafka's names.
      type: dict
      returned: always
  sample:
    - entity: {"user": "billing", "client-id": null}
      quotas: {"producer_byte_rate": 10000000.0}
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.commitlog.kafka.plugins.module_utils._connection import connect
from ansible_collections.commitlog.kafka.plugins.module_utils._module import run_module
from ansible_collections.commitlog.kafka.plugins.module_utils._quota_admin import ANY, EXACT, QuotaAdmin
from ansible_collections.commitlog.kafka.plugins.module_utils._quota_plan import ENTITY_TYPES, Entity, Quotas


def read(admin: QuotaAdmin, named: dict[str, str]) -> list[tuple[Entity, Quotas]]:
    """The quotas in which all of these are named; one question where somebody is, two where nobody is."""
    if named:
        return admin.quotas([(kind, EXACT, name) for kind, name in named.items()], strict=False)
    # No component at all means every user and client; an address is never together with them.
    found = admin.quotas([], strict=False)
    if not any("ip" in entity for entity, _quotas in found):
        found += admin.quotas([("ip", ANY, None)], strict=False)
    return found


def run(module: AnsibleModule) -> dict[str, t.Any]:
    """Read what the arguments ask for; the module's result."""
    params = module.params
    named = {kind: params[option] for option, kind in ENTITY_TYPES.items() if params[option] is not None}
    with QuotaAdmin(connect(params), params["timeout"]) as admin:
        found = read(admin, named)
    ordered = sorted(found, key=lambda entry: sorted((kind, name or "") for kind, name in entry[0].items()))
    return dict(changed=False, quotas=[dict(entity=entity, quotas=quotas) for entity, quotas in ordered])


def main() -> None:
    """Run the module."""
    run_module(
        run,
        dict(
            user=dict(type="str"),
            client=dict(type="str"),
            ip=dict(type="str"),
        ),
    )


if __name__ == "__main__":
    main()
