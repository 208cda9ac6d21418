# SPDX-License-Identifier: Apache-2.0
"""The client's side of SASL DIGEST-MD5 (RFC 2831), which is what ZooKeeper's DigestLoginModule speaks.

Quality of protection `auth` only, as ZooKeeper's own client asks for. MD5 is what the protocol says; whoever
wants more than it gives has TLS below it.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets

DIGEST_URI = "zookeeper/zk-sasl-md5"
"""ZooKeeper has fixed service and host (SecurityUtils.createSaslClient)."""
_DIRECTIVE = re.compile(r'([a-z\-]+)=(?:"((?:\\.|[^"\\])*)"|([^,\s]*))\s*(?:,|$)')
_COUNT = "00000001"


class DigestError(ValueError):
    """The server's message cannot be used, or it does not know our password."""


def _md5(data: bytes) -> bytes:
    return hashlib.md5(data, usedforsecurity=False).digest()


def _directives(message: bytes) -> dict[str, str]:
    try:
        text = message.decode()
    except UnicodeDecodeError:
        raise DigestError("the challenge is not UTF-8") from None
    return {
        name: re.sub(r"\\(.)", r"\1", quoted) if quoted else plain
        for name, quoted, plain in _DIRECTIVE.findall(text)
    }


def _quote(text: str) -> str:
    return '"' + re.sub(r'(["\\])', r"\\\1", text) + '"'


class DigestMd5Client:
    """One exchange: ``respond`` to the challenge, then ``check`` the server's last word."""

    def __init__(self, username: str, password: str, cnonce: str | None = None) -> None:
        self._username = username
        self._password = password
        self._cnonce = cnonce or secrets.token_hex(16)
        self._expected = b""

    def respond(self, challenge: bytes) -> bytes:
        given = _directives(challenge)
        if "nonce" not in given or given.get("algorithm") != "md5-sess":
            raise DigestError("the challenge has no nonce, or another algorithm than md5-sess")
        if "auth" not in (given.get("qop") or "auth").split(","):
            raise DigestError(f"the server wants qop={given['qop']}, only auth is supported")
        realm, nonce = given.get("realm", ""), given["nonce"]
        secret = _md5(f"{self._username}:{realm}:{self._password}".encode())
        session = _md5(secret + f":{nonce}:{self._cnonce}".encode()).hex()

        def answer(method: str) -> str:
            uri = _md5(f"{method}:{DIGEST_URI}".encode()).hex()
            return _md5(f"{session}:{nonce}:{_COUNT}:{self._cnonce}:auth:{uri}".encode()).hex()

        self._expected = answer("").encode()
        return ",".join(
            (
                "charset=utf-8",
                f"username={_quote(self._username)}",
                f"realm={_quote(realm)}",
                f"nonce={_quote(nonce)}",
                f"nc={_COUNT}",
                f"cnonce={_quote(self._cnonce)}",
                f"digest-uri={_quote(DIGEST_URI)}",
                "maxbuf=65536",
                f"response={answer('AUTHENTICATE')}",
                "qop=auth",
            )
        ).encode()

    def check(self, message: bytes) -> None:
        """The server proves that it knows the password too; DigestError when it does not."""
        if not hmac.compare_digest(_directives(message).get("rspauth", "").encode(), self._expected):
            raise DigestError("the server does not know the password")
