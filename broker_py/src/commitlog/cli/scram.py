# SPDX-License-Identifier: Apache-2.0
"""SCRAM credentials as kafka-configs.sh takes them, `iterations=8192,password=...`; security/scram.py makes
what is stored of them."""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass, field

from commitlog.cli.jopt import ArgumentError
from commitlog.security.scram import (
    DEFAULT_ITERATIONS,
    MECHANISMS,
    MIN_ITERATIONS,
    make_credential,
    salted_password,
)

CODES = {"SCRAM-SHA-256": 1, "SCRAM-SHA-512": 2}
"""ScramMechanism.type, as it travels."""

_VALUE = re.compile(r"(?:iterations=(-?[0-9]*),)?password=(.*)")
_ENUM_NAMES = {name: name.replace("-", "_") for name in MECHANISMS}


@dataclass(frozen=True, slots=True)
class Password:
    """What the command line says of a credential."""

    mechanism: str
    password: str = field(repr=False)
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
        return salted_password(self.mechanism, self.password, salt, self.iterations)

    def credential(self, salt: bytes) -> str:
        """As it stands in the znode of the user."""
        return make_credential(self.mechanism, self.password, self.iterations, salt).encode()


def random_salt() -> bytes:
    """ScramFormatter.secureRandomBytes: letters and digits."""
    return secrets.token_hex(16).encode()
