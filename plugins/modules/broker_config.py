#!/usr/bin/python
# -*- coding: utf-8 -*-
# Copyright: Contributors to the commitlog.kafka collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Change settings of running brokers."""

from __future__ import annotations

DOCUMENTATION = r"""
module: broker_config
short_description: Change settings of running Kafka brokers
version_added: 0.1.0
author:
  - The commitlog.kafka contributors (!UNKNOWN)
description:
  - Sets and resets the dynamic settings of brokers, of single ones or of all together, without a restart.
  - Only what is said is changed, and only where it differs. Settings that O(config) does not name are left alone.
  - What is in C(server.properties) stays there; a dynamic setting takes precedence over it until it is reset.
extends_documentation_fragment:
  - commitlog.kafka.connection
  - commitlog.kafka.attributes
  - commitlog.kafka.attributes.actiongroup_kafka
attributes:
  check_mode:
    support: full
    details:
      - The brokers themselves judge the request, without carrying it out, so what they would refuse fails in check mode too.
  diff_mode:
    support: full
  idempotent:
    support: partial
    details:
      - With O(update_secrets=always), a secret in O(config) is set anew each time.
options:
  brokers:
    description:
      - Ids of the brokers to change. Left out, the settings of all brokers together are changed. Those of a single one override
        them.
    type: list
    elements: int
  config:
    description:
      - Settings by Kafka's names, for example C(log.cleaner.threads).
      - A setting that is null is reset, which brings back what the broker's file or Kafka's default says.
    type: dict
    required: true
  update_secrets:
    description:
      - Brokers do not tell secrets, such as passwords of key stores, so a change cannot be seen.
      - With V(on_create), a secret is set where none is set, and otherwise left alone. With V(always), it is set each time.
    type: str
    choices: [on_create, always]
    default: on_create
seealso:
  - module: commitlog.kafka.broker_info
"""

EXAMPLES = r"""
---
- name: Let every broker clean with two threads
  commitlog.kafka.broker_config:
    config:
      log.cleaner.threads: 2
    bootstrap_servers: [kafka1:9092]

- name: Give two brokers more threads, and broker 0's file its say again
  commitlog.kafka.broker_config:
    brokers: [1, 2]
    config:
      num.io.threads: 16
      num.network.threads: null
    bootstrap_servers: [kafka1:9092]
"""

