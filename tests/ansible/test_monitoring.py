# SPDX-License-Identifier: GPL-3.0-or-later
"""The alert rules and the dashboard that travel with the role ask only for metrics that there are.

docs/metrics.md lists them; broker_py/tests/end_to_end/test_metrics.py compares that list with running brokers.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[2]
MONITORING = ROOT / "roles" / "broker" / "files" / "monitoring"
METRIC = re.compile(r"\b(?:kafka|process|python|jvm|java)_\w+")
# Of prometheus-client, not of Kafka.
PROCESS = {
    "process_cpu_seconds_total",
    "process_max_fds",
    "process_open_fds",
    "process_resident_memory_bytes",
}


def listed() -> set[str]:
    rows = re.findall(r"^\| `(\w+)` \| (\w+)", (ROOT / "docs" / "metrics.md").read_text(), re.MULTILINE)
    summaries = {f"{name}_{part}" for name, kind in rows if kind == "summary" for part in ("count", "sum")}
    return {name for name, _ in rows} | summaries | PROCESS


def alerts() -> list[dict[str, object]]:
    document = yaml.safe_load((MONITORING / "alerts.yml").read_text())
    return [rule for group in document["groups"] for rule in group["rules"]]


def dashboard_queries() -> list[str]:
    dashboard = json.loads((MONITORING / "dashboard.json").read_text())
    queries = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    variables = [one["query"] for one in dashboard["templating"]["list"] if one["type"] == "query"]
    return queries + [one["query"] for one in variables]


def test_alerts_ask_for_metrics_that_there_are() -> None:
    expressions = [str(rule["expr"]) for rule in alerts()]
    assert len(expressions) > 10
    asked = {name for text in expressions for name in METRIC.findall(text)}
    assert asked - listed() == set()


def test_every_alert_says_what_is_wrong_and_how_bad_it_is() -> None:
    names = [rule["alert"] for rule in alerts()]
    assert len(names) == len(set(names))
    for rule in alerts():
        assert rule["labels"]["severity"] in ("critical", "warning"), rule  # type: ignore[index]
        assert rule["annotations"]["summary"], rule  # type: ignore[index]
        assert rule["annotations"]["description"], rule  # type: ignore[index]


def test_the_dashboard_asks_for_metrics_that_there_are() -> None:
    queries = dashboard_queries()
    assert len(queries) > 20
    for query in queries:
        assert METRIC.findall(query), query
    asked = {name for query in queries for name in METRIC.findall(query)}
    assert asked - listed() == set()


def test_panels_do_not_cover_each_other() -> None:
    dashboard = json.loads((MONITORING / "dashboard.json").read_text())
    taken: set[tuple[int, int]] = set()
    for panel in dashboard["panels"]:
        place = panel["gridPos"]
        cells = {(x, y) for x in range(place["x"], place["x"] + place["w"]) for y in range(place["y"], place["y"] + place["h"])}
        assert max(x for x, _ in cells) < 24, panel["title"]
        assert not cells & taken, panel["title"]
        taken |= cells
