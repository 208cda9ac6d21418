# SPDX-License-Identifier: Apache-2.0
"""Reading a partition of `__consumer_offsets` from its first record to its last: what its groups were.

Kafka's GroupMetadataManager.doLoadGroupsAndOffsets: of several records with a key the last one counts, a
record without a value takes it away, and offsets committed in a transaction count from its commit marker
on.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

from commitlog.groups.log_reader import read_log
from commitlog.groups.offsets import StoredOffset, TopicPartition
from commitlog.groups.records import read_key, read_offset_value
from commitlog.records.batch import BatchHeader, CorruptBatch, Record
from commitlog.records.control import parse_marker
from commitlog.storage.log import Log
from commitlog.wire.frames import decode_record, record_version
from commitlog.wire.messages.group_metadata_key import GroupMetadataKey
from commitlog.wire.messages.group_metadata_value import GroupMetadataValue
from commitlog.wire.messages.offset_commit_key import OffsetCommitKey

logger = logging.getLogger("commitlog.groups.replay")

GroupOffsetsById = dict[str, dict[TopicPartition, StoredOffset]]


class Replay:
    """What has been read so far."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.groups: dict[str, tuple[int, GroupMetadataValue]] = {}
        """Group id to (version of the value, value)."""
        self.offsets: GroupOffsetsById = {}
        self.transactional: dict[int, GroupOffsetsById] = {}
        """Producer id to the offsets of its open transaction."""

    def apply(self, header: BatchHeader, records: Sequence[Record]) -> None:
        """One batch, in the order of the log."""
        if header.is_control:
            if records:
                self._end_transaction(header.producer_id, records[0])
            return
        for record in records:
            if record.key is None:
                raise CorruptBatch(f"Record at offset {record.offset} of {self.name} has no key")
            key = read_key(record.key)
            if isinstance(key, OffsetCommitKey):
                self._apply_offset(header, records[0].offset, key, record.value)
            elif isinstance(key, GroupMetadataKey):
                self._apply_group(key.group, record.value)
            else:
                logger.warning(
                    "Unknown message key with version %d while loading offsets and group metadata from %s. "
                    "Ignoring it. It could be a left over from an aborted upgrade.",
                    key,
                    self.name,
                )

    def _apply_offset(
        self, header: BatchHeader, batch_offset: int, key: OffsetCommitKey, value: bytes | None
    ) -> None:
        by_group = self.offsets
        if header.is_transactional:
            by_group = self.transactional.setdefault(header.producer_id, {})
        partition = (key.topic, key.partition)
        if value is not None:
            stored = StoredOffset(batch_offset, read_offset_value(value))
            by_group.setdefault(key.group, {})[partition] = stored
        elif key.group in by_group:
            by_group[key.group].pop(partition, None)
            if not by_group[key.group]:
                del by_group[key.group]

    def _apply_group(self, group_id: str, value: bytes | None) -> None:
        if value is None:
            self.groups.pop(group_id, None)
        else:
            self.groups[group_id] = (record_version(value), decode_record(GroupMetadataValue, value))

    def _end_transaction(self, producer_id: int, marker: Record) -> None:
        pending = self.transactional.pop(producer_id, {})
        end = parse_marker(marker)
        if end is None or not end[0]:
            return
        for group_id, offsets in pending.items():
            committed = self.offsets.setdefault(group_id, {})
            for partition, stored in offsets.items():
                known = committed.get(partition)
                if known is None or known.batch_offset < stored.batch_offset:
                    committed[partition] = stored

    def transactional_of(self, group_id: str) -> dict[int, dict[TopicPartition, StoredOffset]]:
        """The group's offsets in open transactions, by producer id."""
        return {
            producer_id: dict(by_group[group_id])
            for producer_id, by_group in self.transactional.items()
            if by_group.get(group_id)
        }

    def group_ids(self) -> list[str]:
        """Every group with metadata or offsets."""
        ids = dict.fromkeys(self.groups)
        ids.update(dict.fromkeys(group_id for group_id, offsets in self.offsets.items() if offsets))
        for by_group in self.transactional.values():
            ids.update(dict.fromkeys(group_id for group_id, offsets in by_group.items() if offsets))
        return list(ids)


async def replay_log(log: Log, buffer_size: int, is_wanted: Callable[[], bool]) -> Replay | None:
    """Read the log up to its end, also what is appended meanwhile; None when it is no longer wanted.

    Raises CorruptBatch or MalformedMessage, and OSError when the log cannot be read.
    """
    replay = Replay(f"{log.topic}-{log.partition}")
    return replay if await read_log(log, buffer_size, is_wanted, replay.apply) else None
