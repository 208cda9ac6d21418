# SPDX-License-Identifier: Apache-2.0
"""A small file of a partition directory whose writing may wait, so that thousands of partitions can change
hands without a sync each on the broker's loop.

The log's own thread changes the content; any thread may write it, whole, under a lock. What a crash may cost
until then is said by the file's owner.
"""

from __future__ import annotations

import posixpath
import threading
from collections.abc import Callable

from commitlog.storage.disk import Disk


class LateFile:
    """`on_change` is called when the file falls behind its content: somebody then has to call flush."""

    def __init__(self, disk: Disk, directory: str, name: str) -> None:
        self.on_change: Callable[[], None] | None = None
        self.lock = threading.Lock()
        """Held while the file is written; and by whoever renames the directory."""
        self._disk = disk
        self._name = name
        self._path = posixpath.join(directory, name)
        self._version = self._written = 0
        self._released = False

    def content(self) -> bytes:
        """What the file is to hold; called in the thread that writes."""
        raise NotImplementedError

    @property
    def is_behind(self) -> bool:
        """Is there something to write?"""
        return self._written != self._version

    def changed(self) -> None:
        """The file no longer has what it should."""
        was_behind = self.is_behind
        self._version += 1
        if not was_behind and self.on_change is not None:
            self.on_change()

    def flush(self) -> None:
        """On return the file, on stable storage, is not older than the content was at the call."""
        if not self.is_behind:
            return
        with self.lock:
            if self._released or not self.is_behind:
                return
            version = self._version  # read first: the content may be newer, never older
            self._disk.write_atomic(self._path, self.content())
            self._written = version

    def move_to(self, directory: str) -> None:
        """The log's directory has another name now; call with the lock held."""
        self._path = posixpath.join(directory, self._name)

    def release(self) -> None:
        """Write nothing any more: the directory may soon be that of another log."""
        with self.lock:
            self._released = True
