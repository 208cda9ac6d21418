# SPDX-License-Identifier: Apache-2.0
"""Molecule's scenarios, one after the other: all or those that are named, as many as there is time for, once more if asked.

Standard library only, as all that make runs before anything is installed.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

from progress import StepFailedError, Steps

ROOT = Path(__file__).resolve().parent.parent
MOLECULE = Path(sys.executable).parent / "molecule"
LOGS = ROOT / ".cache" / "logs" / "molecule"
KAFKA_JARS = ROOT / ".cache" / "kafka-jvm" / "libs"
# The scenario that proves the installation of packages; the others begin where that ends.
FRESH = {"default"}

BuildImage = Callable[[Steps, str], str]


def chosen(only: str) -> list[str]:
    """All, or those named, in the order in which they are named."""
    known = sorted(path.parent.name for path in ROOT.glob("molecule/*/molecule.yml"))
    wanted = only.replace(",", " ").split() or known
    if unknown := [name for name in wanted if name not in known]:
        sys.exit(f"make: SCENARIO: '{unknown[0]}' is not known; allowed are {', '.join(known)}")
    return wanted


def begin_within() -> float | None:
    """BEGIN_WITHIN of the environment: no scenario begins later. None: there is time for all."""
    given = os.environ.get("BEGIN_WITHIN", "")
    if given and not given.isdecimal():
        sys.exit(f"make: BEGIN_WITHIN: '{given}' is no number of minutes")
    return float(given) if given else None


def passes(steps: Steps, scenario: str, image: str) -> bool:
    wide = {"COLUMNS": "200", **({} if sys.stdout.isatty() else {"NO_COLOR": "1"})}
    command = [str(MOLECULE), "test", "--scenario-name", scenario]
    started = time.monotonic()
    try:
        steps.run(f"Molecule scenario {scenario}", command, show=True, environment={"VM_IMAGE": image, **wide})
    except StepFailedError:
        print(f"Molecule: {scenario} FAILED after {time.monotonic() - started:.0f} s.")
        return False
    print(f"Molecule: {scenario} passed after {time.monotonic() - started:.0f} s.")
    return True


def run(names: list[str], build_image: BuildImage, *, begin_within: float | None, retry: bool) -> None:
    """Run them; sys.exit with a line when one failed, with `retry` when it failed twice."""
    if "apache" in names and not any(KAFKA_JARS.glob("*.jar")):
        print("SKIPPED: the Molecule scenario apache, since Apache Kafka's jars are not here; get them: make jvm-libs")
        names = [name for name in names if name != "apache"]
    kinds = {name: "" if name in FRESH else "installed" for name in names}
    steps = Steps(len(set(kinds.values())) + len(names), LOGS)
    images = {kind: build_image(steps, kind) for kind in dict.fromkeys(kinds.values())}
    started = time.monotonic()
    failed, left = [], []
    for name in names:
        if begin_within is not None and time.monotonic() - started > begin_within * 60:
            left.append(name)
            continue
        passed = passes(steps, name, images[kinds[name]])
        if not passed and retry:
            print(f"Molecule: {name} is tried once more; what it said above stays to be looked at.")
            steps.expect_another()
            passed = passes(steps, name, images[kinds[name]])
        if not passed:
            failed.append(name)
    if left:
        print(f"SKIPPED: the Molecule scenario(s) {', '.join(left)}, not begun within {begin_within:.0f} minutes.")
    if failed:
        sys.exit(f"make: {len(failed)} of {len(names) - len(left)} Molecule scenario(s) failed: {', '.join(failed)}")
    print(f"Molecule: {len(names) - len(left)} scenario(s) passed in {steps.elapsed()} minutes.")
