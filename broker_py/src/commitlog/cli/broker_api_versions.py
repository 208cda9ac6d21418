# SPDX-License-Identifier: Apache-2.0
"""kafka-broker-api-versions.sh: which APIs each broker serves (Kafka's `BrokerApiVersionsCommand`)."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence

from commitlog.cli import terminal
from commitlog.cli.broker_api_versions_options import OPTIONS, SUMMARY
from commitlog.cli.jopt import Parsed, check_required

# APIs of Kafka 3.9's clients that a broker with ZooKeeper does not have: they are shown as missing.
KRAFT_APIS = {
    55: "DescribeQuorum",
    64: "UnregisterBroker",
    71: "GetTelemetrySubscriptions",
    72: "PushTelemetry",
    74: "ListClientMetricsResources",
    75: "DescribeTopicPartitions",
    76: "ShareGroupHeartbeat",
    77: "ShareGroupDescribe",
    78: "ShareFetch",
    79: "ShareAcknowledge",
    80: "AddRaftVoter",
    81: "RemoveRaftVoter",
    83: "InitializeShareGroupState",
    84: "ReadShareGroupState",
    85: "WriteShareGroupState",
    86: "DeleteShareGroupState",
    87: "ReadShareGroupStateSummary",
}
# Between brokers only: not missed where they are not listed.
_NOT_FOR_CLIENTS = frozenset((4, 5, 6, 7, 56, 58, 67))


def main(arguments: Sequence[str] | None = None) -> int:
    return terminal.run_tool(
        _main, arguments, summary=SUMMARY, options=OPTIONS, failed=terminal.say_as_java()
    )


def _main(parsed: Parsed) -> int:
    import asyncio

    check_required(parsed, "bootstrap-server")
    asyncio.run(_run(parsed))
    return 0


async def _run(parsed: Parsed) -> None:
    from commitlog.cli.admin import connected, java_text
    from commitlog.cli.topics_errors import FAILURES

    async with connected(parsed.only("bootstrap-server") or "", parsed.only("command-config")) as admin:
        for node in await admin.nodes():
            try:
                connection = await admin.connection(node.address, "ApiVersionsRequest")
                listed = await connection.negotiate()
            except FAILURES as error:
                print(f"{node} -> ERROR: {java_text(error)}")
            else:
                apis = ",\n\t".join(describe(listed))
                print(f"{node} -> (\n\t{apis}\n)")


def describe(listed: Mapping[int, tuple[int, int]]) -> list[str]:
    """NodeApiVersions.toString: every API that the broker lists or that a client would know, by key."""
    from commitlog.wire.api_keys import API_VERSIONS, ApiKey

    names = {int(key): key.name.title().replace("_", "") for key in ApiKey} | KRAFT_APIS
    expected = {key for key in names if key not in _NOT_FOR_CLIENTS}
    lines: list[str] = []
    for key in sorted(expected | listed.keys()):
        if key not in listed:
            lines.append(f"{names[key]}({key}): UNSUPPORTED")
            continue
        low, high = listed[key]
        versions = str(low) if low == high else f"{low} to {high}"
        if key not in names:
            lines.append(f"UNKNOWN({key}): {versions}")
            continue
        ours = API_VERSIONS.get(key)
        if ours is None:
            lines.append(f"{names[key]}({key}): {versions}")
        elif ours.high < low:
            lines.append(f"{names[key]}({key}): {versions} [unusable: node too new]")
        elif high < ours.low:
            lines.append(f"{names[key]}({key}): {versions} [unusable: node too old]")
        else:
            lines.append(f"{names[key]}({key}): {versions} [usable: {min(ours.high, high)}]")
    return lines


if __name__ == "__main__":
    sys.exit(main())
