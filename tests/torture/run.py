# SPDX-License-Identifier: Apache-2.0
"""`make torture MINUTES=n SEED=s`: attack a cluster on hosts, heal it, judge. Exit status 1 when a promise was broken.

The seed decides which faults come, in which order, for how long and whom they hit; not, of course, what threads and networks do.
Everything that was seen is kept below .cache/torture: the history, the brokers' and ZooKeeper's logs, the report.
"""

from __future__ import annotations

import argparse
import json
import logging
import random
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from confluent_kafka.admin import AdminClient, NewTopic

from torture import history
from torture.checker import Checker, Verdict
from torture.failover import Gaps, table
from torture.faults import BALLAST, KINDS, Kind, Step, schedule
from torture.history import Recorder
from torture.hosts import Cluster, Host, Journals, read_inventory
from torture.workload import PARTITIONS, PLAIN, TOPIC, Workload

ROOT = Path(__file__).resolve().parents[2]
INVENTORY = ROOT / "molecule" / "faults" / "inventory"
PROGRESS_S = 10
HEALTHY_S = 180
WARM_UP_S = 5
MUST_BE_ZERO = ("lost", "duplicate")
MEND = "iptables -F; systemctl kill --signal=CONT kafka zookeeper; systemctl start --no-block zookeeper kafka"


class Attack:
    """The workload and the faults, for so many seconds."""

    def __init__(self, cluster: Cluster, recorder: Recorder, journals: Journals, seed: int) -> None:
        self._cluster = cluster
        self._recorder = recorder
        self._journals = journals
        # Victims depend on who leads, so their dice are others than the schedule's.
        self._rng = random.Random(f"{seed} victims")
        self._steps = schedule(random.Random(seed))
        self._said = (0.0, 0)
        self._number = 0
        self.injected: Counter[str] = Counter()
        self.failed: list[str] = []

    def say(self, text: str) -> None:
        minutes, seconds = divmod(int(self._recorder.now), 60)
        acknowledged = self._recorder.acknowledged
        print(f"[{minutes}:{seconds:02d}] {text}; {acknowledged} records acknowledged", flush=True)
        self._said = (self._recorder.now, acknowledged)

    def _wait(self, seconds: float, at: str) -> None:
        until = self._recorder.now + seconds
        while (left := until - self._recorder.now) > 0:
            time.sleep(min(left, 0.5))
            self._meanwhile(at)

    def _meanwhile(self, at: str) -> None:
        self._journals.follow()
        if self._recorder.now - self._said[0] >= PROGRESS_S:
            self.say(at)

    def run(self, seconds: float) -> None:
        self._wait(WARM_UP_S, "warming up")
        while self._recorder.now < seconds:
            self._step(next(self._steps))

    def _step(self, step: Step) -> None:
        struck: list[tuple[int, Kind, Host]] = []
        for kind in step.kinds:
            if (victim := self._victim(kind, [host for _, _, host in struck])) is not None:
                struck.append((self._strike(kind, victim, alone=len(step.kinds) == 1), kind, victim))
        names = ", ".join(f"{kind.name} ({host})" for _, kind, host in struck)
        self.say(names)
        self._wait(step.hold_s, names)
        for number, kind, host in struck:
            self._try(f"heal {kind.name} on {host}", lambda kind=kind, host=host: kind.heal(host, self._cluster))
            self._recorder.note("healed", fault=number)
        self._wait(step.pause_s, "healed")
        if step.recover and (trouble := self.recover()):
            self.failed.append(f"not healthy {HEALTHY_S} s after {names}: {trouble}")

    def _victim(self, kind: Kind, taken: Sequence[Host]) -> Host | None:
        host: list[Host | None] = [None]

        def choose() -> None:
            host[0] = kind.choose(self._cluster, self._rng)

        self._try(f"choose for {kind.name}", choose)
        return host[0] if host[0] not in taken else None

    def _strike(self, kind: Kind, host: Host, alone: bool) -> int:
        self._number += 1
        leads: list[int] = []
        healthy = alone and self._cluster.trouble() == ""
        if healthy:
            states = self._cluster.states(TOPIC)
            leads = [number for number, state in states.items() if state["leader"] == host.broker_id and number in PLAIN]
        self._recorder.note(
            "struck", fault=self._number, kind=kind.name, host=host.name, leads=leads, healthy=healthy and bool(leads)
        )
        if self._try(f"{kind.name} on {host}", lambda: kind.strike(host, self._cluster)):
            self.injected[kind.name] += 1
        return self._number

    def _try(self, what: str, action: Any) -> bool:
        try:
            action()
        except Exception as error:
            self.say(f"could not {what}: {error!r} {getattr(error, 'stderr', '') or ''}")
            return False
        return True

    def recover(self) -> str:
        """Wait until the cluster is as good as new; what is wrong when it never is."""
        return self._cluster.wait_healthy(HEALTHY_S, lambda trouble: self._meanwhile(f"recovering: {trouble}"))

    def heal(self) -> str:
        """Undo whatever may be wrong, in the order in which one hinders the other."""
        for host in self._cluster.hosts:
            for verb in ("unpause", "start"):
                subprocess.run(["docker", verb, host.name], capture_output=True, check=False)
            host.boot()
            mend = f"{MEND}; rm -f {host.log_dir}/{BALLAST}"
            self._try(f"heal {host}", lambda host=host, mend=mend: host.run(mend, check=False))
        return self.recover()


