# SPDX-License-Identifier: Apache-2.0
"""kafka-consumer-groups.sh: list, describe, reset and delete groups (Kafka's `ConsumerGroupCommand`).

As Kafka's tool it ends with status 0 also after "Error: Executing consumer group command failed", so scripts
must read what it prints; only wrong options end with 1.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from commitlog.cli import terminal
from commitlog.cli.consumer_groups_options import OPTIONS, SUMMARY, check_options, states, types
from commitlog.cli.jopt import Parsed

if TYPE_CHECKING:
    from commitlog.cli.admin import Admin, TopicPartition
    from commitlog.cli.group_admin import Group

MISSING = "-"
NARROWEST = 15


def main(arguments: Sequence[str] | None = None) -> int:
    return terminal.run_tool(
        _main, arguments, summary=SUMMARY, options=OPTIONS, failed=_failed, failed_status=0
    )


def _failed(error: Exception) -> None:
    from commitlog.cli.topics_errors import java_cause

    print_error(f"Executing consumer group command failed due to {java_cause(error)}")


def _main(parsed: Parsed) -> int:
    import asyncio

    check_options(parsed)
    asyncio.run(_run(parsed))
    return 0


async def _run(parsed: Parsed) -> None:
    from commitlog.cli.admin import connected

    bootstrap = parsed.only("bootstrap-server") or ""
    timeout_ms = parsed.only_number("timeout")
    async with connected(bootstrap, parsed.only("command-config"), timeout_ms) as admin:
        if parsed.has("list"):
            await _list(admin, parsed)
        elif parsed.has("describe"):
            await _describe(admin, parsed)
        elif parsed.has("delete"):
            await _delete(admin, parsed)
        elif parsed.has("delete-offsets"):
            await _delete_offsets(admin, parsed)
        else:
            from commitlog.cli.consumer_groups_reset import reset_offsets

            await reset_offsets(admin, parsed, await selected_groups(admin, parsed))


def print_error(text: str) -> None:
    print(f"\nError: {text}")


async def selected_groups(admin: Admin, parsed: Parsed) -> list[str]:
    from commitlog.cli.group_admin import list_groups

    if parsed.has("all-groups"):
        return [group.group_id for group in await list_groups(admin)]
    return list(parsed.all("group"))


async def _list(admin: Admin, parsed: Parsed) -> None:
    from commitlog.cli.group_admin import list_groups

    wanted_states, wanted_types = states(parsed), types(parsed)
    groups = await list_groups(admin, wanted_states, wanted_types)
    with_type, with_state = parsed.has("type"), parsed.has("state")
    if not with_type and not with_state:
        for group in groups:
            print(group.group_id)
        return
    width = max([NARROWEST, *(len(group.group_id) for group in groups)]) + 10

    def row(name: str, kind: str, state: str) -> None:
        columns = [f"{name:<{width}}"]
        columns += [f"{kind:<20}"] if with_type else []
        columns += [f"{state:<20}"] if with_state else []
        print(" ".join(columns))

    row("GROUP", "TYPE", "STATE")
    for group in groups:
        row(group.group_id, _spelt(group.group_type) or "Unknown", group.group_state or "Unknown")


def _spelt(group_type: str) -> str:
    return group_type[:1].upper() + group_type[1:].lower()


async def _describe(admin: Admin, parsed: Parsed) -> None:
    from commitlog.cli.group_admin import describe_group

    names = await selected_groups(admin, parsed)
    groups = [await describe_group(admin, name) for name in sorted(set(names))]
    if parsed.has("members"):
        for group in groups:
            _print_members(group, verbose=parsed.has("verbose"))
    elif parsed.has("state"):
        for group in groups:
            _print_state(group)
    else:
        described = [(group, await _offset_rows(admin, group)) for group in groups]
        for group, rows in described:
            _print_offsets(group, rows)


def _is_shown(group: Group, rows: int) -> bool:
    """shouldPrintMemberState: say what is to be said about the state."""
    if group.state == "Dead":
        print_error(f"Consumer group '{group.id}' does not exist.")
    elif group.state == "Empty":
        sys.stdout.flush()
        print(f"\nConsumer group '{group.id}' has no active members.", file=sys.stderr)
    elif group.state != "Stable":
        sys.stdout.flush()
        print(f"\nWarning: Consumer group '{group.id}' is rebalancing.", file=sys.stderr)
    return group.state != "Dead" and rows > 0


def _print_state(group: Group) -> None:
    if not _is_shown(group, 1):
        return
    node = group.coordinator
    coordinator = f"{node.host}:{node.port}  ({node.id})"
    width = max(25, len(coordinator))
    for row in (
        ("GROUP", "COORDINATOR (ID)", "ASSIGNMENT-STRATEGY", "STATE", "#MEMBERS"),
        (group.id, coordinator, group.assignor, group.state, str(len(group.members))),
    ):
        print(f"\n{row[0]:<{width}} {row[1]:<25} {row[2]:<20} {row[3]:<15} {row[4]}", end="")
    print()


def _print_members(group: Group, *, verbose: bool) -> None:
    widths = [15, 15, 17, 15, 15]
    members = group.members
    with_instance = False
    if _is_shown(group, len(members)):
        with_instance = any(member.instance_id for member in members)
        for member in members:
            row = (group.id, member.id, member.instance_id, member.host, member.client_id)
            widths = [max(width, len(text)) for width, text in zip(widths, row, strict=True)]

    def line(*row: str) -> str:
        columns = [f"{text:<{width}}" for text, width in zip(row, widths, strict=False)]
        if not with_instance:
            del columns[2]
        return " ".join([*columns, f"{row[5]:<15} "])

    head = line("GROUP", "CONSUMER-ID", "GROUP-INSTANCE-ID", "HOST", "CLIENT-ID", "#PARTITIONS")
    print(f"\n{head}{'ASSIGNMENT' if verbose else ''}")
    for member in members:
        count = str(len(member.partitions))
        text = line(group.id, member.id, member.instance_id, member.host, member.client_id, count)
        print(text + (_assignment(member.partitions) if verbose else ""))


def _assignment(partitions: Sequence[TopicPartition]) -> str:
    """The partitions of each topic in brackets, without the topic, as Kafka's tool shows them."""
    if not partitions:
        return MISSING
    grouped: dict[str, list[str]] = {}
    for topic, number in partitions:
        grouped.setdefault(topic, []).append(str(number))
    return ", ".join(sorted(f"({','.join(sorted(numbers))})" for numbers in grouped.values()))


