# -*- coding: utf-8 -*-
# Copyright: Contributors to the commitlog.kafka collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The brokers of a Kafka cluster as hosts."""

from __future__ import annotations

DOCUMENTATION = r"""
name: brokers
short_description: The brokers of a Kafka cluster as hosts
version_added: 0.1.0
author:
  - The commitlog.kafka contributors (!UNKNOWN)
description:
  - Asks a cluster, by its ZooKeeper or by one of its brokers, which brokers are alive, and makes a host of each.
  - The host is named after the address that clients reach the broker by.
  - It is for clusters that somebody else keeps a list of. Brokers that are down are not there, so do not install from it.
extends_documentation_fragment:
  - commitlog.kafka.connection
  - ansible.builtin.inventory_cache
  - ansible.builtin.constructed
options:
  plugin:
    description:
      - Must be V(commitlog.kafka.brokers).
    type: str
    required: true
    choices: [commitlog.kafka.brokers]
  group:
    description:
      - The group that all brokers are put into.
    type: str
    default: kafka
"""

EXAMPLES = r"""
---
# my-cluster.kafka.yml
plugin: commitlog.kafka.brokers
zookeeper_connect: kafka1:2181
cache: true
cache_plugin: ansible.builtin.jsonfile
cache_connection: /tmp/kafka-inventory
# The broker that is the controller is in a group of its own, and every rack has one.
groups:
  controller: kafka_controller
keyed_groups:
  - key: kafka_rack | default('none', true)
    prefix: rack
compose:
  ansible_user: "'admin'"
"""

import typing as t

from ansible.errors import AnsibleParserError
from ansible.plugins.inventory import BaseInventoryPlugin, Cacheable, Constructable

from ansible_collections.commitlog.kafka.plugins.module_utils._admin import RequestFailed
from ansible_collections.commitlog.kafka.plugins.module_utils._cluster_admin import ClusterAdmin
from ansible_collections.commitlog.kafka.plugins.module_utils._cluster_health import ClusterState
from ansible_collections.commitlog.kafka.plugins.module_utils._connection import (
    ClusterUnreachable,
    connect,
    connection_argument_spec,
    missing_library,
)

ENDINGS = ("kafka.yml", "kafka.yaml")


def host_variables(state: ClusterState) -> dict[str, dict[str, t.Any]]:
    """The variables of each host. Brokers that share an address are told apart by their port."""
    addresses = [broker.host for broker in state.brokers]
    hosts = {}
    for broker in state.brokers:
        shared = addresses.count(broker.host) > 1
        name = "{0}:{1}".format(broker.host, broker.port) if shared else broker.host
        hosts[name] = dict(
            ansible_host=broker.host,
            kafka_broker_id=broker.id,
            kafka_rack=broker.rack,
            kafka_listener="{0}:{1}".format(broker.host, broker.port),
            kafka_controller=broker.id == state.controller_id,
            kafka_cluster_id=state.cluster_id,
        )
    return hosts


class InventoryModule(BaseInventoryPlugin, Constructable, Cacheable):
    """Reads NAME.kafka.yml."""

    NAME = "commitlog.kafka.brokers"

    def verify_file(self, path: str) -> bool:
        """Whether the file is one for this plugin, by its name."""
        return bool(super().verify_file(path)) and path.endswith(ENDINGS)

    def parse(self, inventory: t.Any, loader: t.Any, path: str, cache: bool = True) -> None:
        """Fill the inventory."""
        super().parse(inventory, loader, path, cache)
        self._read_config_data(path)
        key = self.get_cache_key(path)
        use_cache = cache and self.get_option("cache")
        hosts = self._cache.get(key) if use_cache else None
        if hosts is None:
            hosts = self._ask(path)
            if self.get_option("cache"):
                self._cache[key] = hosts
        self._populate(hosts)

    def _ask(self, path: str) -> dict[str, dict[str, t.Any]]:
        params = {name: self.get_option(name) for name in connection_argument_spec()}
        if bool(params["bootstrap_servers"]) == bool(params["zookeeper_connect"]):
            raise AnsibleParserError("{0}: exactly one of bootstrap_servers and zookeeper_connect is required".format(path))
        missing = missing_library(params)
        if missing is not None:
            raise AnsibleParserError("{0}: {1}".format(path, missing))
        try:
            admin = ClusterAdmin(connect(params), params["timeout"])
            try:
                return host_variables(admin.cluster(with_topics=False))
            finally:
                admin.close()
        except (ClusterUnreachable, RequestFailed) as error:
            raise AnsibleParserError("{0}: {1}".format(path, error)) from error

    def _populate(self, hosts: dict[str, dict[str, t.Any]]) -> None:
        strict = self.get_option("strict")
        group = self.inventory.add_group(self.get_option("group"))
        for name, variables in hosts.items():
            self.inventory.add_host(name, group=group)
            for variable, value in variables.items():
                self.inventory.set_variable(name, variable, value)
            self._set_composite_vars(self.get_option("compose"), variables, name, strict=strict)
            self._add_host_to_composed_groups(self.get_option("groups"), variables, name, strict=strict)
            self._add_host_to_keyed_groups(self.get_option("keyed_groups"), variables, name, strict=strict)
