# SPDX-License-Identifier: Apache-2.0
"""`partition.metadata`: the topic id of a partition directory (KIP-516, PartitionMetadataFile).

Text: `version: 0` and `topic_id: <id>`, the id as Kafka prints Uuids: URL-safe base64 without padding.
Written before the first data of a topic that has an id; until then it may wait (see late_file), as in Kafka.
A crash before that leaves an empty log, which gets its id again from the controller.
"""

from __future__ import annotations

import base64
import binascii
import posixpath

from commitlog.storage.disk import Disk
from commitlog.storage.late_file import LateFile

FILE_NAME = "partition.metadata"
_ID_BYTES = 16


class PartitionMetadataError(Exception):
    """The file cannot be read."""


class TopicIdFile(LateFile):
    """The file of one log."""

    def __init__(self, disk: Disk, directory: str) -> None:
        super().__init__(disk, directory, FILE_NAME)
        self._topic_id = b""

    def record(self, topic_id: bytes) -> None:
        """This is the id, to be written."""
        self._topic_id = topic_id
        self.changed()

    def content(self) -> bytes:
        text = base64.urlsafe_b64encode(self._topic_id).decode().rstrip("=")
        return f"version: 0\ntopic_id: {text}".encode()


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
