# SPDX-License-Identifier: Apache-2.0
"""`make molecule`: which scenarios run, what is tried again, what is left out for want of time, and what that says."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

VMS = Path(__file__).resolve().parents[2] / "vms"


@pytest.fixture
def scenarios(monkeypatch, tmp_path):
    monkeypatch.syspath_prepend(str(VMS))
    module = __import__("scenarios")
    monkeypatch.setattr(module, "LOGS", tmp_path)
    yield module
    sys.modules.pop("scenarios", None)


def run(scenarios, monkeypatch, names, outcomes, **options):
    """Run them with outcomes in the order in which they are tried; the names that were tried."""
    tried = []

    def passes(steps, name, image):
        tried.append(name)
        return outcomes.pop(0)

    monkeypatch.setattr(scenarios, "passes", passes)
    try:
        scenarios.run(names, lambda steps, kind: f"image-{kind}", **({"begin_within": None, "retry": False} | options))
    finally:
        assert outcomes == []
    return tried


def test_a_name_that_is_no_scenario_is_refused_with_those_that_are(scenarios):
    assert scenarios.chosen("scale,rolling") == ["scale", "rolling"]
    assert "default" in scenarios.chosen("")
    with pytest.raises(SystemExit, match=r"SCENARIO: 'rollling' is not known; allowed are .*default.*rolling"):
        scenarios.chosen("rollling")


def test_one_that_fails_does_not_keep_the_others_from_being_tried(scenarios, monkeypatch, capsys):
    with pytest.raises(SystemExit, match=r"1 of 2 Molecule scenario\(s\) failed: rolling"):
        run(scenarios, monkeypatch, ["rolling", "scale"], [False, True])


def test_one_that_fails_is_tried_again_when_asked_and_fails_when_it_fails_twice(scenarios, monkeypatch, capsys):
    tried = run(scenarios, monkeypatch, ["rolling", "scale"], [False, True, True], retry=True)
    assert tried == ["rolling", "rolling", "scale"]
    assert "rolling is tried once more" in capsys.readouterr().out
    with pytest.raises(SystemExit, match="failed: rolling"):
        run(scenarios, monkeypatch, ["rolling"], [False, False], retry=True)


def test_what_cannot_begin_in_time_is_left_out_aloud(scenarios, monkeypatch, capsys):
    clock = iter(range(0, 10_000, 601))
    monkeypatch.setattr(scenarios.time, "monotonic", lambda: next(clock))
    run(scenarios, monkeypatch, ["rolling", "scale", "upgrade"], [True], begin_within=20.0)
    assert "SKIPPED: the Molecule scenario(s) scale, upgrade, not begun within 20 minutes" in capsys.readouterr().out


def test_a_time_that_is_no_number_is_refused(scenarios, monkeypatch):
    monkeypatch.setenv("BEGIN_WITHIN", "soon")
    with pytest.raises(SystemExit, match="BEGIN_WITHIN: 'soon'"):
        scenarios.begin_within()
