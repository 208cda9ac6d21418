# -*- coding: utf-8 -*-
# Copyright: Contributors to the commitlog.kafka collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a consumer group's offsets are and where they should be. No I/O: numbers and texts in, numbers out."""

from __future__ import annotations

import csv
import datetime
import re
import typing as t

from ansible_collections.commitlog.kafka.plugins.module_utils._errors import ModuleFailure

Partition = t.Tuple[str, int]
Offsets = t.Dict[Partition, int]


class GroupConflict(ModuleFailure):
    """The group cannot be brought to what is wanted; the text says why and what to do."""


def parse_timestamp(text: str) -> int:
    """A point in time as milliseconds since 1970: a number of them, or ISO 8601, in UTC where no zone is said."""
    if re.fullmatch(r"\d+", text.strip()):
        return int(text)
    try:
        moment = datetime.datetime.fromisoformat(text.strip().replace("Z", "+00:00"))
    except ValueError as error:
        raise GroupConflict(
            "to_timestamp: {0} is neither milliseconds since 1970 nor a time as in 2026-01-31T12:00:00Z".format(text)
        ) from error
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=datetime.timezone.utc)
    return int(moment.timestamp() * 1000)


def parse_offsets_file(text: str, path: str) -> Offsets:
    """Offsets as kafka-consumer-groups.sh exports them: topic,partition,offset in each line."""
    found: Offsets = {}
    for number, row in enumerate(csv.reader(text.splitlines()), 1):
        if not row:
            continue
        try:
            topic, index, offset = (cell.strip() for cell in row)
            found[topic, int(index)] = int(offset)
        except ValueError as error:
            raise GroupConflict("from_file: {0} line {1}: expected topic,partition,offset".format(path, number)) from error
    return found


def parse_offsets(raw: dict[t.Any, t.Any]) -> Offsets:
    """The offsets option: topic, partition, offset."""
    found: Offsets = {}
    for topic, partitions in raw.items():
        try:
            found.update(((str(topic), int(index)), int(offset)) for index, offset in partitions.items())
        except (AttributeError, TypeError, ValueError) as error:
            raise GroupConflict("offsets.{0}: expected offsets by partition, as in {{0: 1500}}".format(topic)) from error
    return found


def clamp(wanted: Offsets, earliest: Offsets, latest: Offsets) -> Offsets:
    """Offsets brought into what the partitions hold, as kafka-consumer-groups.sh does; beyond the end (-1 too) is the end."""
    result = {}
    for partition, offset in wanted.items():
        if offset < 0 or offset > latest[partition]:
            offset = latest[partition]
        result[partition] = max(offset, earliest[partition])
    return result


def shifted(current: Offsets, by: int, earliest: Offsets, latest: Offsets) -> Offsets:
    """Offsets moved by so many records, forwards or, when negative, backwards, but not out of what the partitions hold."""
    return {p: min(max(offset + by, earliest[p]), latest[p]) for p, offset in current.items()}


def nested(offsets: t.Mapping[Partition, t.Any]) -> dict[str, dict[str, t.Any]]:
    """Values by partition as the modules take and return them: topic, partition, value."""
    result: dict[str, dict[str, t.Any]] = {}
    for (topic, index), value in sorted(offsets.items()):
        result.setdefault(topic, {})[str(index)] = value
    return result


def lag(committed: int, latest: t.Optional[int]) -> t.Optional[int]:
    """Records that are still to be read; None where the partition's end is not known."""
    return None if latest is None or committed < 0 else max(latest - committed, 0)
