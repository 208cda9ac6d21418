# SPDX-License-Identifier: GPL-3.0-or-later
"""One connection spec, and brokers found in what ZooKeeper says."""

from __future__ import annotations

import pytest
import yaml

from ansible_collections.commitlog.kafka.plugins.doc_fragments.connection import ModuleDocFragment
from ansible_collections.commitlog.kafka.plugins.module_utils._connection import (
    connection_argument_spec,
    endpoints_of_registration,
    version_numbers,
)


def test_the_doc_fragment_says_what_the_argument_spec_accepts() -> None:
    documented = yaml.safe_load(ModuleDocFragment.DOCUMENTATION)["options"]
    spec = connection_argument_spec()
    assert sorted(documented) == sorted(spec)
    for name, option in spec.items():
        for key in ("type", "choices", "default", "elements"):
            assert documented[name].get(key) == option.get(key), (name, key)


@pytest.mark.parametrize("secret", ["ssl_password", "sasl_password"])
def test_secrets_stay_out_of_logs(secret: str) -> None:
    assert connection_argument_spec()[secret]["no_log"] is True


V5 = {
    "version": 5,
    "host": "kafka1",
    "port": 9092,
    "endpoints": ["PLAINTEXT://kafka1:9092", "SECURE://kafka1:9093", "REPLICATION://10.0.0.1:9094"],
    "listener_security_protocol_map": {"PLAINTEXT": "PLAINTEXT", "SECURE": "SSL", "REPLICATION": "PLAINTEXT"},
}


@pytest.mark.parametrize(
    ("document", "protocol", "found"),
    [
        (V5, "PLAINTEXT", ["kafka1:9092", "10.0.0.1:9094"]),
        (V5, "SSL", ["kafka1:9093"]),
        (V5, "SASL_SSL", []),
        ({"version": 2, "host": "a", "port": 1, "endpoints": ["SSL://a:2"]}, "SSL", ["a:2"]),
        ({"version": 1, "host": "old", "port": 9092}, "PLAINTEXT", ["old:9092"]),
        ({"version": 1, "host": "old", "port": 9092}, "SSL", []),
    ],
)
def test_listeners_are_chosen_by_what_they_speak(document: dict[str, object], protocol: str, found: list[str]) -> None:
    assert endpoints_of_registration(document, protocol) == found


def test_versions_are_compared_as_numbers() -> None:
    assert version_numbers("3.0.9") < version_numbers("3.0.10") < version_numbers("3.1.0rc2")