OffsetRow = tuple[str, str, str, str, str, str, str, str, str]


async def _offset_rows(admin: Admin, group: Group) -> list[OffsetRow]:
    """Members with partitions, most partitions first; then committed partitions that nobody has."""
    from commitlog.cli.group_admin import committed_offsets

    committed = await committed_offsets(admin, group.id)
    busy = [member for member in group.members if member.partitions]
    rows: list[OffsetRow] = []
    assigned: set[TopicPartition] = set()
    for member in sorted(busy, key=lambda member: -len(member.partitions)):
        assigned.update(member.partitions)
        owner = (member.id, member.host, member.client_id)
        rows += await _partition_rows(admin, group, member.partitions, committed, owner)
    rest = [partition for partition in committed if partition not in assigned]
    if rest:
        rows += await _partition_rows(admin, group, rest, committed, (MISSING, MISSING, MISSING))
    return rows


async def _partition_rows(
    admin: Admin,
    group: Group,
    partitions: Sequence[TopicPartition],
    committed: dict[TopicPartition, int],
    owner: tuple[str, str, str],
) -> list[OffsetRow]:
    from commitlog.cli.admin import LATEST, KafkaError
    from commitlog.cli.java_order import partitions_in_hash_order

    ordered = sorted(partitions_in_hash_order(partitions), key=lambda one: one.partition)
    ends = await admin.list_offsets(dict.fromkeys(ordered, LATEST))
    rows: list[OffsetRow] = []
    for partition in partitions_in_hash_order(ordered):
        end = ends[partition]
        if isinstance(end, KafkaError):
            raise end
        offset = committed.get(partition)
        known = (MISSING, MISSING) if offset is None else (str(offset), str(end.offset - offset))
        topic, number = partition.topic, str(partition.partition)
        rows.append((group.id, topic, number, known[0], str(end.offset), known[1], *owner))
    return rows


