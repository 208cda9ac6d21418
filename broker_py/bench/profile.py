# SPDX-License-Identifier: Apache-2.0
"""`make bench-profiles`: where the processor time of each hot path goes, as py-spy sees it.

python -m bench.profile --output DIRECTORY     write DIRECTORY/profiles.md and its plot

Each path runs over and over while py-spy samples the event loop of every broker, C code too, and what waits
is left out. A line of the page is a Python function, and the C function that it was in, if any: `write`
of the C library in `Connection._flush`, `read` in the loop itself.
"""

from __future__ import annotations

import argparse
import contextlib
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import matplotlib as mpl

mpl.use("Agg")

import matplotlib.pyplot as plt
from tests.real_zookeeper import ZooKeeperProcess

from bench import machine, peers, throughput
from bench.run import say
from bench.samples import Profile, parse
from bench.workload import Bench, Workload

PY_SPY = Path(sys.executable).with_name("py-spy")
RATE = 300
FUNCTIONS = 12
"""How many functions of each profile the page shows."""
LEAST_SHARE = 0.03
"""Rooms below that are drawn as "others"."""


@dataclass(frozen=True)
class HotPath:
    """A workload whose brokers are looked at; the first broker leads, others follow."""

    key: str
    factor: int

    @property
    def workload(self) -> Workload:
        return next(one for one in throughput.WORKLOADS if one.key == self.key)

    def turns(self, bench: Bench, peer: peers.Peer) -> Callable[[], object]:
        """What to do over and over, once it is prepared."""
        if self.key == "fetch-start":
            topic, count = throughput.filled_topic(bench, peer, self.factor)
            return lambda: throughput.read_topic(peer, topic, count)
        return lambda: self.workload.run(bench, peer, self.factor)

    def title(self, broker: int) -> str:
        name = f"{self.workload.title}, factor {self.factor}"
        return name if self.factor == 1 else f"{name}: the {'follower' if broker else 'leader'}"


HOT_PATHS = [
    HotPath("produce-bulk", 1),
    HotPath("produce-bulk", 2),
    HotPath("small-requests", 1),
    HotPath("small-requests", 2),
    HotPath("pipelined", 1),
    HotPath("fetch-start", 1),
]


def record(bench: Bench, path: HotPath, seconds: int) -> list[Profile]:
    """Run the path for so long, and answer a profile of each broker."""
    peer = peers.start(peers.OURS, bench.path("peer"), bench.zookeeper, path.factor)
    try:
        turn = path.turns(bench, peer)
        turn()
        outputs = [bench.path("spy") / "raw.txt" for _ in peer.pids]
        spies = [
            subprocess.Popen(
                [PY_SPY, "record", "--pid", str(pid), "--duration", str(seconds), "--rate", str(RATE),
                 "--native", "--format", "raw", "--output", str(output)],
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
            for pid, output in zip(peer.pids, outputs, strict=True)
        ]  # fmt: skip
        while any(spy.poll() is None for spy in spies):
            turn()
        if any(spy.returncode for spy in spies):
            sys.exit("bench: py-spy could not look into a broker: it needs root, or the right to trace")
        return [parse(path.title(number), output.read_text()) for number, output in enumerate(outputs)]
    finally:
        peer.close()


def write(profiles: Sequence[Profile], directory: Path, command: str, about: dict[str, str]) -> None:
    """profiles.md, and a bar of rooms for each profile."""
    lines = [
        "# Where the time goes",
        "",
        f"Made by `{command}`: {', '.join(f'{key} {value}' for key, value in about.items())}. py-spy, "
        f"{RATE} samples a second of each broker's event loop, what waits left out. `in C`: the function was "
        "in that function of C; `read`, `write`, `send`, `sendfile64` and `pwrite64` are system calls.",
        "",
        "![The share of each room](profiles.png)",
        "",
    ]
    for one in profiles:
        lines += [f"## {one.title}", ""]
        lines += ["| itself | with what it calls | function | in C | file |", "|---|---|---|---|---|"]
        for (frame, called), count in one.on_top.most_common(FUNCTIONS):
            shares = f"{count / one.samples:.1%} | {one.within[frame] / one.samples:.1%}"
            lines.append(f"| {shares} | `{frame.function}` | {called} | {_short(frame.file)} |")
        lines.append("")
    (directory / "profiles.md").write_text("\n".join(lines).rstrip() + "\n")
    _plot(profiles, directory / "profiles.png")


def _short(file: str) -> str:
    parts = Path(file).parts
    return "/".join(parts[parts.index("commitlog") :]) if "commitlog" in parts[:-1] else "/".join(parts[-2:])


def _plot(profiles: Sequence[Profile], path: Path) -> None:
    shares = [one.rooms() for one in profiles]
    names = sorted(
        {name for one in shares for name, share in one.items() if share >= LEAST_SHARE} - {"others"}
    )
    colours = {name: f"C{number}" for number, name in enumerate([*names, "others"])}
    figure, axes = plt.subplots(figsize=(10, 0.6 * len(profiles) + 1.6))
    for row, one in enumerate(shares):
        left = 0.0
        for name in [*names, "others"]:
            share = one.get(name, 0.0) if name in names else 1 - left
            axes.barh(row, share, left=left, color=colours[name], label=name if row == 0 else None)
            if share > 2 * LEAST_SHARE:
                axes.text(left + share / 2, row, f"{share:.0%}", ha="center", va="center", fontsize=8)
            left += share
    axes.set_yticks(range(len(profiles)), [one.title for one in profiles], fontsize=8)
    axes.invert_yaxis()
    axes.set_xlim(0, 1)
    axes.set_xlabel("share of the samples, by the room whose function was running")
    axes.legend(loc="upper center", bbox_to_anchor=(0.3, 1.2), ncol=5, fontsize=8)
    figure.tight_layout()
    figure.savefig(path, dpi=110)
    plt.close(figure)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.profile", description=__doc__)
    parser.add_argument("--output", type=Path, required=True, help="directory for profiles.md and its plot")
    parser.add_argument("--seconds", type=int, default=10, help="how long each path is looked at (10)")
    parser.add_argument("--scale", type=float, default=0.2, help="as in bench.run (0.2)")
    options = parser.parse_args()
    options.output.mkdir(parents=True, exist_ok=True)
    directory = Path(tempfile.mkdtemp(prefix="commitlog-bench"))
    with contextlib.ExitStack() as stack:
        stack.callback(shutil.rmtree, directory, ignore_errors=True)
        zookeeper = ZooKeeperProcess(directory)
        stack.callback(zookeeper.stop)
        bench = Bench(directory, zookeeper, options.scale, ())
        profiles = []
        for path in HOT_PATHS:
            say(f"{path.key} x{path.factor}")
            profiles += record(bench, path, options.seconds)
    command = " ".join(["python", "-m", "bench.profile", *sys.argv[1:]])
    write(profiles, options.output, command, machine.describe())
    say(f"the page is {options.output / 'profiles.md'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
