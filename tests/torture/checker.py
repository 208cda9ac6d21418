# SPDX-License-Identifier: Apache-2.0
"""Judges a history: is everything there that was promised, once, in order, where it was promised, and nothing else?

It knows only what clients saw, so it can judge any Kafka. The simulation has a judge of its own
(`broker_py/tests/simulation/checker.py`), which looks into the brokers' logs and ZooKeeper; here there is no door to those.

What it looks for:

    lost                 acknowledged, or in a committed transaction, and not in the log at the end
    duplicate            one value at two offsets, though its producer is idempotent; a record copied twice. What an idempotent
                         producer has written under two epochs of its own is counted apart: librdkafka raises its epoch after a
                         gap, and sends again what may be there already (rd_kafka_handle_idempotent_Produce_error)
    inconsistent offset  two values at one offset, now or ever; or at another offset than was promised
    reordered            later in the log than what its producer sent after it
    vanished             a consumer has read it, and it is not in the log at the end
    phantom              nobody sent it
    aborted read         read_committed showed something of an aborted transaction
    torn transaction     some of a transaction is shown, and some is not
    not monotonic        a consumer went back without having been told to
    skipped              a consumer jumped over a record that it should have seen
    unseen               the group has never read it
    forgotten offset     a group begins before what it had committed, or has less at the end
    transaction cycle    transactions that read one another's writes in a circle (G1c; Kafka does not promise the absence of
                         G0, write cycles: two transactions may write to two partitions in different order)
    stuck                a client did not settle when everything was healed
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import Iterable, Iterator

from torture.history import Event

COMMITTED, ABORTED = "committed", "aborted"
COPY_MARK = "<"
"""A copier's value is `<its own name><COPY_MARK><the value that it copied>`."""

Place = tuple[int, int]


@dataclass(frozen=True)
class Anomaly:
    kind: str
    text: str


@dataclass
class Verdict:
    acknowledged: int = 0
    committed: int = 0
    aborted: int = 0
    unknown: int = 0
    sent_anew: int = 0
    anomalies: list[Anomaly] = field(default_factory=list)

    @property
    def counts(self) -> Counter[str]:
        return Counter(anomaly.kind for anomaly in self.anomalies)


@dataclass
class _Reader:
    """One consumer's way through one partition: since it was last placed there, and before."""

    offsets: list[int] = field(default_factory=list)
    earlier: list[list[int]] = field(default_factory=list)


