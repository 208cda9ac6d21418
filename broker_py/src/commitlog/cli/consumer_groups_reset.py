# SPDX-License-Identifier: Apache-2.0
"""kafka-consumer-groups.sh --reset-offsets: which offsets a group gets by each of the scenarios, the plan
as CSV, and its execution (ConsumerGroupCommand.resetOffsets)."""

from __future__ import annotations

import csv
import io
import time
from collections.abc import Mapping, Sequence

from commitlog.cli.admin import EARLIEST, LATEST, Admin, KafkaError, TopicPartition
from commitlog.cli.consumer_groups_options import SCENARIOS, set_of
from commitlog.cli.group_admin import commit_offsets, committed_offsets, describe_group
from commitlog.cli.java_order import partitions_in_hash_order, strings_in_hash_order
from commitlog.cli.java_time import datetime_to_ms, duration_to_ms
from commitlog.cli.jopt import Parsed, UsageError
from commitlog.cli.terminal import log
from commitlog.cli.topics_errors import ToolError
from commitlog.wire.errors import ErrorCode

Offsets = dict[TopicPartition, int]

LOGGER = "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand"
QUOTED_FROM = 25
"""Jackson quotes what is longer than 24 characters without looking at it."""


async def reset_offsets(admin: Admin, parsed: Parsed, groups: Sequence[str]) -> None:
    plan: dict[str, Offsets] = {}
    for name in strings_in_hash_order(dict.fromkeys(groups)):
        group = await describe_group(admin, name)
        if group.state not in ("Empty", "Dead"):
            print(
                f"\nError: Assignments can only be reset if the group '{name}' is inactive, but the current "
                "state "
                f"is {group.state}."
            )
            plan[name] = {}
            continue
        partitions = await _partitions(admin, parsed, name)
        prepared = await Reset(admin, parsed, name).offsets(partitions)
        if parsed.has("execute"):
            await commit_offsets(admin, name, prepared)
        plan[name] = {one: prepared[one] for one in partitions_in_hash_order(prepared)}
    if parsed.has("export"):
        print(_to_csv(plan, with_group=len(parsed.all("group")) != 1))
    else:
        _print(plan)


def _print(plan: Mapping[str, Offsets]) -> None:
    row = "{:<30} {:<30} {:<10} {:<15}"
    if plan:
        print("\n" + row.format("GROUP", "TOPIC", "PARTITION", "NEW-OFFSET"), end="")
    for group, offsets in plan.items():
        for (topic, number), offset in offsets.items():
            print(row.format(group, topic, number, offset), end="")


async def _partitions(admin: Admin, parsed: Parsed, group: str) -> list[TopicPartition]:
    if parsed.has("all-topics"):
        return partitions_in_hash_order(await committed_offsets(admin, group))
    if parsed.has("topic"):
        return await partitions_of_topics(admin, parsed.all("topic"))
    if not parsed.has("from-file"):
        raise UsageError("One of the reset scopes should be defined: --all-topics, --topic.")
    return []


async def partitions_of_topics(
    admin: Admin, topics: Sequence[str], unknown: dict[TopicPartition, KafkaError] | None = None
) -> list[TopicPartition]:
    """`topic:0,1` names partitions, `topic` means all of them; a topic that does not exist is an error, or
    goes to `unknown`."""
    found = [partition for topic in topics if ":" in topic for partition in _named(topic)]
    whole = [topic for topic in topics if ":" not in topic]
    if not whole:
        return found
    for described in (await admin.metadata(whole)).topics:
        if described.error_code != ErrorCode.NONE:
            failure = KafkaError(ErrorCode.of(described.error_code))
            if unknown is None:
                raise failure
            unknown[TopicPartition(described.name or "", -1)] = failure
        numbers = sorted(partition.partition_index for partition in described.partitions)
        found += [TopicPartition(described.name or "", number) for number in numbers]
    return found


def _named(text: str) -> list[TopicPartition]:
    parts = text.split(":")
    if len(parts) != 2:
        raise UsageError(f"Invalid topic arg '{text}', expected topic name and partitions")
    topic, numbers = parts
    for number in numbers.split(","):
        if not number.removeprefix("-").isdecimal():
            raise UsageError(f"Invalid partition '{number}' specified in topic arg '{text}''")
    return [TopicPartition(topic, int(number)) for number in numbers.split(",")]


