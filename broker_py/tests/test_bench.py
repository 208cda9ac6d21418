# SPDX-License-Identifier: Apache-2.0
"""What the bench makes of its figures: aims that are reached or not, profiles of the time that was worked."""

from __future__ import annotations

from typing import Any

import pytest
from bench import aims, samples


def one(workload: str, factor: int, figure: str, better: str, **medians: float) -> dict[str, Any]:
    names = {"ours": "commitlog", "floor": "floor", "kafka": "Apache Kafka"}
    return {
        "workload": workload,
        "factor": factor,
        "better": {figure: better},
        "figures": {names[name]: {figure: {"median": value}} for name, value in medians.items()},
    }


def test_an_aim_is_reached_or_not_and_one_that_was_not_measured_is_left_out() -> None:
    results = {
        "workloads": [
            one("produce-bulk", 1, "CPU-s/GB", "less", ours=1.3, floor=1.0, kafka=5.2),
            one("produce-bulk", 2, "CPU-s/GB", "less", ours=3.9, floor=1.0, kafka=7.8),
            one("recovery", 1, "GB/s", "more", ours=0.5),
        ]
    }
    lines = aims.table(results)
    text = "\n".join(lines)
    assert "at most 1.3 times | 1.30 | reached |" in text
    assert "at most 2.2 times | 3.00 | **not reached** |" in text
    assert "| recovery after kill -9 | at least 1 GB/s | 0.50 | **not reached** |" in text
    assert not any(line.startswith("| memory") for line in lines)


@pytest.mark.parametrize(("better", "ratio"), [("more", 0.5), ("less", 2.0)])
def test_against_a_peer_it_is_the_least_that_counts_whatever_is_better(better: str, ratio: float) -> None:
    results = {
        "workloads": [
            one("a", 1, "x", better, ours=10.0, kafka=20.0),
            one("b", 1, "x", "less", ours=10.0, kafka=100.0),
        ]
    }
    assert aims.worst_against("Apache Kafka")(results) == ratio
    assert aims.worst_against("Apache Kafka", {"b"})(results) == 10.0
    assert aims.worst_against("Tansu")(results) is None


RAW = """\
start (threading.py:1);select (kazoo.py:9);poll (libc.so.6) 900
run (server.py:1);Runner.run (asyncio/runners.py:118);epoll_pwait (libc.so.6) 500
run (server.py:1);Runner.run (asyncio/runners.py:118);uv__read (stream.c:7);read (libc.so.6) 30
Runner.run (asyncio/runners.py:1);Log.append (x/commitlog/storage/log.py:5);pwrite64 (libc.so.6) 50
Runner.run (asyncio/r.py:1);Log.append (x/commitlog/storage/log.py:9);check (commitlog/records/header.py:2) 20
"""


def test_a_profile_is_of_the_event_loop_while_it_does_not_wait() -> None:
    profile = samples.parse("title", RAW)
    append = samples.Frame("Log.append", "x/commitlog/storage/log.py")
    assert profile.samples == 100
    assert profile.on_top[append, "pwrite64"] == 50
    assert profile.within[append] == 70
    assert profile.rooms() == {"system calls": 0.8, "records": 0.2}
