# -*- coding: utf-8 -*-
# Copyright: Contributors to the commitlog.kafka collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where replicas should be: spread evenly, drained from brokers, or more or fewer of them, moving as little as possible.

No I/O: numbers in, numbers out, and the same numbers for the same question. A layout that is already as good as this planner
can make it comes back unchanged, so a module that applies the plan is idempotent.

The steps, in order: replace what may not stay, bring every partition to its number of replicas, put replicas of one partition on
different racks, even out every topic over the brokers, even out the brokers, and last even out who is the preferred leader. The
last step only reorders lists, so it moves no data.
"""

from __future__ import annotations

import typing as t

from ansible_collections.commitlog.kafka.plugins.module_utils._errors import ModuleFailure

Partition = t.Tuple[str, int]
Layout = t.Dict[Partition, t.List[int]]
Factor = t.Union[int, t.Dict[str, int], None]
"""How many replicas: of every partition, of those of each topic, or as many as they have."""


class PlanImpossible(ModuleFailure):
    """No layout is as wanted; the text says why and what to do."""


def rack_map(racks: dict[int, t.Optional[str]], rack_aware: t.Optional[bool]) -> dict[int, t.Optional[str]]:
    """The racks to plan with; all None when they do not count. Raises PlanImpossible when only some brokers have one."""
    missing = sorted(broker for broker, rack in racks.items() if rack is None)
    if rack_aware is False or len(missing) == len(racks):
        if rack_aware:
            raise PlanImpossible("rack_aware: no broker has a broker.rack")
        return dict.fromkeys(racks)
    if missing:
        raise PlanImpossible(
            "rack_aware: brokers {0} have no broker.rack and the others do; give them one, or say rack_aware: false".format(
                missing
            )
        )
    return racks


class Planner:
    """One question. `current` holds every partition of the cluster, for the load of brokers; `selected` may change."""

    def __init__(
        self,
        current: Layout,
        targets: t.Iterable[int],
        racks: t.Optional[dict[int, t.Optional[str]]] = None,
        selected: t.Optional[t.Iterable[Partition]] = None,
    ) -> None:
        self.targets = sorted(set(targets))
        self.racks = racks or {}
        self.layout = {partition: list(replicas) for partition, replicas in current.items()}
        self.selected = sorted(current if selected is None else set(selected))
        self._by_topic: dict[str, list[Partition]] = {}
        for partition in self.selected:
            self._by_topic.setdefault(partition[0], []).append(partition)
        self._load = dict.fromkeys(self.targets, 0)
        self._topic_load: dict[str, dict[int, int]] = {}
        self._leaders = dict.fromkeys(self.targets, 0)
        for (topic, _index), replicas in self.layout.items():
            for broker in replicas:
                self._count(topic, broker, 1)
            if replicas and replicas[0] in self._leaders:
                self._leaders[replicas[0]] += 1
        # Of equally empty brokers, the one that began emptiest is filled: new brokers before old ones.
        self._load_before = dict(self._load)

    # -- what is asked

    def drain(self, replication_factor: Factor = None) -> Layout:
        """Replace the replicas that are on none of the targets, and no others."""
        self._fit(replication_factor)
        return self._changed()

    def spread(self, replication_factor: Factor = None) -> Layout:
        """Even out replicas and preferred leaders over the targets."""
        self._fit(replication_factor)
        self._part_racks()
        self._even_topics()
        self._even_brokers()
        self._even_leaders()
        return self._changed()

    # -- the steps

    def _fit(self, replication_factor: Factor) -> None:
        for partition in self.selected:
            replicas = self.layout[partition]
            wanted = replication_factor.get(partition[0]) if isinstance(replication_factor, dict) else replication_factor
            factor = len(replicas) if wanted is None else wanted
            if factor > len(self.targets):
                raise PlanImpossible(
                    "partition {1} of {0} needs {2} replicas and only brokers {3} may hold them".format(
                        partition[0], partition[1], factor, self.targets
                    )
                )
            leader = replicas[0] if replicas else None
            for broker in [broker for broker in replicas if broker not in self._load]:
                self._take(partition, broker)
            while len(self.layout[partition]) > factor:
                self._take(partition, self._worst(partition))
            while len(self.layout[partition]) < factor:
                self._put(partition, self._best(partition))
            if leader is not None and self.layout[partition][0] != leader:
                self._lead(partition, min(self.layout[partition], key=lambda broker: (self._leaders[broker], broker)))

    def _part_racks(self) -> None:
        for partition in self.selected:
            while True:
                doubled = self._doubled(partition)
                used = {self.racks.get(broker) for broker in self.layout[partition]}
                free = [broker for broker in self.targets if self.racks.get(broker) not in used]
                if not doubled or not free:
                    break
                source = max(doubled, key=lambda broker: (self._load[broker], broker))
                self._move(partition, source, min(free, key=lambda broker: self._cost(partition[0], broker)))

    def _even_topics(self) -> None:
        for topic in sorted(self._by_topic):
            while self._step(self._topic_load.get(topic, {}), [topic], lambda _topic, _source, _target: True):
                pass

    def _even_brokers(self) -> None:
        topics = sorted(self._by_topic)

        def keeps_topic_even(topic: str, source: int, target: int) -> bool:
            load = self._topic_load[topic]
            return load.get(source, 0) > load.get(target, 0)

        while self._step(self._load, topics, keeps_topic_even):
            pass

    def _step(self, load: dict[int, int], topics: list[str], allowed: t.Callable[[str, int, int], bool]) -> bool:
        """Move one replica from a fuller to an emptier broker (by two or more); whether there was one to move."""
        fullest = sorted(self.targets, key=lambda broker: (-load.get(broker, 0), -self._load[broker], broker))
        emptiest = sorted(self.targets, key=lambda broker: (load.get(broker, 0), *self._fullness(broker)))
        for source in fullest:
            for target in emptiest:
                if load.get(source, 0) - load.get(target, 0) < 2:
                    break
                for partition in self._movable(source, target, topics, allowed):
                    self._move(partition, source, target)
                    return True
        return False

    def _movable(
        self, source: int, target: int, topics: list[str], allowed: t.Callable[[str, int, int], bool]
    ) -> t.Iterator[Partition]:
        """Partitions with a replica that may go from source to target, followers first: they move without an election."""
        wanted = [topic for topic in topics if allowed(topic, source, target)]
        found = [p for p in self._of(wanted) if source in self.layout[p] and target not in self.layout[p]]
        for partition in sorted(found, key=lambda p: (self.layout[p][0] == source, p)):
            if self._racks_after(partition, source, target) >= self._racks_of(self.layout[partition]):
                yield partition

    def _even_leaders(self) -> None:
        for topic in sorted(self._by_topic):
            partitions = self._of([topic])
            while True:
                count = self._leads(partitions)
                path = self._leader_path(partitions, count)
                if not path:
                    break
                for partition, broker in path:
                    self._lead(partition, broker)
        self._even_leaders_of_brokers()

    def _even_leaders_of_brokers(self) -> None:
        counts = {topic: self._leads(partitions) for topic, partitions in self._by_topic.items()}
        moved = True
        while moved:
            moved = False
            for partition in self.selected:
                leader, count = self.layout[partition][0], counts[partition[0]]
                for broker in sorted(self.layout[partition][1:], key=lambda broker: (self._leaders[broker], broker)):
                    if self._leaders[leader] - self._leaders[broker] < 2 or count.get(leader, 0) <= count.get(broker, 0):
                        continue
                    self._lead(partition, broker)
                    count[leader] -= 1
                    count[broker] = count.get(broker, 0) + 1
                    moved = True
                    break

    def _leader_path(self, partitions: list[Partition], count: dict[int, int]) -> list[tuple[Partition, int]]:
        """The fewest preferred leaders to change so that one broker leads one less, and one that led two fewer leads one more."""
        for start in sorted(self.targets, key=lambda broker: (-count.get(broker, 0), broker)):
            reached: dict[int, list[tuple[Partition, int]]] = {start: []}
            queue = [start]
            while queue:
                broker = queue.pop(0)
                if count.get(start, 0) - count.get(broker, 0) >= 2:
                    return reached[broker]
                for partition in partitions:
                    replicas = self.layout[partition]
                    if replicas[0] != broker:
                        continue
                    for follower in replicas[1:]:
                        if follower not in reached:
                            reached[follower] = [*reached[broker], (partition, follower)]
                            queue.append(follower)
        return []

    # -- single changes

    def _count(self, topic: str, broker: int, by: int) -> None:
        if broker in self._load:
            self._load[broker] += by
            load = self._topic_load.setdefault(topic, {})
            load[broker] = load.get(broker, 0) + by

    def _take(self, partition: Partition, broker: int) -> None:
        replicas = self.layout[partition]
        if replicas[0] == broker and broker in self._leaders:
            self._leaders[broker] -= 1
        led = replicas[0] == broker
        replicas.remove(broker)
        self._count(partition[0], broker, -1)
        if led and replicas and replicas[0] in self._leaders:
            self._leaders[replicas[0]] += 1

    def _put(self, partition: Partition, broker: int) -> None:
        replicas = self.layout[partition]
        replicas.append(broker)
        self._count(partition[0], broker, 1)
        if len(replicas) == 1:
            self._leaders[broker] += 1

    def _move(self, partition: Partition, source: int, target: int) -> None:
        replicas = self.layout[partition]
        if replicas[0] == source:
            self._leaders[source] -= 1
            self._leaders[target] += 1
        replicas[replicas.index(source)] = target
        self._count(partition[0], source, -1)
        self._count(partition[0], target, 1)

    def _lead(self, partition: Partition, broker: int) -> None:
        replicas = self.layout[partition]
        if replicas[0] in self._leaders:
            self._leaders[replicas[0]] -= 1
        self._leaders[broker] += 1
        replicas.remove(broker)
        replicas.insert(0, broker)

    # -- what is good

    def _best(self, partition: Partition) -> int:
        replicas = self.layout[partition]
        used = {self.racks.get(broker) for broker in replicas}
        free = [broker for broker in self.targets if broker not in replicas]
        return min(
            free, key=lambda broker: (bool(replicas) and self.racks.get(broker) in used, *self._cost(partition[0], broker))
        )

    def _worst(self, partition: Partition) -> int:
        """Which replica to give up: one whose rack has another, on the fullest broker, and not the preferred leader."""
        replicas = self.layout[partition]
        pool = [broker for broker in self._doubled(partition) if broker != replicas[0]] or replicas[1:]
        return max(pool, key=lambda broker: self._cost(partition[0], broker))

    def _cost(self, topic: str, broker: int) -> tuple[int, int, int, int]:
        return (self._topic_load.get(topic, {}).get(broker, 0), *self._fullness(broker))

    def _fullness(self, broker: int) -> tuple[int, int, int]:
        return (self._load[broker], self._load_before[broker], broker)

    def _doubled(self, partition: Partition) -> list[int]:
        racks = [self.racks.get(broker) for broker in self.layout[partition]]
        return [broker for broker, rack in zip(self.layout[partition], racks) if rack is not None and racks.count(rack) > 1]

    def _racks_of(self, replicas: list[int]) -> int:
        return len({self.racks.get(broker) for broker in replicas})

    def _racks_after(self, partition: Partition, source: int, target: int) -> int:
        return self._racks_of([target if broker == source else broker for broker in self.layout[partition]])

    def _of(self, topics: list[str]) -> list[Partition]:
        return [partition for topic in topics for partition in self._by_topic[topic]]

    def _leads(self, partitions: list[Partition]) -> dict[int, int]:
        count = dict.fromkeys(self.targets, 0)
        for partition in partitions:
            count[self.layout[partition][0]] += 1
        return count

    def _changed(self) -> Layout:
        return {partition: self.layout[partition] for partition in self.selected}


def differences(current: Layout, planned: Layout) -> Layout:
    """The partitions that the plan changes, if only in the order of their replicas."""
    return {partition: replicas for partition, replicas in sorted(planned.items()) if current[partition] != replicas}


def replicas_copied(current: Layout, planned: Layout) -> int:
    """How many replicas are copied to a broker that did not have them."""
    return sum(len(set(replicas) - set(current[partition])) for partition, replicas in planned.items())


def distribution(layout: Layout, brokers: t.Iterable[int]) -> dict[str, dict[str, int]]:
    """Replicas and preferred leaders per broker."""
    counts = {str(broker): dict(replicas=0, leaders=0) for broker in sorted(set(brokers))}
    for replicas in layout.values():
        for position, broker in enumerate(replicas):
            count = counts.setdefault(str(broker), dict(replicas=0, leaders=0))
            count["replicas"] += 1
            count["leaders"] += position == 0
    return counts


def nested(layout: Layout) -> dict[str, dict[str, list[int]]]:
    """A layout as the modules take and return it: topic, partition, brokers."""
    result: dict[str, dict[str, list[int]]] = {}
    for (topic, index), replicas in sorted(layout.items()):
        result.setdefault(topic, {})[str(index)] = list(replicas)
    return result
