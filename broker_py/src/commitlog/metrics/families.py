# SPDX-License-Identifier: Apache-2.0
"""Metrics as prometheus-client takes them: a family with a name, a help text, and a value for each set of
labels."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    Metric,
    SummaryMetricFamily,
    UnknownMetricFamily,
)
from prometheus_client.registry import Collector

from commitlog.metrics.requests import RecentTimes

Labels = Mapping[str, str]
Source = Callable[[], Iterable[Metric]]
"""Asked at each scrape, on the event loop; costs nothing when nobody scrapes."""


def gauge(name: str, text: str, value: float) -> Metric:
    return GaugeMetricFamily(name, text, value=float(value))


def counter(name: str, text: str, value: float) -> Metric:
    """A counter is shown as <name>_total."""
    return CounterMetricFamily(name, text, value=float(value))


def untyped(name: str, text: str, value: float) -> Metric:
    """A count that does not end in _total, as the exporter shows those of timers."""
    return UnknownMetricFamily(name, text, value=float(value))


def gauges(name: str, text: str, values: Iterable[tuple[Labels, float]]) -> Metric:
    """A gauge with a value for each set of labels."""
    return _labelled(GaugeMetricFamily(name, text), name, values)


def counters(name: str, text: str, values: Iterable[tuple[Labels, float]]) -> Metric:
    return _labelled(CounterMetricFamily(name, text), f"{name}_total", values)


def summaries(name: str, text: str, values: Iterable[tuple[Labels, RecentTimes]]) -> Metric:
    """What the exporter makes of Kafka's histograms: <name>_count, and <name> for each quantile."""
    family = SummaryMetricFamily(name, text)
    for labels, times in values:
        for quantile, value in times.quantiles():
            family.add_sample(name, {**labels, "quantile": f"{quantile:g}"}, value)
        family.add_sample(f"{name}_count", dict(labels), times.count)
        family.add_sample(f"{name}_sum", dict(labels), times.total_ms)
    return family


def _labelled(family: Metric, name: str, values: Iterable[tuple[Labels, float]]) -> Metric:
    for labels, value in values:
        family.add_sample(name, dict(labels), float(value))
    return family


class Sources(Collector):
    """Everything that the rooms report, in the order in which it was added."""

    def __init__(self) -> None:
        self._sources: list[Source] = []

    def add(self, source: Source) -> None:
        self._sources.append(source)

    def describe(self) -> Iterable[Metric]:
        """Nothing before the first scrape: what there is depends on the partitions that are here."""
        return ()

    def collect(self) -> Iterable[Metric]:
        for source in self._sources:
            yield from source()
