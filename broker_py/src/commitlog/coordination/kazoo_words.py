# SPDX-License-Identifier: Apache-2.0
"""kazoo's words in ours: errors, events, stats and connection strings."""

from __future__ import annotations

import socket

from kazoo.exceptions import (
    AuthFailedError,
    BadArgumentsError,
    BadVersionError,
    ConnectionClosedError,
    InvalidACLError,
    NoAuthError,
    NoChildrenForEphemeralsError,
    NodeExistsError,
    NoNodeError,
    NotEmptyError,
    SessionExpiredError,
    UnimplementedError,
)
from kazoo.exceptions import ConnectionLoss as KazooConnectionLoss
from kazoo.protocol.states import EventType as KazooEventType
from kazoo.protocol.states import ZnodeStat

from commitlog.coordination.client import (
    BadVersion,
    ConnectionLoss,
    CoordinationError,
    EventType,
    InvalidPath,
    NoAuth,
    NoChildrenForEphemerals,
    NodeExists,
    NoNode,
    NotEmpty,
    SessionExpired,
    Stat,
    Unimplemented,
)

_ERRORS: tuple[tuple[type[Exception], type[CoordinationError]], ...] = (
    (NoNodeError, NoNode),
    (NodeExistsError, NodeExists),
    (BadVersionError, BadVersion),
    (NotEmptyError, NotEmpty),
    (NoChildrenForEphemeralsError, NoChildrenForEphemerals),
    (BadArgumentsError, InvalidPath),
    (NoAuthError, NoAuth),
    (InvalidACLError, NoAuth),
    (AuthFailedError, NoAuth),
    (SessionExpiredError, SessionExpired),
    (UnimplementedError, Unimplemented),
    (KazooConnectionLoss, ConnectionLoss),
    (ConnectionClosedError, ConnectionLoss),
)

EVENT_TYPES = {
    KazooEventType.CREATED: EventType.CREATED,
    KazooEventType.DELETED: EventType.DELETED,
    KazooEventType.CHANGED: EventType.CHANGED,
    KazooEventType.CHILD: EventType.CHILD,
}


def split_connect_string(connect_string: str) -> tuple[str, str]:
    """ "h1:2181,h2:2181/kafka" as hosts and chroot ("" without one)."""
    hosts, slash, chroot = connect_string.partition("/")
    return hosts.strip(), (slash + chroot).strip().rstrip("/")


def unresolvable_hosts(connect_string: str) -> list[str]:
    """Hosts of a connection string that the resolver does not know. Blocks on the resolver."""
    hosts, _ = split_connect_string(connect_string)
    unknown: list[str] = []
    for address in hosts.split(","):
        host = address.strip().rpartition(":")[0] or address.strip()
        try:
            socket.getaddrinfo(host.strip("[]"), None, proto=socket.IPPROTO_TCP)
        except OSError:
            unknown.append(host)
    return unknown


def to_stat(stat: ZnodeStat) -> Stat:
    return Stat(*stat)


def to_error(error: BaseException, path: str | None) -> CoordinationError:
    for theirs, ours in _ERRORS:
        if isinstance(error, theirs):
            return ours(path)
    return CoordinationError(path, f"{type(error).__name__}: {error}")
