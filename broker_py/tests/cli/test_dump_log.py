# SPDX-License-Identifier: Apache-2.0
"""kafka-dump-log.sh over files made here; the lines are those of Apache Kafka 3.9.1."""

from __future__ import annotations

from pathlib import Path

import pytest

from commitlog.cli.dump_log import main
from commitlog.records.batch import Record, build_batch
from commitlog.records.control import end_transaction_marker
from commitlog.records.message_set import build_message_set
from commitlog.storage import offset_index, time_index, txn_index
from commitlog.storage.producer_snapshot import encode_snapshot
from commitlog.storage.producer_state import BatchMetadata, ProducerEntry
from commitlog.wire.frames import encode_record
from commitlog.wire.messages.offset_commit_key import OffsetCommitKey
from commitlog.wire.messages.offset_commit_value import OffsetCommitValue
from commitlog.wire.messages.transaction_log_key import TransactionLogKey
from commitlog.wire.messages.transaction_log_value import PartitionsSchema, TransactionLogValue

NAME = "0" * 20


def dumped(capsys: pytest.CaptureFixture[str], path: Path, *options: str) -> list[str]:
    """The lines after the first, which names the file."""
    assert main(["--files", str(path), *options]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"Dumping {path}"
    return lines[1:]


def test_batches_and_records(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log = tmp_path / f"{NAME}.log"
    batch = bytes(build_batch([(1000, b"k", b"v", (("h", b"1"),)), (1001, None, None, ())]))
    log.write_bytes(batch + b"torn")
    lines = dumped(capsys, log, "--print-data-log")
    crc = int.from_bytes(batch[17:21], "big")
    assert lines == [
        "Log starting offset: 0",
        "baseOffset: 0 lastOffset: 1 count: 2 baseSequence: -1 lastSequence: -1 producerId: -1 "
        "producerEpoch: -1 "
        "partitionLeaderEpoch: -1 isTransactional: false isControl: false deleteHorizonMs: "
        "OptionalLong.empty "
        f"position: 0 CreateTime: 1001 size: {len(batch)} magic: 2 compresscodec: none crc: {crc} isvalid: "
        "true",
        "| offset: 0 CreateTime: 1000 keySize: 1 valueSize: 1 sequence: -1 headerKeys: [h] key: k payload: v",
        "| offset: 1 CreateTime: 1001 keySize: -1 valueSize: -1 sequence: -1 headerKeys: []",
        f"Found 4 invalid bytes at the end of {NAME}.log",
    ]
    assert len(dumped(capsys, log)) == 3
    assert dumped(capsys, log, "--print-data-log", "--skip-record-metadata")[2:4] == [
        "| key: k payload: v",
        "",
    ]


def test_markers_and_old_messages(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log = tmp_path / f"{NAME}.log"
    marker = end_transaction_marker(
        timestamp=5, producer_id=7, producer_epoch=1, committed=False, coordinator_epoch=3
    )
    log.write_bytes(bytes(marker))
    assert dumped(capsys, log, "--deep-iteration")[2].endswith(" endTxnMarker: ABORT coordinatorEpoch: 3")
    message = build_message_set([Record(0, 1000, None, b"v")], magic=1)
    log.write_bytes(bytes(message))
    lines = dumped(capsys, log, "--deep-iteration")
    assert lines[1].startswith("offset: 0 position: 0 CreateTime: 1000 size: ")
    assert " isValid: true crc: " in lines[2]


def test_the_coordinators_records(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log = tmp_path / f"{NAME}.log"
    key = encode_record(OffsetCommitKey(group="g", topic="t", partition=1), 1)
    value = encode_record(OffsetCommitValue(offset=9, leader_epoch=2, metadata="m", commit_timestamp=4), 3)
    unknown = (99).to_bytes(2, "big")
    log.write_bytes(bytes(build_batch([(1, key, value, ()), (1, key, None, ()), (1, unknown, b"", ())])))
    shown = [line.partition(" headerKeys: [] ")[2] for line in dumped(capsys, log, "--offsets-decoder")[2:]]
    where = 'key: {"type":"1","data":{"group":"g","topic":"t","partition":1}}'
    assert shown == [
        f"{where} payload: "
        f'{{"version":"3","data":{{"offset":9,"leaderEpoch":2,"metadata":"m","commitTimestamp":4}}}}',
        f"{where} payload: <DELETE>",
        "key: Unknown record type 99 at offset 2, skipping.",
    ]
    key = encode_record(TransactionLogKey(transactional_id="x"), 0)
    state = TransactionLogValue(
        producer_id=1,
        transaction_timeout_ms=60,
        transaction_status=1,
        transaction_partitions=[PartitionsSchema(topic="t", partition_ids=[0, 2])],
        transaction_last_update_timestamp_ms=8,
    )
    log.write_bytes(bytes(build_batch([(1, key, encode_record(state, 0), ())])))
    assert dumped(capsys, log, "--transaction-log-decoder")[2].endswith(
        "key: transaction_metadata::transactionalId=x payload: producerId:1,producerEpoch:0,state=Ongoing,"
        "partitions=[t-0,t-2],txnLastUpdateTimestamp=8,txnTimeoutMs=60"
    )


def test_indexes_agree_with_the_log_or_it_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log, index, times = (tmp_path / f"{NAME}.{suffix}" for suffix in ("log", "index", "timeindex"))
    log.write_bytes(bytes(build_batch([(1000, None, b"v", ()), (1001, None, b"v", ())])))
    index.write_bytes(offset_index.ENTRY.pack(1, 0) + bytes(64))
    times.write_bytes(time_index.ENTRY.pack(1001, 1))
    assert dumped(capsys, index) == ["offset: 1 position: 0"]
    assert dumped(capsys, times) == ["timestamp: 1001 offset: 1"]
    assert dumped(capsys, index, "--verify-index-only") == []
    assert dumped(capsys, times, "--index-sanity-check") == [f"{times} passed sanity check."]
    index.write_bytes(offset_index.ENTRY.pack(5, 0))
    times.write_bytes(time_index.ENTRY.pack(1002, 1))
    assert main(["--files", f"{index},{times}"]) == 0
    assert capsys.readouterr().err.splitlines() == [
        f"Mismatches in :{index}",
        "  Index offset: 5, log offset: 1",
        f"Found timestamp mismatch in :{times}",
        "  Index timestamp: 1002, log timestamp: 1001",
    ]


def test_producers_and_aborted_transactions(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    snapshot, aborted = tmp_path / f"{NAME}.snapshot", tmp_path / f"{NAME}.txnindex"
    entry = ProducerEntry(7)
    entry.producer_epoch, entry.coordinator_epoch, entry.last_timestamp = 1, 2, 50
    entry.batches.append(BatchMetadata(9, 19, 4, 50))
    snapshot.write_bytes(encode_snapshot([entry]))
    assert dumped(capsys, snapshot) == [
        "producerId: 7 producerEpoch: 1 coordinatorEpoch: 2 currentTxnFirstOffset: OptionalLong.empty "
        "lastTimestamp: "
        "50 firstSequence: 5 lastSequence: 9 lastOffset: 19 offsetDelta: 4 timestamp: 50"
    ]
    aborted.write_bytes(txn_index.ENTRY.pack(0, 7, 1, 2, 3))
    assert dumped(capsys, aborted) == [
        "version: 0 producerId: 7 firstOffset: 1 lastOffset: 2 lastStableOffset: 3"
    ]
    snapshot.write_bytes(b"\0\1torn")
    assert main(["--files", str(snapshot)]) == 0


def test_what_is_no_file_of_a_log(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other = tmp_path / "leader-epoch-checkpoint"
    other.write_text("0\n0\n")
    assert main(["--files", str(other)]) == 0
    assert capsys.readouterr().err == f"Ignoring unknown file {other}\n"
    missing = tmp_path / f"{NAME}.log"
    assert main(["--files", str(missing)]) == 1
    assert capsys.readouterr().err == f"{missing} (No such file or directory)\n"
