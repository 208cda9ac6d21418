#!/usr/bin/python
# -*- coding: utf-8 -*-
# Copyright: Contributors to the commitlog.kafka collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Create, change and delete a SCRAM user."""

from __future__ import annotations

DOCUMENTATION = r"""
module: user
short_description: Create, change and delete a SCRAM user of Kafka
version_added: 0.1.0
author:
  - The commitlog.kafka contributors (!UNKNOWN)
description:
  - Makes sure that a user can log in with a password by the SCRAM mechanisms named, or not at all.
  - The password is salted and hashed on the host that runs the module, and leaves it only in that form.
  - Needs Apache Kafka 2.7 or later.
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
      - Kafka does not tell passwords, so it takes O(zookeeper_connect), or a connection by SASL, to find out whether one changed.
      - Without either, O(update_password=on_change) sets it each time, with a warning, and so does V(always).
options:
  name:
    description:
      - Name of the user.
    type: str
    required: true
  state:
    description:
      - Whether the user should be able to log in.
    type: str
    choices: [present, absent]
    default: present
  password:
    description:
      - The password. Required when O(state=present).
    type: str
  mechanisms:
    description:
      - The mechanisms that the user should be able to use, or not. Others are left alone.
      - Left out, it is V(SCRAM-SHA-512) when O(state=present), and all that the user has when O(state=absent).
    type: list
    elements: str
    choices: [SCRAM-SHA-256, SCRAM-SHA-512]
  iterations:
    description:
      - How often the password is hashed, from 4096 to 16384. Another number than a user has sets the password anew.
    type: int
    default: 4096
  update_password:
    description:
      - What to do about the password of a user that exists.
      - With V(on_change), it is set if it is another one. With O(zookeeper_connect), the module reads the salted hash in
        ZooKeeper and compares. Otherwise, with O(security_protocol=SASL_PLAINTEXT) or V(SASL_SSL), it tries to log in as the
        user.
      - With V(always), it is set each time. With V(on_create), never.
    type: str
    choices: [on_change, always, on_create]
    default: on_change
seealso:
  - module: commitlog.kafka.user_info
  - module: commitlog.kafka.acl
"""

EXAMPLES = r"""
---
- name: Let billing log in
  commitlog.kafka.user:
    name: billing
    password: "{{ billing_password }}"
    zookeeper_connect: kafka1:2181

- name: Take away the weaker mechanism
  commitlog.kafka.user:
    name: billing
    mechanisms: [SCRAM-SHA-256]
    state: absent
    bootstrap_servers: [kafka1:9092]
"""

