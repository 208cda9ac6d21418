# SPDX-License-Identifier: Apache-2.0
"""The schedule is the seed's, and how long partitions were away is read from the history."""

from __future__ import annotations

import random
from collections import Counter
from itertools import islice
from typing import Any

from torture.failover import Gaps, table
from torture.faults import KINDS, schedule
from torture.history import Event


def drawn(seed: int, steps: int) -> list[tuple[str, ...]]:
    return [tuple(kind.name for kind in step.kinds) for step in islice(schedule(random.Random(seed)), steps)]


def test_a_seed_is_one_schedule_and_another_is_another() -> None:
    assert drawn(7, 50) == drawn(7, 50)
    assert drawn(7, 50) != drawn(8, 50)


def test_every_kind_comes_once_before_any_comes_twice() -> None:
    order = [name for names in drawn(1, 100) for name in names]
    assert Counter(order[: len(KINDS)]) == Counter(kind.name for kind in KINDS)
    assert Counter(order[len(KINDS) : 2 * len(KINDS)]) == Counter(kind.name for kind in KINDS)


def struck(at: float, **more: Any) -> Event:
    return {"at": at, "what": "struck", "fault": 1, "kind": "kill", "leads": [0, 1], "healthy": True, **more}


def acknowledged(partition: int, *times: float) -> list[Event]:
    return [{"at": at, "what": "acknowledged", "partition": partition} for at in times]


def gaps(*events: Event) -> dict[str, list[float]]:
    found = Gaps(["kill"])
    for event in sorted(events, key=lambda event: event["at"]):
        found.take(event)
    return found.found


def test_the_gap_is_between_acknowledgements_of_what_the_victim_led() -> None:
    others = acknowledged(2, 9.0, 30.0)
    led = [*acknowledged(0, 9.5, 10.1, 17.0, 17.5), *acknowledged(1, 9.9, 16.0)]
    assert gaps(struck(10.0), *led, *others)["kill"] == [17.0 - 10.1]


def test_a_fault_that_met_trouble_or_has_not_ended_says_nothing() -> None:
    led = [*acknowledged(0, 9.5, 17.0), *acknowledged(1, 9.9, 16.0)]
    assert gaps(struck(10.0, healthy=False), *led) == {}
    assert gaps(struck(10.0), *acknowledged(0, 9.5, 17.0)) == {}
    assert gaps(struck(10.0, kind="another"), *led) == {}


def test_the_table_has_a_line_for_each_kind() -> None:
    assert table({"b": [1.0, 3.0, 2.0], "a": [0.5]}) == [
        "a: 1 times; 0.50 s at least, 0.50 s median, 0.50 s at most",
        "b: 3 times; 1.00 s at least, 2.00 s median, 3.00 s at most",
    ]
