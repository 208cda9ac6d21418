# SPDX-License-Identifier: Apache-2.0
"""`make bench` and `make bench-quick`: measure every workload on every peer, interleaved, and write the page.

Peers take turns within a round, so that a machine that grows slower in between is slow for all. The first
round of each workload warms up (the JVM compiles) and is not counted.

Figures go to --output as results.json; `bench.page` makes tables and plots of it.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from tests.real_zookeeper import ZooKeeperProcess

from bench import clients, consumers, lives, machine, page, peers, throughput
from bench.peers import Peer
from bench.raw import BenchError
from bench.workload import FLOOR, Bench, Figures, Workload

WORKLOADS = [*throughput.WORKLOADS, *clients.WORKLOADS, *consumers.WORKLOADS, *lives.WORKLOADS]
PEERS = [peers.OURS, peers.KAFKA, peers.TANSU, peers.NOIDA]
TOUCHED_BYTES = 8 << 30


class _Unused:
    """Stands for a peer whose workload starts clusters of its own."""

    nodes = 0
    pids: list[int] = []
    addresses: list[tuple[str, int]] = []

    def __init__(self, name: str) -> None:
        self.name = name

    def close(self) -> None:
        """Nothing runs."""


def say(text: str) -> None:
    print(f"[{time.strftime('%H:%M:%S')}] {text}", flush=True)


class Run:
    """All measurements of one command."""

    def __init__(self, bench: Bench, names: Iterable[str], rounds: int) -> None:
        self.bench = bench
        self.rounds = rounds
        self.left_out: dict[str, str] = {}
        self.running: dict[tuple[str, int], Peer] = {}
        self.results: list[dict[str, Any]] = []
        self.names = []
        for name in names:
            reason = peers.missing(name)
            if reason is None:
                self.names.append(name)
            else:
                self.left_out[name] = reason
                say(f"LEFT OUT: {name}: {reason}")

    def peer(self, name: str, factor: int) -> Peer:
        """The running peer; a cluster has as many nodes as the factor."""
        key = (name, factor)
        if key not in self.running:
            say(f"starting {name}, {factor} node(s)")
            self.running[key] = peers.start(name, self.bench.path("peer"), self.bench.zookeeper, factor)
        return self.running[key]

    def who(self, workload: Workload, factor: int) -> list[str]:
        found = []
        for name in self.names:
            if name in (peers.TANSU, peers.NOIDA) and (factor > 1 or workload.clusters_only):
                continue
            found.append(name)
        return found

    def measure(self, workload: Workload, factor: int) -> None:
        names = self.who(workload, factor)
        takers = [*([FLOOR] if workload.floor else []), *names]
        figures: dict[str, list[Figures]] = {name: [] for name in takers}
        failures: dict[str, str] = {}
        warm = 0 if workload.fresh else 1
        rounds = 1 if workload.once else self.rounds
        for number in range(rounds + warm):
            for name in takers:
                if name in failures:
                    continue
                try:
                    found = self._once(workload, name, factor)
                except (BenchError, OSError, RuntimeError, AssertionError, KeyError, IndexError) as error:
                    failures[name] = f"{type(error).__name__}: {error}".splitlines()[0][:200]
                    say(f"{workload.key} x{factor} {name}: FAILED: {failures[name]}")
                    continue
                except Exception as error:  # a client library's own kinds of error
                    failures[name] = f"{type(error).__name__}: {error}".splitlines()[0][:200]
                    say(f"{workload.key} x{factor} {name}: FAILED: {failures[name]}")
                    continue
                if number >= warm:
                    figures[name].append(found)
                told = ", ".join(f"{key} {value:.4g}" for key, value in found.items())
                say(f"{workload.key} x{factor} {name}: {told}{'' if number >= warm else ' (warm-up)'}")
        self.results.append(
            {
                "workload": workload.key,
                "title": workload.title,
                "factor": factor,
                "better": workload.better,
                "figures": {name: _summary(found) for name, found in figures.items() if found},
                "failures": failures,
            }
        )

    def _once(self, workload: Workload, name: str, factor: int) -> Figures:
        if name == FLOOR:
            assert workload.floor is not None
            return workload.floor(self.bench)
        peer = _Unused(name) if workload.fresh else self.peer(name, factor)
        return workload.run(self.bench, peer, factor)

    def end_peers(self) -> None:
        for peer in self.running.values():
            peer.close()
        self.running.clear()


def _summary(found: list[Figures]) -> dict[str, dict[str, float]]:
    """Per figure its median, least and most."""
    return {
        key: {
            "median": statistics.median(one[key] for one in found),
            "least": min(one[key] for one in found),
            "most": max(one[key] for one in found),
        }
        for key in found[0]
    }


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.run", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a tenth of the records, one round")
    parser.add_argument("--scale", type=float, help="multiply all sizes (1; with --quick 0.1)")
    parser.add_argument("--rounds", type=int, help="rounds that count (3; with --quick 1)")
    parser.add_argument("--workloads", help=f"some of {', '.join(one.key for one in WORKLOADS)}")
    parser.add_argument("--peers", help=f"some of {', '.join(PEERS)}")
    parser.add_argument("--factors", default="1,2", help="replication factors (1,2)")
    parser.add_argument("--output", type=Path, required=True, help="directory for results.json and the page")
    parser.add_argument("--compare", type=Path, help="results.json to compare ratios with")
    return parser.parse_args()


def main() -> int:
    options = arguments()
    scale = options.scale or (0.1 if options.quick else 1.0)
    rounds = options.rounds or (1 if options.quick else 3)
    wanted = options.workloads.split(",") if options.workloads else [one.key for one in WORKLOADS]
    if unknown := set(wanted) - {one.key for one in WORKLOADS}:
        sys.exit(f"bench: --workloads: {', '.join(sorted(unknown))} is not known; see --help")
    names = options.peers.split(",") if options.peers else PEERS
    if unknown := set(names) - set(PEERS):
        sys.exit(f"bench: --peers: {', '.join(sorted(unknown))} is not known; see --help")
    factors = {int(one) for one in options.factors.split(",")}
    options.output.mkdir(parents=True, exist_ok=True)
    directory = Path(tempfile.mkdtemp(prefix="commitlog-bench"))
    with contextlib.ExitStack() as stack:
        stack.callback(shutil.rmtree, directory, ignore_errors=True)
        about = machine.describe()
        say(f"touching {int(TOUCHED_BYTES * min(1, scale)) >> 20} MB of page cache")
        machine.touch_page_cache(directory, int(TOUCHED_BYTES * min(1, scale)))
        zookeeper = ZooKeeperProcess(directory)
        stack.callback(zookeeper.stop)
        partitions = (1000,) if options.quick else (1000, 10_000)
        run = Run(Bench(directory, zookeeper, scale, partitions), names, rounds)
        stack.callback(run.end_peers)
        chosen = [one for one in WORKLOADS if one.key in wanted]
        for factor in sorted(factors):
            for workload in (one for one in chosen if not one.fresh and factor in one.factors):
                run.measure(workload, factor)
            run.end_peers()
        for workload in (one for one in chosen if one.fresh):
            run.measure(workload, workload.factors[0])
    results = {
        "command": " ".join(["python", "-m", "bench.run", *sys.argv[1:]]),
        "machine": about,
        "scale": scale,
        "rounds": rounds,
        "left out": run.left_out,
        "workloads": run.results,
    }
    (options.output / "results.json").write_text(json.dumps(results, indent=1) + "\n")
    page.write(results, options.output, options.compare)
    say(f"the page is {options.output / 'README.md'}")
    return 1 if any(peers.OURS in one["failures"] for one in run.results) else 0


if __name__ == "__main__":
    sys.exit(main())
