# SPDX-License-Identifier: Apache-2.0
"""Which versions a follower sends at which inter.broker.protocol.version (MetadataVersion's table)."""

from __future__ import annotations

import pytest

from commitlog.config.metadata_version import METADATA_VERSIONS
from commitlog.replication.inter_broker_version import InterBrokerVersion


@pytest.mark.parametrize(
    ("text", "fetch", "epochs", "offsets"),
    [
        ("3.9", 17, 4, 9),
        ("3.9-IV0", 17, 4, 9),
        ("3.9.1", 17, 4, 9),
        ("3.8", 16, 4, 8),
        ("3.7-IV3", 15, 4, 8),
        ("3.7", 16, 4, 8),
        ("3.5-IV0", 14, 4, 8),
        ("3.4", 13, 4, 7),
        ("3.0", 12, 4, 7),
        ("2.8-IV1", 12, 4, 6),
        ("2.7-IV0", 11, 3, 5),
        ("2.3", 11, 3, 5),
        ("2.1", 10, 2, 4),
        ("2.0", 8, 1, 3),
        ("1.1", 7, 0, 2),
        ("1.0", 5, 0, 2),
        ("0.11.0", 5, 0, 2),
        ("0.10.2", 3, 0, 1),
        ("0.10.0", 2, 0, 0),
        ("0.9.0", 1, 0, 0),
        ("0.8.2", 0, 0, 0),
    ],
)
def test_versions(text: str, fetch: int, epochs: int, offsets: int) -> None:
    version = InterBrokerVersion.of(text)
    assert (version.fetch, version.offset_for_leader_epoch, version.list_offsets) == (fetch, epochs, offsets)


def test_features_begin_where_kafka_begins_them() -> None:
    def first(feature: str) -> str:
        return next(level for level in METADATA_VERSIONS if getattr(InterBrokerVersion.of(level), feature))

    assert first("truncation_on_fetch") == "2.7-IV1"
    assert first("offset_for_leader_epoch_supported") == "0.11.0-IV2"
    assert first("topic_ids") == "2.8-IV0"


@pytest.mark.parametrize("text", ["4.0", "3.9-IV1", "x", "", "2", "3.10"])
def test_unknown_versions_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a valid"):
        InterBrokerVersion.of(text)