def _print_offsets(group: Group, rows: Sequence[OffsetRow]) -> None:
    if not _is_shown(group, len(rows)):
        return
    head: OffsetRow = (
        "GROUP",
        "TOPIC",
        "PARTITION",
        "CURRENT-OFFSET",
        "LOG-END-OFFSET",
        "LAG",
        "CONSUMER-ID",
        "HOST",
        "CLIENT-ID",
    )
    widths = [NARROWEST, NARROWEST, 10, 15, 15, 15, NARROWEST, NARROWEST, 0]
    for column in (0, 1, 6, 7):
        widths[column] = max([NARROWEST, *(len(row[column]) for row in rows)])
    for row in (head, *rows):
        # Kafka ends no line here: each begins with its newline.
        print("\n" + " ".join(f"{text:<{width}}" for text, width in zip(row, widths, strict=True)), end="")


async def _delete(admin: Admin, parsed: Parsed) -> None:
    from commitlog.cli.admin import KafkaError, java_text
    from commitlog.cli.group_admin import delete_group
    from commitlog.cli.java_order import strings_in_hash_order

    deleted: list[str] = []
    failed: dict[str, KafkaError] = {}
    names = strings_in_hash_order(dict.fromkeys(await selected_groups(admin, parsed)))
    for name in names:
        try:
            await delete_group(admin, name)
        except KafkaError as error:
            failed[name] = error
        else:
            deleted.append(name)
    if not failed:
        print(f"Deletion of requested consumer groups ('{', '.join(deleted)}') was successful.")
        return
    print_error("Deletion of some consumer groups failed:")
    for name, failure in failed.items():
        cause = f"java.util.concurrent.ExecutionException: {java_text(failure)}"
        print(f"* Group '{name}' could not be deleted due to: {cause}")
    if deleted:
        shown = "'".join(deleted)
        print(f"\nThese consumer groups were deleted successfully: '{shown}', '")


async def _delete_offsets(admin: Admin, parsed: Parsed) -> None:
    from commitlog.cli.admin import ErrorCode, KafkaError, java_text
    from commitlog.cli.consumer_groups_reset import partitions_of_topics
    from commitlog.cli.group_admin import delete_offsets
    from commitlog.cli.java_order import partitions_in_hash_order

    group, topics = parsed.only("group") or "", parsed.all("topic")
    unknown: dict[TopicPartition, KafkaError] = {}
    partitions = partitions_in_hash_order(set(await partitions_of_topics(admin, topics, unknown)))
    results: dict[TopicPartition, KafkaError | None] = {**unknown}
    top = ErrorCode.NONE
    try:
        codes = await delete_offsets(admin, group, partitions)
    except KafkaError as error:
        top = error.code
        results.update(dict.fromkeys(partitions, error))
    else:
        for partition in partitions:
            code = codes.get(partition, ErrorCode.UNKNOWN_SERVER_ERROR)
            results[partition] = None if code == ErrorCode.NONE else KafkaError(code)
            top = top or code
    _print_deletion(top, group, topics)
    row = "{:<30} {:<15} {:<15}"
    print("\n" + row.format("TOPIC", "PARTITION", "STATUS"), end="")
    for partition, failure in sorted(results.items(), key=lambda item: f"{item[0][0]}{item[0][1]}"):
        number = partition.partition if partition.partition >= 0 else "Not Provided"
        status = "Successful" if failure is None else f"Error: :{java_text(failure)}"
        print(row.format(partition.topic, number, status), end="")


def _print_deletion(code: int, group: str, topics: Sequence[str]) -> None:
    from commitlog.wire.errors import ErrorCode

    said = {
        ErrorCode.INVALID_GROUP_ID: f"'{group}' is not valid.",
        ErrorCode.GROUP_ID_NOT_FOUND: f"'{group}' does not exist.",
        ErrorCode.GROUP_AUTHORIZATION_FAILED: f"Access to '{group}' is not authorized.",
        ErrorCode.NON_EMPTY_GROUP: (
            f"Deleting offsets of a consumer group '{group}' is forbidden if the group is not empty."
        ),
    }
    partial = "Encounter some partition level error, see the follow-up details:"
    said |= dict.fromkeys(
        (
            ErrorCode.GROUP_SUBSCRIBED_TO_TOPIC,
            ErrorCode.TOPIC_AUTHORIZATION_FAILED,
            ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
        ),
        partial,
    )
    known = ErrorCode.of(code)
    if known == ErrorCode.NONE:
        print(f"Request succeed for deleting offsets with topic {', '.join(topics)} group {group}")
    else:
        print_error(said.get(known, f"Encounter some unknown error: {known.name}"))


if __name__ == "__main__":
    sys.exit(main())
