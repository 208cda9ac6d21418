# SPDX-License-Identifier: Apache-2.0
"""Byte for byte what Apache Kafka 3.9 leaves on disk, and Kafka's verdict on what this log leaves."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest

from commitlog.records.batch import (
    Codec,
    Record,
    build_batch,
    decode_records,
    encode_batch,
    iterate_headers,
    read_header,
)
from commitlog.records.control import end_transaction_marker
from commitlog.records.message_set import build_message_set
from commitlog.storage.cleaner import Cleaner
from commitlog.storage.disk import LocalDisk
from commitlog.storage.file_cache import FileCache
from commitlog.storage.log import Log, RecordValidationError, UnexpectedAppendOffset
from commitlog.storage.producer_snapshot import decode_snapshot, encode_snapshot
from commitlog.storage.validator import target_codec
from commitlog.wire.errors import KafkaError
from tests.storage import jvm
from tests.storage.settings import Settings
from tests.storage.world import NOW_MS, batch, in_every_codec, open_log

pytestmark = [pytest.mark.jvm]


@pytest.fixture(autouse=True)
def _kafka() -> None:
    jvm.require_kafka()


def answer(log: Log, line: str) -> str:
    """One command of ReferenceLog.java, done by this log."""
    command, *words = line.split(" ")
    try:
        if command == "append":
            origin = "client" if words[1] == "CLIENT" else "coordinator"
            info = log.append_as_leader(bytearray.fromhex(words[2]), int(words[0]), origin=origin)
            return f"{info.first_offset} {info.last_offset}"
        if command == "follow":
            info = log.append_as_follower(bytearray.fromhex(words[1]), leader_epoch=int(words[0]))
            return f"{info.first_offset} {info.last_offset}"
        if command == "hw":
            return str(log.update_high_watermark(int(words[0])))
        if command == "truncate":
            return str(log.truncate_to(int(words[0]))).lower()
        if command == "start":
            return str(log.maybe_increment_log_start_offset(int(words[0]), "test")).lower()
        if command == "retain":
            return str(log.delete_old_segments(NOW_MS))
        if command == "clean":
            return str(clean(log, int(words[1]), first_dirty=int(words[0])))
        if command == "roll":
            log.roll()
            return str(log.segments()[-1].base_offset)
        if command == "restart":
            log.truncate_fully_and_start_at(int(words[0]))
        elif command == "flush":
            log.flush()
        elif command == "close":
            log.close()
    except UnexpectedAppendOffset:
        return "error UnexpectedAppendOffsetException"
    except RecordValidationError:
        return "error RecordValidationException"
    except KafkaError as error:
        return f"error {error.code.exception}"
    return "ok"


def clean(log: Log, now_ms: int, *, first_dirty: int) -> int:
    """A compaction pass as the log manager does it."""
    log.cleaned_to = first_dirty
    plan = log.cleaning_plan(log.cleanable(now_ms), now_ms)
    groups, cleaned_to = Cleaner(FileCache(LocalDisk()), plan, 10_000).clean()
    assert log.install_cleaned(plan, groups, cleaned_to)
    return cleaned_to


def summary(log: Log) -> str:
    return (
        f"log {log.log_start_offset} {log.log_end_offset} hw {log.high_watermark} "
        f"lso {log.last_stable_offset} producers {len(log.producer_states.entries)} "
        f"segments {len(log.segments())}"
    )


def play(log: Log, script: list[str]) -> list[str]:
    return [*(answer(log, line) for line in script), summary(log)]


def files(directory: Path) -> dict[str, bytes]:
    # Indexes of deleted segments are left out: Kafka does not trim them.
    paths = (path for path in directory.iterdir() if not path.name.endswith("index.deleted"))
    found = {path.name: path.read_bytes() for path in paths}
    for name, data in found.items():
        if ".snapshot" in name:  # Java writes producers in the order of its hash table
            entries = sorted(decode_snapshot(data), key=lambda entry: entry.producer_id)
            found[name] = encode_snapshot(entries)
    return found


def compare(tmp_path: Path, script: list[str], **config: Any) -> None:
    """The same script on both logs: same answers, same files."""
    theirs = tmp_path / "theirs" / "t-0"
    ours = tmp_path / "ours" / "t-0"
    options = [f"{key.replace('_', '.')}={value}" for key, value in config.items()]
    expected = jvm.reference(theirs, script, *options)
    if "cleanup_policy" in config:
        config["cleanup_policy"] = frozenset({config["cleanup_policy"]})
    log = open_log(LocalDisk(), Settings(**config), log_dir=str(ours.parent), clean=True)
    actual = play(log, script)
    for line, theirs_said, ours_said in zip([*script, "summary"], expected, actual, strict=True):
        assert ours_said == theirs_said, line[:200]
    left, right = files(theirs), files(ours)
    assert sorted(left) == sorted(right)
    for name, data in left.items():
        assert right[name].hex(" ") == data.hex(" "), name


def random_batch(rng: random.Random, sequences: dict[int, int]) -> bytearray:
    count = rng.randint(1, 5)
    records = [
        (NOW_MS + rng.randint(-5000, 5000), rng.randbytes(3), rng.randbytes(rng.randint(0, 900)), ())
        for _ in range(count)
    ]
    producer = rng.choice([-1, -1, 1, 2, 3])
    codec = rng.choice([Codec.NONE, Codec.NONE, Codec.GZIP, Codec.LZ4])
    if producer < 0:
        return build_batch(records, codec=codec)
    sequence = sequences.get(producer, 0)
    if rng.random() < 0.1:
        sequence = max(0, sequence - rng.randint(1, 3))  # a duplicate, or a gap
    else:
        sequences[producer] = sequence + count
    return build_batch(records, codec=codec, producer_id=producer, producer_epoch=0, base_sequence=sequence)


def random_script(seed: int) -> list[str]:
    rng = random.Random(seed)
    sequences: dict[int, int] = {}
    script = []
    epoch = 0
    for _ in range(120):
        action = rng.random()
        if action < 0.85:
            epoch += rng.random() < 0.05
            script.append(f"append {epoch} CLIENT {random_batch(rng, sequences).hex()}")
        elif action < 0.9:
            script.append(f"hw {rng.randint(0, 400)}")
        elif action < 0.93:
            script.append(f"truncate {rng.randint(0, 400)}")
            sequences.clear()
        elif action < 0.95:
            script.append(f"start {rng.randint(0, 300)}")
        elif action < 0.97:
            script.append("retain")
        elif action < 0.985:
            script.append("roll")
        else:
            script.append("flush")
    return [*script, "close"]


@pytest.mark.parametrize("seed", range(2))
def test_random_lives_leave_the_same_files(tmp_path: Path, seed: int) -> None:
    compare(
        tmp_path,
        random_script(seed),
        segment_bytes=20_000,
        retention_bytes=40_000,
        index_interval_bytes=500 + 1000 * (seed % 2),
    )


def test_transactions_leave_the_same_files(tmp_path: Path) -> None:
    rng = random.Random(7)
    script = []
    sequences = dict.fromkeys(range(5), 0)
    for step in range(80):
        producer = rng.randrange(5)
        if rng.random() < 0.6:
            data = build_batch(
                [(NOW_MS + step, b"k", b"v" * 50, ())], producer_id=producer, producer_epoch=0,
                base_sequence=sequences[producer], is_transactional=True,
            )  # fmt: skip
            sequences[producer] += 1
            script.append(f"append 3 CLIENT {data.hex()}")
        else:
            marker = end_transaction_marker(
                timestamp=NOW_MS + step, producer_id=producer, producer_epoch=0,
                committed=rng.random() < 0.5, coordinator_epoch=1,
            )  # fmt: skip
            script.append(f"append 3 COORDINATOR {marker.hex()}")
        if step % 10 == 9:
            script.append(f"hw {step - 5}")
    compare(tmp_path, [*script, "truncate 60", "close"], segment_bytes=2000)


def test_followers_leave_the_same_files(tmp_path: Path) -> None:
    script = []
    offset = 0
    for step in range(40):
        pieces = bytearray()
        for _ in range(step % 4 + 1):
            pieces += batch([b"x" * 100] * 2, base_offset=offset, leader_epoch=step // 10)
            offset += 2 + (step % 7 == 0)  # compaction at the leader leaves gaps
        script.append(f"follow {step // 10} {pieces.hex()}")
    script.append(f"follow 3 {batch(base_offset=3).hex()}")
    newer = batch(base_offset=offset, leader_epoch=3) + batch(base_offset=offset + 1, leader_epoch=9)
    script.append(f"follow 3 {newer.hex()}")
    compare(tmp_path, [*script, "close"], segment_bytes=4000, index_interval_bytes=300)


def test_a_log_time_topic_leaves_the_same_files(tmp_path: Path) -> None:
    script = [f"append 0 CLIENT {batch([b'x', b'y'], timestamp=5).hex()}" for _ in range(10)]
    compare(tmp_path, [*script, "close"], message_timestamp_type="LogAppendTime")


def test_kafka_reads_every_codec(tmp_path: Path) -> None:
    log = open_log(LocalDisk(), log_dir=str(tmp_path))
    for codec in Codec:
        log.append_as_leader(batch([b"x" * 100_000, b"", b"y"], codec=codec), 0)
    log.close()
    said = jvm.dump(tmp_path / "t-0" / f"{0:020d}.log", options=("--deep-iteration", "--print-data-log"))
    assert said.count("isvalid: true") == len(Codec)
    assert said.count(f"payload: {'x' * 100_000}") == len(Codec)


def test_kafka_finds_no_fault_in_indexes(tmp_path: Path) -> None:
    log = open_log(LocalDisk(), Settings(segment_bytes=30_000), log_dir=str(tmp_path))
    for i in range(100):
        log.append_as_leader(batch(b"x" * 700, timestamp=NOW_MS + (i * 37) % 50), i // 40)
    log.close()
    paths = sorted((tmp_path / "t-0").glob("*.*index"))
    said = jvm.dump(*paths)
    assert said.count("Dumping") == len(paths)
    assert said.count("offset: ") > 2 * len(paths)
    assert "ismatch" not in said
    assert "out of order" not in said


def test_kafka_reads_producer_snapshots_and_transaction_indexes(tmp_path: Path) -> None:
    log = open_log(LocalDisk(), log_dir=str(tmp_path))
    for producer in (6, 7):
        data = batch(producer_id=producer, producer_epoch=0, base_sequence=0, is_transactional=True)
        log.append_as_leader(data, 3)
    abort = end_transaction_marker(
        timestamp=NOW_MS, producer_id=6, producer_epoch=0, committed=False, coordinator_epoch=4
    )
    log.append_as_leader(abort, 3, origin="coordinator")
    log.close()
    directory = tmp_path / "t-0"
    said = jvm.dump(directory / f"{3:020d}.snapshot", directory / f"{0:020d}.txnindex")
    for entry in (
        "producerId: 6 producerEpoch: 0 coordinatorEpoch: 4 currentTxnFirstOffset: OptionalLong.empty",
        "producerId: 7 producerEpoch: 0 coordinatorEpoch: -1 currentTxnFirstOffset: OptionalLong[1]",
        "version: 0 producerId: 6 firstOffset: 0 lastOffset: 2 lastStableOffset: 1",
    ):
        assert entry in said


def test_kafka_takes_over_after_a_kill(tmp_path: Path) -> None:
    log = open_log(LocalDisk(), Settings(segment_bytes=5000), log_dir=str(tmp_path))
    for i in range(50):
        fields = {"producer_id": 9, "producer_epoch": 0, "base_sequence": i}
        log.append_as_leader(batch(b"x" * 300, **fields), i // 20)
    directory = tmp_path / "t-0"
    newest = max(directory.glob("*.log"))
    newest.write_bytes(newest.read_bytes() + b"\0" * 40)
    script = [f"append 3 CLIENT {batch(producer_id=9, producer_epoch=0, base_sequence=50).hex()}", "close"]
    said = jvm.reference(directory, script, "segment.bytes=5000", opened="unclean 0")
    assert said[0] == "50 50"
    assert said[-1] == f"log 0 51 hw 0 lso 0 producers 1 segments {len(log.segments())}"


def test_this_log_takes_over_from_kafka_after_a_kill(tmp_path: Path) -> None:
    directory = tmp_path / "t-0"
    script = []
    for i in range(50):
        data = batch(b"x" * 300, producer_id=9, producer_epoch=0, base_sequence=i)
        script.append(f"append {i // 20} CLIENT {data.hex()}")
    jvm.reference(directory, script, "segment.bytes=5000")  # never closed: indexes are 10 MiB of mostly zeros
    log = open_log(LocalDisk(), Settings(segment_bytes=5000), log_dir=str(tmp_path))
    assert summary(log).startswith("log 0 50 ")
    assert log.leader_epochs.entries == [(0, 0), (1, 20), (2, 40)]
    info = log.append_as_leader(batch(producer_id=9, producer_epoch=0, base_sequence=50), 3)
    assert info.first_offset == 50
    log.close()
    assert max(path.stat().st_size for path in directory.glob("*.*index")) < 500


def odd_batches() -> dict[str, bytearray]:
    """What a leader has to convert, or to refuse."""
    records = [Record(i, NOW_MS + i, b"k", b"v" * i) for i in range(4)]
    plain = batch([b"a", b"b"])
    wrong_crc = bytearray(plain)
    wrong_crc[-1] ^= 1
    header = read_header(plain)
    return {
        "messages v0": build_message_set(records, magic=0),
        "messages v1": build_message_set(records, magic=1),
        "a partial second batch": plain + plain[:30],
        "two batches": plain + plain,
        "a wrong CRC": wrong_crc,
        "a base offset": batch(b"x", base_offset=3),
        "a control batch": batch(b"x", is_control=True, producer_id=1, producer_epoch=0),
        "too few records": encode_batch(header, decode_records(plain, 0, header)[:1]),
        "no sequence": batch(b"x", producer_id=1, producer_epoch=0),
        "larger than max.message.bytes": batch(b"x" * 3000),
        "a log append time": batch(b"x", log_append_time=NOW_MS),
        "an old timestamp": batch(b"x", timestamp=NOW_MS - 100_000),
        "a future timestamp": batch(b"x", timestamp=NOW_MS + 100_000),
        "no timestamp": batch(b"x", timestamp=-1),
        "no key": build_batch([(NOW_MS, None, b"v", ())]),
        "records that are no records": encode_batch(header._replace(last_offset_delta=0), []),
    }


@pytest.mark.parametrize(
    "config",
    [
        {"max_message_bytes": 2000},
        {"max_message_bytes": 2000, "message_timestamp_type": "LogAppendTime"},
        {"message_timestamp_before_max_ms": 5000, "message_timestamp_after_max_ms": 5000},
        {"cleanup_policy": "compact"},
    ],
    ids=["default", "log append time", "timestamp limits", "compacted"],
)
def test_conversions_and_refusals_are_kafkas(tmp_path: Path, config: dict[str, int]) -> None:
    script = [f"append 1 CLIENT {data.hex()}" for data in odd_batches().values()]
    compare(tmp_path, [*script, "close"], **config)


@pytest.mark.parametrize(
    ("compression_type", "timestamp_type"),
    [
        ("uncompressed", "CreateTime"),
        ("lz4", "CreateTime"),
        ("zstd", "LogAppendTime"),
        ("producer", "LogAppendTime"),
    ],
)
def test_recompression_is_kafkas(tmp_path: Path, compression_type: str, timestamp_type: str) -> None:
    """Compared in the batches' fields and records: no two compressors write the same bytes."""
    script = [f"append 1 CLIENT {data.hex()}" for data in in_every_codec()]
    theirs, ours = tmp_path / "theirs" / "t-0", tmp_path / "ours" / "t-0"
    types = {"compression_type": compression_type, "message_timestamp_type": timestamp_type}
    options = [f"{name.replace('_', '.')}={value}" for name, value in types.items()]
    expected = jvm.reference(theirs, [*script, "close"], *options)
    log = open_log(LocalDisk(), Settings(**types), log_dir=str(ours.parent), clean=True)  # type: ignore[arg-type]
    assert play(log, [*script, "close"]) == expected
    found = batches(ours)
    if timestamp_type == "LogAppendTime":
        found = [(*fields[:-1], [r._replace(timestamp=NOW_MS) for r in fields[-1]]) for fields in found]
    assert found == batches(theirs)
    codecs = {fields[1] & 7 for fields in found}
    assert codecs == ({*Codec} if compression_type == "producer" else {target_codec(log.config, 0)})


