# SPDX-License-Identifier: Apache-2.0
"""PLAIN (RFC 4616; PlainSaslServer, PlainServerCallbackHandler): users are options of the JAAS entry,
user_<name>="<password>"."""

from __future__ import annotations

import hmac
from collections.abc import Mapping

USER_PREFIX = "user_"


class PlainError(ValueError):
    """The exchange failed. ``shown`` says whether the client may read the text."""

    def __init__(self, text: str, *, shown: bool) -> None:
        super().__init__(text)
        self.shown = shown


class PlainServer:
    """One exchange, seen by the broker."""

    by_token = False
    expires_ms: int | None = None

    def __init__(self, options: Mapping[str, str]) -> None:
        self._options = options
        self.complete = False
        self.name = ""

    def evaluate(self, message: bytes) -> bytes:
        try:
            tokens = message.decode().split("\0")
        except UnicodeDecodeError:
            raise PlainError("Invalid SASL/PLAIN response: not UTF-8", shown=False) from None
        if len(tokens) != 3:
            raise PlainError(
                f"Invalid SASL/PLAIN response: expected 3 tokens, got {len(tokens)}", shown=False
            )
        authorization, name, password = tokens
        if not name:
            raise PlainError("Authentication failed: username not specified", shown=False)
        if not password:
            raise PlainError("Authentication failed: password not specified", shown=False)
        expected = self._options.get(USER_PREFIX + name)
        given = password.encode()
        if (
            not hmac.compare_digest(given, given if expected is None else expected.encode())
            or expected is None
        ):
            raise PlainError("Authentication failed: Invalid username or password", shown=True)
        if authorization and authorization != name:
            raise PlainError(
                "Authentication failed: Client requested an authorization id that is different from username",
                shown=True,
            )
        self.name, self.complete = name, True
        return b""


def client_message(username: str, password: str) -> bytes:
    return f"\0{username}\0{password}".encode()
