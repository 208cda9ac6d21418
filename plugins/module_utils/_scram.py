# -*- coding: utf-8 -*-
# Copyright: Contributors to the commitlog.kafka collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""SCRAM credentials as Kafka keeps them in ZooKeeper, and whether a password is the one that they were made from. No I/O."""

from __future__ import annotations

import base64
import binascii
import dataclasses
import hashlib
import hmac

HASHES = {"SCRAM-SHA-256": "sha256", "SCRAM-SHA-512": "sha512"}
LEAST_ITERATIONS = 4096
MOST_ITERATIONS = 16384


class BadCredential(Exception):
    """A credential that is not as Kafka writes them."""


@dataclasses.dataclass
class Credential:
    """A credential: everything but the password."""

    salt: bytes
    stored_key: bytes
    iterations: int


def parse_credential(text: str) -> Credential:
    """A credential as in ZooKeeper: salt=...,stored_key=...,server_key=...,iterations=... (ScramCredentialUtils)."""
    parts = dict(part.split("=", 1) for part in text.split(",") if "=" in part)
    try:
        return Credential(
            salt=base64.b64decode(parts["salt"], validate=True),
            stored_key=base64.b64decode(parts["stored_key"], validate=True),
            iterations=int(parts["iterations"]),
        )
    except (KeyError, ValueError, binascii.Error) as error:
        raise BadCredential("not a SCRAM credential: {0}".format(type(error).__name__)) from error


def is_password_of(password: str, credential: Credential, mechanism: str) -> bool:
    """Whether the credential was made from this password (RFC 5802, section 3)."""
    name = HASHES[mechanism]
    salted = hashlib.pbkdf2_hmac(name, password.encode(), credential.salt, credential.iterations)
    client_key = hmac.new(salted, b"Client Key", name).digest()
    return hmac.compare_digest(hashlib.new(name, client_key).digest(), credential.stored_key)


def sanitized(user: str) -> str:
    """A user's name as Kafka writes it in a znode's path (Sanitizer): URL encoded, with %20 for a space."""
    unreserved = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._"
    return "".join(
        char if char in unreserved else "".join("%{0:02X}".format(byte) for byte in char.encode("utf-8")) for char in user
    )
