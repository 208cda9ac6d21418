# SPDX-License-Identifier: Apache-2.0
"""OAUTHBEARER (RFC 7628): the SASL exchange and the validation of tokens.

Two validators, as Kafka has: unsecured JWS (OAuthBearerUnsecuredValidatorCallbackHandler, the default, for
development) and tokens signed with a key of a JWKS (OAuthBearerValidatorCallbackHandler with jose4j's
checks). A token or its claims never reach a log.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

_CONTROL_A = b"\x01"
_FIRST = re.compile(
    r"n,(?:a=(?P<authzid>(?:[^=,\0]|=2C|=3D)+))?,\x01(?P<pairs>(?:[A-Za-z]+=[\x21-\x7e \t\r\n]+\x01)+)\x01"
)
_AUTH = re.compile(r"(?P<scheme>\w+)\s+(?P<token>[-_\.a-zA-Z0-9]+)")
MAX_TOKEN_BYTES = 64 * 1024


class TokenError(ValueError):
    """The token is refused; the text is for the broker's log."""


class OAuthError(ValueError):
    """The exchange failed. ``shown`` says whether the client may read the text."""

    def __init__(self, text: str, *, shown: bool) -> None:
        super().__init__(text)
        self.shown = shown


@dataclass(frozen=True, slots=True)
class Token:
    """What a valid token says."""

    principal_name: str
    expires_ms: int


class Validator(Protocol):
    def validate(self, token: str) -> Token:
        """Raises TokenError."""


class OAuthBearerServer:
    """One exchange, seen by the broker (OAuthBearerSaslServer)."""

    by_token = False

    def __init__(self, validator: Validator, log_refusal: Callable[[str], None]) -> None:
        self._validator = validator
        self._log_refusal = log_refusal
        self._error: str | None = None
        self.complete = False
        self.name = ""
        self.expires_ms: int | None = None

    def evaluate(self, message: bytes) -> bytes:
        if self._error is not None and message == _CONTROL_A:
            raise OAuthError(self._error, shown=True)
        self._error = None
        if self.complete:
            raise OAuthError("Illegal state: the exchange is over", shown=False)
        authzid, token = _client_first(message)
        try:
            found = self._validator.validate(token)
        except TokenError as error:
            self._log_refusal(str(error))
            self._error = json.dumps({"status": "invalid_token"}, separators=(",", ":"))
            return self._error.encode()
        if authzid and authzid != found.principal_name:
            raise OAuthError(
                f"Authentication failed: Client requested an authorization id ({authzid}) that is different "
                f"from the token's principal name ({found.principal_name})",
                shown=True,
            )
        self.name, self.expires_ms, self.complete = found.principal_name, found.expires_ms, True
        return b""


def _client_first(message: bytes) -> tuple[str, str]:
    """Authorization id and token."""
    match = None if len(message) > MAX_TOKEN_BYTES else _FIRST.fullmatch(message.decode("latin-1"))
    if match is None:
        raise OAuthError("Invalid OAUTHBEARER client first message", shown=False)
    pairs = dict(pair.split("=", 1) for pair in match["pairs"].rstrip("\x01").split("\x01"))
    found = _AUTH.fullmatch(pairs.get("auth", "").strip())
    if found is None or found["scheme"].lower() != "bearer":
        raise OAuthError("Invalid OAUTHBEARER client first message: no bearer token", shown=False)
    authzid = (match["authzid"] or "").replace("=2C", ",").replace("=3D", "=")
    return authzid, found["token"]


def client_message(token: str, extensions: Mapping[str, str] | None = None) -> bytes:
    """A client's only message."""
    pairs = [f"auth=Bearer {token}", *(f"{key}={value}" for key, value in (extensions or {}).items())]
    return ("n,,\x01" + "\x01".join(pairs) + "\x01\x01").encode()


def _part(text: str) -> bytes:
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (ValueError, binascii.Error):
        raise TokenError("malformed Base64 URL encoded value") from None


def _json(text: str) -> dict[str, Any]:
    try:
        value = json.loads(_part(text))
    except (ValueError, RecursionError):
        raise TokenError("malformed JSON in the token") from None
    if not isinstance(value, dict):
        raise TokenError("a part of the token is no JSON object")
    return value


def split_token(token: str) -> tuple[dict[str, Any], dict[str, Any], bytes, bytes]:
    """Header, claims, what is signed, signature."""
    parts = token.split(".")
    if len(parts) != 3:
        raise TokenError(f"the token has {len(parts)} sections, a JWS has 3")
    return _json(parts[0]), _json(parts[1]), f"{parts[0]}.{parts[1]}".encode(), _part(parts[2])


