# SPDX-License-Identifier: Apache-2.0
"""The versions that inter.broker.protocol.version can name (Kafka's `MetadataVersion`). From their order
follows what brokers may say to each other and write to ZooKeeper."""

from __future__ import annotations

from functools import lru_cache

METADATA_VERSIONS = [
    "0.8.0",
    "0.8.1",
    "0.8.2",
    "0.9.0",
    "0.10.0-IV0",
    "0.10.0-IV1",
    "0.10.1-IV0",
    "0.10.1-IV1",
    "0.10.1-IV2",
    "0.10.2-IV0",
    "0.11.0-IV0",
    "0.11.0-IV1",
    "0.11.0-IV2",
    "1.0-IV0",
    "1.1-IV0",
    "2.0-IV0",
    "2.0-IV1",
    "2.1-IV0",
    "2.1-IV1",
    "2.1-IV2",
    "2.2-IV0",
    "2.2-IV1",
    "2.3-IV0",
    "2.3-IV1",
    "2.4-IV0",
    "2.4-IV1",
    "2.5-IV0",
    "2.6-IV0",
    "2.7-IV0",
    "2.7-IV1",
    "2.7-IV2",
    "2.8-IV0",
    "2.8-IV1",
    "3.0-IV0",
    "3.0-IV1",
    "3.1-IV0",
    "3.2-IV0",
    "3.3-IV0",
    "3.3-IV1",
    "3.3-IV2",
    "3.3-IV3",
    "3.4-IV0",
    "3.5-IV0",
    "3.5-IV1",
    "3.5-IV2",
    "3.6-IV0",
    "3.6-IV1",
    "3.6-IV2",
    "3.7-IV0",
    "3.7-IV1",
    "3.7-IV2",
    "3.7-IV3",
    "3.7-IV4",
    "3.8-IV0",
    "3.9-IV0",
]
"""Every version that 3.9 knows, oldest first."""


@lru_cache(maxsize=256)
def rank(text: str) -> int:
    """Position of "3.4-IV0", "3.4", "0.10.2.1" in METADATA_VERSIONS; ValueError when 3.9 does not know it.

    A release name alone stands for the last version of that release, and a bugfix number is not looked at.
    """
    release = ".".join(text.split(".")[: 3 if text.startswith("0.") else 2])
    ranks = [
        index
        for index, version in enumerate(METADATA_VERSIONS)
        if version == release or version.partition("-")[0] == release
    ]
    if not ranks or ("-" in text and release != text):
        raise ValueError(f"Version {text} is not a valid inter.broker.protocol.version")
    return ranks[-1]
