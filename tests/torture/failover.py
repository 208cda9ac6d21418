# SPDX-License-Identifier: Apache-2.0
"""How long no write was acknowledged: read from a history, by kind of fault."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from statistics import median

from torture.history import Event


class Gaps:
    """For each fault that met a healthy cluster: the time without an acknowledgement in a partition that its victim led."""

    def __init__(self, kinds: Iterable[str]) -> None:
        self._kinds = set(kinds)
        self._open: dict[int, tuple[str, float, set[int]]] = {}
        self._last: dict[int, float] = {}
        self._longest: dict[int, float] = {}
        self.found: dict[str, list[float]] = defaultdict(list)

    def take(self, event: Event) -> None:
        what = event["what"]
        if what == "acknowledged":
            self._acknowledged(event["partition"], event["at"])
        elif what == "struck" and event["healthy"] and event["kind"] in self._kinds:
            self._open[event["fault"]] = (event["kind"], event["at"], set(event["leads"]))
            self._longest[event["fault"]] = 0.0

    def _acknowledged(self, partition: int, at: float) -> None:
        for fault, (kind, began, waiting) in list(self._open.items()):
            if partition in waiting and at > began:
                gap = at - max(self._last.get(partition, began), began)
                self._longest[fault] = max(self._longest[fault], gap)
                if at > began + WINDOW_S:
                    waiting.discard(partition)
                    if not waiting:
                        self.found[kind].append(self._longest.pop(fault))
                        del self._open[fault]
        self._last[partition] = at


WINDOW_S = 5.0
"""For so long after the fault a partition is watched, and until the first acknowledgement after that."""


def table(found: dict[str, list[float]]) -> list[str]:
    """A line for each kind: how often, and the least, median and greatest gap in seconds."""
    lines = []
    for kind, gaps in sorted(found.items()):
        lines.append(
            f"{kind}: {len(gaps)} times; {min(gaps):.2f} s at least, {median(gaps):.2f} s median, {max(gaps):.2f} s at most"
        )
    return lines
