#!/usr/bin/python
# -*- coding: utf-8 -*-
# Copyright: Contributors to the commitlog.kafka collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""List the SCRAM users of Kafka."""

from __future__ import annotations

DOCUMENTATION = r"""
module: user_info
short_description: List the SCRAM users of Kafka
version_added: 0.1.0
author:
  - The commitlog.kafka contributors (!UNKNOWN)
description:
  - Returns the users that can log in by SCRAM, with their mechanisms. Kafka tells neither passwords nor hashes.
extends_documentation_fragment:
  - commitlog.kafka.connection
  - commitlog.kafka.attributes
  - commitlog.kafka.attributes.info_module
  - commitlog.kafka.attributes.actiongroup_kafka
options:
  name:
    description:
      - The users to describe. One without credentials is left out of RV(users) and named in RV(missing).
      - Left out, all users are described.
    type: list
    elements: str
    aliases: [names]
seealso:
  - module: commitlog.kafka.user
"""

EXAMPLES = r"""
---
- name: List all users
  commitlog.kafka.user_info:
    bootstrap_servers: [kafka1:9092]
"""

RETURN = r"""
users:
  description: The users found, by name.
  returned: always
  type: list
  elements: dict
  contains:
    name:
      description: Name of the user.
      type: str
      returned: always
    mechanisms:
      description: Its mechanisms, with the number of iterations of each.
      type: dict
      returned: always
  sample:
    - name: billing
      mechanisms: {"SCRAM-SHA-512": 4096}
missing:
  description: The names asked for of which there is no user.
  returned: always
  type: list
  elements: str
  sample: []
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.commitlog.kafka.plugins.module_utils._connection import connect
from ansible_collections.commitlog.kafka.plugins.module_utils._module import run_module
from ansible_collections.commitlog.kafka.plugins.module_utils._user_admin import UserAdmin


def run(module: AnsibleModule) -> dict[str, t.Any]:
    """Read what the arguments ask for; the module's result."""
    params = module.params
    with UserAdmin(connect(params), params["timeout"]) as admin:
        users = admin.users(sorted(set(params["name"])) if params["name"] is not None else None)
    return dict(
        changed=False,
        users=[dict(name=name, mechanisms=dict(sorted(mechanisms.items()))) for name, mechanisms in sorted(users.items())],
        missing=sorted(set(params["name"] or []) - set(users)),
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
