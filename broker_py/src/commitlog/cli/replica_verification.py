# SPDX-License-Identifier: Apache-2.0
"""kafka-replica-verification.sh: do all replicas hold the same records? (Kafka's `ReplicaVerificationTool`)

It goes on until it is told to stop, or finds an offset that two replicas do not share.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from commitlog.cli import terminal
from commitlog.cli.jopt import Parsed, check_invalid, check_required
from commitlog.cli.replica_verification_options import OPTIONS, SUMMARY

LOGGER = "org.apache.kafka.tools.ReplicaVerificationTool"


def main(arguments: Sequence[str] | None = None) -> int:
    terminal.log("WARN", "This tool is deprecated and may be removed in a future major release.", LOGGER)
    return terminal.run_tool(
        _main,
        arguments,
        summary=SUMMARY,
        options=OPTIONS,
        failed=terminal.say_as_java(),
    )


def _main(parsed: Parsed) -> int:
    import asyncio

    from commitlog.cli.get_offsets import check_servers
    from commitlog.cli.replica_fetchers import run

    check_required(parsed, "broker-list")
    check_invalid(parsed, "topics-include", "topic-white-list")
    servers = parsed.only("broker-list") or ""
    check_servers(servers)
    return asyncio.run(run(servers, parsed))


if __name__ == "__main__":
    sys.exit(main())