def _time_ms(claims: Mapping[str, Any], name: str, *, required: bool) -> int | None:
    value = claims.get(name)
    if value is None and not required:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1e12:
        raise TokenError(f"claim {name} is missing or no number")
    return int(value * 1000)


def _text(claims: Mapping[str, Any], name: str) -> str:
    value = claims.get(name)
    if not isinstance(value, str) or not value.strip():
        raise TokenError(f"claim {name} is missing or no text")
    return value


def _scopes(claims: Mapping[str, Any], name: str) -> set[str]:
    value = claims.get(name, "")
    if isinstance(value, str):
        return set(value.split())
    if isinstance(value, list) and all(isinstance(one, str) for one in value):
        return {one.strip() for one in value}
    raise TokenError(f"claim {name} is neither a text nor a list of texts")


def _check_times(claims: Mapping[str, Any], now_ms: int, skew_ms: int, *, need_issued: bool) -> int:
    expires = _time_ms(claims, "exp", required=True)
    issued = _time_ms(claims, "iat", required=need_issued)
    not_before = _time_ms(claims, "nbf", required=False)
    assert expires is not None
    if now_ms - skew_ms >= expires:
        raise TokenError("the token has expired")
    if issued is not None and (issued > now_ms + skew_ms or issued >= expires):
        raise TokenError("the token was issued in the future, or after it expires")
    if not_before is not None and not_before > now_ms + skew_ms:
        raise TokenError("the token is not valid yet")
    return expires


class UnsecuredValidator:
    """OAuthBearerUnsecuredValidatorCallbackHandler: no signature at all. ``options`` are the JAAS entry's."""

    def __init__(self, options: Mapping[str, str], now_ms: Callable[[], int]) -> None:
        self._principal_claim = options.get("unsecuredValidatorPrincipalClaimName") or "sub"
        self._scope_claim = options.get("unsecuredValidatorScopeClaimName") or "scope"
        self._required = set(options.get("unsecuredValidatorRequiredScope", "").split())
        self._skew_ms = int(options.get("unsecuredValidatorAllowableClockSkewMs") or 0)
        self._now_ms = now_ms

    def validate(self, token: str) -> Token:
        header, claims, _, signature = split_token(token)
        if header.get("alg") != "none" or signature:
            raise TokenError("the token is signed, and this listener takes unsecured tokens only")
        name = _text(claims, self._principal_claim)
        expires = _check_times(claims, self._now_ms(), self._skew_ms, need_issued=False)
        if not self._required <= _scopes(claims, self._scope_claim):
            raise TokenError("the token lacks a required scope")
        return Token(name, expires)


@dataclass(frozen=True, slots=True)
class Expectations:
    """sasl.oauthbearer.*: what a signed token must say."""

    audience: Collection[str]
    issuer: str | None
    scope_claim: str
    sub_claim: str
    skew_ms: int


class KeySource(Protocol):
    def find(self, key_id: str | None, algorithm: str) -> Sequence[Any]:
        """The public keys that may have signed; an unknown id makes the source look again soon."""


class SignedValidator:
    """OAuthBearerValidatorCallbackHandler: signature, audience, issuer, times, scope and subject."""

    def __init__(self, keys: KeySource, expect: Expectations, now_ms: Callable[[], int]) -> None:
        self._keys = keys
        self._expect = expect
        self._now_ms = now_ms

    def validate(self, token: str) -> Token:
        from commitlog.security.jwks import verify

        header, claims, signed, signature = split_token(token)
        algorithm, key_id = header.get("alg"), header.get("kid")
        if not isinstance(algorithm, str) or "crit" in header:
            raise TokenError("the token's header cannot be used")
        candidates = self._keys.find(key_id if isinstance(key_id, str) else None, algorithm)
        if not any(verify(key, algorithm, signed, signature) for key in candidates):
            raise TokenError("no key of the JWKS has signed the token")
        expect = self._expect
        name = _text(claims, expect.sub_claim)
        expires = _check_times(claims, self._now_ms(), expect.skew_ms, need_issued=True)
        if expect.issuer is not None and claims.get("iss") != expect.issuer:
            raise TokenError("the token is of another issuer")
        if expect.audience:
            audience = claims.get("aud", [])
            given = {audience} if isinstance(audience, str) else set(map(str, audience))
            if not given & set(expect.audience):
                raise TokenError("the token is for another audience")
        _scopes(claims, expect.scope_claim)
        return Token(name, expires)
