# -*- coding: utf-8 -*-
# Copyright: Contributors to the commitlog.kafka collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The options that say how to reach the cluster: one text for all modules."""

from __future__ import annotations


class ModuleDocFragment:
    # Word for word what module_utils/_connection.py accepts; a unit test holds the two together.
    DOCUMENTATION = r"""
options:
  bootstrap_servers:
    description:
      - Brokers to ask first, as V(host:port); without a port, 9092 is meant.
      - Exactly one of O(bootstrap_servers) and O(zookeeper_connect) is required.
    type: list
    elements: str
  zookeeper_connect:
    description:
      - ZooKeeper of the cluster, as in the broker's C(zookeeper.connect), for example V(kafka1:2181,kafka2:2181/chroot).
      - The brokers are found there, by the listener that speaks O(security_protocol). Needs the Python package C(kazoo).
    type: str
  zookeeper_ssl:
    description:
      - Whether ZooKeeper is reached over TLS.
    type: bool
    default: false
  zookeeper_ssl_cafile:
    description:
      - PEM file with the certificates of the authorities that ZooKeeper's certificate is checked against.
    type: path
  zookeeper_ssl_certfile:
    description:
      - PEM file with the client's certificate, where ZooKeeper asks for one.
    type: path
  zookeeper_ssl_keyfile:
    description:
      - PEM file with the key of O(zookeeper_ssl_certfile).
    type: path
  zookeeper_username:
    description:
      - User for ZooKeeper's digest authentication. The list of brokers can be read without it.
    type: str
  zookeeper_password:
    description:
      - Password of O(zookeeper_username).
    type: str
  security_protocol:
    description:
      - How the brokers' listener is secured.
    type: str
    choices: [PLAINTEXT, SSL, SASL_PLAINTEXT, SASL_SSL]
    default: PLAINTEXT
  ssl_cafile:
    description:
      - PEM file with the certificates of the authorities that the brokers' certificates are checked against.
    type: path
  ssl_ca_pem:
    description:
      - The same certificates themselves, in PEM, instead of O(ssl_cafile).
    type: str
  ssl_certfile:
    description:
      - PEM file with the client's certificate, where the brokers ask for one.
    type: path
  ssl_certificate_pem:
    description:
      - The certificate itself, in PEM, instead of O(ssl_certfile).
    type: str
  ssl_keyfile:
    description:
      - PEM file with the key of O(ssl_certfile).
    type: path
  ssl_key_pem:
    description:
      - The key of O(ssl_certificate_pem) itself, in PEM.
    type: str
  ssl_password:
    description:
      - Password of O(ssl_keyfile) or O(ssl_key_pem).
    type: str
  ssl_check_hostname:
    description:
      - Whether the broker's certificate must carry the name that it was reached by.
    type: bool
    default: true
  sasl_mechanism:
    description:
      - SASL mechanism. Required when O(security_protocol) is V(SASL_PLAINTEXT) or V(SASL_SSL).
    type: str
    choices: [PLAIN, SCRAM-SHA-256, SCRAM-SHA-512, OAUTHBEARER, GSSAPI]
  sasl_username:
    description:
      - User for the mechanisms V(PLAIN), V(SCRAM-SHA-256) and V(SCRAM-SHA-512).
    type: str
  sasl_password:
    description:
      - Password of O(sasl_username).
    type: str
  sasl_oauth_token:
    description:
      - Token for the mechanism V(OAUTHBEARER), as the authority issued it.
    type: str
  sasl_kerberos_service_name:
    description:
      - Name of the brokers' Kerberos service, for the mechanism V(GSSAPI). Needs the Python package C(gssapi).
    type: str
    default: kafka
  client_id:
    description:
      - The name under which the brokers log this module's requests.
    type: str
    default: ansible-commitlog-kafka
  timeout:
    description:
      - Seconds that each step may take, such as connecting, one request, or waiting until every partition has a leader.
    type: int
    default: 30
requirements:
  - Python package C(kafka-python) 3.0.10 or later, on the host that runs the module.
  - Python package C(kazoo), only with O(zookeeper_connect).
notes:
  - The module talks to the cluster from the host that runs it, so that host must reach every broker by its advertised listener.
  - Works with Apache Kafka 2.4 or later and with the broker of this collection.
"""