RETURN = r"""
before:
  description: The user as it was; empty when it could not log in.
  returned: always
  type: dict
  contains: &user
    name:
      description: Name of the user.
      type: str
      returned: when the user exists
    mechanisms:
      description: Its mechanisms, with the number of iterations of each.
      type: dict
      returned: when the user exists
  sample:
    name: billing
    mechanisms: {"SCRAM-SHA-512": 4096}
after:
  description: The user as it is now, or as it would be in check mode; empty when it cannot log in.
  returned: always
  type: dict
  contains: *user
  sample:
    name: billing
    mechanisms: {"SCRAM-SHA-512": 8192}
password_set:
  description: The mechanisms for which the password was set, or would be in check mode.
  returned: always
  type: list
  elements: str
  sample: [SCRAM-SHA-512]
requests:
  description: The requests that changed something, or would have in check mode, in order.
  returned: always
  type: list
  elements: dict
  sample:
    - api: AlterUserScramCredentials
      user: billing
      set: {"SCRAM-SHA-512": 8192}
      delete: []
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.commitlog.kafka.plugins.module_utils._admin import RequestFailed
from ansible_collections.commitlog.kafka.plugins.module_utils._connection import connect
from ansible_collections.commitlog.kafka.plugins.module_utils._module import run_module
from ansible_collections.commitlog.kafka.plugins.module_utils._scram import LEAST_ITERATIONS, MOST_ITERATIONS
from ansible_collections.commitlog.kafka.plugins.module_utils._user_admin import (
    UserAdmin,
    password_by_login,
    password_in_zookeeper,
)

UNKNOWN = (
    "Whether the password of {0} changed cannot be found out over {1}, so it is set anew. Give zookeeper_connect, connect by "
    "SASL to a listener that offers {2}, or choose update_password: on_create or always."
)


def user_document(name: str, mechanisms: dict[str, int]) -> dict[str, t.Any]:
    """A user as the module returns it; {} for one without credentials."""
    return dict(name=name, mechanisms=dict(sorted(mechanisms.items()))) if mechanisms else {}


def changed_passwords(module: AnsibleModule, unsure: list[str]) -> list[str]:
    """Those of the mechanisms, all of which the user has, for which the password is to be set."""
    params = module.params
    if not unsure or params["update_password"] == "on_create":
        return []
    if params["update_password"] == "always":
        return unsure
    found = None
    if params["zookeeper_connect"]:
        found = password_in_zookeeper(params, params["name"], params["password"], unsure)
    if found is None and params["security_protocol"].startswith("SASL_"):
        found = password_by_login(params, params["name"], params["password"], unsure)
    if found is None:
        module.warn(UNKNOWN.format(params["name"], params["security_protocol"], ", ".join(unsure)))
        return unsure
    return found


def ensure_present(module: AnsibleModule, admin: UserAdmin, have: dict[str, int]) -> tuple[dict[str, int], list[str]]:
    """Give the user what it lacks; its mechanisms afterwards, and those whose password was set."""
    params = module.params
    wanted = sorted(set(params["mechanisms"] or ["SCRAM-SHA-512"]))
    lacking = [mechanism for mechanism in wanted if have.get(mechanism) != params["iterations"]]
    setting = sorted(lacking + changed_passwords(module, [mechanism for mechanism in wanted if mechanism not in lacking]))
    after = {**have, **dict.fromkeys(setting, params["iterations"])}
    if setting:
        admin.alter(params["name"], params["password"], dict.fromkeys(setting, params["iterations"]), [])
        admin.wait_until_shown(params["name"], after)
    return after, setting


def ensure_absent(admin: UserAdmin, params: dict[str, t.Any], have: dict[str, int]) -> dict[str, int]:
    """Take mechanisms from the user; those afterwards."""
    doomed = sorted(set(have) if params["mechanisms"] is None else set(have) & set(params["mechanisms"]))
    after = {mechanism: count for mechanism, count in have.items() if mechanism not in doomed}
    if doomed:
        admin.alter(params["name"], None, {}, doomed)
        admin.wait_until_shown(params["name"], after)
    return after


def run(module: AnsibleModule) -> dict[str, t.Any]:
    """Do what the arguments ask; the module's result."""
    params = module.params
    if not LEAST_ITERATIONS <= params["iterations"] <= MOST_ITERATIONS:
        raise RequestFailed(
            "iterations: {0} is not between {1} and {2}".format(params["iterations"], LEAST_ITERATIONS, MOST_ITERATIONS)
        )
    setting: list[str] = []
    with UserAdmin(connect(params), params["timeout"], module.check_mode) as admin:
        have = admin.users([params["name"]]).get(params["name"], {})
        if params["state"] == "present":
            left, setting = ensure_present(module, admin, have)
        else:
            left = ensure_absent(admin, params, have)
    before, after = user_document(params["name"], have), user_document(params["name"], left)
    outcome = admin.outcome(bool(admin.requests), before, after, password_set=setting)
    if setting and before:
        outcome["diff"] = dict(before=dict(before, password="another one"), after=dict(after, password="the one given"))
    return outcome


def main() -> None:
    """Run the module."""
    run_module(
        run,
        dict(
            name=dict(type="str", required=True),
            state=dict(type="str", choices=["present", "absent"], default="present"),
            password=dict(type="str", no_log=True),
            mechanisms=dict(type="list", elements="str", choices=["SCRAM-SHA-256", "SCRAM-SHA-512"]),
            iterations=dict(type="int", default=4096),
            update_password=dict(type="str", choices=["on_change", "always", "on_create"], default="on_change", no_log=False),
        ),
        required_if=[("state", "present", ("password",))],
    )


if __name__ == "__main__":
    main()
