# SPDX-License-Identifier: Apache-2.0
"""A broker's log directories: identity, locks, stops clean and unclean, failing disks, deletion."""

from __future__ import annotations

import asyncio
import json
import logging
import random
import re
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from commitlog.storage.disk import Disk, LocalDisk
from commitlog.storage.log_manager import LogManager, StorageError
from commitlog.storage.log_manager_settings import LogManagerSettings
from commitlog.wire.errors import ErrorCode, KafkaError
from tests.storage.memory_disk import MemoryDisk
from tests.storage.settings import Settings
from tests.storage.world import NOW_MS, batch, read_all

TOPIC_ID = bytes(range(16))


def manager(
    disk: Disk,
    dirs: list[str] | None = None,
    *,
    broker_id: int = 1,
    cluster_id: str = "cluster",
    config: Settings | None = None,
    settings: LogManagerSettings | None = None,
    now_ms: int = NOW_MS,
    on_log_dir_failure: Callable[[str], None] = lambda log_dir: None,
) -> LogManager:
    return LogManager(
        disk,
        dirs or ["/data"],
        broker_id=broker_id,
        cluster_id=cluster_id,
        topic_config=lambda topic: config or Settings(file_delete_delay_ms=1),
        settings=settings or LogManagerSettings(),
        now_ms=lambda: now_ms,
        rng=random.Random(1),
        on_log_dir_failure=on_log_dir_failure,
    )


def run(work: Callable[[], Awaitable[None]]) -> None:
    asyncio.run(asyncio.wait_for(work(), 20))


async def until(condition: Callable[[], bool]) -> None:
    while not condition():  # noqa: ASYNC110 - files change, and no event tells of it
        await asyncio.sleep(0.005)


async def stopped(disk: Disk, **options: object) -> None:
    """A directory in which partition t-0 has three records and the broker stopped cleanly."""
    logs = manager(disk, **options)  # type: ignore[arg-type]
    await logs.load()
    log = logs.get_or_create_log("t", 0, topic_id=TOPIC_ID, is_new=True)
    for _ in range(3):
        log.append_as_leader(batch(), 4)
    log.update_high_watermark(2)
    await logs.shutdown()


def text(disk: MemoryDisk, name: str) -> str:
    """A small file; empty when it is not there yet."""
    return disk.files[f"/data/{name}"].data.decode() if disk.exists(f"/data/{name}") else ""


def test_a_clean_stop_leaves_what_kafka_leaves() -> None:
    disk = MemoryDisk()
    run(lambda: stopped(disk))
    assert disk.listdir("/data") == [
        ".kafka_cleanshutdown",
        "log-start-offset-checkpoint",
        "meta.properties",
        "recovery-point-offset-checkpoint",
        "replication-offset-checkpoint",
        "t-0",
    ]
    assert disk.listdir("/data/t-0") == [
        "00000000000000000000.index",
        "00000000000000000000.log",
        "00000000000000000000.timeindex",
        "00000000000000000003.snapshot",
        "leader-epoch-checkpoint",
        "partition.metadata",
    ]
    assert json.loads(text(disk, ".kafka_cleanshutdown")) == {"version": 0, "brokerEpoch": -1}
    assert text(disk, "recovery-point-offset-checkpoint") == "0\n1\nt 0 3\n"
    assert text(disk, "replication-offset-checkpoint") == "0\n1\nt 0 2\n"
    assert text(disk, "log-start-offset-checkpoint") == "0\n0\n"
    assert text(disk, "t-0/leader-epoch-checkpoint") == "0\n1\n4 0\n"
    assert text(disk, "t-0/partition.metadata") == "version: 0\ntopic_id: AAECAwQFBgcICQoLDA0ODw"
    properties = [line for line in text(disk, "meta.properties").splitlines() if line[0] != "#"]
    assert sorted(properties) == ["broker.id=1", "cluster.id=cluster", "version=0"]


