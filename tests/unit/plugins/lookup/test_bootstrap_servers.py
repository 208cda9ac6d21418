# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the brokers of the inventory listen."""

from __future__ import annotations

from typing import Any

import pytest
from ansible.errors import AnsibleLookupError

from ansible_collections.commitlog.kafka.plugins.lookup.bootstrap_servers import LookupModule


class Lookup(LookupModule):
    """With options that are simply there, where Ansible would find them by the plugin's documentation."""

    def __init__(self, options: dict[str, Any]) -> None:
        super().__init__()
        self._given = options

    def set_options(self, *_arguments: Any, **_named: Any) -> None:
        pass

    def get_option(self, option: str, hostvars: Any = None) -> Any:
        return self._given.get(option)


def look(hosts: dict[str, dict[str, Any]], *groups: str, **options: Any) -> list[str]:
    variables = {"groups": {"kafka": list(hosts), "others": list(hosts)[:1], "empty": []}, "hostvars": hosts}
    return Lookup(options).run(list(groups), variables)


@pytest.mark.parametrize(
    ("host", "listens"),
    [
        ({"kafka_address": "10.0.0.1", "ansible_host": "jump"}, "10.0.0.1:9092"),
        ({"ansible_facts": {"default_ipv4": {"address": "10.0.0.2"}}, "ansible_host": "jump"}, "10.0.0.2:9092"),
        ({"ansible_host": "10.0.0.3"}, "10.0.0.3:9092"),
        ({}, "kafka1:9092"),
        ({"kafka_address": "fd00::1"}, "[fd00::1]:9092"),
        ({"kafka_address": "10.0.0.1", "broker_port": 19092}, "10.0.0.1:19092"),
        ({"kafka_address": "10.0.0.1", "cluster_security": "tls_scram"}, "10.0.0.1:9093"),
        (
            {"kafka_address": "10.0.0.1", "broker_advertised_listeners": "SSL://a:1,PLAINTEXT://kafka.example:2"},
            "kafka.example:2",
        ),
    ],
)
def test_a_host_is_where_the_role_puts_its_broker(host: dict[str, Any], listens: str) -> None:
    assert look({"kafka1": host}) == [listens]


def test_another_listener_can_be_meant() -> None:
    secured = {"kafka_address": "10.0.0.1", "cluster_security": "tls_scram", "broker_plaintext_port": 19092}
    assert look({"kafka1": secured}, security_protocol="PLAINTEXT") == ["10.0.0.1:19092"]
    assert look({"kafka1": {"broker_advertised_listeners": "SSL://a:1,PLAINTEXT://b:2"}}, security_protocol="SSL") == ["a:1"]


def test_groups_are_taken_in_order_and_hosts_once() -> None:
    hosts: dict[str, dict[str, Any]] = {"kafka1": {}, "kafka2": {}}
    assert look(hosts, "kafka", "others") == ["kafka1:9092", "kafka2:9092"]
    assert look(hosts, "others") == ["kafka1:9092"]


@pytest.mark.parametrize("group", ["empty", "absent"])
def test_a_group_without_hosts_is_named(group: str) -> None:
    with pytest.raises(AnsibleLookupError, match=group):
        look({"kafka1": {}}, group)