class Reset:
    """One group's new offsets, by the scenario that the command names."""

    def __init__(self, admin: Admin, parsed: Parsed, group: str) -> None:
        self._admin = admin
        self._parsed = parsed
        self._group = group

    async def offsets(self, partitions: Sequence[TopicPartition]) -> Offsets:
        """ConsumerGroupService.prepareOffsetsToReset."""
        parsed = self._parsed
        if parsed.has("to-offset"):
            return await self._in_range(dict.fromkeys(partitions, parsed.only_number("to-offset")))
        if parsed.has("to-earliest"):
            return await self._listed(partitions, EARLIEST)
        if parsed.has("to-latest"):
            return await self._listed(partitions, LATEST)
        if parsed.has("shift-by"):
            return await self._shifted(partitions, parsed.only_number("shift-by"))
        if parsed.has("to-datetime"):
            return await self._at(partitions, datetime_to_ms(parsed.only("to-datetime") or ""))
        if parsed.has("by-duration"):
            back_ms = duration_to_ms(parsed.only("by-duration") or "")
            return await self._at(partitions, int(time.time() * 1000) - back_ms)
        if parsed.has("from-file"):
            return await self._from_file(parsed.only("from-file") or "")
        if parsed.has("to-current"):
            return await self._current(partitions)
        scenarios = ", ".join(set_of(SCENARIOS))
        raise UsageError(f"Option '[reset-offsets]' requires one of the following scenarios: [{scenarios}]")

    async def _listed(self, partitions: Sequence[TopicPartition], which: int) -> Offsets:
        found = await self._admin.list_offsets(dict.fromkeys(partitions, which))
        offsets: Offsets = {}
        for partition, one in found.items():
            if isinstance(one, KafkaError):
                raise one
            offsets[partition] = one.offset
        return offsets

    async def _in_range(self, wanted: Offsets) -> Offsets:
        """No offset outside of the log."""
        starts = await self._listed(list(wanted), EARLIEST)
        ends = await self._listed(list(wanted), LATEST)
        offsets: Offsets = {}
        for partition, offset in wanted.items():
            chosen = min(max(offset, starts[partition]), ends[partition])
            if offset > chosen:
                side = "higher than latest"
            else:
                side = "lower than earliest"
            if offset != chosen:
                log(
                    "WARN",
                    f"New offset ({offset}) is {side} offset for topic partition {partition}. Value will be "
                    "set "
                    f"to {chosen}",
                    LOGGER,
                )
            offsets[partition] = chosen
        return offsets

    async def _shifted(self, partitions: Sequence[TopicPartition], by: int) -> Offsets:
        committed = await committed_offsets(self._admin, self._group)
        for partition in partitions:
            if partition not in committed:
                raise UsageError(
                    f"Cannot shift offset for partition {partition} since there is no current committed "
                    "offset"
                )
        return await self._in_range({partition: committed[partition] + by for partition in partitions})

    async def _at(self, partitions: Sequence[TopicPartition], timestamp_ms: int) -> Offsets:
        found = await self._listed(partitions, timestamp_ms)
        later = [partition for partition in partitions_in_hash_order(found) if found[partition] < 0]
        for partition in later:
            print(
                f"\nWarn: Partition {partition.partition} from topic {partition.topic} is empty. Falling "
                "back to "
                "latest known offset."
            )
        return {**found, **await self._listed(later, LATEST)}

    async def _current(self, partitions: Sequence[TopicPartition]) -> Offsets:
        committed = await committed_offsets(self._admin, self._group)
        missing = [partition for partition in partitions if partition not in committed]
        known = {partition: committed[partition] for partition in partitions if partition in committed}
        return {**known, **await self._listed(missing, LATEST)}

    async def _from_file(self, path: str) -> Offsets:
        mine = _read_plan(path, self._parsed).get(self._group)
        if mine is None:
            print(f"\nError: No reset plan for group {self._group} found")
            return {}
        return await self._in_range(mine)


def _to_csv(plan: Mapping[str, Offsets], *, with_group: bool) -> str:
    lines = ""
    for group, offsets in plan.items():
        for (topic, number), offset in offsets.items():
            cells = [_cell(group)] if with_group else []
            lines += ",".join([*cells, _cell(topic), str(number), str(offset)]) + "\n"
    return lines


def _cell(text: str) -> str:
    """A string as Jackson writes it: quoted when long, or when it holds anything up to the comma."""
    if len(text) < QUOTED_FROM and all(character > "," for character in text):
        return text
    doubled = text.replace('"', '""')
    return f'"{doubled}"'


def _read_plan(path: str, parsed: Parsed) -> dict[str, Offsets]:
    """topic,partition,offset for one group; group,topic,partition,offset for any number of them."""
    with open(path, encoding="utf-8") as file:
        rows = [row for row in csv.reader(io.StringIO(file.read())) if row]
    group = parsed.only("group") if len(parsed.all("group")) == 1 else None
    alone = group is not None and bool(rows) and len(rows[0]) == 3
    plan: dict[str, Offsets] = {}
    for row in rows:
        cells = [group or "", *row] if alone else row
        if len(cells) != 4 or not cells[2].isdecimal() or not cells[3].removeprefix("-").isdecimal():
            columns = "topic,partition,offset" if alone else "group,topic,partition,offset"
            raise ToolError(f"{path}: the line {','.join(row)} is not of the form {columns}")
        name, topic, number, offset = cells
        plan.setdefault(name, {})[TopicPartition(topic, int(number))] = int(offset)
    return plan
