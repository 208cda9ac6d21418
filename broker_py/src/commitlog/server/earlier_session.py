# SPDX-License-Identifier: Apache-2.0
"""The ZooKeeper session of the process that had these log directories before this one.

A broker that is killed leaves its session behind. Until that expires (18 s by default) it counts as alive:
its partitions have a leader that does not answer, and its successor, started again by a service manager, may
not register; Kafka's gives up then, to be started once more. Here each process leaves beside its data what
ends its session, and its successor ends it as soon as it has locked the directory: the controller elects
other leaders at once, and the successor registers without waiting.

The file `.zookeeper_session` is ours: Kafka looks at directories only. Line 1 says which very file it is, on
which boot of the machine; line 2 is the session. Whoever holds the lock of the same directory on the same
boot knows that the process that wrote it is gone. In a copy of the directory, or on a clone of the machine,
line 1 is not true, and the file says nothing. It is written in place, since a new file would be another one;
a torn one says nothing either, and then the session is waited for.
"""

from __future__ import annotations

import logging
import posixpath

from commitlog.coordination.client import Coordination, CoordinationError
from commitlog.storage.disk import Disk

FILE = ".zookeeper_session"

log = logging.getLogger("commitlog.server.earlier_session")


class EarlierSession:
    """Of one log directory, which this process has locked."""

    def __init__(self, disk: Disk, coordination: Coordination, log_dir: str) -> None:
        self._disk = disk
        self._coordination = coordination
        self._path = posixpath.join(log_dir, FILE)

    async def end(self) -> None:
        """End the predecessor's session, when it is known. Whatever is in the way only costs time."""
        try:
            ticket = self._read()
            if ticket:
                await self._coordination.end_session(ticket)
                log.info("The ZooKeeper session of the process before this one is over")
        except (OSError, ValueError, CoordinationError) as error:
            log.warning("The ZooKeeper session of the process before this one could not be ended: %s", error)

    def note(self) -> None:
        """Leave the current session to a successor."""
        try:
            file = self._disk.open(self._path, create=True, private=True)
            try:
                file.truncate(0)
                if incarnation := self._disk.incarnation(self._path):
                    file.append(incarnation.encode() + b"\n" + self._coordination.session_ticket + b"\n")
            finally:
                file.close()
        except OSError as error:
            log.warning("Cannot write %s, so a successor will wait for the session: %s", self._path, error)

    def forget(self) -> None:
        """This process closes its session itself."""
        try:
            if self._disk.exists(self._path):
                self._disk.remove(self._path)
        except OSError as error:
            log.warning("Cannot remove %s: %s", self._path, error)

    def _read(self) -> bytes:
        """The predecessor's ticket, empty when there is none that counts."""
        if not self._disk.exists(self._path):
            return b""
        lines = self._disk.read_bytes(self._path).split(b"\n")
        complete = len(lines) == 3 and lines[0].decode() == self._disk.incarnation(self._path) != ""
        return lines[1] if complete else b""