RETURN = r"""
before:
  description:
    - The dynamic settings as they were, by broker id, or under C(all) for those of all brokers together.
    - Of a secret, only that it is set is told.
  returned: always
  type: dict
  sample: {"all": {}}
after:
  description: The dynamic settings as they are now, or as they would be in check mode.
  returned: always
  type: dict
  sample: {"all": {"log.cleaner.threads": "2"}}
requests:
  description: The requests that changed something, or would have in check mode, in order.
  returned: always
  type: list
  elements: dict
  sample:
    - api: IncrementalAlterConfigs
      broker: all
      set: {"log.cleaner.threads": "2"}
      delete: []
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.commitlog.kafka.plugins.module_utils._admin import RequestFailed
from ansible_collections.commitlog.kafka.plugins.module_utils._config_admin import BrokerSetting, ConfigAdmin, ConfigChange
from ansible_collections.commitlog.kafka.plugins.module_utils._connection import connect
from ansible_collections.commitlog.kafka.plugins.module_utils._module import run_module
from ansible_collections.commitlog.kafka.plugins.module_utils._settings_plan import SettingsPlan, plan_settings
from ansible_collections.commitlog.kafka.plugins.module_utils._topic_plan import TopicConflict, setting_text

Plans = t.Dict[str, SettingsPlan]
# How the names of Kafka's settings of type PASSWORD end, with or without a listener's prefix.
SECRETS = (".password", ".jaas.config", ".keystore.key", ".certificate.chain", ".truststore.certificates", ".secret")


def known_settings(admin: ConfigAdmin, brokers: t.Optional[list[int]]) -> dict[str, dict[str, BrokerSetting]]:
    """Every setting of the brokers named, or of one broker where none is, by the name that the result has for it."""
    alive = sorted(entry["broker_id"] for entry in admin.client.describe_cluster()["brokers"])
    if brokers is None:
        found = admin.broker_settings(alive[:1])
        return {"all": found[alive[0]]}
    absent = sorted(set(brokers) - set(alive))
    if absent:
        raise RequestFailed("brokers: {0} are not alive; alive are {1}".format(absent, alive))
    return {str(broker): settings for broker, settings in sorted(admin.broker_settings(sorted(set(brokers))).items())}


def make_plans(admin: ConfigAdmin, brokers: t.Optional[list[int]], wanted: dict[str, t.Optional[str]], always: bool) -> Plans:
    """What to change of each broker, or of all together. Raises TopicConflict for a setting that a broker does not know."""
    plans = {}
    for place, settings in known_settings(admin, brokers).items():
        unknown = sorted(set(wanted) - set(settings))
        if unknown:
            raise TopicConflict("config: unknown broker setting {0}".format(", ".join(unknown)))
        types = {name: entry.type for name, entry in settings.items()}
        secret = {name for name, entry in settings.items() if entry.sensitive}
        if brokers is None:
            current = admin.default_broker_settings()
        else:
            current = {name: entry.value for name, entry in settings.items() if entry.dynamic}
        plans[place] = plan_settings(current, wanted, types, secret, always)
    return plans


def wait_until_shown(admin: ConfigAdmin, brokers: t.Optional[list[int]], plans: Plans) -> None:
    """Wait until the brokers tell what they have just accepted: it reaches them through ZooKeeper."""

    def state() -> tuple[t.Optional[bool], str]:
        if brokers is None:
            have = {"all": admin.default_broker_settings()}
        else:
            found = admin.broker_settings([int(place) for place in plans])
            have = {str(broker): {n: s.value for n, s in every.items() if s.dynamic} for broker, every in found.items()}
        for place, plan in plans.items():
            told = have[place]
            # A secret is told as null: of that, only whether it is set can be seen.
            late = [n for n, text in plan.set_config.items() if n not in told or told[n] not in (None, text)]
            late += [name for name in plan.reset_config if name in told]
            if late:
                return None, "broker {0} does not show {1}".format(place, ", ".join(sorted(late)))
        return True, ""

    if admin.requests and not admin.check_mode:
        admin.wait("the settings were accepted but are not in force", state)


def run(module: AnsibleModule) -> dict[str, t.Any]:
    """Do what the arguments ask; the module's result."""
    params = module.params
    wanted = {str(name): setting_text(name, value) for name, value in params["config"].items()}
    module.no_log_values.update(text for name, text in wanted.items() if text and name.endswith(SECRETS))
    with ConfigAdmin(connect(params), params["timeout"], module.check_mode) as admin:
        plans = make_plans(admin, params["brokers"], wanted, params["update_secrets"] == "always")
        changes = [ConfigChange("broker", p, x.set_config, x.reset_config, x.shown) for p, x in plans.items() if not x.empty]
        if params["brokers"] is not None:
            admin.alter_configs(changes)
        elif changes:
            admin.alter_default_broker_settings(changes[0].set_config, changes[0].reset_config, changes[0].shown or {})
        wait_until_shown(admin, params["brokers"], plans)
    before = {place: plan.before for place, plan in plans.items()}
    after = {place: plan.after for place, plan in plans.items()}
    return admin.outcome(bool(changes), before, after)


def main() -> None:
    """Run the module."""
    run_module(
        run,
        dict(
            brokers=dict(type="list", elements="int"),
            config=dict(type="dict", required=True),
            update_secrets=dict(type="str", choices=["on_create", "always"], default="on_create", no_log=False),
        ),
        quiet=True,
    )


if __name__ == "__main__":
    main()
