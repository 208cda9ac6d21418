# SPDX-License-Identifier: Apache-2.0
"""Simulate clusters by seeds, from the command line (`make simulate SEEDS=100`); see docs/simulation.md.

python -m tests.simulation.run --seeds 100            seeds 0 to 99; stops at the first that fails
python -m tests.simulation.run --seeds 100 --jobs 2   the same on two processors
python -m tests.simulation.run --seed 17              one seed, its faults and its digest
python -m tests.simulation.run --seed 17 --log INFO   the same with the brokers' logs
python -m tests.simulation.run --mistakes --seeds 20  in how many of the seeds each planted mistake is found
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import logging
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from multiprocessing import get_context
from typing import TypeVar

from tests.simulation.loop import START_S
from tests.simulation.mistakes import MISTAKES
from tests.simulation.network import LIFE
from tests.simulation.simulation import Outcome, run_seed

T = TypeVar("T")


class _Formatter(logging.Formatter):
    """Virtual time and host before each line."""

    def format(self, record: logging.LogRecord) -> str:
        life = LIFE.get()
        where = "-" if life is None else life.host.name
        at = 0.0
        with contextlib.suppress(RuntimeError):
            at = asyncio.get_running_loop().time() - START_S
        return f"{at:9.3f} {where:12} {record.levelname:8} {super().format(record)}"


def _show_logs(level: str) -> None:
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(_Formatter())
    log = logging.getLogger("commitlog")
    log.addHandler(handler)
    log.setLevel(level)


def _silence() -> None:
    log = logging.getLogger("commitlog")
    log.propagate = False
    log.addHandler(logging.NullHandler())


def _report(outcome: Outcome) -> None:
    print("\n".join(outcome.trace))
    print(f"seed {outcome.seed}: digest {outcome.digest}, {outcome.acknowledged} records acknowledged")
    if outcome.violation is not None:
        print(f"FAILED: {outcome.violation}")
        print(f"replay: python -m tests.simulation.run --seed {outcome.seed} --log INFO")


@contextlib.contextmanager
def _workers(jobs: int) -> Iterator[Callable[[Callable[[int], T], Iterable[int]], Iterator[T]]]:
    """A `map` whose results come in order, whichever of so many processes has them first."""
    if jobs == 1:
        yield map
        return
    with get_context("spawn").Pool(jobs, _silence) as pool:
        yield pool.imap


def run_seeds(first: int, count: int, jobs: int = 1) -> int:
    """Run seeds until one fails; the exit status."""
    with _workers(jobs) as run_each:
        return _judge(run_each(run_seed, range(first, first + count)), count)


def _judge(outcomes: Iterator[Outcome], count: int) -> int:
    began = time.monotonic()
    acknowledged = 0
    simulated_h = 0.0
    for done, outcome in enumerate(outcomes, 1):
        seed = outcome.seed
        acknowledged += outcome.acknowledged
        simulated_h += outcome.simulated_s / 3600
        if outcome.violation is not None:
            _report(outcome)
            print(f"seed {seed} failed, after {done - 1} that did not")
            return 1
        if done % 10 == 0:
            rate = done / (time.monotonic() - began) * 60
            print(
                f"{done} of {count} seeds, {rate:.0f} a minute, {simulated_h:.1f} simulated hours, "
                f"{acknowledged} records acknowledged",
                flush=True,
            )
    rate = count / (time.monotonic() - began) * 60
    print(
        f"{count} seeds passed, {rate:.0f} a minute, {simulated_h:.1f} simulated hours, "
        f"{acknowledged} records acknowledged, none lost"
    )
    return 0


def _run_with(mistake: str, seed: int) -> Outcome:
    with MISTAKES[mistake]():
        return run_seed(seed)


def run_mistakes(words: str, first: int, count: int, jobs: int = 1) -> int:
    """A table row for each planted mistake; the exit status is 1 when one is never found."""
    missed = False
    seeds = range(first, first + count)
    print("| Planted mistake | Found in | First seed | As |\n|---|---|---|---|", flush=True)
    with _workers(jobs) as run_each:
        for name in MISTAKES:
            if words not in name:
                continue
            outcomes = list(run_each(partial(_run_with, name), seeds))
            found = [outcome for outcome in outcomes if outcome.violation is not None]
            missed = missed or not found
            example = (found[0].violation or "").splitlines()[0][:90] if found else ""
            where = str(found[0].seed) if found else "never"
            print(f"| {name} | {len(found)} of {count} | {where} | {example} |", flush=True)
    return int(missed)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation.run", description="Simulate clusters.")
    parser.add_argument("--seeds", type=int, default=100, help="how many seeds to run")
    parser.add_argument("--first", type=int, default=0, help="the first of them")
    parser.add_argument("--seed", type=int, help="run this seed alone and show its faults")
    parser.add_argument("--log", metavar="LEVEL", help="show the brokers' logs from this level on")
    parser.add_argument(
        "--mistakes",
        nargs="?",
        const="",
        metavar="WORDS",
        help="plant known mistakes, all or those named so, and count the findings",
    )
    parser.add_argument("--jobs", type=int, default=1, help="how many processes share the seeds")
    options = parser.parse_args()
    if options.log:
        logging.getLogger("commitlog").propagate = False
        _show_logs(options.log.upper())
    else:
        _silence()
    if options.mistakes is not None:
        return run_mistakes(options.mistakes, options.first, options.seeds, options.jobs)
    if options.seed is not None:
        outcome = run_seed(options.seed)
        _report(outcome)
        return int(outcome.violation is not None)
    return run_seeds(options.first, options.seeds, options.jobs)


if __name__ == "__main__":
    sys.exit(main())
