# SPDX-License-Identifier: Apache-2.0
"""What this broker is to reach in the bench, each aim beside what a run measured: the page's first table."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

OURS = "commitlog"
FLOOR = "floor"
KAFKA = "Apache Kafka"

Results = dict[str, Any]
Measure = Callable[[Results], float | None]


@dataclass(frozen=True)
class Aim:
    """A figure that is to be at most, or at least, so much."""

    what: str
    measure: Measure
    unit: str
    at_most: float | None = None
    at_least: float | None = None

    def asked(self) -> str:
        bound = f"at most {self.at_most:g}" if self.at_most is not None else f"at least {self.at_least:g}"
        return f"{bound} {self.unit}"

    def is_reached(self, value: float) -> bool:
        if self.at_most is not None:
            return value <= self.at_most
        assert self.at_least is not None
        return value >= self.at_least


def median(results: Results, workload: str, factor: int, name: str, figure: str) -> float | None:
    for one in results["workloads"]:
        if (one["workload"], one["factor"]) == (workload, factor):
            found = one["figures"].get(name, {}).get(figure)
            return None if found is None else found["median"]
    return None


def ours(workload: str, figure: str, factor: int = 1) -> Measure:
    return lambda results: median(results, workload, factor, OURS, figure)


def _quotient(above: float | None, below: float | None) -> float | None:
    return above / below if above and below else None


def against_floor(workload: str, figure: str, factor: int = 1) -> Measure:
    """How many times the floor's; the floor is measured with factor 1 and 2 alike."""
    return lambda results: _quotient(
        median(results, workload, factor, OURS, figure), median(results, workload, factor, FLOOR, figure)
    )


def factor_two(workload: str, figure: str) -> Measure:
    """How many times that of factor 1."""
    return lambda results: _quotient(
        median(results, workload, 2, OURS, figure), median(results, workload, 1, OURS, figure)
    )


def _better(one: Results, name: str, figure: str) -> float | None:
    found, other = one["figures"].get(OURS, {}).get(figure), one["figures"].get(name, {}).get(figure)
    if found is None or other is None:
        return None
    if one["better"].get(figure, "less") == "more":
        return _quotient(found["median"], other["median"])
    return _quotient(other["median"], found["median"])


def worst_against(name: str, workloads: set[str] | None = None, figures: set[str] | None = None) -> Measure:
    """How many times better than a peer ours is where that is least; without sets, in everything."""

    def measure(results: Results) -> float | None:
        chosen = [one for one in results["workloads"] if workloads is None or one["workload"] in workloads]
        found = [_better(one, name, figure) for one in chosen for figure in figures or one["better"]]
        return min((value for value in found if value is not None), default=None)

    return measure


_RATES = {"MB/s", "requests/s"}
_TIMES = {"p50 ms", "p99 ms"}
_CPU = {"CPU-s/GB", "CPU µs/request"}
_BULK = {"produce-bulk", "small-requests", "pipelined", "fetch-start"}
_LATENCY = {"one-in-flight", "end-to-end"}

AIMS = [
    Aim(
        "produce, 1 MB batches: CPU per GB against the floor",
        against_floor("produce-bulk", "CPU-s/GB"),
        "times",
        1.3,
    ),
    Aim(
        "the same with two brokers, acks=all, against factor 1",
        factor_two("produce-bulk", "CPU-s/GB"),
        "times",
        2.2,
    ),
    Aim(
        "one-record requests, 20 active: CPU against an echo",
        against_floor("small-requests", "CPU µs/request"),
        "times",
        2.2,
    ),
    Aim("pipelined one-record produce: CPU", ours("pipelined", "CPU µs/request"), "µs", 15),
    Aim("one in flight, p50 against the echo", against_floor("one-in-flight", "p50 ms"), "times", 2),
    Aim("the same with two brokers, acks=all", against_floor("one-in-flight", "p50 ms", 2), "times", 4),
    Aim("fetch: CPU per GB against pread and send", against_floor("fetch-start", "CPU-s/GB"), "times", 1.1),
    Aim(
        "Apache Kafka: throughput of bulk, small, pipelined, fetch; the least",
        worst_against(KAFKA, _BULK, _RATES),
        "times better",
        at_least=1,
    ),
    Aim(
        "Apache Kafka: p50 and p99, one in flight and end to end; the least",
        worst_against(KAFKA, _LATENCY, _TIMES),
        "times better",
        at_least=1,
    ),
    Aim(
        "Apache Kafka: CPU per GB and request; the least",
        worst_against(KAFKA, _BULK, _CPU),
        "times less",
        at_least=2,
    ),
    Aim(
        "Tansu: everything; the least",
        worst_against("Tansu"),
        "times better",
        at_least=1,
    ),
    Aim(
        "noida-db: everything; the least",
        worst_against("noida-db"),
        "times better",
        at_least=1,
    ),
    Aim("exec to the first acknowledged produce", ours("start-up", "empty s"), "s", 0.5),
    Aim(
        "the same against Apache Kafka",
        worst_against(KAFKA, {"start-up"}, {"empty s", "with log s"}),
        "times less",
        at_least=8,
    ),
    Aim("memory, idle", ours("memory", "idle MB"), "MB", 60),
    Aim("memory, 1,000 partitions", ours("memory", "1000 partitions MB"), "MB", 120),
    Aim("memory, under load", ours("memory", "under load MB"), "MB", 200),
    Aim(
        "memory against Apache Kafka",
        worst_against(KAFKA, {"memory"}, {"idle MB", "1000 partitions MB", "under load MB"}),
        "times less",
        at_least=4,
    ),
    Aim("10,000 partitions: failover of the controller", ours("partitions", "failover 10000 s", 2), "s", 3),
    Aim("compaction", ours("compaction", "MB/s"), "MB/s", at_least=100),
    Aim("recovery after kill -9", ours("recovery", "GB/s"), "GB/s", at_least=1),
]


def table(results: Results) -> list[str]:
    """Markdown: every aim of which the run has the figures."""
    lines = ["## Aims", "", "| what | asked | measured | |", "|---|---|---|---|"]
    for aim in AIMS:
        value = aim.measure(results)
        if value is not None:
            verdict = "reached" if aim.is_reached(value) else "**not reached**"
            lines.append(f"| {aim.what} | {aim.asked()} | {value:.2f} | {verdict} |")
    return [*lines, ""] if len(lines) > 4 else []
