# SPDX-License-Identifier: Apache-2.0
"""Leader epochs and topic ids are written late, and yet never too late."""

from __future__ import annotations

import asyncio
import random

import pytest

from commitlog.storage.disk import LocalDisk
from tests.simulation.disk import SimulatedDisk
from tests.storage.memory_disk import MemoryDisk
from tests.storage.test_log_manager import TOPIC_ID, manager, run, text, until
from tests.storage.world import Hooks, batch, open_log, read_all

EPOCHS = "/data/t-0/leader-epoch-checkpoint"


def test_becoming_leader_of_many_partitions_syncs_nothing_on_the_loop() -> None:
    disk = MemoryDisk()
    written: list[str] = []
    write_atomic = disk.write_atomic

    def remember(path: str, data: bytes) -> None:
        with pytest.raises(RuntimeError):
            asyncio.get_running_loop()  # there is none in a worker thread
        written.append(path)
        write_atomic(path, data)

    async def scenario() -> None:
        logs = manager(disk)
        await logs.load()
        disk.write_atomic = remember  # type: ignore[method-assign]
        for partition in range(100):
            log = logs.get_or_create_log("t", partition, topic_id=TOPIC_ID, is_new=True)
            log.assign_epoch_start(3, 0)
        assert written == []
        await until(lambda: len(written) == 200)
        assert text(disk, "t-99/leader-epoch-checkpoint") == "0\n1\n3 0\n"
        assert text(disk, "t-99/partition.metadata").startswith("version: 0\ntopic_id: ")
        await logs.shutdown()

    run(scenario)


def test_the_recovery_point_passes_no_epoch_that_is_not_on_disk() -> None:
    disk = MemoryDisk()
    hooks = Hooks()
    log = open_log(disk, hooks=hooks)
    log.append_as_leader(batch(), 4)
    assert (hooks.late, text(disk, "t-0/leader-epoch-checkpoint")) == (["t-0"], "")
    log.flush()
    assert disk.files[EPOCHS].synced == b"0\n1\n4 0\n"


def test_no_data_is_written_before_the_topic_id() -> None:
    disk = MemoryDisk()
    log = open_log(disk)
    log.assign_topic_id(TOPIC_ID)
    assert not disk.exists("/data/t-0/partition.metadata")
    log.append_as_leader(batch(), 0)
    assert open_log(disk.after_power_cut()).topic_id == TOPIC_ID


def test_a_crash_before_the_file_is_written_costs_nothing() -> None:
    disk = MemoryDisk()
    log = open_log(disk)
    for epoch in (1, 1, 2, 5):
        log.append_as_leader(batch(), epoch)
    again = open_log(disk.copy())
    assert again.leader_epochs.entries == [(1, 0), (2, 2), (5, 3)]


def test_a_crash_does_not_bring_back_an_epoch_that_was_truncated() -> None:
    disk = MemoryDisk()
    log = open_log(disk)
    for epoch in (1, 2):
        log.append_as_leader(batch(), epoch)
    log.write_late_files()
    log.truncate_to(1)
    log.append_as_leader(batch(), 1)  # offset 1, which was of epoch 2, is of epoch 1 in the new leader's log
    assert disk.files[EPOCHS].synced == b"0\n2\n1 0\n2 1\n"
    again = open_log(disk.copy())
    assert again.log_end_offset == 2
    assert again.leader_epochs.entries == [(1, 0)]


def test_a_deleted_log_does_not_write_into_the_next_of_its_name() -> None:
    disk = MemoryDisk()

    async def scenario() -> None:
        logs = manager(disk)
        await logs.load()
        old = logs.get_or_create_log("t", 0, topic_id=TOPIC_ID, is_new=True)
        old.assign_epoch_start(9, 0)
        logs.delete_log("t", 0)
        logs.get_or_create_log("t", 0, is_new=True)
        old.write_late_files()
        await logs.shutdown()
        assert text(disk, "t-0/leader-epoch-checkpoint") == ""
        assert not disk.exists("/data/t-0/partition.metadata")

    run(scenario)


def test_a_disk_that_cannot_take_them_is_offline() -> None:
    disk = MemoryDisk()
    failed: list[str] = []

    async def scenario() -> None:
        logs = manager(disk, on_log_dir_failure=failed.append)
        await logs.load()
        log = logs.get_or_create_log("t", 0, is_new=True)
        disk.broken = "/data"
        log.assign_epoch_start(1, 0)
        await until(lambda: failed == ["/data"])
        await logs.shutdown(clean=False)

    run(scenario)


@pytest.mark.parametrize("seed", range(20))
def test_epochs_agree_with_the_batches_whatever_a_power_cut_leaves(seed: int) -> None:
    """Truncations, appends, syncs at random; afterwards every record is found to be of the epoch that its
    batch says."""
    rng = random.Random(seed)
    disk = SimulatedDisk(rng)
    disk.mkdir("/data")
    epoch = 0
    for _ in range(4):
        # As the manager would: what is not synced is read again, which is all of it here.
        log = open_log(disk)
        for _ in range(rng.randrange(30)):
            action = rng.random()
            if action < 0.5:
                epoch += rng.random() < 0.3
                log.append_as_leader(batch(), epoch)
            elif action < 0.7:
                log.truncate_to(rng.randint(0, log.log_end_offset))
            elif action < 0.8:
                log.assign_epoch_start(epoch := epoch + 1, log.log_end_offset)
            elif action < 0.9:
                log.write_late_files()
            else:
                log.flush()
        disk.power_off()
        found = open_log(disk)
        for record_offset, _ in read_all(found):
            (segment,) = (
                one for one in found.segments() if one.base_offset <= record_offset < one.next_offset()
            )
            of_batch = next(
                header.leader_epoch
                for _, header in segment.headers(0, segment.size)
                if header.base_offset <= record_offset < header.next_offset
            )
            assert found.leader_epochs.epoch_for_offset(record_offset) == of_batch


def test_files_of_this_machine(tmp_path: object) -> None:
    log = open_log(LocalDisk(), log_dir=str(tmp_path))
    log.assign_topic_id(TOPIC_ID)
    log.assign_epoch_start(2, 0)
    log.write_late_files()
    assert not log.has_late_files
    again = open_log(LocalDisk(), log_dir=str(tmp_path))
    assert again.topic_id == TOPIC_ID
    assert again.leader_epochs.entries == [], "nothing was written in it"
