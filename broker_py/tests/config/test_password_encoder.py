# SPDX-License-Identifier: Apache-2.0
"""Secrets of dynamic settings: in ZooKeeper as Kafka keeps them, and never in clear."""

import pytest

from commitlog.config.password_encoder import PasswordEncoder, PasswordError, is_password


def test_there_and_back() -> None:
    encoder = PasswordEncoder("the secret")
    text = encoder.encode("passwörd")
    assert [part.partition(":")[0] for part in text.split(",")] == [
        "keyFactoryAlgorithm",
        "cipherAlgorithm",
        "keyLength",
        "salt",
        "iterations",
        "encryptedPassword",
        "passwordLength",
        "initializationVector",
    ]
    assert "passw" not in text.replace("passwordLength", "")
    assert encoder.decode(text) == "passwörd"
    assert PasswordEncoder("new", "the secret").decode(text) == "passwörd"


def test_what_cannot_be_done_is_said() -> None:
    with pytest.raises(PasswordError, match="Password encoder secret not configured"):
        PasswordEncoder(None).encode("x")
    text = PasswordEncoder("one").encode("x" * 40)
    with pytest.raises(PasswordError, match=r"password\.encoder\.secret is not the one"):
        PasswordEncoder("two").decode(text)
    with pytest.raises(PasswordError, match="no encoded password"):
        PasswordEncoder("one").decode("in clear")


def test_which_settings_are_secrets() -> None:
    assert is_password("listener.name.x.ssl.keystore.password")
    assert is_password("listener.name.x.scram-sha-256.sasl.jaas.config")
    assert not is_password("ssl.keystore.location")
    encoder = PasswordEncoder("s")
    kept = encoder.encode_all({"ssl.key.password": "p", "num.io.threads": "8"})
    assert kept["num.io.threads"] == "8"
    problems: list[str] = []
    kept["ssl.keystore.password"] = "plain"
    assert encoder.decode_all(kept, problems) == {"ssl.key.password": "p", "num.io.threads": "8"}
    assert problems == ["ssl.keystore.password: it is no encoded password"]
