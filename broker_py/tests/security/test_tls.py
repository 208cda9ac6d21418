# SPDX-License-Identifier: Apache-2.0
"""Keystores and truststores of every kind that Kafka's settings name, and one line for what is refused."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest

from commitlog.security.keystores import StoreError
from commitlog.security.tls import client_context, openssl_name, server_context
from tests.security.certificates import LabCa

VERSIONS = ["TLSv1.2", "TLSv1.3"]


def handshake(server: ssl.SSLContext, client: ssl.SSLContext, name: str = "localhost") -> str | None:
    """The version that both agreed on; raises SSLError."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    sides = [
        server.wrap_bio(to_server, to_client, server_side=True),
        client.wrap_bio(to_client, to_server, server_hostname=name),
    ]
    for _ in range(4):
        for side in (sides[1], sides[0]):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue
    return sides[1].version()


@pytest.fixture
def ca(tmp_path: Path) -> LabCa:
    return LabCa(tmp_path)


def test_every_kind_of_store(ca: LabCa) -> None:
    identity = ca.issue("broker", "localhost")
    encrypted = ca.directory / "encrypted.pem"
    encrypted.write_text(identity.key_text("key-pass") + identity.chain_text())
    stores = [
        {"ssl.keystore.type": "PEM", "ssl.keystore.location": str(identity.pem)},
        {"ssl.keystore.type": "PEM", "ssl.keystore.location": str(encrypted), "ssl.key.password": "key-pass"},
        {
            "ssl.keystore.type": "PEM",
            "ssl.keystore.key": identity.key_text(),
            "ssl.keystore.certificate.chain": identity.chain_text(),
        },
        {
            "ssl.keystore.type": "PKCS12",
            "ssl.keystore.location": str(identity.pkcs12("p")),
            "ssl.keystore.password": "p",
        },
    ]
    trusts = [
        {"ssl.truststore.type": "PEM", "ssl.truststore.location": str(ca.file)},
        {"ssl.truststore.type": "PEM", "ssl.truststore.certificates": ca.text},
        {
            "ssl.truststore.type": "PKCS12",
            "ssl.truststore.location": str(ca.pkcs12("p")),
            "ssl.truststore.password": "p",
        },
    ]
    for store in stores:
        for trust in trusts:
            server = server_context(store.get, VERSIONS, [], "none")
            client = client_context(trust.get, VERSIONS, [], check_host=True)
            assert handshake(server, client) == "TLSv1.3"


def test_a_wrong_host_name_is_refused_unless_nobody_looks(ca: LabCa) -> None:
    store = {"ssl.keystore.type": "PEM", "ssl.keystore.location": str(ca.issue("b", "localhost").pem)}
    trust = {"ssl.truststore.type": "PEM", "ssl.truststore.location": str(ca.file)}
    server = server_context(store.get, VERSIONS, [], "none")
    with pytest.raises(ssl.SSLCertVerificationError, match="Hostname mismatch"):
        handshake(server, client_context(trust.get, VERSIONS, [], check_host=True), "elsewhere")
    assert handshake(server, client_context(trust.get, VERSIONS, [], check_host=False), "elsewhere")


def test_protocols_and_ciphers(ca: LabCa) -> None:
    store = {"ssl.keystore.type": "PEM", "ssl.keystore.location": str(ca.issue("b", "localhost").pem)}
    trust = {"ssl.truststore.type": "PEM", "ssl.truststore.location": str(ca.file)}
    client = client_context(trust.get, VERSIONS, [], check_host=True)
    assert handshake(server_context(store.get, ["TLSv1.2"], [], "none"), client) == "TLSv1.2"
    suites = ["TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384"]
    assert handshake(server_context(store.get, VERSIONS, suites, "none"), client) == "TLSv1.2"
    newer = client_context(trust.get, ["TLSv1.3"], [], check_host=True)
    with pytest.raises(ssl.SSLError):
        handshake(server_context(store.get, VERSIONS, suites, "none"), newer)


@pytest.mark.parametrize(
    ("java", "openssl"),
    [
        ("TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384", "ECDHE-RSA-AES256-GCM-SHA384"),
        ("TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256", "ECDHE-ECDSA-CHACHA20-POLY1305"),
        ("TLS_RSA_WITH_AES_128_CBC_SHA", "AES128-SHA"),
        ("TLS_DHE_RSA_WITH_AES_128_CBC_SHA256", "DHE-RSA-AES128-SHA256"),
        ("ECDHE-RSA-AES256-GCM-SHA384", "ECDHE-RSA-AES256-GCM-SHA384"),
    ],
)
def test_names_of_ciphers(java: str, openssl: str) -> None:
    assert openssl_name(java) == openssl


def test_what_cannot_be_used_is_one_line_with_the_setting(ca: LabCa) -> None:
    identity = ca.issue("broker", "localhost")
    store = identity.pkcs12("right")
    jks = ca.directory / "old.jks"
    jks.write_bytes(bytes.fromhex("feedfeed00000002"))
    encrypted = ca.directory / "encrypted.pem"
    encrypted.write_text(identity.key_text("right") + identity.chain_text())
    other = ca.directory / "other.pem"
    other.write_text(ca.issue("other").key_text() + identity.chain_text())
    location = "ssl.keystore.location"
    cases: list[tuple[dict[str, str], str]] = [
        ({}, f"{location}: a listener with TLS needs a keystore"),
        ({location: str(jks)}, f"{location}: .* is a JKS store, .*keytool -importkeystore"),
        ({location: str(store), "ssl.keystore.password": "wrong"}, f"{location}: .*ssl.keystore.password"),
        ({location: "/nowhere", "ssl.keystore.type": "PEM"}, f"{location}: /nowhere cannot be read: No such"),
        ({location: str(encrypted), "ssl.keystore.type": "PEM"}, "ssl.key.password: the private key"),
        (
            {location: str(encrypted), "ssl.keystore.type": "PEM", "ssl.key.password": "wrong"},
            "ssl.key.password: the private key",
        ),
        ({location: str(other), "ssl.keystore.type": "PEM"}, f"{location}: .*mismatch"),
        ({location: str(ca.file), "ssl.keystore.type": "PEM"}, f"{location}: there is no PEM private key"),
        ({location: "x", "ssl.keystore.type": "BKS"}, "ssl.keystore.type: BKS is not supported"),
        ({"ssl.keystore.key": "x", "ssl.keystore.type": "PEM"}, "must be given together"),
    ]
    for settings, message in cases:
        with pytest.raises(StoreError, match=f"(?i){message}") as caught:
            server_context(settings.get, VERSIONS, [], "none")
        assert "\n" not in str(caught.value)
        assert "wrong" not in str(caught.value)
    good = {location: str(identity.pem), "ssl.keystore.type": "PEM"}
    with pytest.raises(
        StoreError, match=r"ssl\.enabled\.protocols: SSLv3: must be some of: TLSv1\.2, TLSv1\.3"
    ):
        server_context(good.get, ["SSLv3"], [], "none")
    with pytest.raises(StoreError, match=r"ssl\.cipher\.suites: NONSUCH"):
        server_context(good.get, VERSIONS, ["NONSUCH"], "none")
