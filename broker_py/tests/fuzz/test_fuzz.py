# SPDX-License-Identifier: Apache-2.0
"""Bad requests to a whole broker: those that once found something, and some that are drawn by a seed.

`python -m tests.fuzz.run` looks for more, for as long as one likes; `python -m tests.fuzz.batches` does so in
all that reads records.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from commitlog.records.batch import Codec, build_batch
from tests.fuzz import batches
from tests.fuzz.run import corpus, frames, load_frame
from tests.fuzz.target import Target, running_target
from tests.jvm.bad_batches import THREE

SEEDS = range(2)
FRAMES = 250
BATCHES = 1_000
LYING_SIZES = (-1, -(2**31), 2**31 - 1, 1_000_001, 0, 3)


def fuzz(directory: Path, test: object) -> None:
    async def main() -> None:
        async with running_target(directory) as target:
            await test(target)  # type: ignore[operator]
            assert await target.is_well()
            assert target.complaints() == []

    asyncio.run(main())


def test_the_corpus(tmp_path: Path) -> None:
    async def test(target: Target) -> None:
        for path in corpus():
            assert await target.send(load_frame(path)) == [], path.name

    fuzz(tmp_path, test)


@pytest.mark.parametrize("seed", SEEDS)
def test_drawn_frames(tmp_path: Path, seed: int) -> None:
    async def test(target: Target) -> None:
        for number, (frame, lie) in enumerate(frames(seed, FRAMES, target.topic_ids)):
            found = await target.send(frame, size=lie)
            assert found == [], f"frame {number} of seed {seed}: {frame.hex()}"

    fuzz(tmp_path, test)


def test_the_corpus_of_batches() -> None:
    for path in batches.corpus():
        assert batches.complaint(load_frame(path)) is None, path.name


@pytest.mark.parametrize("seed", SEEDS)
def test_drawn_batches(seed: int) -> None:
    for data, why in batches.findings(seed, BATCHES):
        raise AssertionError(f"{data.hex()}: {why}")


def test_what_was_damaged_is_read_when_it_is_whole() -> None:
    """Else every reader could refuse everything."""
    data = bytes(build_batch(THREE, codec=Codec.GZIP))
    for reader in batches.READERS:
        reader(data)


def test_sizes_that_lie(tmp_path: Path) -> None:
    """A peer that promises bytes and sends few makes the broker hold few."""

    async def test(target: Target) -> None:
        for size in LYING_SIZES:
            assert await target.send(b"\0\x12\0\3", size=size) == [], size

    fuzz(tmp_path, test)
