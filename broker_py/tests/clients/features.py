# SPDX-License-Identifier: Apache-2.0
"""What every client of the matrix is asked to do, and what each feature's topic looks like before it starts.

A driver is one program per client: `DRIVER BOOTSTRAP ZOOKEEPER PREFIX`. For every feature it prints one line
of JSON: {"feature": ..., "cell": "yes" | "no" | "FAILED", "why": ...}; "no" is for what the client does not
have, and says what. Topics are called PREFIX.FEATURE and exist already, but for `topics`, which is the
driver's to make.
"""

from __future__ import annotations

from dataclasses import dataclass

CODECS = ("gzip", "snappy", "lz4", "zstd")
OTHERS = "others"
"""Topics `others.CODEC` hold OTHERS_COUNT records of librdkafka, `other 0`, `other 1`, ..."""
OTHERS_COUNT = 20


@dataclass(frozen=True)
class Feature:
    """One column of the table."""

    name: str
    title: str
    asked: str
    partitions: int = 1


FEATURES = (
    Feature(
        "produce-consume",
        "produce, consume",
        "100 records with keys, written through one broker and read through the other, in order per "
        "partition",
        2,
    ),
    Feature(
        "headers",
        "headers",
        "two headers of one record, one of them without a value where the client allows it; a record "
        "without a value",
    ),
    *(
        Feature(
            codec,
            codec,
            f"50 records written with {codec} (its batches are looked at on the broker's disk), and read; "
            f"then what librdkafka wrote with {codec}",
        )
        for codec in CODECS
    ),
    Feature(
        "rebalance",
        "groups, rebalance",
        "one member has 4 partitions, with a second each has 2, the second leaves and the first has 4 again; "
        "committed offsets are where the next member starts",
        4,
    ),
    Feature(
        "cooperative",
        "cooperative rebalance",
        "the same under a cooperative assignor: the first member keeps 2 of its partitions while the "
        "second joins",
        4,
    ),
    Feature(
        "static-member",
        "static membership",
        "a member with an instance id stops and returns within its session: the other member's partitions "
        "stay",
        4,
    ),
    Feature(
        "idempotence",
        "idempotence",
        "100 records of an idempotent producer, once each (the batches have a producer id)",
    ),
    Feature(
        "transactions",
        "transactions",
        "commit, abort, commit: read_committed has what was committed, read_uncommitted all",
        2,
    ),
    Feature(
        "transactional-offsets",
        "offsets in transactions",
        "a group's offsets sent with a transaction: of an aborted one none, of a committed one all",
    ),
    Feature(
        "offsets-by-time",
        "offsets by time",
        "earliest, latest, and the first record not older than a timestamp",
    ),
    Feature("topics", "topics", "created with 3 partitions and a setting, described, grown to 5, deleted"),
    Feature("configs", "configs", "a topic's settings described and altered, a broker's described"),
    Feature("groups-admin", "groups' admin", "groups listed, one described, its offsets read, deleted"),
    Feature("delete-records", "delete records", "records before an offset: the earliest offset moves"),
)
NAMES = tuple(feature.name for feature in FEATURES)
