# SPDX-License-Identifier: Apache-2.0
"""SCRAM by RFC 7677's example, between our own two sides, and against messages that are none."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from commitlog.security.scram import (
    Account,
    AuthorizationIdError,
    ScramClient,
    ScramCredential,
    ScramError,
    ScramServer,
    make_credential,
)

MECHANISMS = ["SCRAM-SHA-256", "SCRAM-SHA-512"]


def server(mechanism: str, password: str = "pencil", user: str = "user") -> ScramServer:
    account = Account(make_credential(mechanism, password), user)
    return ScramServer(mechanism, lambda name, by_token: account if name == user else None)


def test_the_example_of_rfc_7677() -> None:
    salt = base64.b64decode("W22ZaJ0SNY7soEsUEjb6gQ==")
    account = Account(make_credential("SCRAM-SHA-256", "pencil", 4096, salt), "user")
    side = ScramServer(
        "SCRAM-SHA-256", lambda name, by_token: account, nonce=lambda: "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"
    )
    first = b"n,,n=user,r=rOprNGfwEbeRWgbNEkqO"
    answer = side.evaluate(first)
    assert answer == (
        b"r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"
    )
    client = ScramClient("SCRAM-SHA-256", "user", "pencil", nonce=lambda: "rOprNGfwEbeRWgbNEkqO")
    assert client.first() == first
    final = client.evaluate(answer)
    assert final is not None
    assert final.endswith(b",p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=")
    last = side.evaluate(final)
    assert last == b"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="
    assert client.evaluate(last) is None
    assert side.complete


@pytest.mark.parametrize("mechanism", MECHANISMS)
@pytest.mark.parametrize("user", ["user", "a,b=c", "ä 你", "=2C"])
def test_both_sides_agree(mechanism: str, user: str) -> None:
    side, client = server(mechanism, user=user), ScramClient(mechanism, user, "pencil")
    final = client.evaluate(side.evaluate(client.first()))
    assert final is not None
    assert client.evaluate(side.evaluate(final)) is None
    assert (side.complete, side.name, side.by_token) == (True, user, False)


@pytest.mark.parametrize("mechanism", MECHANISMS)
def test_a_wrong_password_never_completes(mechanism: str) -> None:
    side, client = server(mechanism), ScramClient(mechanism, "user", "pencil2")
    final = client.evaluate(side.evaluate(client.first()))
    assert final is not None
    with pytest.raises(ScramError, match="Invalid client credentials"):
        side.evaluate(final)
    assert not side.complete
    with pytest.raises(ScramError, match="the exchange is over"):
        side.evaluate(client.first())


def test_a_final_message_is_good_for_one_exchange_only() -> None:
    side, client = server("SCRAM-SHA-256"), ScramClient("SCRAM-SHA-256", "user", "pencil")
    final = client.evaluate(side.evaluate(client.first()))
    assert final is not None
    other = server("SCRAM-SHA-256")
    other.evaluate(client.first())
    with pytest.raises(ScramError, match="Invalid client nonce"):
        other.evaluate(final)
    with pytest.raises(ScramError, match="client first"):
        server("SCRAM-SHA-256").evaluate(final)


@pytest.mark.parametrize("cut", range(1, 60, 7))
def test_a_truncated_final_message_is_refused(cut: int) -> None:
    side, client = server("SCRAM-SHA-256"), ScramClient("SCRAM-SHA-256", "user", "pencil")
    final = client.evaluate(side.evaluate(client.first()))
    assert final is not None
    with pytest.raises(ScramError):
        side.evaluate(final[:-cut])
    assert not side.complete


def test_acting_as_another_is_refused() -> None:
    with pytest.raises(AuthorizationIdError):
        server("SCRAM-SHA-256").evaluate(b"n,a=admin,n=user,r=abc")


def test_a_server_that_does_not_know_the_password_is_noticed() -> None:
    side, client = server("SCRAM-SHA-256"), ScramClient("SCRAM-SHA-256", "user", "pencil")
    client.evaluate(side.evaluate(client.first()))
    with pytest.raises(ScramError, match="Invalid server signature"):
        client.evaluate(b"v=" + base64.b64encode(bytes(32)))


def test_weak_iterations_are_refused_on_both_sides() -> None:
    weak = Account(make_credential("SCRAM-SHA-256", "pencil", 1), "user")
    with pytest.raises(ScramError, match="less than the minimum"):
        ScramServer("SCRAM-SHA-256", lambda *_: weak).evaluate(b"n,,n=user,r=abc")
    client = ScramClient("SCRAM-SHA-256", "user", "pencil", nonce=lambda: "abc")
    with pytest.raises(ScramError, match="iterations"):
        client.evaluate(b"r=abcdef,s=QUJD,i=1")


def test_a_credential_is_kept_as_kafka_keeps_it() -> None:
    credential = make_credential("SCRAM-SHA-256", "p", 8192)
    text = credential.encode()
    assert [part.partition("=")[0] for part in text.split(",")] == [
        "salt",
        "stored_key",
        "server_key",
        "iterations",
    ]
    assert ScramCredential.decode(text) == credential
    for bad in ("", "salt=x", text + ",more=1", text.replace("iterations=8192", "iterations=x")):
        with pytest.raises(ScramError):
            ScramCredential.decode(bad)
    assert "salt" not in repr(credential)


@given(st.lists(st.one_of(st.binary(max_size=80), st.just(b"n,,n=user,r=abc")), max_size=3))
def test_no_garbage_gets_in(messages: list[bytes]) -> None:
    side = server("SCRAM-SHA-256")
    for message in messages:
        try:
            side.evaluate(message)
        except ScramError:
            break
    assert not side.complete
