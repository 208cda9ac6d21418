# SPDX-License-Identifier: Apache-2.0
"""The public keys of sasl.oauthbearer.jwks.endpoint.url (VerificationKeyResolverFactory,
RefreshingHttpsJwks).

Read at start, every sasl.oauthbearer.jwks.endpoint.refresh.ms, and when a token names a key that is not
known, but for that at most every 10 seconds: whoever may send a token must not make us ask without end.
Once the broker runs, reading never happens on the event loop.
"""

from __future__ import annotations

import base64
import json
import logging
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit
from urllib.request import url2pathname

log = logging.getLogger("commitlog.security.jwks")

ALGORITHMS = {
    "RS256": "SHA256",
    "RS384": "SHA384",
    "RS512": "SHA512",
    "PS256": "SHA256",
    "PS384": "SHA384",
    "PS512": "SHA512",
    "ES256": "SHA256",
    "ES384": "SHA384",
    "ES512": "SHA512",
}
_CURVES = {"P-256": ("SECP256R1", 32), "P-384": ("SECP384R1", 48), "P-521": ("SECP521R1", 66)}
_CURVE_OF = {"ES256": "P-256", "ES384": "P-384", "ES512": "P-521"}
MAX_JWKS_BYTES = 1024 * 1024
READ_TIMEOUT_S = 10.0


class JwksError(ValueError):
    """The JWKS cannot be had."""


class JwkSet:
    """The keys as last read. ``refresh`` blocks: call it in a worker thread."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._keys: Sequence[tuple[str | None, Mapping[str, Any]]] = ()
        self.on_unknown_key: Callable[[], None] = lambda: None

    @property
    def is_file(self) -> bool:
        return urlsplit(self.url).scheme == "file"

    def refresh(self) -> None:
        """Read again; JwksError, and the keys of before stay."""
        self._keys = _parse(self.url, _read(self.url))

    def find(self, key_id: str | None, algorithm: str) -> Sequence[Mapping[str, Any]]:
        kind = "EC" if algorithm.startswith("ES") else "RSA"
        fitting = [
            key
            for known, key in self._keys
            if key.get("kty") == kind
            and (key_id is None or known == key_id)
            and key.get("alg", algorithm) == algorithm
        ]
        if not fitting:
            self.on_unknown_key()
        return fitting


def _read(url: str) -> bytes:
    parts = urlsplit(url)
    try:
        if parts.scheme == "file":
            with open(url2pathname(parts.path), "rb") as file:
                data = file.read(MAX_JWKS_BYTES + 1)
        elif parts.scheme in ("http", "https"):
            # The scheme is http or https.
            with urllib.request.urlopen(url, timeout=READ_TIMEOUT_S) as answer:  # nosec B310
                data = answer.read(MAX_JWKS_BYTES + 1)
        else:
            raise JwksError(f"{url}: must be a file://, http:// or https:// URL")
    except OSError as error:
        raise JwksError(f"{url}: cannot be read: {getattr(error, 'strerror', None) or error}") from None
    if len(data) > MAX_JWKS_BYTES:
        raise JwksError(f"{url}: larger than {MAX_JWKS_BYTES} bytes")
    return bytes(data)


def _parse(url: str, data: bytes) -> Sequence[tuple[str | None, Mapping[str, Any]]]:
    try:
        keys = json.loads(data)["keys"]
        return [(key.get("kid"), key) for key in keys if key.get("use", "sig") == "sig"]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise JwksError(f"{url}: is no JSON Web Key Set") from None


def _number(text: str) -> int:
    return int.from_bytes(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)), "big")


def verify(jwk: Mapping[str, Any], algorithm: str, signed: bytes, signature: bytes) -> bool:
    """Whether the key signed; whatever does not fit is False. Symmetric algorithms and none never fit."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
    from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

    if algorithm not in ALGORITHMS:
        return False
    digest = getattr(hashes, ALGORITHMS[algorithm])()
    try:
        if algorithm.startswith("ES"):
            curve, size = _CURVES[_CURVE_OF[algorithm]]
            if jwk.get("crv") != _CURVE_OF[algorithm] or len(signature) != 2 * size:
                return False
            numbers = ec.EllipticCurvePublicNumbers(
                _number(jwk["x"]), _number(jwk["y"]), getattr(ec, curve)()
            )
            halves = (int.from_bytes(half, "big") for half in (signature[:size], signature[size:]))
            numbers.public_key().verify(encode_dss_signature(*halves), signed, ec.ECDSA(digest))
            return True
        key = rsa.RSAPublicNumbers(_number(jwk["e"]), _number(jwk["n"])).public_key()
        if algorithm.startswith("PS"):
            key.verify(signature, signed, padding.PSS(padding.MGF1(digest), digest.digest_size), digest)
        else:
            key.verify(signature, signed, padding.PKCS1v15(), digest)
    except (InvalidSignature, ValueError, KeyError, TypeError):
        return False
    return True
