# SPDX-License-Identifier: Apache-2.0
"""A bounded set of open files, so that a broker with many segments does not run out of descriptors.

Kafka keeps every segment open and asks for a high `ulimit -n`; here only active segments stay open and sealed
ones are opened when read. Dropping a file from the cache does not close it under a reader: a Fetch response
that still holds a region of it keeps it alive. Worker threads (recovery, flush, cleaner) use the cache too,
hence the lock.
"""

from __future__ import annotations

import threading
from collections import OrderedDict

from commitlog.storage.disk import Disk, File

DEFAULT_LIMIT = 512


class FileCache:
    """Files by path, least recently used dropped first."""

    def __init__(self, disk: Disk, limit: int = DEFAULT_LIMIT) -> None:
        self.disk = disk
        self._limit = limit
        self._files: OrderedDict[str, File] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, path: str) -> File:
        """The open file; FileNotFoundError when there is none."""
        with self._lock:
            file = self._files.get(path)
            if file is not None:
                self._files.move_to_end(path)
                return file
            file = self.disk.open(path)
            self._files[path] = file
            if len(self._files) > self._limit:
                self._files.popitem(last=False)
            return file

    def forget(self, path: str) -> None:
        """The path is about to be renamed, removed or written through another handle."""
        with self._lock:
            self._files.pop(path, None)

    def __len__(self) -> int:
        return len(self._files)
