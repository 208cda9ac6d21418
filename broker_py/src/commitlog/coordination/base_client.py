# SPDX-License-Identifier: Apache-2.0
"""What both makers of a client share: the session as its owner sees it, the chroot, and creating with
parents."""

from __future__ import annotations

import asyncio
import logging
from abc import ABC, abstractmethod

from commitlog.coordination.client import (
    ClientClosed,
    NodeExists,
    NoNode,
    SessionListener,
    SessionState,
    check_path,
)
from commitlog.coordination.watches import Watches


class BaseClient(ABC):
    """See `client.Coordination`. Paths are shown and taken without the chroot."""

    def __init__(self, chroot: str, log: logging.Logger) -> None:
        self._chroot = chroot
        self._log = log
        self._session_id = 0
        self._closed = False
        self._connected = asyncio.Event()
        self._listeners: list[SessionListener] = []
        self._watches = Watches(lambda event: log.exception("A watch callback failed on %s", event))

    @property
    def session_id(self) -> int:
        return self._session_id

    @property
    def connected(self) -> bool:
        return self._connected.is_set() and not self._closed

    def add_session_listener(self, listener: SessionListener) -> None:
        self._listeners.append(listener)

    def remove_session_listener(self, listener: SessionListener) -> None:
        if listener in self._listeners:
            self._listeners.remove(listener)

    async def wait_connected(self) -> None:
        await self._connected.wait()
        if self._closed:
            raise ClientClosed

    async def create(
        self,
        path: str,
        data: bytes | None = None,
        *,
        ephemeral: bool = False,
        sequential: bool = False,
        make_parents: bool = False,
    ) -> str:
        while True:
            try:
                return await self._create(path, data, ephemeral=ephemeral, sequential=sequential)
            except NoNode:
                parent = path.rpartition("/")[0]
                if not make_parents or not parent:
                    raise
            try:
                await self.create(parent, None, make_parents=True)
            except NodeExists:
                continue

    @abstractmethod
    async def _create(self, path: str, data: bytes | None, *, ephemeral: bool, sequential: bool) -> str:
        """Create one znode; the path that it got."""

    def _tell(self, state: SessionState) -> None:
        self._log.info("ZooKeeper session 0x%x is %s", self._session_id, state.value)
        for listener in tuple(self._listeners):
            try:
                listener(state)
            except Exception:
                self._log.exception("A session listener failed on %s", state)

    def _with_chroot(self, path: str) -> str:
        """Where a path is in the ensemble; ValueError for one that no znode can have."""
        check_path(path)
        if path == "/":
            return self._chroot or "/"
        return self._chroot + path

    def _without_chroot(self, path: str) -> str:
        return path.removeprefix(self._chroot) or "/"
