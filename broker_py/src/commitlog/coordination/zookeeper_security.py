# SPDX-License-Identifier: Apache-2.0
"""How to speak to a ZooKeeper that is secured, and who may read what this broker writes (ZkData.defaultAcls).

With zookeeper.set.acl everything that a broker creates belongs to its ZooKeeper identity and is readable by
all, but for what holds secrets; /consumers itself stays open, since 0.8 consumers write below it.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable
from dataclasses import dataclass, field

OPEN = "open"
CREATOR_AND_READERS = "creator and readers"
CREATOR_ONLY = "creator only"
SENSITIVE_ROOTS = ("/config/users", "/config/brokers", "/delegation_token/tokens")
_OPEN_PATH = "/consumers"


@dataclass(frozen=True, slots=True)
class ZooKeeperSecurity:
    """The default is a ZooKeeper without TLS and without login."""

    tls: ssl.SSLContext | None = None
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    set_acl: bool = False
    read_again: Callable[[], ZooKeeperSecurity] | None = field(default=None, repr=False, compare=False)
    """The same from the files as they are now, for the next connection; itself where they cannot be used."""

    def acl(self, path: str) -> str:
        """The kind of ACL of a znode that is created at the path (without chroot)."""
        if not self.set_acl or path == _OPEN_PATH:
            return OPEN
        return CREATOR_ONLY if path.startswith(SENSITIVE_ROOTS) else CREATOR_AND_READERS