def batches(directory: Path) -> list[tuple[Any, ...]]:
    """Of every batch in the log what does not depend on the compressor."""
    data = (directory / f"{0:020d}.log").read_bytes()
    return [
        (
            header.base_offset, header.attributes, header.last_offset_delta, header.base_timestamp,
            header.max_timestamp, header.leader_epoch, decode_records(data, position, header),
        )
        for position, header in iterate_headers(data)
    ]  # fmt: skip


def keyed(rng: random.Random, count: int, **fields: Any) -> bytearray:
    """Records of a dozen keys, one in six a tombstone."""
    records = []
    for _ in range(count):
        value = None if rng.random() < 0.17 else rng.randbytes(rng.randint(1, 60))
        records.append((NOW_MS + rng.randint(-100, 100), b"key-%d" % rng.randrange(12), value, ()))
    return build_batch(records, **fields)


@pytest.mark.parametrize("seed", range(2))
def test_compaction_leaves_the_same_files(tmp_path: Path, seed: int) -> None:
    """Three passes, the last one after tombstones and markers have become old enough to go."""
    rng = random.Random(seed)
    script: list[str] = []
    sequences = [0] * 4
    open_transactions: set[int] = set()
    for _ in range(3):
        for _ in range(60):
            producer = rng.randrange(-3, 4)
            if producer < 0:
                data = keyed(rng, rng.randint(1, 4), codec=rng.choice([Codec.NONE, Codec.NONE]))
            else:
                count = rng.randint(1, 3)
                data = keyed(
                    rng, count, producer_id=producer, producer_epoch=0, base_sequence=sequences[producer],
                    is_transactional=producer > 1,
                )  # fmt: skip
                sequences[producer] += count
                if producer > 1:
                    open_transactions.add(producer)
            script.append(f"append 0 CLIENT {data.hex()}")
            if open_transactions and rng.random() < 0.3:
                script.append(f"append 0 COORDINATOR {marker(rng, open_transactions.pop()).hex()}")
        while open_transactions:
            script.append(f"append 0 COORDINATOR {marker(rng, open_transactions.pop()).hex()}")
        script.append("hw 100000")
        script.append(f"clean {0 if len(script) < 130 else 100} {NOW_MS}")
    script += ["roll", f"clean 150 {NOW_MS + 1}", f"clean 150 {NOW_MS + 86_400_001}"]
    compare(tmp_path, [*script, "close"], cleanup_policy="compact", segment_bytes=1500)


def marker(rng: random.Random, producer: int) -> bytearray:
    return end_transaction_marker(
        timestamp=NOW_MS, producer_id=producer, producer_epoch=0, committed=rng.random() < 0.5,
        coordinator_epoch=0,
    )  # fmt: skip
