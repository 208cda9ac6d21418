# SPDX-License-Identifier: Apache-2.0
"""Who is asking (KafkaPrincipal): set once by a connection's authenticator, compared by ACLs and quotas."""

from __future__ import annotations

from dataclasses import dataclass, field

USER_TYPE = "User"


@dataclass(frozen=True, slots=True)
class KafkaPrincipal:
    """Equal by type and name alone: by which mechanism somebody came is not who they are."""

    principal_type: str
    name: str
    token_authenticated: bool = field(default=False, compare=False)
    """Came with a delegation token: such a one may not ask for further tokens."""

    def __str__(self) -> str:
        return f"{self.principal_type}:{self.name}"

    @classmethod
    def parse(cls, text: str) -> KafkaPrincipal:
        """SecurityUtils.parseKafkaPrincipal: "User:alice"; ValueError with Kafka's words."""
        kind, separator, name = text.partition(":")
        if not separator:
            raise ValueError(f"expected a string in format principalType:principalName but got {text}")
        return cls(kind, name)


ANONYMOUS = KafkaPrincipal(USER_TYPE, "ANONYMOUS")