def test_a_restart_finds_everything_again() -> None:
    disk = MemoryDisk()

    async def scenario() -> None:
        await stopped(disk)
        logs = manager(disk)
        await logs.load()
        assert not disk.exists("/data/.kafka_cleanshutdown")  # a crash from here on counts as one
        log = logs.get_log("t", 0)
        assert log is not None
        assert (log.log_end_offset, log.high_watermark, log.recovery_point) == (3, 2, 3)
        assert log.topic_id == TOPIC_ID
        with pytest.raises(KafkaError) as failure:
            log.assign_topic_id(bytes(15) + b"\1")
        assert failure.value.code == ErrorCode.INCONSISTENT_TOPIC_ID
        await logs.shutdown(clean=False)
        assert not disk.exists("/data/.kafka_cleanshutdown")

    run(scenario)


def test_the_high_watermark_is_clipped_to_the_log() -> None:
    disk = MemoryDisk()

    async def scenario() -> None:
        await stopped(disk)
        disk.write_atomic("/data/replication-offset-checkpoint", b"0\n1\nt 0 99\n")
        logs = manager(disk)
        await logs.load()
        log = logs.get_log("t", 0)
        assert log is not None
        assert log.high_watermark == 3

    run(scenario)


@pytest.mark.parametrize(
    "name",
    ["recovery-point-offset-checkpoint", "log-start-offset-checkpoint", "replication-offset-checkpoint"],
)
@pytest.mark.parametrize("content", [b"1\n0\n", b"0\n5\nt 0 1\n", b"0\n1\nt 0\n", b"\xff\xfe", b"0\nx\n"])
def test_damaged_checkpoints_are_reported_and_survived(
    name: str, content: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    disk = MemoryDisk()

    async def scenario() -> None:
        await stopped(disk)
        disk.write_atomic(f"/data/{name}", content)
        logs = manager(disk)
        await logs.load()
        log = logs.get_log("t", 0)
        assert log is not None
        assert len(read_all(log)) == 3

    run(scenario)
    assert f"Error occurred while reading {name} file of directory /data" in caplog.text


@pytest.mark.parametrize(
    ("stored", "words"),
    [
        ("version=0\nbroker.id=7\ncluster.id=cluster\n", ["broker.id=7", "broker.id=1"]),
        ("version=0\nbroker.id=1\ncluster.id=other\n", ["cluster.id=other", "cluster.id=cluster"]),
        ("version=1\nnode.id=1\ncluster.id=cluster\n", ["version is 1", "version=0"]),
        ("version=0\nbroker.id=x\ncluster.id=cluster\n", ["broker.id=x"]),
    ],
    ids=["other broker", "other cluster", "KRaft", "garbage"],
)
def test_a_directory_of_someone_else_is_refused_untouched(stored: str, words: list[str]) -> None:
    disk = MemoryDisk()

    async def scenario() -> None:
        await stopped(disk)
        disk.write_atomic("/data/meta.properties", stored.encode())
        before = {path: bytes(inode.data) for path, inode in disk.files.items()}
        with pytest.raises(StorageError) as failure:
            await manager(disk).load()
        message = str(failure.value)
        assert message.startswith("/data/meta.properties: ")
        assert "\n" not in message
        assert all(word in message for word in words)
        disk.remove("/data/.lock")
        assert {path: bytes(inode.data) for path, inode in disk.files.items()} == before

    run(scenario)


def test_unknown_keys_of_meta_properties_are_kept() -> None:
    disk = MemoryDisk()
    disk.mkdir("/data")
    disk.write_atomic("/data/meta.properties", b"#\nversion=0\nbroker.id=1\ndirectory.id=abc\n")
    run(lambda: stopped(disk))
    assert "directory.id=abc" in text(disk, "meta.properties")
    assert "cluster.id=cluster" in text(disk, "meta.properties")


def test_two_brokers_cannot_share_a_directory(tmp_path: Path) -> None:
    async def scenario() -> None:
        first = manager(LocalDisk(), [str(tmp_path)])
        await first.load()
        with pytest.raises(StorageError, match=r"Failed to acquire lock on file \.lock"):
            await manager(LocalDisk(), [str(tmp_path)]).load()
        # Java's locks are POSIX record locks, held per process: another process must see ours.
        path = str(tmp_path / ".lock")
        code = f"import fcntl; fcntl.lockf(open({path!r}, 'w'), fcntl.LOCK_EX | fcntl.LOCK_NB)"
        probe = await asyncio.to_thread(
            subprocess.run, [sys.executable, "-c", code], capture_output=True, text=True, check=False
        )
        assert "BlockingIOError" in probe.stderr
        await first.shutdown()

    run(scenario)


def test_a_directory_that_is_no_partition_stops_the_start() -> None:
    disk = MemoryDisk()
    disk.mkdir("/data/lost+found")

    async def scenario() -> None:
        with pytest.raises(StorageError, match=r"Found directory /data/lost\+found"):
            await manager(disk).load()

    run(scenario)


def test_topics_with_dashes_are_split_at_the_last() -> None:
    disk = MemoryDisk()

    async def scenario() -> None:
        logs = manager(disk)
        await logs.load()
        logs.get_or_create_log("a-b-1", 12, is_new=True)
        await logs.shutdown()
        again = manager(disk)
        await again.load()
        assert again.get_log("a-b-1", 12) is not None

    run(scenario)


def test_partitions_spread_over_directories_and_a_duplicate_is_refused() -> None:
    disk = MemoryDisk()

    async def scenario() -> None:
        dirs = ["/a", "/b"]
        logs = manager(disk, dirs)
        await logs.load()
        homes = [logs.get_or_create_log("t", i, is_new=True).log_dir for i in range(4)]
        assert sorted(homes) == ["/a", "/a", "/b", "/b"]
        await logs.shutdown()
        disk.mkdir("/b/t-0" if homes[0] == "/a" else "/a/t-0")
        with pytest.raises(StorageError, match="Duplicate log directories for t-0"):
            await manager(disk, dirs).load()

    run(scenario)


def test_a_failing_directory_takes_only_its_partitions_down(caplog: pytest.LogCaptureFixture) -> None:
    disk = MemoryDisk()
    failures: list[str] = []

    async def scenario() -> None:
        logs = manager(disk, ["/a", "/b"], on_log_dir_failure=failures.append)
        await logs.load()
        by_dir = {log.log_dir: log for log in (logs.get_or_create_log("t", i, is_new=True) for i in range(2))}
        disk.broken = "/a"
        with pytest.raises(KafkaError) as failure:
            by_dir["/a"].append_as_leader(batch(), 0)
        assert failure.value.code == ErrorCode.KAFKA_STORAGE_ERROR
        assert logs.offline_log_dirs == ["/a"]
        assert logs.get_log("t", by_dir["/a"].partition) is None
        disk.broken = None
        for use in (lambda log: log.append_as_leader(batch(), 0), lambda log: log.read(0, 1, upper_offset=0)):
            with pytest.raises(KafkaError) as failure:
                use(by_dir["/a"])  # it stays offline, whoever still holds it
            assert failure.value.code == ErrorCode.KAFKA_STORAGE_ERROR
        by_dir["/b"].append_as_leader(batch(), 0)
        with pytest.raises(KafkaError) as failure:
            logs.get_or_create_log("u", 0)
        assert failure.value.code == ErrorCode.KAFKA_STORAGE_ERROR
        assert logs.get_or_create_log("u", 0, is_new=True).log_dir == "/b"
        await asyncio.sleep(0)
        assert failures == ["/a"]
        await logs.shutdown()
        assert disk.exists("/b/.kafka_cleanshutdown")
        assert not disk.exists("/a/.kafka_cleanshutdown")

    run(scenario)
    assert caplog.text.count("Stopping serving logs in dir /a") == 1


def test_a_directory_that_fails_at_start_is_left_out() -> None:
    disk = MemoryDisk()
    disk.broken = "/a"

    async def scenario() -> None:
        logs = manager(disk, ["/a", "/b"])
        await logs.load()
        assert logs.online_log_dirs == ["/b"]
        with pytest.raises(StorageError, match=r"None of the log\.dirs"):
            await manager(disk, ["/a"]).load()

    run(scenario)


def test_a_full_disk_leaves_the_data_as_it_was(caplog: pytest.LogCaptureFixture) -> None:
    disk = MemoryDisk()

    async def scenario() -> None:
        await stopped(disk)
        logs = manager(disk)
        await logs.load()
        log = logs.get_log("t", 0)
        assert log is not None
        before = bytes(disk.files["/data/t-0/00000000000000000000.log"].data)
        disk.space = 30
        with pytest.raises(KafkaError) as failure:
            log.append_as_leader(batch(b"x" * 100), 4)
        assert failure.value.code == ErrorCode.KAFKA_STORAGE_ERROR
        assert "No space left on device" in (failure.value.message or "")
        assert bytes(disk.files["/data/t-0/00000000000000000000.log"].data) == before
        await logs.shutdown()
        disk.space = None
        again = manager(disk)
        await again.load()
        log = again.get_log("t", 0)
        assert log is not None
        assert len(read_all(log)) == 3

    run(scenario)


def test_deleted_logs_are_renamed_at_once_and_removed_later() -> None:
    disk = MemoryDisk()

    async def scenario() -> None:
        logs = manager(disk)
        await logs.load()
        logs.get_or_create_log("t", 0, is_new=True).append_as_leader(batch(), 0)
        assert logs.delete_log("t", 0)
        assert not logs.delete_log("t", 0)
        assert logs.get_log("t", 0) is None
        (name,) = [name for name in disk.listdir("/data") if name.startswith("t-0.")]
        assert name.endswith("-delete")
        assert len(name) == len("t-0.") + 32 + len("-delete")
        # The topic may be made again at once.
        assert logs.get_or_create_log("t", 0, is_new=True).log_end_offset == 0
        await until(lambda: name not in disk.listdir("/data"))
        await logs.shutdown()

    run(scenario)


def test_checkpoints_forget_a_deleted_log_at_once() -> None:
    """Or the next topic of its name would meet its log start offset after a crash, and lose everything."""
    disk = MemoryDisk()

    async def scenario() -> None:
        logs = manager(disk)
        await logs.load()
        log = logs.get_or_create_log("t", 0, is_new=True)
        for _ in range(3):
            log.append_as_leader(batch(), 0)
        log.update_high_watermark(3)
        log.maybe_increment_log_start_offset(2, "test")
        log.flush()
        await logs.checkpoints.write_recovery_points()
        await logs.checkpoints.write_log_start_offsets()
        assert text(disk, "log-start-offset-checkpoint") == "0\n1\nt 0 2\n"
        logs.delete_log("t", 0)
        await until(lambda: text(disk, "log-start-offset-checkpoint") == "0\n0\n")
        assert text(disk, "recovery-point-offset-checkpoint") == "0\n0\n"
        await logs.shutdown()

    run(scenario)


def test_truncation_lowers_the_checkpointed_recovery_point_before_it_returns() -> None:
    disk = MemoryDisk()

    async def scenario() -> None:
        logs = manager(disk)
        await logs.load()
        log = logs.get_or_create_log("t", 0, is_new=True)
        for _ in range(3):
            log.append_as_leader(batch(), 0)
        log.flush()
        await logs.checkpoints.write_recovery_points()
        log.truncate_to(1)
        assert text(disk, "recovery-point-offset-checkpoint") == "0\n1\nt 0 1\n"
        await logs.shutdown()

    run(scenario)


def test_a_deletion_that_a_stop_interrupted_is_finished_at_start() -> None:
    disk = MemoryDisk()

    async def scenario() -> None:
        logs = manager(disk, config=Settings(file_delete_delay_ms=3_600_000))
        await logs.load()
        logs.get_or_create_log("t", 0, is_new=True)
        logs.delete_log("t", 0)
        await logs.shutdown()
        again = manager(disk)
        await again.load()
        await until(lambda: not [name for name in disk.listdir("/data") if name.endswith("-delete")])

    run(scenario)


def test_long_names_stay_within_255_bytes() -> None:
    disk = MemoryDisk()

    async def scenario() -> None:
        logs = manager(disk)
        await logs.load()
        logs.get_or_create_log("x" * 249, 0, is_new=True)
        logs.delete_log("x" * 249, 0)
        (name,) = [name for name in disk.listdir("/data") if name.endswith("-delete")]
        assert len(name) == 255

    run(scenario)


def test_background_work_deletes_flushes_and_checkpoints() -> None:
    disk = MemoryDisk()
    settings = LogManagerSettings(
        retention_check_interval_ms=1, flush_scheduler_interval_ms=1, flush_offset_checkpoint_interval_ms=1,
        flush_start_offset_checkpoint_interval_ms=1, high_watermark_checkpoint_interval_ms=1,
        initial_task_delay_ms=1, producer_id_expiration_check_interval_ms=1,
    )  # fmt: skip
    config = Settings(segment_bytes=200, retention_bytes=300, flush_ms=0, file_delete_delay_ms=1)

    async def scenario() -> None:
        logs = manager(disk, config=config, settings=settings)
        await logs.load()
        log = logs.get_or_create_log("t", 0, is_new=True)
        for i in range(20):
            expired = NOW_MS - 2 * 86_400_000
            log.append_as_leader(
                batch(timestamp=expired, producer_id=i, producer_epoch=0, base_sequence=0), 0
            )
        log.update_high_watermark(18)
        logs.start()
        await until(lambda: log.log_start_offset > 0)
        await until(lambda: log.recovery_point == 20)
        await until(lambda: text(disk, "replication-offset-checkpoint") == "0\n1\nt 0 18\n")
        await until(lambda: text(disk, "recovery-point-offset-checkpoint") == "0\n1\nt 0 20\n")
        await until(lambda: not [name for name in disk.listdir("/data/t-0") if name.endswith(".deleted")])
        await until(lambda: not log.producer_states.entries)
        assert disk.files[log.segments()[0].path].synced
        await logs.shutdown()

    run(scenario)


def test_rolled_segments_are_flushed_in_the_background() -> None:
    disk = MemoryDisk()

    async def scenario() -> None:
        logs = manager(disk, config=Settings(segment_bytes=100))
        await logs.load()
        log = logs.get_or_create_log("t", 0, is_new=True)
        for _ in range(3):
            log.append_as_leader(batch(), 0)
        await until(lambda: log.recovery_point == 2)
        for segment in log.segments()[:-1]:
            assert disk.files[segment.path].synced == bytes(disk.files[segment.path].data)
        await logs.shutdown()

    run(scenario)


def test_log_start_offsets_are_checkpointed_where_file_names_do_not_say_them() -> None:
    disk = MemoryDisk()

    async def scenario() -> None:
        await stopped(disk)
        logs = manager(disk)
        await logs.load()
        log = logs.get_log("t", 0)
        assert log is not None
        assert log.maybe_increment_log_start_offset(2, "client delete records request")
        await logs.shutdown()
        assert text(disk, "log-start-offset-checkpoint") == "0\n1\nt 0 2\n"
        again = manager(disk)
        await again.load()
        log = again.get_log("t", 0)
        assert log is not None
        assert log.log_start_offset == 2

    run(scenario)


def test_a_changed_topic_configuration_reaches_the_log() -> None:
    disk = MemoryDisk()
    configs = {"t": Settings()}

    async def scenario() -> None:
        logs = manager(disk)
        logs._topic_config = configs.__getitem__
        await logs.load()
        log = logs.get_or_create_log("t", 0, is_new=True)
        configs["t"] = Settings(max_message_bytes=10)
        logs.update_topic_config("t")
        with pytest.raises(KafkaError) as failure:
            log.append_as_leader(batch(), 0)
        assert failure.value.code == ErrorCode.MESSAGE_TOO_LARGE

    run(scenario)


def test_unclean_directories_are_recovered_and_say_so(caplog: pytest.LogCaptureFixture) -> None:
    disk = MemoryDisk()

    async def scenario() -> None:
        await stopped(disk)
        disk.remove("/data/.kafka_cleanshutdown")
        disk.write_atomic("/data/recovery-point-offset-checkpoint", b"0\n1\nt 0 0\n")
        disk.files["/data/t-0/00000000000000000000.log"].data[-1] ^= 1
        logs = manager(disk)
        with caplog.at_level(logging.INFO):
            await logs.load()
        log = logs.get_log("t", 0)
        assert log is not None
        assert (log.log_end_offset, log.high_watermark) == (2, 2)

    run(scenario)
    assert "Recovering logs from /data since no clean shutdown file was found" in caplog.text


async def with_a_future_log(disk: Disk, *, copied: int) -> LogManager:
    """Partition t-0 in /data with three records, of which some are in its copy in /more."""
    logs = manager(disk, ["/data", "/more"])
    await logs.load()
    logs.prefer_log_dir("t", 0, "/data")
    log = logs.get_or_create_log("t", 0, topic_id=TOPIC_ID, is_new=True)
    for _ in range(3):
        log.append_as_leader(batch(), 4)
    log.update_high_watermark(3)
    logs.prefer_log_dir("t", 0, "/more")
    future = logs.create_future_log("t", 0)
    if copied:
        read = log.read(0, 1 << 20, upper_offset=copied)
        future.append_as_follower(b"".join(region.read() for region in read.regions))
    return logs


def future_names(disk: MemoryDisk, path: str = "/more") -> list[str]:
    return [name for name in disk.listdir(path) if name.startswith("t-0")]


@pytest.mark.parametrize("clean", [True, False])
def test_a_future_log_is_found_again_and_has_no_part_in_the_current_one(clean: bool) -> None:
    disk = MemoryDisk()

    async def scenario() -> None:
        logs = await with_a_future_log(disk, copied=2)
        (name,) = future_names(disk)
        assert re.fullmatch(r"t-0\.[0-9a-f]{32}-future", name)
        await logs.checkpoints.write_high_watermarks()
        await logs.shutdown(clean=clean)
        logs = manager(disk, ["/data", "/more"])
        await logs.load()
        log, future = logs.get_log("t", 0), logs.get_future_log("t", 0)
        assert log is not None
        assert future is not None
        assert (log.log_dir, log.log_end_offset, log.high_watermark) == ("/data", 3, 3)
        assert (future.log_dir, future.log_end_offset, future.topic_id) == ("/more", 2, TOPIC_ID)
        assert list(logs.all_logs()) == [log]
        # Both count where a new partition is to be put.
        assert [logs.get_or_create_log("u", n, is_new=True).log_dir for n in range(2)] == ["/data", "/more"]
        await logs.shutdown()

    run(scenario)


def test_the_future_log_takes_the_place_and_goes_on() -> None:
    disk = MemoryDisk()

    async def scenario() -> None:
        logs = await with_a_future_log(disk, copied=3)
        current = logs.get_log("t", 0)
        log = logs.replace_current_with_future("t", 0)
        assert current is not None
        with pytest.raises(KafkaError):
            current.append_as_leader(batch(), 4)
        log.append_as_leader(batch(), 5)
        log.roll()
        log.append_as_leader(batch(), 5)
        assert (log.high_watermark, log.log_end_offset) == (3, 5)
        assert future_names(disk) == ["t-0"]
        assert logs.get_future_log("t", 0) is None
        await until(lambda: not future_names(disk, "/data"))
        await until(lambda: text(disk, "recovery-point-offset-checkpoint") == "0\n0\n")
        await logs.shutdown()
        assert disk.listdir("/more/t-0") == [
            f"{base:020}{suffix}"
            for base, suffixes in (
                (0, (".index", ".log", ".timeindex")),
                (4, (".index", ".log", ".snapshot", ".timeindex")),
                (5, (".snapshot",)),
            )
            for suffix in suffixes
        ] + ["leader-epoch-checkpoint", "partition.metadata"]
        logs = manager(disk, ["/data", "/more"])
        await logs.load()
        found = logs.get_log("t", 0)
        assert found is not None
        assert (found.log_dir, found.log_end_offset, found.high_watermark) == ("/more", 5, 3)
        assert found.leader_epochs.entries == [(4, 0), (5, 3)]
        await logs.shutdown()

    run(scenario)


def test_two_whole_logs_after_a_crash_between_the_renames_are_for_a_person_to_judge() -> None:
    disk = MemoryDisk()

    async def scenario() -> None:
        logs = await with_a_future_log(disk, copied=3)
        await logs.shutdown(clean=False)
        disk.rename(f"/more/{future_names(disk)[0]}", "/more/t-0")
        with pytest.raises(StorageError, match="Duplicate log directories for t-0 are found in both"):
            await manager(disk, ["/data", "/more"]).load()

    run(scenario)


def test_a_cancelled_copy_goes_and_so_does_that_of_a_deleted_log() -> None:
    disk = MemoryDisk()

    async def scenario() -> None:
        logs = await with_a_future_log(disk, copied=2)
        assert logs.delete_future_log("t", 0)
        assert not logs.delete_future_log("t", 0)
        await until(lambda: not future_names(disk))
        logs.prefer_log_dir("t", 0, "/more")
        logs.create_future_log("t", 0)
        assert logs.delete_log("t", 0)
        await until(lambda: not future_names(disk) and not future_names(disk, "/data"))
        await logs.shutdown()

    run(scenario)
