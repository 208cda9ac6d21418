# SPDX-License-Identifier: GPL-3.0-or-later
"""One connection spec, and brokers found in what ZooKeeper says."""

from __future__ import annotations

import logging
import pathlib

import pytest
import yaml
from kafka.errors import KafkaConnectionError, SaslAuthenticationFailedError

from ansible_collections.commitlog.kafka.plugins.doc_fragments.connection import ModuleDocFragment
from ansible_collections.commitlog.kafka.plugins.module_utils._connection import (
    BootstrapWatcher,
    connection_argument_spec,
    endpoints_of_registration,
    version_numbers,
)
from ansible_collections.commitlog.kafka.plugins.module_utils._errors import ClusterUnreachable
from ansible_collections.commitlog.kafka.plugins.module_utils._tls import tls_context


def test_the_doc_fragment_says_what_the_argument_spec_accepts() -> None:
    documented = yaml.safe_load(ModuleDocFragment.DOCUMENTATION)["options"]
    spec = connection_argument_spec()
    assert sorted(documented) == sorted(spec)
    for name, option in spec.items():
        for key in ("type", "choices", "default", "elements"):
            assert documented[name].get(key) == option.get(key), (name, key)


@pytest.mark.parametrize("secret", ["ssl_password", "ssl_key_pem", "sasl_password", "sasl_oauth_token", "zookeeper_password"])
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


def logged(watcher: BootstrapWatcher, text: str, *arguments: object) -> None:
    logger = logging.getLogger("kafka.net.manager")
    with watcher.listening():
        logger.warning(text, *arguments)


def test_a_wrong_password_ends_the_attempts() -> None:
    watcher = BootstrapWatcher(2)
    with pytest.raises(SaslAuthenticationFailedError):
        logged(watcher, "Bootstrap connection to %s failed: %s", "bootstrap-0", SaslAuthenticationFailedError("no"))


def test_what_another_attempt_may_mend_is_only_remembered() -> None:
    watcher = BootstrapWatcher(2)
    logged(watcher, "Bootstrap connection to %s failed: %s", "bootstrap-0", KafkaConnectionError("refused"))
    logged(watcher, "Bootstrap failed: %s", KafkaConnectionError("a bare timeout"))
    assert str(watcher.last) == "KafkaConnectionError: refused"


def test_certificates_that_nobody_vouches_for_end_the_attempts_once_all_have_one() -> None:
    watcher = BootstrapWatcher(2)
    untrusted = KafkaConnectionError("[SSL: CERTIFICATE_VERIFY_FAILED]")
    logged(watcher, "Connection failed: %s", untrusted)
    logged(watcher, "Bootstrap connection to %s failed: %s", "bootstrap-0", untrusted)
    with pytest.raises(KafkaConnectionError):
        logged(watcher, "Bootstrap connection to %s failed: %s", "bootstrap-1", untrusted)


def test_a_file_that_is_no_good_is_named_with_its_option(tmp_path: pathlib.Path) -> None:
    nothing: dict[str, object] = dict.fromkeys(connection_argument_spec())
    for options, message in [
        ({"ssl_cafile": str(tmp_path / "none.pem")}, r"ssl_cafile \(.*none\.pem\): .*No such file"),
        ({"ssl_ca_pem": "not a certificate"}, "ssl_ca_pem: "),
        ({"ssl_certificate_pem": "x", "ssl_key_pem": "secret"}, "ssl_certificate_pem and ssl_key_pem: "),
    ]:
        with pytest.raises(ClusterUnreachable, match=message) as caught:
            tls_context({**nothing, "ssl_check_hostname": True, **options})
        assert "secret" not in str(caught.value)