def make_topic(cluster: Cluster) -> None:
    """A new one for each run, since values are unique only within a run."""
    admin = AdminClient({"bootstrap.servers": cluster.bootstrap, "log_level": 0})
    deadline = time.monotonic() + 60
    if TOPIC in admin.list_topics(timeout=30).topics:
        admin.delete_topics([TOPIC])[TOPIC].result(60)
    while cluster.states(TOPIC) and time.monotonic() < deadline:
        time.sleep(0.5)
    topic = NewTopic(TOPIC, PARTITIONS, len(cluster.hosts), config={"min.insync.replicas": "2"})
    admin.create_topics([topic])[TOPIC].result(60)


def judge(path: Path) -> tuple[Verdict, Gaps]:
    checker, gaps = Checker(), Gaps(kind.name for kind in KINDS if kind.downtime)
    for event in history.read(path):
        checker.take(event)
        gaps.take(event)
    return checker.verdict(), gaps


def report(verdict: Verdict, gaps: Gaps, complaints: Counter[str]) -> list[str]:
    counts = verdict.counts
    lines = [
        f"records acknowledged: {verdict.acknowledged}",
        f"transactions committed: {verdict.committed}, aborted: {verdict.aborted}, of unknown fate: {verdict.unknown}",
        *(f"{kind}: {counts[kind]}" for kind in sorted({*MUST_BE_ZERO, *counts})),
        *([f"sent again by librdkafka itself, under another epoch: {verdict.sent_anew}"] if verdict.sent_anew else []),
        "longest time without an acknowledgement in a partition that the victim led:",
        *(f"  {line}" for line in table(gaps.found)),
    ]
    if complaints:
        lines += [
            "errors that clients were shown and survived:",
            *(f"  {count} x {text}" for text, count in complaints.most_common(10)),
        ]
    for anomaly in verdict.anomalies[:50]:
        lines.append(f"ANOMALY {anomaly.kind}: {anomaly.text}")
    return lines


def attack(cluster: Cluster, directory: Path, seed: int, minutes: float) -> list[str]:
    """Run it; what was wrong besides the verdict, and what was injected, is in the returned lines."""
    make_topic(cluster)
    journals = Journals(cluster.hosts, directory)
    recorder = Recorder(directory / "history.jsonl")
    one = Attack(cluster, recorder, journals, seed)
    workload = Workload(recorder, cluster.bootstrap, seed)
    journals.follow()
    try:
        workload.start()
        one.run(minutes * 60)
    finally:
        one.say("healing everything")
        trouble = one.heal()
        one.say("healed; clients settle, then the whole log is read")
        workload.finish()
        recorder.close()
        journals.close()
    lines = [f"faults injected: {one.injected.total()}", *(f"  {count} x {kind}" for kind, count in sorted(one.injected.items()))]
    failed = [*one.failed, *([f"not healthy in the end: {trouble}"] if trouble else [])]
    return lines + [f"ANOMALY cluster: {text}" for text in failed]


def main() -> int:
    parser = argparse.ArgumentParser(prog="torture", description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=5)
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--inventory", type=Path, default=INVENTORY)
    parser.add_argument("--keep", type=Path, default=ROOT / ".cache" / "torture")
    parser.add_argument("--judge", type=Path, help="judge this history again, and attack nothing")
    options = parser.parse_args()
    if options.judge is not None:
        return conclude([], options.judge, None)
    seed = options.seed if options.seed is not None else random.SystemRandom().randrange(1_000_000)
    directory = options.keep / f"{time.strftime('%Y%m%d-%H%M%S')}-seed-{seed}"
    directory.mkdir(parents=True)
    print(f"seed {seed}, {options.minutes:g} minutes; kept in {directory}", flush=True)
    # That ZooKeeper comes and goes is what is intended here.
    logging.getLogger("kazoo").setLevel(logging.CRITICAL)
    cluster = Cluster(read_inventory(options.inventory))
    try:
        if trouble := cluster.wait_healthy(HEALTHY_S):
            sys.exit(f"torture: the cluster is not healthy to begin with: {trouble}")
        lines = attack(cluster, directory, seed, options.minutes)
    finally:
        cluster.close()
    return conclude(lines, directory / "history.jsonl", f"make torture MINUTES={options.minutes:g} SEED={seed}")


def conclude(lines: list[str], path: Path, again: str | None) -> int:
    verdict, gaps = judge(path)
    complaints = Counter(event["text"] for event in history.read(path) if event["what"] == "complaint")
    lines = lines + report(verdict, gaps, complaints)
    if again is not None:
        lines.append(f"the same faults again: {again}")
        path.with_name("report.txt").write_text("\n".join(lines) + "\n")
        path.with_name("counts.json").write_text(json.dumps({"acknowledged": verdict.acknowledged, "anomalies": verdict.counts}))
    print("\n".join(lines), flush=True)
    return 1 if any(line.startswith("ANOMALY") for line in lines) else 0


if __name__ == "__main__":
    sys.exit(main())
