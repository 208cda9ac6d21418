# SPDX-License-Identifier: Apache-2.0
"""kafka-acls.sh: who may do what (Kafka's `AclCommand`), by the brokers' APIs or in ZooKeeper itself."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from commitlog.cli import terminal
from commitlog.cli.acls_options import OPTIONS, SUMMARY, check_options
from commitlog.cli.jopt import Parsed

if TYPE_CHECKING:
    from commitlog.cli.acls_stores import Acls
    from commitlog.security.acl import AclEntry, ResourcePattern

AUTHORIZER = "kafka.security.authorizer.AclAuthorizer"


def main(arguments: Sequence[str] | None = None) -> int:
    return terminal.run_tool(_main, arguments, summary=SUMMARY, options=OPTIONS, failed=_failed)


def _failed(error: Exception) -> None:
    from commitlog.cli.topics_errors import java_text

    print(f"Error while executing ACL command: {' '.join(java_text(error).split())}")


def _main(parsed: Parsed) -> int:
    import asyncio

    check_options(parsed)
    asyncio.run(_run(parsed))
    return 0


async def _run(parsed: Parsed) -> None:
    from commitlog.cli import acls_filters
    from commitlog.cli.acls_stores import open_acls

    if parsed.has("add"):
        # As in Kafka's tool: what cannot be added is refused before anybody is asked.
        added = acls_filters.to_add(parsed)
        async with open_acls(parsed) as acls:
            for pattern, entries in added.items():
                print(f"Adding ACLs for resource `{pattern}`: \n {_lines(entries)} \n")
                await acls.add(pattern, entries)
    elif parsed.has("remove"):
        async with open_acls(parsed) as acls:
            await _remove(parsed, acls)
    else:
        async with open_acls(parsed) as acls:
            await _list(parsed, acls)


def _lines(entries: Sequence[AclEntry]) -> str:
    return "\n".join(f"\t{shown(entry)}" for entry in entries)


def shown(entry: AclEntry) -> str:
    """AccessControlEntry.toString."""
    return (
        f"(principal={entry.principal}, host={entry.host}, operation={entry.operation.name}, permissionType="
        f"{entry.permission.name})"
    )


async def _remove(parsed: Parsed, acls: Acls) -> None:
    from commitlog.cli import acls_filters

    for pattern, entries in acls_filters.wanted(parsed).items():
        if entries:
            question = (
                f"Are you sure you want to remove ACLs: \n {_lines(entries)} \n from resource filter "
                f"`{pattern}`? "
                "(y/n)"
            )
        else:
            question = f"Are you sure you want to delete all ACLs for resource filter `{pattern}`? (y/n)"
        if _confirmed(parsed, question):
            await acls.remove(pattern, entries)


def _confirmed(parsed: Parsed, question: str) -> bool:
    if parsed.has("force"):
        return True
    print(question, flush=True)
    return sys.stdin.readline().strip().lower() == "y"


async def _list(parsed: Parsed, acls: Acls) -> None:
    from commitlog.cli import acls_filters

    patterns = acls_filters.patterns(parsed, required=False)
    principals = acls_filters.principals(parsed, "principal")
    found: dict[ResourcePattern, list[AclEntry]] = {}
    every: list[ResourcePattern | None] = [*patterns] or [None]
    for pattern in every:
        for binding in await acls.find(pattern):
            entries = found.setdefault(binding.pattern, [])
            if binding.entry not in entries:
                entries.append(binding.entry)
    if not principals:
        _print(found)
    for principal in principals:
        print(f"ACLs for principal `{principal}`")
        mine = {
            pattern: [entry for entry in entries if str(entry.principal) == str(principal)]
            for pattern, entries in found.items()
        }
        _print({pattern: entries for pattern, entries in mine.items() if entries})


def _print(found: Mapping[ResourcePattern, Sequence[AclEntry]]) -> None:
    for pattern, entries in found.items():
        print(f"Current ACLs for resource `{pattern}`: \n {_lines(entries)} \n")


if __name__ == "__main__":
    sys.exit(main())
