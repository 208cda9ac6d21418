# SPDX-License-Identifier: Apache-2.0
"""Records that compaction leaves are copied as they lie; what is left reads as the whole batch did there."""

from __future__ import annotations

import contextlib
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from commitlog.records.batch import build_batch, check_crc, decode_records, read_header
from commitlog.records.header import Codec, CorruptBatch, Record
from commitlog.records.spans import record_keys, record_spans, refill_batch

fields = st.tuples(
    st.integers(0, 2**41),
    st.none() | st.binary(max_size=200),
    st.none() | st.binary(max_size=200),
    st.lists(st.tuples(st.text(max_size=5), st.none() | st.binary(max_size=5)), max_size=3),
)


def decode(data: bytearray) -> list[Record]:
    return decode_records(data, 0, read_header(data))


@given(
    st.lists(fields, min_size=1, max_size=8),
    st.sampled_from(Codec),
    st.none() | st.integers(0, 2**41),
    st.none() | st.integers(0, 2**41),
    st.randoms(use_true_random=False),
)
def test_what_is_left_is_what_was_there(
    records: list[tuple[int, bytes | None, bytes | None, list[tuple[str, bytes | None]]]],
    codec: Codec,
    append_time: int | None,
    horizon: int | None,
    rng: random.Random,
) -> None:
    data = build_batch(
        records, codec=codec, base_offset=10, producer_id=3, producer_epoch=1, base_sequence=20,
        log_append_time=append_time,
    )  # fmt: skip
    header, whole = read_header(data), decode(data)
    opened, spans = record_spans(data, 0, header)
    assert [(s.offset, s.timestamp, s.key, s.has_value) for s in spans] == [
        (r.offset, r.timestamp, r.key, r.value is not None) for r in whole
    ]
    assert record_keys(data, 0, header) == [(r.offset, r.key) for r in whole]
    places = sorted(rng.sample(range(len(spans)), rng.randint(1, len(spans))))
    refilled = refill_batch(header, opened, [spans[at] for at in places], delete_horizon_ms=horizon)
    after = read_header(refilled)
    assert check_crc(refilled, 0, after)
    assert (after.base_offset, after.last_offset) == (header.base_offset, header.last_offset)
    assert (after.producer_id, after.base_sequence, after.last_sequence) == (3, 20, header.last_sequence)
    assert (after.record_count, after.delete_horizon_ms) == (len(places), horizon)
    left = [whole[at] for at in places]
    assert decode(refilled) == left
    if append_time is None:
        assert after.max_timestamp == max(record.timestamp for record in left)
    # A second pass keeps the horizon of the first.
    again = refill_batch(after, *record_spans(refilled, 0, after))
    assert read_header(again) == after
    assert decode(again) == left


@given(st.data())
def test_what_is_damaged_is_noticed_or_stays_within_the_batch(draw: st.DataObject) -> None:
    data = build_batch([(5, b"key", b"value", [("h", b"1")]), (6, None, None, ())])
    damaged = bytearray(data)
    at = draw.draw(st.integers(61, len(data) - 1))
    damaged[at] = draw.draw(st.integers(0, 255))
    header = read_header(damaged)
    try:
        opened, spans = record_spans(damaged, 0, header)
    except CorruptBatch:
        with contextlib.suppress(CorruptBatch):
            record_keys(damaged, 0, header)
        return
    assert all(0 <= span.start <= span.end <= len(opened) for span in spans)
    assert record_keys(damaged, 0, header) == [(span.offset, span.key) for span in spans]


def test_a_record_count_that_lies_is_noticed() -> None:
    data = build_batch([(5, None, b"a", ())] * 2)
    header = read_header(data)
    for count in (1, 3):
        with pytest.raises(CorruptBatch):
            record_spans(data, 0, header._replace(record_count=count))
        with pytest.raises(CorruptBatch):
            record_keys(data, 0, header._replace(record_count=count))
