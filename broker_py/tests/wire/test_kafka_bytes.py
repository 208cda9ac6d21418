# SPDX-License-Identifier: Apache-2.0
"""Byte for byte what Apache Kafka 3.9.1 writes: every message, at every version, full and sparse."""

from __future__ import annotations

from pathlib import Path

import pytest

from commitlog.wire.codec import reader, writer
from commitlog.wire.schema import MessageSpec
from tests.wire.samples import (
    every_version,
    full_sample,
    message_class,
    message_specs,
    sparse_sample,
    version_id,
)

SAMPLES = Path(__file__).parent / "kafka_bytes" / "samples.txt"


def kafka_bytes() -> dict[tuple[str, int], list[bytes]]:
    found: dict[tuple[str, int], list[bytes]] = {}
    for line in SAMPLES.read_text(encoding="ascii").splitlines():
        name, version, text = line.split(" ")
        found.setdefault((name, int(version)), []).append(bytes.fromhex(text))
    return found


KAFKA_BYTES = kafka_bytes()


def test_there_are_two_samples_of_every_version() -> None:
    assert set(KAFKA_BYTES) == {(spec.name, version) for spec, version in every_version()}
    assert {len(samples) for samples in KAFKA_BYTES.values()} == {2}


@pytest.mark.parametrize("spec", list(message_specs()), ids=version_id)
def test_same_bytes_as_kafka_both_ways(spec: MessageSpec) -> None:
    cls = message_class(spec)
    for version in range(spec.min_version, spec.max_version + 1):
        for make, expected in zip((full_sample, sparse_sample), KAFKA_BYTES[spec.name, version], strict=True):
            message = make(spec, version)
            assert b"".join(writer(cls, version)(message)).hex() == expected.hex(), f"v{version}"
            assert reader(cls, version)(memoryview(expected), 0) == message, f"v{version}"
