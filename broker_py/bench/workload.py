# SPDX-License-Identifier: Apache-2.0
"""What a workload is: something that is done to one peer at a time, and the figures that come out."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from bench import machine
from bench.peers import Peer

if TYPE_CHECKING:
    from tests.real_zookeeper import ZooKeeperProcess

Figures = dict[str, float]

FLOOR = "floor"
"""The name under which a workload's floor stands among the peers."""

_numbers = itertools.count()


@dataclass
class Bench:
    """The run: where it may write, and how large it is. `scale` multiplies every count of records."""

    directory: Path
    zookeeper: ZooKeeperProcess
    scale: float
    partitions: tuple[int, ...]

    def count(self, full: int, least: int = 1) -> int:
        return max(least, int(full * self.scale))

    def path(self, name: str) -> Path:
        """A directory that nobody has used."""
        found = self.directory / f"{name}{next(_numbers)}"
        found.mkdir(parents=True)
        return found


@dataclass(frozen=True)
class Workload:
    """`run(bench, peer, factor)` measures once. `floor(bench)` does the least that any broker must.

    `better` names the figures and says of each whether less or more is better.
    """

    key: str
    title: str
    run: Callable[[Bench, Peer, int], Figures]
    better: dict[str, str]
    floor: Callable[[Bench], Figures] | None = None
    factors: tuple[int, ...] = (1, 2)
    clusters_only: bool = False
    """Only peers that replicate and can be restarted."""
    once: bool = False
    """Too long for several rounds."""
    fresh: bool = False
    """The workload starts its peers itself; `run` gets one that is not used."""
    notes: str = ""


@dataclass
class Spent:
    """CPU seconds of some processes within a block."""

    pids: list[int]
    cpu_s: float = 0.0
    _before: float = field(default=0.0, repr=False)


@contextmanager
def spending(pids: list[int]) -> Iterator[Spent]:
    """CPU time from the block's begin until the processes are quiet after its end."""
    spent = Spent(pids)
    before = machine.settled_cpu_seconds(pids)
    yield spent
    spent.cpu_s = machine.settled_cpu_seconds(pids) - before


def percentile(values: list[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def topic_name(prefix: str) -> str:
    return f"{prefix}-{next(_numbers)}"
