# SPDX-License-Identifier: Apache-2.0
"""The few operations a broker needs of ZooKeeper, as one protocol with two makers.

Rooms above see only this: `kazoo_client.KazooCoordination` talks to a real ensemble,
`memory.MemoryCoordination` is the same contract without a process, for tests and for simulated clusters. The
contract is ZooKeeper's own (data watches, child watches, versions, zxids, ephemeral and sequential nodes,
atomic multi) as Kafka's `ZooKeeperClient` and `KafkaZkClient` use it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Protocol, TypeVar

T = TypeVar("T")

ANY_VERSION = -1

# The server's default jute.maxbuffer. A larger request makes it close the connection, which would look like
# an unstable network and be retried for ever, so it is refused here.
JUTE_MAX_BUFFER_BYTES = 0xFFFFF


class CoordinationError(Exception):
    """An operation that ZooKeeper refused or could not answer; `path` names the znode where there is one."""

    def __init__(self, path: str | None = None, detail: str = "") -> None:
        self.path = path
        text = type(self).__name__ + (f" for {path}" if path is not None else "")
        super().__init__(f"{text}: {detail}" if detail else text)


class NoNode(CoordinationError):
    """The znode, or the parent of a znode to create, does not exist."""


class NodeExists(CoordinationError):
    """The znode to create is there already."""


class BadVersion(CoordinationError):
    """The expected data version is not the znode's: somebody else wrote first. This is the
    controller's fence."""


class NotEmpty(CoordinationError):
    """The znode to delete has children."""


class NoChildrenForEphemerals(CoordinationError):
    """An ephemeral znode cannot be a parent."""


class InvalidPath(CoordinationError):
    """The path is no valid ZooKeeper path."""


class DataTooLarge(CoordinationError):
    """The request exceeds the server's jute.maxbuffer: the server would drop the connection without a
    word."""


class NoAuth(CoordinationError):
    """The znode's ACL forbids the operation."""


class Unimplemented(CoordinationError):
    """The server is too old for the operation."""


class ConnectionLoss(CoordinationError):
    """The connection broke before the answer came: the operation may or may not have been done. Retry after a
    re-read."""


class SessionExpired(CoordinationError):
    """The session is over: its ephemeral znodes and watches are gone. A new session follows by itself."""


class ClientClosed(CoordinationError):
    """`close()` was called: nothing more can be asked of this client."""


class CoordinationTimeout(CoordinationError):
    """ZooKeeper could not be reached within the time given at start. The text is a whole sentence for
    people."""

    def __init__(self, detail: str) -> None:
        super().__init__(None, detail)
        self.detail = detail

    def __str__(self) -> str:
        return self.detail


@dataclass(frozen=True, slots=True)
class Stat:
    """A znode's stat structure. `czxid` of a broker's registration is its broker epoch; `version` of a
    partition's state znode is its partition epoch."""

    czxid: int
    mzxid: int
    ctime_ms: int
    mtime_ms: int
    version: int
    cversion: int
    aversion: int
    ephemeral_owner: int
    data_length: int
    num_children: int
    pzxid: int


class EventType(Enum):
    CREATED = "created"
    DELETED = "deleted"
    CHANGED = "changed"
    CHILD = "child"


def check_request_size(path: str, data: bytes | None, limit_bytes: int = JUTE_MAX_BUFFER_BYTES) -> None:
    """Raise DataTooLarge when a create or set cannot pass the server; 64 bytes cover the headers and the
    ACL."""
    if data is not None and len(data) + len(path.encode()) + 64 > limit_bytes:
        raise DataTooLarge(path, f"{len(data)} bytes do not fit into jute.maxbuffer={limit_bytes}")


def check_path(path: str) -> None:
    """Raise InvalidPath for what ZooKeeper's PathUtils.validatePath refuses."""
    parts = path.split("/")
    if path == "/":
        return
    if parts[0] != "" or any(part in ("", ".", "..") for part in parts[1:]) or "\0" in path:
        raise InvalidPath(path)


@dataclass(frozen=True, slots=True)
class WatchEvent:
    """What a one-shot watch saw. A watch that dies with its session fires nothing: the session listener tells
    of that."""

    type: EventType
    path: str


class SessionState(Enum):
    """CONNECTED: a session is usable (again). SUSPENDED: the connection broke, the session may still live and
    its ephemeral znodes with it. EXPIRED: the session is over; CONNECTED follows once the new session
    stands."""

    CONNECTED = "connected"
    SUSPENDED = "suspended"
    EXPIRED = "expired"


Watch = Callable[[WatchEvent], None]
SessionListener = Callable[[SessionState], None]


@dataclass(frozen=True, slots=True)
class Create:
    """In a multi: create a znode; result: its path (with the sequence number when sequential)."""

    path: str
    data: bytes | None = None
    ephemeral: bool = False
    sequential: bool = False


@dataclass(frozen=True, slots=True)
class SetData:
    """In a multi: write a znode's data if its version is the expected one; result: its new Stat."""

    path: str
    data: bytes
    version: int = ANY_VERSION


