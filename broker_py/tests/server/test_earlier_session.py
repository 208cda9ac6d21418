# SPDX-License-Identifier: Apache-2.0
"""A successor ends the session of the process whose directory it has, and nobody else's."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from commitlog.coordination.memory import MemoryEnsemble
from commitlog.server.earlier_session import FILE, EarlierSession
from commitlog.storage.disk import LocalDisk


async def _survives(directory: Path, between: Path | None, ensemble: MemoryEnsemble) -> bool:
    """Whether a session that was noted in a directory outlives a successor that finds another one."""
    before, after = ensemble.client("before"), ensemble.client("after")
    await before.start()
    await after.start()
    await before.create("/registration", b"", ephemeral=True)
    EarlierSession(LocalDisk(), before, str(directory)).note()
    if between is not None:
        (between / FILE).write_bytes((directory / FILE).read_bytes())
    await EarlierSession(LocalDisk(), after, str(between or directory)).end()
    return await after.exists("/registration") is not None


def survives(directory: Path, copy: Path | None = None) -> bool:
    return asyncio.run(_survives(directory, copy, MemoryEnsemble()))


def test_a_successor_in_the_same_directory_ends_it(tmp_path: Path) -> None:
    assert not survives(tmp_path)
    assert (tmp_path / FILE).stat().st_mode & 0o077 == 0


def test_a_second_successor_finds_what_the_first_wrote_over_it(tmp_path: Path) -> None:
    assert not survives(tmp_path)
    assert not survives(tmp_path)


def test_a_copy_of_the_directory_says_nothing_of_a_process_that_may_live(tmp_path: Path) -> None:
    (tmp_path / "copy").mkdir()
    assert survives(tmp_path, tmp_path / "copy")


def test_another_boot_or_a_clone_of_the_machine_says_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    boots = iter(["first", "second"])
    monkeypatch.setattr(LocalDisk, "incarnation", lambda self, path: next(boots))
    assert survives(tmp_path)


@pytest.mark.parametrize("cut", [0, 1, 40, -1])
def test_a_torn_file_says_nothing(tmp_path: Path, cut: int) -> None:
    async def run() -> None:
        client = MemoryEnsemble().client("client")
        await client.start()
        session = EarlierSession(LocalDisk(), client, str(tmp_path))
        session.note()
        whole = (tmp_path / FILE).read_bytes()
        (tmp_path / FILE).write_bytes(whole[:cut])
        await session.end()
        assert client.connected

    asyncio.run(run())


def test_a_clean_stop_leaves_nothing(tmp_path: Path) -> None:
    async def run() -> None:
        client = MemoryEnsemble().client("client")
        await client.start()
        session = EarlierSession(LocalDisk(), client, str(tmp_path))
        session.note()
        session.forget()
        session.forget()
        await session.end()

    asyncio.run(run())
    assert list(tmp_path.iterdir()) == []
