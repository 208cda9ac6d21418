# SPDX-License-Identifier: Apache-2.0
"""Record data that a Fetch answers from a file: named by its place, not read (FileRecords).

Whoever writes the socket decides between sendfile and pread; the codec only needs the size.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


class ReadableFile(Protocol):
    """The part of a file that a region needs."""

    def pread(self, size: int, position: int) -> bytes:
        """Up to `size` bytes at `position`; fewer only at the end of the file."""

    def fileno(self) -> int:
        """The descriptor, for sendfile."""


@dataclass(slots=True, frozen=True)
class FileRegion:
    """`size` bytes of `file` at `position`."""

    file: ReadableFile
    position: int
    size: int

    def __len__(self) -> int:
        return self.size

    def read(self) -> bytes:
        """The bytes, read now; short only when the file has become shorter."""
        return self.file.pread(self.size, self.position)


Buffer = bytes | bytearray | memoryview
Records = Buffer | Sequence[Buffer | FileRegion]
"""What a records field holds: one buffer (always so after decoding), or parts that follow each other."""

Part = Buffer | FileRegion
"""One piece of an encoded frame."""
