# -*- coding: utf-8 -*-
# Copyright: Contributors to the commitlog.kafka collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the brokers of the inventory listen, for clients and for this collection's modules."""

from __future__ import annotations

DOCUMENTATION = r"""
name: bootstrap_servers
author:
  - The commitlog.kafka contributors (!UNKNOWN)
version_added: 0.1.0
short_description: Where the brokers of the inventory listen
description:
  - The C(host:port) of every broker of a group of the inventory, by the variables from which the role broker of this collection
    makes its listeners, so that nobody has to write addresses twice.
  - Asks no host. Facts are used where they were gathered.
options:
  _terms:
    description:
      - Groups of the inventory whose hosts are brokers.
      - Without one, the group C(kafka).
    type: list
    elements: str
  security_protocol:
    description:
      - Which listener is meant.
      - Without it, the one that C(cluster_security) makes for clients.
    type: str
    choices:
      - PLAINTEXT
      - SSL
      - SASL_PLAINTEXT
      - SASL_SSL
notes:
  - A host's address is that of its C(broker_advertised_listeners), or else C(kafka_address), its default IPv4 address among its
    facts, C(ansible_host), or its name in the inventory, the first that there is.
seealso:
  - plugin: commitlog.kafka.brokers
    plugin_type: inventory
"""

EXAMPLES = r"""
- name: Every module of a play talks to the cluster of the inventory
  hosts: localhost
  module_defaults:
    group/commitlog.kafka.kafka:
      bootstrap_servers: "{{ query('commitlog.kafka.bootstrap_servers') }}"
  tasks:
    - name: Keep a week of payments
      commitlog.kafka.topic:
        name: payments
        partitions: 12
        config:
          retention.ms: 604800000

- name: An application knows where the brokers are
  hosts: payments
  tasks:
    - name: Write it down
      ansible.builtin.lineinfile:
        path: /etc/payments.properties
        regexp: ^bootstrap.servers=
        line: bootstrap.servers={{ lookup('commitlog.kafka.bootstrap_servers') }}
"""

RETURN = r"""
_raw:
  description:
    - The brokers, in the order of the inventory.
  type: list
  elements: str
  sample: ["192.168.10.10:9092", "192.168.10.11:9092"]
"""

import re
import typing as t

from ansible.errors import AnsibleLookupError
from ansible.plugins.lookup import LookupBase

PROTOCOLS = {"plaintext": "PLAINTEXT", "tls_scram": "SASL_SSL", "mtls": "SSL"}
LISTENER = re.compile(r"(\w+)://(.*):(\d+)$")


def advertised(host: t.Mapping[str, t.Any], protocol: str) -> t.Optional[str]:
    """The listener of this protocol among those that the inventory spells out; None where it spells out none."""
    for entry in str(host.get("broker_advertised_listeners") or "").split(","):
        found = LISTENER.match(entry.strip())
        if found and found[1].upper() == protocol and found[2]:
            return "{0}:{1}".format(found[2], found[3])
    return None


def address_of(name: str, host: t.Mapping[str, t.Any]) -> str:
    """Under which address others reach the host."""
    facts = host.get("ansible_facts") or {}
    by_facts = (facts.get("default_ipv4") or {}).get("address")
    address = str(host.get("kafka_address") or by_facts or host.get("ansible_host") or name)
    return "[{0}]".format(address) if ":" in address and not address.startswith("[") else address


def port_of(host: t.Mapping[str, t.Any], protocol: str) -> int:
    """The port that the role broker gives the listener of this protocol."""
    secured = host.get("cluster_security", "plaintext") != "plaintext"
    if secured and protocol == "PLAINTEXT":
        return int(host.get("broker_plaintext_port") or 9092)
    return int(host.get("broker_port") or (9093 if secured else 9092))


def server(name: str, host: t.Mapping[str, t.Any], protocol: t.Optional[str]) -> str:
    """Where one broker listens."""
    wanted = protocol or PROTOCOLS.get(str(host.get("cluster_security", "plaintext")), "PLAINTEXT")
    return advertised(host, wanted) or "{0}:{1}".format(address_of(name, host), port_of(host, wanted))


class LookupModule(LookupBase):
    """The lookup."""

    def run(self, terms: list[str], variables: t.Optional[dict[str, t.Any]] = None, **kwargs: t.Any) -> list[str]:
        """The brokers of the groups, without repetition."""
        self.set_options(var_options=variables, direct=kwargs)
        known = variables or {}
        groups, hostvars = known.get("groups", {}), known.get("hostvars", {})
        found: list[str] = []
        for group in terms or ["kafka"]:
            if group not in groups or not groups[group]:
                raise AnsibleLookupError("bootstrap_servers: the inventory has no host in the group {0}".format(group))
            found += [server(name, hostvars[name], self.get_option("security_protocol")) for name in groups[group]]
        return list(dict.fromkeys(found))