class Checker:
    """Takes a history event by event; `verdict` judges when it is complete."""

    def __init__(self) -> None:
        self._sent: dict[str, int] = {}
        self._order: dict[tuple[str, int], list[str]] = defaultdict(list)
        self._promised: dict[str, Place] = {}
        self._transaction_of: dict[str, str] = {}
        self._values_of: dict[str, list[str]] = defaultdict(list)
        self._reads_of: dict[str, set[str]] = defaultdict(set)
        self._fates: dict[str, str] = {}
        self._never_sent: set[str] = set()
        """What its client has said it threw away before any broker saw it: it was promised nothing."""
        self._sent_anew: set[str] = set()
        self._seen: dict[Place, str] = {}
        self._seen_committed: set[str] = set()
        self._final: dict[str, dict[int, dict[int, str]]] = {"uncommitted": defaultdict(dict), "committed": defaultdict(dict)}
        self._readers: dict[tuple[str, int], _Reader] = defaultdict(_Reader)
        self._isolation: dict[tuple[str, int], str] = {}
        self._grouped: dict[str, dict[int, set[int]]] = defaultdict(lambda: defaultdict(set))
        self._kept: dict[str, dict[int, int]] = defaultdict(dict)
        self._found: list[Anomaly] = []

    def take(self, event: Event) -> None:
        handler = getattr(self, f"_take_{event['what']}", None)
        if handler is not None:
            handler(event)

    def _report(self, kind: str, text: str) -> None:
        self._found.append(Anomaly(kind, text))

    # -- as it happens

    def _take_sent(self, event: Event) -> None:
        value = event["value"]
        self._sent[value] = event["partition"]
        self._order[event["who"], event["partition"]].append(value)
        if transaction := event.get("transaction"):
            self._transaction_of[value] = transaction
            self._values_of[transaction].append(value)

    def _take_acknowledged(self, event: Event) -> None:
        self._promised[event["value"]] = (event["partition"], event["offset"])

    def _take_failed(self, event: Event) -> None:
        if event.get("never_sent"):
            self._never_sent.add(event["value"])

    def _take_ended(self, event: Event) -> None:
        self._fates[event["transaction"]] = event["fate"]

    def _take_read(self, event: Event) -> None:
        partition, who, group = event["partition"], event["who"], event.get("group")
        reader = self._readers[who, partition]
        self._isolation[who, partition] = event["isolation"]
        for offset, value in event["records"]:
            self._see(partition, offset, value, who)
            if event["isolation"] == COMMITTED:
                self._seen_committed.add(value)
            if transaction := event.get("transaction"):
                self._reads_of[transaction].add(value)
            if group:
                self._grouped[group][partition].add(offset)
            if not reader.offsets:
                self._check_start(event, partition, offset)
            elif offset <= reader.offsets[-1]:
                self._report("not monotonic", f"{who} read {partition}@{offset} after {partition}@{reader.offsets[-1]}")
            reader.offsets.append(offset)

    def _check_start(self, event: Event, partition: int, offset: int) -> None:
        kept = self._kept[event["group"]].get(partition, 0) if event.get("group") else 0
        if offset < kept:
            self._report("forgotten offset", f"{event['who']} begins at {partition}@{offset}, committed was {kept}")

    def _see(self, partition: int, offset: int, value: str, who: str) -> None:
        known = self._seen.setdefault((partition, offset), value)
        if known != value:
            self._report("inconsistent offset", f"{partition}@{offset} is {value} to {who}, and was {known}")
        if value not in self._sent:
            self._report("phantom", f"{partition}@{offset}: {who} read {value}, which nobody sent")

    def _take_assigned(self, event: Event) -> None:
        for partition in event["partitions"]:
            before = self._readers[event["who"], partition]
            self._readers[event["who"], partition] = _Reader([], [*before.earlier, before.offsets])

    def _take_kept(self, event: Event) -> None:
        for partition, offset in event["offsets"].items():
            # An answer may arrive after the next owner has begun; it was given before.
            kept = self._kept[event["group"]]
            kept[int(partition)] = max(offset, kept.get(int(partition), 0))

    def _take_final(self, event: Event) -> None:
        final = self._final[event["isolation"]][event["partition"]]
        for offset, value in event["records"]:
            self._see(event["partition"], offset, value, "the last reader")
            final[offset] = value

    def _take_writers(self, event: Event) -> None:
        """One producer id, and each copy under an epoch of its own."""
        writers = [tuple(one) for one in event["writers"]]
        if len({producer_id for producer_id, _ in writers}) == 1 and len(set(writers)) == len(writers):
            self._sent_anew.add(event["value"])

    def _take_final_kept(self, event: Event) -> None:
        has = {int(partition): offset for partition, offset in event["offsets"].items()}
        for partition, offset in self._kept[event["group"]].items():
            if has.get(partition, -1) < offset:
                self._report(
                    "forgotten offset", f"{event['group']} has {has.get(partition)} in {partition}, committed was {offset}"
                )

    def _take_stuck(self, event: Event) -> None:
        self._report("stuck", f"{event['who']}: {event['text']}")

    # -- at the end

    def verdict(self) -> Verdict:
        places: dict[str, list[Place]] = defaultdict(list)
        for partition, records in self._final["uncommitted"].items():
            for offset, value in sorted(records.items()):
                places[value].append((partition, offset))
        shown = {value for records in self._final["committed"].values() for value in records.values()}
        self._check_promises(places)
        self._check_once(places)
        self._check_order(places)
        self._check_vanished(places)
        self._check_transactions(shown)
        self._check_copies(shown)
        self._check_ways()
        self._check_groups()
        for cycle in self._cycles():
            self._report("transaction cycle", " reads ".join(cycle))
        fates = Counter(self._fates.values())
        return Verdict(len(self._promised), fates[COMMITTED], fates[ABORTED], fates["unknown"], len(self._sent_anew), self._found)

    def _check_promises(self, places: dict[str, list[Place]]) -> None:
        for value, (partition, offset) in self._promised.items():
            if value not in places:
                self._report("lost", f"{value}, acknowledged as {partition}@{offset}")
            elif offset is not None and (partition, offset) not in places[value]:
                self._report(
                    "inconsistent offset", f"{value} was acknowledged as {partition}@{offset}, and is at {places[value]}"
                )

    def _check_once(self, places: dict[str, list[Place]]) -> None:
        for value, where in places.items():
            if len(where) > 1 and value not in self._sent_anew:
                self._report("duplicate", f"{value} is at {where}")

    def _check_order(self, places: dict[str, list[Place]]) -> None:
        for values in self._order.values():
            last: tuple[Place, str] | None = None
            for value in values:
                if value not in places:
                    continue
                place = places[value][0]
                if last is not None and place[1] < last[0][1]:
                    self._report("reordered", f"{value} is at {place}, before {last[1]} at {last[0]}, which was sent earlier")
                last = (place, value)

    def _check_vanished(self, places: dict[str, list[Place]]) -> None:
        for place, value in self._seen.items():
            if value not in places:
                self._report("vanished", f"{value} was read at {place[0]}@{place[1]}")

    def _check_transactions(self, shown: set[str]) -> None:
        for transaction, values in self._values_of.items():
            fate = self._fates.get(transaction, "unknown")
            there = [value for value in values if value in shown]
            if fate == ABORTED:
                for value in values:
                    if value in shown or value in self._seen_committed:
                        self._report("aborted read", f"{value} of {transaction}")
            elif fate == COMMITTED:
                for value in set(values).difference(there, self._never_sent):
                    self._report("lost", f"{value} of {transaction}, which was committed")
            elif there and len(there) < len(values):
                self._report("torn transaction", f"{transaction}: {len(there)} of {len(values)} records are shown")

    def _check_copies(self, shown: set[str]) -> None:
        """Exactly once: what a copier took from committed records is in its own partitions once."""
        copies = Counter(value.split(COPY_MARK, 1)[1] for value in shown if COPY_MARK in value)
        for original, count in copies.items():
            if count > 1:
                self._report("duplicate", f"{original} was copied {count} times")
        sources = {self._sent[original] for original in copies if original in self._sent}
        for partition in sources:
            for offset, value in self._final["committed"][partition].items():
                if value not in copies:
                    self._report("lost", f"{value} at {partition}@{offset} was not copied")

    def _check_ways(self) -> None:
        """No consumer jumps over a record of the final log between two that it read."""
        for (who, partition), reader in self._readers.items():
            final = self._final[self._isolation.get((who, partition), "uncommitted")][partition]
            for span in filter(None, [*reader.earlier, reader.offsets]):
                has, first, last = set(span), min(span), max(span)
                for offset in final:
                    if first < offset < last and offset not in has:
                        self._report(
                            "skipped", f"{who} read {partition} from {first} to {last}, without {offset}: {final[offset]}"
                        )

    def _check_groups(self) -> None:
        for group, partitions in self._grouped.items():
            for partition, offsets in partitions.items():
                for offset, value in self._final["committed"][partition].items():
                    if offset not in offsets:
                        self._report("unseen", f"{value} at {partition}@{offset} by {group}")

    def _cycles(self) -> Iterator[list[str]]:
        graph: dict[str, set[str]] = {}
        for reader, values in self._reads_of.items():
            graph[reader] = {writer for writer in map(self._transaction_of.get, values) if writer and writer != reader}
        state: dict[str, int] = {}
        for root in graph:
            path: list[str] = []
            stack: list[tuple[str, Iterator[str]]] = []
            if root in state:
                continue
            state[root] = 1
            path.append(root)
            stack.append((root, iter(graph[root])))
            while stack:
                node, following = stack[-1]
                for other in following:
                    if state.get(other) == 1:
                        yield [*path[path.index(other) :], other]
                    elif other not in state and other in graph:
                        state[other] = 1
                        path.append(other)
                        stack.append((other, iter(graph[other])))
                        break
                else:
                    state[node] = 2
                    path.pop()
                    stack.pop()


def judge(events: Iterable[Event]) -> Verdict:
    checker = Checker()
    for event in events:
        checker.take(event)
    return checker.verdict()