@dataclass(frozen=True, slots=True)
class Delete:
    """In a multi: delete a znode if its version is the expected one; result: None."""

    path: str
    version: int = ANY_VERSION


@dataclass(frozen=True, slots=True)
class Check:
    """In a multi: fail everything unless the znode's data version is this; result: None."""

    path: str
    version: int


Op = Create | SetData | Delete | Check
OpResult = str | Stat | None


class Coordination(Protocol):
    """One client of the ensemble, with one session at a time. All callbacks run on the event loop, in
    ZooKeeper's order: a watch fires before any later read of this client can show the change."""

    @property
    def session_id(self) -> int:
        """The current session's id; 0 before the first one. Equal to `Stat.ephemeral_owner` of what it
        created."""

    @property
    def session_ticket(self) -> bytes:
        """What ends the current session from anywhere, with `end_session`; to be kept as a secret."""

    @property
    def connected(self) -> bool:
        """Whether operations can be answered at this moment."""

    async def start(self) -> None:
        """Connect, create the chroot. Raises CoordinationTimeout with one clear line when no server answers
        in time."""

    async def close(self) -> None:
        """End the session at once, so that its ephemeral znodes go without waiting for the timeout.
        Idempotent."""

    async def end_session(self, ticket: bytes) -> None:
        """End a session of an earlier process that did not close it: what is ephemeral of it goes at once.
        No error when it is over already. Raises CoordinationTimeout when nobody answers."""

    def add_session_listener(self, listener: SessionListener) -> None:
        """Have `listener` called on the loop at every change of the session's state."""

    def remove_session_listener(self, listener: SessionListener) -> None: ...

    async def wait_connected(self) -> None:
        """Return once a session is usable; raises ClientClosed when there will be none."""

    async def create(
        self,
        path: str,
        data: bytes | None = None,
        *,
        ephemeral: bool = False,
        sequential: bool = False,
        make_parents: bool = False,
    ) -> str:
        """Create a znode (None: no data) and return its path. Raises NodeExists; NoNode when the parent is
        missing."""

    async def get(self, path: str, watch: Watch | None = None) -> tuple[bytes, Stat]:
        """Data (b"" for null) and stat. The data watch is left only when the znode exists (else NoNode)."""

    async def get_all(self, wanted: Sequence[str]) -> list[tuple[bytes, Stat] | CoordinationError]:
        """`get` of many paths, without watches, at the cost of few requests: for each what it gives, or the
        error that it would raise (NoNode, NoAuth). Not one moment's view. Raises ConnectionLoss and
        SessionExpired for all."""

    async def set(self, path: str, data: bytes, version: int = ANY_VERSION) -> Stat: ...

    async def delete(self, path: str, version: int = ANY_VERSION) -> None: ...

    async def exists(self, path: str, watch: Watch | None = None) -> Stat | None:
        """Stat or None; the data watch is left in both cases, so this is the way to wait for a creation."""

    async def children(self, path: str, watch: Watch | None = None) -> list[str]:
        """Names of the children, sorted. The child watch is left only when the znode exists (else NoNode)."""

    async def multi(self, ops: Sequence[Op]) -> list[OpResult]:
        """All or nothing. Raises the error of the operation that failed (bystanders' errors are not
        shown)."""


async def retry_until_connected(coordination: Coordination, operation: Callable[[], Awaitable[T]]) -> T:
    """Repeat `operation` over lost connections, as KafkaZkClient.retryRequestsUntilConnected does: wait for
    the connection, try again. Only for operations that may safely be done twice, or whose caller settles
    NodeExists/BadVersion by re-reading."""
    while True:
        try:
            return await operation()
        except ConnectionLoss:
            await coordination.wait_connected()


async def read_alone(coordination: Coordination, path: str) -> tuple[bytes, Stat] | CoordinationError:
    """One path of `get_all`."""
    try:
        return await coordination.get(path)
    except (NoNode, NoAuth) as error:
        return error


def data_of(answer: tuple[bytes, Stat] | CoordinationError) -> bytes | None:
    """The data in an answer of `get_all`, None for a znode that is not there; other errors are raised."""
    if isinstance(answer, NoNode):
        return None
    if isinstance(answer, CoordinationError):
        raise answer
    return answer[0]


async def delete_recursively(coordination: Coordination, path: str) -> bool:
    """Delete a znode and all below it; False when it was not there. Someone else deleting along is no
    error."""
    try:
        names = await coordination.children(path)
    except NoNode:
        return False
    for name in names:
        await delete_recursively(coordination, f"{path}/{name}")
    try:
        await coordination.delete(path)
    except NoNode:
        return False
    return True


async def ensure_path(coordination: Coordination, path: str) -> None:
    """Create a persistent path and its parents where missing (KafkaZkClient.makeSurePersistentPathExists)."""
    try:
        await coordination.create(path, None, make_parents=True)
    except NodeExists:
        return
