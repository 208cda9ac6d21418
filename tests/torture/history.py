# SPDX-License-Identifier: Apache-2.0
"""What clients did and were promised, and what was done to the cluster: one JSON object a line, in the order of what happened.

Each line has `at` (seconds since the run began), `what`, and for clients `who`:

    sent        partition, value, transaction (its name, or absent)     written before the client library has it
    acknowledged  partition, value, offset                              acks=all, min.insync.replicas=2
    failed      partition, value, error                                 it may be in the log, or not
    begun       transaction
    ended       transaction, fate (committed, aborted, unknown)
    read        partition, records ([offset, value]...), isolation, group and transaction where there is one
    assigned    group, partitions                                       a member of the group begins at what was committed
    kept        group, offsets (partition to offset)                    the group's commit was acknowledged
    final       partition, records, isolation                           the whole log, read when everything was healed
    final_kept  group, offsets                                          what the group has then
    struck      fault, kind, host, leads (partitions), healthy (whether nothing else was wrong)
    healed      fault
    stuck       who, text                                               a client that did not settle after everything was healed
"""

from __future__ import annotations

import json
import threading
import time
from pathlib import Path
from typing import Any, Iterator

Event = dict[str, Any]


class Recorder:
    """Writes a history; clients in any thread."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.acknowledged = 0
        self._lock = threading.Lock()
        self._began = time.monotonic()
        self._file = path.open("w", encoding="utf-8", buffering=1 << 16)

    @property
    def now(self) -> float:
        return round(time.monotonic() - self._began, 4)

    def note(self, what: str, **details: Any) -> None:
        with self._lock:
            self.acknowledged += what == "acknowledged"
            json.dump({"at": self.now, "what": what, **details}, self._file, separators=(",", ":"))
            self._file.write("\n")

    def close(self) -> None:
        with self._lock:
            self._file.close()


def read(path: Path) -> Iterator[Event]:
    with path.open(encoding="utf-8") as lines:
        for line in lines:
            yield json.loads(line)
