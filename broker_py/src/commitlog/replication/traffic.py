# SPDX-License-Identifier: Apache-2.0
"""What a partition has taken and given since it is here (Kafka's BrokerTopicStats): plain numbers, added to
where the records pass, read by whoever shows them."""

from __future__ import annotations

from collections.abc import Iterable


class Traffic:
    """The counters of one partition, or the sum of several."""

    __slots__ = (
        "bytes_in",
        "bytes_out",
        "failed_fetches",
        "failed_produces",
        "fetches",
        "messages_in",
        "produces",
        "replication_bytes_in",
        "replication_bytes_out",
    )

    def __init__(self) -> None:
        self.messages_in = 0
        self.bytes_in = 0
        self.bytes_out = 0
        self.produces = 0
        self.failed_produces = 0
        self.fetches = 0
        self.failed_fetches = 0
        self.replication_bytes_in = 0
        self.replication_bytes_out = 0

    def add(self, other: Traffic) -> None:
        for name in Traffic.__slots__:
            setattr(self, name, getattr(self, name) + getattr(other, name))

    @classmethod
    def sum(cls, parts: Iterable[Traffic]) -> Traffic:
        total = cls()
        for part in parts:
            total.add(part)
        return total
