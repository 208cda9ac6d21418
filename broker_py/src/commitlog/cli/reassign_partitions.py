# SPDX-License-Identifier: Apache-2.0
"""kafka-reassign-partitions.sh: move replicas between brokers and directories (Kafka's
`ReassignPartitionsCommand`)."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from commitlog.cli import terminal
from commitlog.cli.jopt import Parsed
from commitlog.cli.reassign_partitions_options import OPTIONS, SUMMARY, check_options


def main(arguments: Sequence[str] | None = None) -> int:
    return terminal.run_tool(_main, arguments, summary=SUMMARY, options=OPTIONS, failed=_failed)


def _failed(error: Exception) -> None:
    from commitlog.cli.reassign_actions import Terse
    from commitlog.cli.topics_errors import java_text

    print(error if isinstance(error, Terse) else f"Error: {' '.join(java_text(error).split())}")


def _main(parsed: Parsed) -> int:
    import asyncio

    action = check_options(parsed)
    asyncio.run(_run(parsed, action))
    return 0


async def _run(parsed: Parsed, action: str) -> None:
    from commitlog.cli import json_input, reassign_actions
    from commitlog.cli.admin import connected

    async with connected(parsed.only("bootstrap-server") or "", parsed.only("command-config")) as admin:
        if action == "list":
            await reassign_actions.list_ongoing(admin)
        elif action == "generate":
            await reassign_actions.generate(
                admin,
                json_input.read(parsed.only("topics-to-move-json-file") or ""),
                parsed.only("broker-list") or "",
                rack_aware=not parsed.has("disable-rack-aware"),
            )
        else:
            text = json_input.read(parsed.only("reassignment-json-file") or "")
            if action == "verify":
                await reassign_actions.verify(
                    admin, text, preserve_throttles=parsed.has("preserve-throttles")
                )
            elif action == "execute":
                await reassign_actions.execute(
                    admin,
                    text,
                    additional=parsed.has("additional"),
                    throttle=parsed.only_number("throttle"),
                    directory_throttle=parsed.only_number("replica-alter-log-dirs-throttle"),
                    timeout_ms=parsed.only_number("timeout"),
                )
            else:
                await reassign_actions.cancel(
                    admin,
                    text,
                    preserve_throttles=parsed.has("preserve-throttles"),
                    timeout_ms=parsed.only_number("timeout"),
                )


if __name__ == "__main__":
    sys.exit(main())
