# SPDX-License-Identifier: Apache-2.0
"""Random lives of a log manager that end in a power cut or a kill, again and again, on the simulated disk.

Whatever happens: loading never raises, what was flushed or stopped cleanly is there, what is there is a
prefix of what was written, and the log goes on.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest

from commitlog.records.batch import iterate_headers
from commitlog.records.control import end_transaction_marker
from commitlog.storage.log import Log
from commitlog.storage.log_manager import LogManager
from commitlog.storage.log_manager_settings import LogManagerSettings
from tests.simulation.disk import SimulatedDisk
from tests.storage.settings import Settings
from tests.storage.world import NOW_MS, batch, contents, read_all

Written = list[tuple[int, bytes | None]]


def manager(disk: SimulatedDisk, rng: random.Random) -> LogManager:
    config = Settings(segment_bytes=600, index_interval_bytes=100, file_delete_delay_ms=0)
    return LogManager(
        disk, ["/data"], broker_id=1, cluster_id="c", topic_config=lambda topic: config,
        settings=LogManagerSettings(), now_ms=lambda: NOW_MS, rng=rng,
    )  # fmt: skip


class Inline(ThreadPoolExecutor):
    """Does the work at once, so that a seed means one life."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except BaseException as error:
            future.set_exception(error)
        return future


class Life:
    """One log over many starts and ends of its broker."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.disk = SimulatedDisk(random.Random(seed + 1), now_ms=lambda: NOW_MS)
        self.written: Written = []  # by the log as it is now
        self.history: set[tuple[int, bytes | None]] = (
            set()
        )  # what a power cut may bring back after truncation
        self.safe = 0  # below this offset nothing may be lost
        self.start = 0
        self.epoch = 0
        self.producer = 0
        self.sequence = 0

    async def run(self, lives: int) -> None:
        asyncio.get_running_loop().set_default_executor(Inline())
        for _ in range(lives):
            logs = manager(self.disk, self.rng)
            await logs.load()
            log = logs.get_or_create_log("t", 0)
            self.check(log)
            self.epoch += 1
            for _ in range(self.rng.randrange(40)):
                await self.act(logs, log)
            if self.rng.random() < 0.3:
                await logs.shutdown()
                self.safe = log.log_end_offset
            elif self.rng.random() < 0.5:
                self.disk.kill()
            else:
                await self.settle()
                self.disk.power_off()

    async def settle(self) -> None:
        """Let background work come as far as it may."""
        for _ in range(self.rng.randrange(4)):
            await asyncio.sleep(0)

    def check(self, log: Log) -> None:
        end = log.log_end_offset
        assert end >= self.safe
        assert log.log_start_offset <= end
        found = read_all(log)
        safe = [record for record in self.written if log.log_start_offset <= record[0] < self.safe]
        assert found[: len(safe)] == safe
        assert [offset for offset, _ in found] == list(range(log.log_start_offset, end))
        assert self.history.issuperset(found)
        assert all(start <= end for _, start in log.leader_epochs.entries)
        self.written = found
        self.producer, self.sequence = self.producer + 1, 0

    async def act(self, logs: LogManager, log: Log) -> None:
        action = self.rng.random()
        if action < 0.75:
            self.append(log)
        elif action < 0.8:
            offset = self.boundary(log)
            log.truncate_to(offset)
            self.written = [record for record in self.written if record[0] < log.log_end_offset]
            self.safe = min(self.safe, offset)
            self.producer, self.sequence = self.producer + 1, 0
        elif action < 0.85:
            log.update_high_watermark(self.boundary(log))
        elif action < 0.9:
            log.flush()
            self.safe = log.log_end_offset
        elif action < 0.93:
            log.maybe_increment_log_start_offset(log.high_watermark, "test")
            log.delete_old_segments(NOW_MS)
        else:
            await logs.checkpoints.write_recovery_points()
            await logs.checkpoints.write_log_start_offsets()
            await logs.checkpoints.write_high_watermarks()

    def boundary(self, log: Log) -> int:
        """Start of a batch at or above the high watermark, or the log end."""
        data = contents(log.read(log.high_watermark, 10_000, upper_offset=log.log_end_offset))
        starts = [header.base_offset for _, header in iterate_headers(data)]
        return self.rng.choice([o for o in starts if o >= log.high_watermark] + [log.log_end_offset])

    def append(self, log: Log) -> None:
        if self.rng.random() < 0.1:
            marker = end_transaction_marker(
                timestamp=NOW_MS, producer_id=10_000, producer_epoch=0, committed=True, coordinator_epoch=0
            )
            offset = log.append_as_leader(marker, self.epoch, origin="coordinator").first_offset
            self.note([(offset, b"\0\0\0\0\0\0")])
            return
        values = [self.rng.randbytes(self.rng.randint(0, 80)) for _ in range(self.rng.randint(1, 3))]
        fields = {"producer_id": self.producer, "producer_epoch": 0, "base_sequence": self.sequence}
        info = log.append_as_leader(batch(values, **fields), self.epoch)
        self.sequence += len(values)
        self.note([(info.first_offset + i, value) for i, value in enumerate(values)])

    def note(self, records: Written) -> None:
        self.written += records
        self.history.update(records)


@pytest.mark.filterwarnings("ignore:coroutine .* was never awaited")  # of brokers that were killed
@pytest.mark.parametrize("seed", range(15))
def test_nothing_safe_is_lost_and_nothing_false_appears(seed: int) -> None:
    asyncio.run(Life(seed).run(12))
