# SPDX-License-Identifier: Apache-2.0
"""`partition.metadata`: the topic id of a partition directory (KIP-516, PartitionMetadataFile).

Text: `version: 0` and `topic_id: <id>`, the id as Kafka prints Uuids: URL-safe base64 without padding.
Written before the first data of a topic that has an id.
"""

from __future__ import annotations

import base64
import binascii
import posixpath

from commitlog.storage.disk import Disk

FILE_NAME = "partition.metadata"
_ID_BYTES = 16


class PartitionMetadataError(Exception):
    """The file cannot be read."""


def write_topic_id(disk: Disk, directory: str, topic_id: bytes) -> None:
    """Replace the file."""
    text = base64.urlsafe_b64encode(topic_id).decode().rstrip("=")
    data = f"version: 0\ntopic_id: {text}".encode()
    disk.write_atomic(posixpath.join(directory, FILE_NAME), data)


def read_topic_id(disk: Disk, directory: str) -> bytes | None:
    """The id; None when there is no file. Raises PartitionMetadataError."""
    path = posixpath.join(directory, FILE_NAME)
    try:
        lines = disk.read_bytes(path).decode(errors="replace").splitlines()
    except FileNotFoundError:
        return None
    fields = dict(line.partition(":")[::2] for line in lines if line)
    if fields.get("version", "").strip() != "0":
        raise PartitionMetadataError(f"Unrecognized version of partition metadata file ({path})")
    text = fields.get("topic_id", "").strip()
    try:
        topic_id = base64.b64decode(text + "==", altchars=b"-_", validate=True)
    except (binascii.Error, ValueError) as reason:
        raise PartitionMetadataError(
            f"Invalid topic ID in partition metadata file ({path}): {text!r}"
        ) from reason
    if len(topic_id) != _ID_BYTES or topic_id == bytes(_ID_BYTES):
        raise PartitionMetadataError(f"Invalid topic ID in partition metadata file ({path}): {text!r}")
    return topic_id
