# SPDX-License-Identifier: Apache-2.0
"""Replicas compared batch by batch: what kafka-replica-verification.sh says when they are not alike."""

from __future__ import annotations

from commitlog.cli.admin import TopicPartition
from commitlog.cli.replica_buffer import ReplicaBuffer
from commitlog.records.batch import build_batch
from commitlog.wire.messages.fetch_response import PartitionData

PARTITION = TopicPartition("t", 0)


def batch(offset: int, *values: bytes) -> bytes:
    return bytes(build_batch([(0, None, value, ()) for value in values], base_offset=offset))


def data(high_watermark: int, *batches: bytes) -> PartitionData:
    return PartitionData(partition_index=0, high_watermark=high_watermark, records=b"".join(batches))


def compared(*replicas: PartitionData, interval_ms: int = 1_000_000) -> tuple[bool, int, list[str]]:
    """Whether it goes on, from where, and what it says, without the time."""
    said: list[str] = []
    buffer = ReplicaBuffer([PARTITION], {PARTITION: 0}, interval_ms, said.append)
    for number, replica in enumerate(replicas):
        buffer.add(PARTITION, number, replica)
    goes_on = buffer.verify()
    return goes_on, buffer.offsets[PARTITION], [text.partition(": ")[2] for text in said]


def test_alike_up_to_the_lowest_high_watermark() -> None:
    one, two, three = batch(0, b"a", b"b"), batch(2, b"c"), batch(3, b"d")
    leader, follower = data(4, one, two, three), data(3, one, two, three)
    assert compared(leader, follower) == (True, 3, [])
    assert compared(leader, follower, interval_ms=-1)[2] == [
        "max lag is 1 for partition t-0 at offset 3 among 1 partitions"
    ]
    assert compared(leader, data(-1)) == (True, 0, []), "a broker that is away has nothing"


def test_other_contents() -> None:
    goes_on, offset, (said,) = compared(data(2, batch(0, b"a", b"b")), data(2, batch(0, b"a", b"X")))
    assert (goes_on, offset) == (True, 2)
    crcs = [int.from_bytes(batch(0, b"a", last)[17:21], "big") for last in (b"b", b"X")]
    assert said == (
        f"partition t-0 has unmatched checksum at offset 1; replica 0's checksum {crcs[0]}; "
        f"replica 1's checksum {crcs[1]}"
    )


def test_other_offsets() -> None:
    missing = data(-1)
    found = compared(missing, data(9, batch(0, b"a", b"b")), data(9, batch(0, b"a")))
    assert found == (False, 0, ["partition t-0: replica 1's offset 1 doesn't match replica 2's offset 0"])
