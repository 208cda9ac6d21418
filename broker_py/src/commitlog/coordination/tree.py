# SPDX-License-Identifier: Apache-2.0
"""ZooKeeper's data tree in memory: znodes, versions, zxids and atomic transactions (ZooKeeper's `DataTree`
and `PrepRequestProcessor`).

Every write request takes one zxid, a failed one too, and all operations of a multi share it. A sequential
znode's number is the count of children ever created under its parent. `cversion` is reported as ZooKeeper
does: creations plus deletions.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from commitlog.coordination.client import (
    ANY_VERSION,
    BadVersion,
    Check,
    Create,
    Delete,
    EventType,
    NoChildrenForEphemerals,
    NodeExists,
    NoNode,
    NotEmpty,
    Op,
    OpResult,
    SetData,
    Stat,
    WatchEvent,
)


@dataclass(slots=True)
class _Node:
    data: bytes
    czxid: int
    mzxid: int
    pzxid: int
    ctime_ms: int
    mtime_ms: int
    ephemeral_owner: int
    version: int = 0
    creations: int = 0
    children: set[str] = field(default_factory=set)

    def stat(self) -> Stat:
        return Stat(
            czxid=self.czxid,
            mzxid=self.mzxid,
            ctime_ms=self.ctime_ms,
            mtime_ms=self.mtime_ms,
            version=self.version,
            cversion=self.creations * 2 - len(self.children),
            aversion=0,
            ephemeral_owner=self.ephemeral_owner,
            data_length=len(self.data),
            num_children=len(self.children),
            pzxid=self.pzxid,
        )


def _parent(path: str) -> str:
    return path.rpartition("/")[0] or "/"


class Tree:
    """The znodes, and what has to be told after each transaction."""

    def __init__(self, now_ms: Callable[[], int]) -> None:
        self._now_ms = now_ms
        self.zxid = 0
        self._nodes: dict[str, _Node] = {"/": _Node(b"", 0, 0, 0, 0, 0, 0)}

    # Reads

    def stat(self, path: str) -> Stat | None:
        node = self._nodes.get(path)
        return node.stat() if node is not None else None

    def get(self, path: str) -> tuple[bytes, Stat]:
        node = self._node(path)
        return node.data, node.stat()

    def children(self, path: str) -> list[str]:
        return sorted(self._node(path).children)

    def ephemerals(self, session_id: int) -> list[str]:
        """Paths of a session's ephemeral znodes, in the order of their creation."""
        owned = [
            (node.czxid, path) for path, node in self._nodes.items() if node.ephemeral_owner == session_id
        ]
        return [path for _, path in sorted(owned)]

    def paths(self) -> list[str]:
        return sorted(self._nodes)

    def _node(self, path: str) -> _Node:
        node = self._nodes.get(path)
        if node is None:
            raise NoNode(path)
        return node

    # Writes

    def next_zxid(self) -> int:
        self.zxid += 1
        return self.zxid

    def commit(self, ops: Sequence[Op], session_id: int) -> tuple[list[OpResult], list[WatchEvent]]:
        """Do all operations under one zxid, or raise the failing one's error and do none."""
        zxid = self.next_zxid()
        undo: list[Callable[[], None]] = []
        results: list[OpResult] = []
        events: list[WatchEvent] = []
        try:
            for op in ops:
                results.append(self._apply(op, zxid, session_id, undo, events))
        except Exception:
            for step in reversed(undo):
                step()
            raise
        return results, events

    def _apply(
        self,
        op: Op,
        zxid: int,
        session_id: int,
        undo: list[Callable[[], None]],
        events: list[WatchEvent],
    ) -> OpResult:
        match op:
            case Create():
                return self._create(op, zxid, session_id, undo, events)
            case SetData():
                return self._set(op, zxid, undo, events)
            case Delete():
                self._delete(op, zxid, undo, events)
            case Check():
                self._check_version(op.path, self._node(op.path), op.version)
        return None

    def _check_version(self, path: str, node: _Node, version: int) -> None:
        if version not in (ANY_VERSION, node.version):
            raise BadVersion(path, f"expected {version}, is {node.version}")

    def _create(
        self,
        op: Create,
        zxid: int,
        session_id: int,
        undo: list[Callable[[], None]],
        events: list[WatchEvent],
    ) -> str:
        above = _parent(op.path)
        parent = self._nodes.get(above)
        if parent is None:
            raise NoNode(op.path)
        path = f"{op.path}{parent.creations:010d}" if op.sequential else op.path
        if path in self._nodes:
            raise NodeExists(path)
        if parent.ephemeral_owner:
            raise NoChildrenForEphemerals(path)
        now = self._now_ms()
        owner = session_id if op.ephemeral else 0
        name, before = path.rpartition("/")[2], parent.pzxid
        self._nodes[path] = _Node(op.data or b"", zxid, zxid, zxid, now, now, owner)
        parent.children.add(name)
        parent.creations += 1
        parent.pzxid = zxid

        def step() -> None:
            del self._nodes[path]
            parent.children.discard(name)
            parent.creations -= 1
            parent.pzxid = before

        undo.append(step)
        events += [WatchEvent(EventType.CREATED, path), WatchEvent(EventType.CHILD, above)]
        return path

    def _set(self, op: SetData, zxid: int, undo: list[Callable[[], None]], events: list[WatchEvent]) -> Stat:
        node = self._node(op.path)
        self._check_version(op.path, node, op.version)
        before = (node.data, node.version, node.mzxid, node.mtime_ms)
        node.data, node.version, node.mzxid, node.mtime_ms = op.data, node.version + 1, zxid, self._now_ms()

        def step() -> None:
            node.data, node.version, node.mzxid, node.mtime_ms = before

        undo.append(step)
        events.append(WatchEvent(EventType.CHANGED, op.path))
        return node.stat()

    def _delete(
        self, op: Delete, zxid: int, undo: list[Callable[[], None]], events: list[WatchEvent]
    ) -> None:
        node = self._node(op.path)
        self._check_version(op.path, node, op.version)
        if node.children:
            raise NotEmpty(op.path)
        above = _parent(op.path)
        parent, name = self._nodes[above], op.path.rpartition("/")[2]
        before = parent.pzxid
        del self._nodes[op.path]
        parent.children.discard(name)
        parent.pzxid = zxid

        def step() -> None:
            self._nodes[op.path] = node
            parent.children.add(name)
            parent.pzxid = before

        undo.append(step)
        events += [WatchEvent(EventType.DELETED, op.path), WatchEvent(EventType.CHILD, above)]
