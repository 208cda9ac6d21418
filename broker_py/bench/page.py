# SPDX-License-Identifier: Apache-2.0
"""Tables and plots of a run's results.json: aims and ratios first, absolute figures after.

python -m bench.page DIRECTORY     write the page of DIRECTORY/results.json anew
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("Agg")

import matplotlib.pyplot as plt

from bench import aims
from bench.aims import FLOOR, OURS

COLOURS = {
    FLOOR: "#9e9e9e",
    OURS: "#1565c0",
    "Apache Kafka": "#c62828",
    "Tansu": "#2e7d32",
    "noida-db": "#ef6c00",
}

Results = dict[str, Any]


def write(results: Results, directory: Path, compare: Path | None = None) -> None:
    """README.md and its plots; with `compare`, the ratios of an earlier results.json beside today's."""
    earlier = json.loads(compare.read_text()) if compare is not None else None
    lines = [
        "# Bench",
        "",
        *_head(results),
        *aims.table(results),
        *_ratios(results, earlier),
        *_plots(results, directory),
    ]
    for one in results["workloads"]:
        lines += _absolute(one)
    (directory / "README.md").write_text("\n".join(lines).rstrip() + "\n")


def _head(results: Results) -> list[str]:
    machine = ", ".join(f"{key} {value}" for key, value in results["machine"].items())
    lines = [
        f"Made by `{results['command']}`, {results['rounds']} round(s) after a warm-up, "
        f"at scale {results['scale']:g}.",
        "",
        f"Machine: {machine}. Medians; peers take turns within each round. "
        "CPU is that of the broker processes. Where that goes is in [profiles](profiles.md).",
        "",
    ]
    for name, reason in results["left out"].items():
        lines += [f"**Left out**: {name}: {reason}.", ""]
    return lines


def _name(one: Results) -> str:
    return f"{one['title']}, factor {one['factor']}"


def _median(one: Results, name: str, figure: str) -> float | None:
    found = one["figures"].get(name, {}).get(figure)
    return None if found is None else found["median"]


def ratio(one: Results, name: str, figure: str) -> float | None:
    """How many times ours is as good as the other: above 1 ours is ahead, whatever the figure means."""
    ours, other = _median(one, OURS, figure), _median(one, name, figure)
    if not ours or not other:
        return None
    return ours / other if one["better"].get(figure, "less") == "more" else other / ours


def _peers(results: Results) -> list[str]:
    found: dict[str, None] = {}
    for one in results["workloads"]:
        found |= dict.fromkeys(one["figures"])
    return [name for name in found if name not in (OURS, FLOOR)]


def _ratios(results: Results, earlier: Results | None) -> list[str]:
    peers = _peers(results)
    head = ["ours against the floor", *(f"against {name}" for name in peers)]
    if earlier is not None:
        head.append("against the floor then")
    lines = [
        "## Ratios",
        "",
        "Against the floor: how many times the floor's cost or time ours is (for rates, its share). "
        "Against a peer: how many times better ours is (above 1 ours is ahead).",
        "",
        "| workload | figure | " + " | ".join(head) + " |",
        "|---|---|" + "---|" * len(head),
    ]
    before = {(one["workload"], one["factor"]): one for one in (earlier or {"workloads": []})["workloads"]}
    for one in results["workloads"]:
        for figure in one["figures"].get(OURS, {}):
            cells = [_against_floor(one, figure)]
            cells += [_times(ratio(one, name, figure)) for name in peers]
            if earlier is not None:
                then = before.get((one["workload"], one["factor"]))
                cells.append(_against_floor(then, figure) if then else "")
            lines.append(f"| {_name(one)} | {figure} | " + " | ".join(cells) + " |")
    return [*lines, ""]


def _against_floor(one: Results, figure: str) -> str:
    ours, floor = _median(one, OURS, figure), _median(one, FLOOR, figure)
    return f"{ours / floor:.2f}" if ours and floor else ""


def _times(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"


def _absolute(one: Results) -> list[str]:
    figures = list(next(iter(one["figures"].values()), {}))
    lines = [f"## {_name(one)}", "", "| | " + " | ".join(figures) + " |", "|---|" + "---|" * len(figures)]
    for name, found in one["figures"].items():
        cells = [
            f"{found[key]['median']:.4g} ({found[key]['least']:.4g} to {found[key]['most']:.4g})"
            for key in figures
        ]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    lines += [
        f"| {name} | {reason} |" + " |" * (len(figures) - 1) for name, reason in one["failures"].items()
    ]
    return [*lines, ""]


def _plots(results: Results, directory: Path) -> list[str]:
    """One picture per figure that many workloads have, so that lengths can be compared."""
    lines = ["## Plots", ""]
    kinds = {
        "throughput": ("MB/s", "MB/s, more is better"),
        "cpu-per-gb": ("CPU-s/GB", "broker CPU seconds per GB, less is better"),
        "cpu-per-request": ("CPU µs/request", "broker CPU µs per request, less is better"),
        "latency-p50": ("p50 ms", "median latency in ms, less is better"),
        "latency-p99": ("p99 ms", "99th percentile of latency in ms, less is better"),
    }
    for name, (figure, label) in kinds.items():
        chosen = [one for one in results["workloads"] if _median(one, OURS, figure) is not None]
        if chosen:
            _bars(chosen, figure, label, directory / f"{name}.png")
            lines += [f"![{label}]({name}.png)", ""]
    return lines


def _bars(chosen: list[Results], figure: str, label: str, path: Path) -> None:
    rows = [
        (f"{one['title']}, ×{one['factor']}", name, one["figures"][name][figure])
        for one in chosen
        for name in one["figures"]
    ]
    picture, axes = plt.subplots(figsize=(9, 0.6 + 0.24 * len(rows) + 0.25 * len(chosen)))
    at, ticks, last = 0.0, [], None
    seen: set[str] = set()
    for title, name, found in rows:
        if title != last:
            at += 1.1
            ticks.append((at - 0.75, title))
            last = title
        median = found["median"]
        axes.barh(
            at,
            median,
            0.85,
            color=COLOURS[name],
            label=name if name not in seen else None,
            xerr=[[median - found["least"]], [found["most"] - median]],
            error_kw={"elinewidth": 0.8, "ecolor": "#424242"},
        )
        axes.text(found["most"], at, f" {median:.3g}", va="center", fontsize=7)
        seen.add(name)
        at += 1
    for height, title in ticks:
        axes.text(
            0, height, title, fontsize=8, va="center", fontweight="bold", transform=axes.get_yaxis_transform()
        )
    axes.set_ylim(at, 0)
    axes.set_yticks([])
    # Peers differ by orders of magnitude: on a linear scale the fast ones would all look the same.
    axes.set_xscale("log")
    least, most = axes.get_xlim()
    axes.set_xlim(least / 2, most * 2)
    axes.set_xlabel(f"{label} (logarithmic)")
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.legend(fontsize=8, frameon=False, loc="lower left", bbox_to_anchor=(0, 1), ncols=len(seen))
    picture.tight_layout()
    picture.savefig(path, dpi=110)
    plt.close(picture)


if __name__ == "__main__":
    where = Path(sys.argv[1])
    write(json.loads((where / "results.json").read_text()), where)
