#!/usr/bin/python
# -*- coding: utf-8 -*-
# Copyright: Contributors to the commitlog.kafka collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Keep a delegation token in a file."""

from __future__ import annotations

DOCUMENTATION = r"""
module: delegation_token
short_description: Keep a Kafka delegation token in a file
version_added: 0.1.0
author:
  - The commitlog.kafka contributors (!UNKNOWN)
description:
  - Makes sure that a file on the host that runs the module holds a delegation token that is valid long enough, which a client can
    log in with by SCRAM.
  - The token's secret is written to the file and nowhere else. It is neither returned nor logged.
  - Needs a connection by SASL, or by TLS with a client's certificate, and brokers with C(delegation.token.secret.key).
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
    details:
      - A token that is still valid for O(valid_for) seconds is left alone.
options:
  path:
    description:
      - The file, in JSON with C(token_id), which is the user, and C(hmac), which is the password, for a client with
        C(tokenauth=true). Only its owner can read it.
    type: path
    required: true
  state:
    description:
      - With V(absent), the token in the file is expired and the file removed.
    type: str
    choices: [present, absent]
    default: present
  owner:
    description:
      - Whose token it is, for example V(User:billing). Left out, the user of the connection. For another one than that, needs
        Apache Kafka 3.3 or later.
    type: str
  renewers:
    description:
      - Who may renew it besides the owner, for example V(User:admin).
    type: list
    elements: str
    default: []
  max_lifetime:
    description:
      - Seconds after which it cannot be renewed any more. Left out, the brokers' C(delegation.token.max.lifetime.ms).
    type: int
  valid_for:
    description:
      - Seconds that the token must be valid from now on. When it is not, it is renewed, and when that does not suffice, another
        one is made.
    type: int
    default: 3600
"""

EXAMPLES = r"""
---
- name: Keep a token for billing at hand
  commitlog.kafka.delegation_token:
    path: /etc/billing/kafka-token.json
    owner: User:billing
    bootstrap_servers: [kafka1:9094]
    security_protocol: SASL_SSL
    sasl_mechanism: SCRAM-SHA-512
    sasl_username: admin
    sasl_password: "{{ admin_password }}"
"""

RETURN = r"""
before:
  description: The token in the file, without its secret; empty when there was none that the brokers know.
  returned: always
  type: dict
  contains: &token
    token_id:
      description: The token's id.
      type: str
      returned: when there is one
    owner:
      description: Whose it is.
      type: str
      returned: when there is one
    renewers:
      description: Who may renew it besides the owner.
      type: list
      elements: str
      returned: when there is one
    expires_ms:
      description: When it expires unless it is renewed, in milliseconds since 1970.
      type: int
      returned: when there is one
    expires_at_latest_ms:
      description: When it expires in any case.
      type: int
      returned: when there is one
  sample: {}
after:
  description:
    - The token in the file now.
    - In check mode, the one that would be there, of which only the owner and the renewers can be told when it would be a new one.
  returned: always
  type: dict
  contains: *token
  sample:
    token_id: 3ZyHMHnGSc2Jk9p7Yx0hGA
    owner: User:billing
    renewers: []
    expires_ms: 1767225600000
    expires_at_latest_ms: 1767744000000
requests:
  description: The requests that changed something, or would have in check mode, in order.
  returned: always
  type: list
  elements: dict
  sample:
    - api: CreateDelegationToken
      owner: User:billing
      renewers: []
      max_lifetime_ms: -1
"""

import dataclasses
import json
import os
import tempfile
import time
import typing as t

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.commitlog.kafka.plugins.module_utils._admin import RequestFailed, one_line
from ansible_collections.commitlog.kafka.plugins.module_utils._connection import connect
from ansible_collections.commitlog.kafka.plugins.module_utils._module import run_module
from ansible_collections.commitlog.kafka.plugins.module_utils._token_admin import Token, TokenAdmin


def token_in_file(path: str) -> dict[str, str]:
    """The token id and the secret in the file; {} for no file. Raises RequestFailed for another kind of file."""
    if not os.path.exists(path):
        return {}
    try:
        with open(path, encoding="utf-8") as file:
            found = json.load(file)
        return dict(token_id=str(found["token_id"]), hmac=str(found["hmac"]))
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise RequestFailed("path: {0} is not a file that this module wrote: {1}".format(path, type(error).__name__)) from error


def write_token(path: str, token: Token) -> None:
    """Put the token into the file in one step; at no moment can others read it."""
    handle, temporary = tempfile.mkstemp(dir=os.path.dirname(path) or ".")  # of mode 0600
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump(dict(token_id=token.token_id, hmac=token.hmac, owner=token.owner), file)
        os.replace(temporary, path)
    except OSError:
        os.unlink(temporary)
        raise


def shown(token: t.Optional[Token]) -> dict[str, t.Any]:
    """A token as the module returns it: without its secret, and without when it was made."""
    if token is None:
        return {}
    document = dataclasses.asdict(token)
    del document["hmac"], document["issued_ms"]
    return document


def lasts(token: Token, seconds: int) -> bool:
    """Whether the token is valid for so long from now on."""
    return token.expires_ms >= (time.time() + seconds) * 1000


def ensure_present(params: dict[str, t.Any], admin: TokenAdmin, current: t.Optional[Token]) -> dict[str, t.Any]:
    """Renew or make a token where it is needed; it as the module returns it."""
    renewers = sorted(renewer if ":" in renewer else "User:" + renewer for renewer in params["renewers"])
    same = current is not None and current.renewers == renewers and params["owner"] in (None, current.owner)
    if current is not None and same:
        if lasts(current, params["valid_for"]):
            return shown(current)
        if current.expires_at_latest_ms >= (time.time() + params["valid_for"]) * 1000:
            admin.renew(current)
            if admin.check_mode or lasts(current, params["valid_for"]):
                return shown(current)
    made = admin.create(params["owner"], renewers, -1 if params["max_lifetime"] is None else params["max_lifetime"] * 1000)
    if made is None:
        return dict(owner=params["owner"], renewers=renewers)
    with one_line("path"):
        write_token(params["path"], made)
    return shown(made)


def ensure_absent(admin: TokenAdmin, path: str, current: t.Optional[Token]) -> bool:
    """Expire the token and remove the file; whether there was anything to do."""
    if current is not None:
        admin.expire(current)
    there = os.path.exists(path)
    if there and not admin.check_mode:
        with one_line("path"):
            os.unlink(path)
    return there or current is not None


def run(module: AnsibleModule) -> dict[str, t.Any]:
    """Do what the arguments ask; the module's result."""
    params = module.params
    kept = token_in_file(params["path"])
    module.no_log_values.update(value for name, value in kept.items() if name == "hmac")
    with TokenAdmin(connect(params), params["timeout"], module.check_mode) as admin:
        known = {token.token_id: token for token in admin.tokens()} if kept else {}
        current = known.get(kept.get("token_id", ""))
        before = shown(current)
        if params["state"] == "present":
            after = ensure_present(params, admin, current)
            changed = bool(admin.requests)
        else:
            changed = ensure_absent(admin, params["path"], current)
            after = {}
    return admin.outcome(changed, before, after)


def main() -> None:
    """Run the module."""
    run_module(
        run,
        dict(
            path=dict(type="path", required=True),
            state=dict(type="str", choices=["present", "absent"], default="present"),
            owner=dict(type="str"),
            renewers=dict(type="list", elements="str", default=[]),
            max_lifetime=dict(type="int"),
            valid_for=dict(type="int", default=3600),
        ),
    )


if __name__ == "__main__":
    main()
