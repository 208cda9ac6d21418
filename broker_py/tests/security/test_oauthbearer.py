# SPDX-License-Identifier: Apache-2.0
"""Tokens that are taken and tokens that are not: unsecured, and signed by a key of a JWKS."""

from __future__ import annotations

import base64
import contextlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from hypothesis import given
from hypothesis import strategies as st

from commitlog.security.jwks import JwksError, JwkSet
from commitlog.security.oauthbearer import (
    Expectations,
    OAuthBearerServer,
    OAuthError,
    SignedValidator,
    TokenError,
    UnsecuredValidator,
    client_message,
)

NOW_MS = 1_000_000_000


def encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def number(value: int, size: int) -> str:
    return encoded(value.to_bytes(size, "big"))


class Keys:
    """One RSA and one EC key, and the JWKS file that publishes them."""

    def __init__(self, directory: Path) -> None:
        self.rsa = rsa.generate_private_key(65537, 2048)
        self.ec = ec.generate_private_key(ec.SECP256R1())
        numbers, point = self.rsa.public_key().public_numbers(), self.ec.public_key().public_numbers()
        self.file = directory / "jwks.json"
        keys = [
            {"kty": "RSA", "kid": "r", "use": "sig", "n": number(numbers.n, 256), "e": number(numbers.e, 3)},
            {"kty": "EC", "kid": "e", "crv": "P-256", "x": number(point.x, 32), "y": number(point.y, 32)},
        ]
        self.file.write_text(json.dumps({"keys": keys}))

    def token(self, algorithm: str = "RS256", key_id: str = "r", **claims: Any) -> str:
        body = {"sub": "alice", "iat": NOW_MS / 1000, "exp": NOW_MS / 1000 + 60, **claims}
        header = {"alg": algorithm, "kid": key_id}
        signed = f"{encoded(json.dumps(header).encode())}.{encoded(json.dumps(body).encode())}"
        if algorithm == "RS256":
            signature = self.rsa.sign(signed.encode(), padding.PKCS1v15(), hashes.SHA256())
        elif algorithm == "ES256":
            halves = decode_dss_signature(self.ec.sign(signed.encode(), ec.ECDSA(hashes.SHA256())))
            signature = b"".join(half.to_bytes(32, "big") for half in halves)
        else:
            signature = b""
        return f"{signed}.{encoded(signature)}"


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Keys:
    return Keys(tmp_path_factory.mktemp("keys"))


def validator(keys: Keys, **changes: Any) -> SignedValidator:
    source = JwkSet(keys.file.as_uri())
    source.refresh()
    expect: dict[str, Any] = {
        "audience": ["kafka"],
        "issuer": "lab",
        "scope_claim": "scope",
        "sub_claim": "sub",
        "skew_ms": 1000,
        **changes,
    }
    return SignedValidator(source, Expectations(**expect), lambda: NOW_MS)


@pytest.mark.parametrize(("algorithm", "key_id"), [("RS256", "r"), ("ES256", "e")])
def test_a_signed_token(keys: Keys, algorithm: str, key_id: str) -> None:
    token = keys.token(algorithm, key_id, aud=["other", "kafka"], iss="lab")
    found = validator(keys).validate(token)
    assert (found.principal_name, found.expires_ms) == ("alice", NOW_MS + 60_000)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"iss": "else"}, "another issuer"),
        ({"aud": "else"}, "another audience"),
        ({"exp": NOW_MS / 1000 - 2}, "expired"),
        ({"iat": NOW_MS / 1000 + 5}, "in the future"),
        ({"nbf": NOW_MS / 1000 + 5}, "not valid yet"),
        ({"sub": ""}, "claim sub"),
        ({"exp": "soon"}, "claim exp"),
        ({"algorithm": "none"}, "no key"),
        ({"algorithm": "HS256"}, "no key"),
        ({"key_id": "unknown"}, "no key"),
        ({"algorithm": "ES256", "key_id": "r"}, "no key"),
    ],
)
def test_a_signed_token_that_is_refused(keys: Keys, change: dict[str, Any], reason: str) -> None:
    token = keys.token(**{"aud": "kafka", "iss": "lab", **change})
    with pytest.raises(TokenError, match=reason):
        validator(keys).validate(token)


def test_a_changed_claim_breaks_the_signature(keys: Keys) -> None:
    header, _, signature = keys.token(aud="kafka", iss="lab").split(".")
    claims = {"sub": "admin", "iat": 1, "exp": NOW_MS, "aud": "kafka", "iss": "lab"}
    with pytest.raises(TokenError, match="no key"):
        validator(keys).validate(f"{header}.{encoded(json.dumps(claims).encode())}.{signature}")


def unsecured(**claims: Any) -> str:
    body = {"sub": "alice", "exp": NOW_MS / 1000 + 60, **claims}
    header = encoded(json.dumps({"alg": "none"}).encode())
    return f"{header}.{encoded(json.dumps(body).encode())}."


def exchange(options: dict[str, str] | None = None) -> OAuthBearerServer:
    return OAuthBearerServer(UnsecuredValidator(options or {}, lambda: NOW_MS), lambda reason: None)


def test_an_unsecured_token() -> None:
    side = exchange({"unsecuredValidatorRequiredScope": "read"})
    assert side.evaluate(client_message(unsecured(scope="write read"))) == b""
    assert (side.complete, side.name, side.expires_ms) == (True, "alice", NOW_MS + 60_000)


@pytest.mark.parametrize(
    "token",
    [unsecured(exp=1), unsecured(scope="write"), unsecured(sub=None), unsecured() + "c2ln", "a.b.c", "a"],
)
def test_a_refusal_is_told_and_then_final(token: str) -> None:
    side = exchange({"unsecuredValidatorRequiredScope": "read"})
    assert side.evaluate(client_message(token)) == b'{"status":"invalid_token"}'
    with pytest.raises(OAuthError, match="invalid_token"):
        side.evaluate(b"\x01")
    assert not side.complete


def test_acting_as_another_is_refused() -> None:
    message = client_message(unsecured()).replace(b"n,,", b"n,a=admin,", 1)
    with pytest.raises(OAuthError, match=r"authorization id \(admin\)"):
        exchange().evaluate(message)


@given(st.binary(max_size=200), st.sampled_from([lambda data: data, lambda data: client_message(data.hex())]))
def test_no_garbage_gets_in(data: bytes, wrap: Callable[[bytes], bytes]) -> None:
    side = exchange()
    with contextlib.suppress(OAuthError):
        side.evaluate(wrap(data))
    assert not side.complete


def test_a_jwks_that_is_none(tmp_path: Path) -> None:
    path = tmp_path / "jwks.json"
    with pytest.raises(JwksError, match="cannot be read"):
        JwkSet(path.as_uri()).refresh()
    path.write_text("[]")
    with pytest.raises(JwksError, match="is no JSON Web Key Set"):
        JwkSet(path.as_uri()).refresh()
