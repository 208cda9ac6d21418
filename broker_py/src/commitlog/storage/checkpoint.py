# SPDX-License-Identifier: Apache-2.0
"""Checkpoint files of a log directory (CheckpointFile, OffsetCheckpointFile).

Text: version `0`, number of entries, then one entry a line. Offset checkpoints have `topic partition offset`:
recovery-point-offset-checkpoint, log-start-offset-checkpoint, replication-offset-checkpoint (high
watermarks), cleaner-offset-checkpoint. Always replaced whole (`.tmp`, fsync, rename), so a crash leaves the
old or the new.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Mapping

from commitlog.storage.disk import Disk

RECOVERY_POINT = "recovery-point-offset-checkpoint"
LOG_START_OFFSET = "log-start-offset-checkpoint"
HIGH_WATERMARK = "replication-offset-checkpoint"
CLEANER_OFFSET = "cleaner-offset-checkpoint"

_VERSION = "0"


class CheckpointError(Exception):
    """A checkpoint file that cannot be read: names the file and the line."""


def encode_lines(lines: Iterable[str]) -> bytes:
    """A checkpoint file with these entries."""
    entries = list(lines)
    return ("\n".join([_VERSION, str(len(entries)), *entries]) + "\n").encode()


def write_lines(disk: Disk, path: str, lines: Iterable[str]) -> None:
    """Replace a checkpoint file with these entries."""
    disk.write_atomic(path, encode_lines(lines))


def read_lines(disk: Disk, path: str) -> list[str]:
    """The entries; none when the file does not exist. Raises CheckpointError."""
    try:
        text = disk.read_bytes(path).decode()
    except FileNotFoundError:
        return []
    except UnicodeDecodeError as reason:
        raise CheckpointError(f"Malformed text in checkpoint file ({path}): {reason}") from reason
    version, _, rest = text.partition("\n")
    if not version:
        return []
    if version != _VERSION:
        raise CheckpointError(f"Unrecognized version of the checkpoint file ({path}): {version!r}")
    if not rest:
        return []
    count, *entries = rest.splitlines()
    if not count.isdigit() or int(count) != len(entries):
        raise CheckpointError(f"Expected {count!r} entries in checkpoint file ({path}), found {len(entries)}")
    return entries


def write_offsets(disk: Disk, path: str, offsets: Mapping[tuple[str, int], int]) -> None:
    """Replace an offset checkpoint."""
    write_lines(disk, path, (f"{topic} {partition} {o}" for (topic, partition), o in offsets.items()))


def read_offsets(disk: Disk, path: str) -> dict[tuple[str, int], int]:
    """(topic, partition) to offset. Raises CheckpointError."""
    offsets: dict[tuple[str, int], int] = {}
    for line in read_lines(disk, path):
        parts = line.split(" ")
        try:
            topic, partition, offset = parts
            offsets[topic, int(partition)] = int(offset)
        except ValueError as reason:
            raise CheckpointError(f"Malformed line in checkpoint file ({path}): {line!r}") from reason
    return offsets


def checkpoint_path(log_dir: str, name: str) -> str:
    """Where a checkpoint of a log directory is."""
    return posixpath.join(log_dir, name)
