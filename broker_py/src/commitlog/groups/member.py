# SPDX-License-Identifier: Apache-2.0
"""One member of a group, as Kafka's MemberMetadata knows it."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

Protocols = tuple[tuple[str, bytes], ...]
"""What a member can do, in its order of preference: (assignor's name, the member's metadata for it)."""


@dataclass(slots=True, eq=False)
class Member:
    """Identity, timeouts, protocols and assignment of a member, and the requests of it that wait for an
    answer."""

    member_id: str
    group_instance_id: str | None
    client_id: str
    client_host: str
    rebalance_timeout_ms: int
    session_timeout_ms: int
    protocols: Protocols
    assignment: bytes = b""
    awaiting_join: object | None = None
    awaiting_sync: object | None = None
    is_new: bool = False
    """True until the first rebalance with it is complete: it may not know its member id yet and cannot
    heartbeat."""

    @property
    def is_static(self) -> bool:
        return self.group_instance_id is not None

    @property
    def needs_no_heartbeat(self) -> bool:
        """A member that waits in a rebalance is alive by definition; a new one is not, or it could wait for
        ever."""
        return not self.is_new and (self.awaiting_join is not None or self.awaiting_sync is not None)

    def metadata(self, protocol: str) -> bytes:
        for name, metadata in self.protocols:
            if name == protocol:
                return metadata
        raise AssertionError(f"Member {self.member_id} does not support protocol {protocol}")

    def vote(self, candidates: Collection[str]) -> str:
        """The member's favourite among the protocols that everybody supports."""
        for name, _ in self.protocols:
            if name in candidates:
                return name
        raise AssertionError(f"Member {self.member_id} does not support any of {sorted(candidates)}")

    def __str__(self) -> str:
        return (
            f"MemberMetadata(memberId={self.member_id}, groupInstanceId={self.group_instance_id}, "
            f"clientId={self.client_id}, clientHost={self.client_host}, "
            f"sessionTimeoutMs={self.session_timeout_ms}, rebalanceTimeoutMs={self.rebalance_timeout_ms}, "
            f"supportedProtocols={[name for name, _ in self.protocols]})"
        )
