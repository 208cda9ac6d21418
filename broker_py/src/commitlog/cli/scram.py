# SPDX-License-Identifier: Apache-2.0
"""SCRAM credentials as kafka-configs.sh makes them: `iterations=8192,password=...` becomes salt, stored key
and server key (RFC 5802; ScramFormatter, ScramCredentialUtils)."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass

from commitlog.cli.jopt import ArgumentError

DEFAULT_ITERATIONS = 4096
MIN_ITERATIONS = 4096
HASHES = {"SCRAM-SHA-256": "sha256", "SCRAM-SHA-512": "sha512"}
CODES = {"SCRAM-SHA-256": 1, "SCRAM-SHA-512": 2}
"""ScramMechanism.type, as it travels."""

_VALUE = re.compile(r"(?:iterations=(-?[0-9]*),)?password=(.*)")
_ENUM_NAMES = {name: name.replace("-", "_") for name in HASHES}


@dataclass(frozen=True, slots=True)
class Password:
    """What the command line says of a credential."""

    mechanism: str
    password: str
    iterations: int

    @classmethod
    def parse(cls, mechanism: str, text: str) -> Password:
        found = _VALUE.fullmatch(text)
        if found is None:
            raise ArgumentError(f"Invalid credential property {_ENUM_NAMES[mechanism]}={text}")
        iterations = int(found[1]) if found[1] not in (None, "", "-1") else DEFAULT_ITERATIONS
        if iterations < MIN_ITERATIONS:
            raise ArgumentError(
                f"Iterations {iterations} is less than the minimum {MIN_ITERATIONS} required for {mechanism}"
            )
        return cls(mechanism, found[2], iterations)

    def salted(self, salt: bytes) -> bytes:
        """Hi(password, salt, iterations)."""
        return hashlib.pbkdf2_hmac(HASHES[self.mechanism], self.password.encode(), salt, self.iterations)

    def credential(self, salt: bytes) -> str:
        """As it stands in the znode of the user."""
        name = HASHES[self.mechanism]
        salted = self.salted(salt)
        client_key = hmac.digest(salted, b"Client Key", name)
        stored_key = hashlib.new(name, client_key).digest()
        server_key = hmac.digest(salted, b"Server Key", name)
        parts = {"salt": salt, "stored_key": stored_key, "server_key": server_key}
        shown = [f"{field}={base64.b64encode(value).decode()}" for field, value in parts.items()]
        return ",".join([*shown, f"iterations={self.iterations}"])


def random_salt() -> bytes:
    """ScramFormatter.secureRandomBytes: letters and digits."""
    return secrets.token_hex(16).encode()
