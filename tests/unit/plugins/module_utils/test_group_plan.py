# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a group's offsets should be."""

from __future__ import annotations

import pytest

from ansible_collections.commitlog.kafka.plugins.module_utils._group_plan import (
    GroupConflict,
    clamp,
    lag,
    nested,
    parse_offsets,
    parse_offsets_file,
    parse_timestamp,
    shifted,
)

P, Q = ("t", 0), ("t", 1)


@pytest.mark.parametrize(
    ("text", "ms"),
    [("1000", 1000), ("1970-01-01T00:00:02", 2000), ("1970-01-01T00:00:02Z", 2000), ("1970-01-01T02:00:00+02:00", 0)],
)
def test_a_time_is_milliseconds_or_iso_8601_in_utc(text: str, ms: int) -> None:
    assert parse_timestamp(text) == ms


def test_another_kind_of_time_is_refused() -> None:
    with pytest.raises(GroupConflict, match="to_timestamp: yesterday is neither"):
        parse_timestamp("yesterday")


def test_offsets_stay_within_what_partitions_hold() -> None:
    earliest, latest = {P: 10, Q: 0}, {P: 20, Q: 5}
    assert clamp({P: 3, Q: 99}, earliest, latest) == {P: 10, Q: 5}
    assert clamp({P: -1, Q: 2}, earliest, latest) == {P: 20, Q: 2}
    assert shifted({P: 12, Q: 4}, -5, earliest, latest) == {P: 10, Q: 0}
    assert shifted({P: 12, Q: 4}, 3, earliest, latest) == {P: 15, Q: 5}


def test_a_file_is_as_kafkas_tool_exports_it() -> None:
    assert parse_offsets_file("t,0,7\n\nt,1,9\n", "f") == {P: 7, Q: 9}
    with pytest.raises(GroupConflict, match="from_file: f line 2"):
        parse_offsets_file("t,0,7\nt,1\n", "f")


def test_offsets_are_by_topic_and_partition() -> None:
    assert parse_offsets({"t": {"0": 7, 1: "9"}}) == {P: 7, Q: 9}
    assert nested({Q: 9, P: 7}) == {"t": {"0": 7, "1": 9}}
    with pytest.raises(GroupConflict, match=r"offsets\.t"):
        parse_offsets({"t": [7]})


def test_lag_is_known_where_the_end_is() -> None:
    assert (lag(3, 10), lag(10, 3), lag(3, None), lag(-1, 3)) == (7, 0, None, None)
