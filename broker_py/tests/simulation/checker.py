# SPDX-License-Identifier: Apache-2.0
"""What must hold in a simulated cluster at every moment, and at the end.

- A leader epoch has one leader, and a broker's high watermark does not fall while it leads in an epoch.
- What is below any replica's high watermark is committed: it is the same, byte for byte, below that of every
  other, for ever, also where a broker restarts; leader epochs in it do not go back.
- A leader has noted where its epoch began, and of what is committed every replica says so alike; a broker
  does not go back to an earlier leader epoch.
- No replica drops what is committed (KIP-101, KIP-279).
- A live member of the ISR has everything below the leader's high watermark (KIP-497).
- Only the session that was last elected writes partition states, and writes them with its epoch; leader and
  leader epoch change together.
- No broker listens to a controller after it has heard of a later one.
- What is acknowledged with acks=all is in min.insync.replicas logs.
- What a consumer has read is committed; it has read all of it up to where it is, in order, once.
- At the end every broker knows leaders and ISRs, all replicas are equal and in sync; every record
  acknowledged with acks=all and min.insync.replicas=2 is there, at the offset that was promised; what an
  idempotent producer sent is there at most once and in its order; nothing else is there.

What groups and transactions promise is in `groups` and `transactions`.

A violation ends the simulation. So does an exception that the code under test did not expect.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from commitlog.coordination import paths
from commitlog.coordination.client import Create, Delete, Op, OpResult, SetData
from commitlog.coordination.documents import PartitionState, decode_controller_epoch
from commitlog.records.batch import decode_records, iterate_headers
from tests.simulation.network import LIFE
from tests.simulation.workload import REQUEST_TIMEOUT_MS

if TYPE_CHECKING:
    from commitlog.replication.partition import Partition
    from commitlog.storage.log import Log
    from tests.simulation.cluster import Cluster, SimulatedBroker
    from tests.simulation.workload import History

TICK_S = 0.05
MIN_ISR = 2

Key = tuple[str, int]


class Violation(AssertionError):
    """Something that must never be, was."""


class CommittedLog:
    """One partition's history as first seen below a high watermark."""

    def __init__(self) -> None:
        self.data = bytearray()
        self.end = 0
        self.epoch = -1
        self.epoch_starts: dict[int, int] = {}
        self._positions: dict[int, int] = {0: 0}

    def compare(self, key: Key, data: bytes, offset: int, who: object) -> None:
        """A replica's bytes from an offset to its high watermark; what is new is committed from now on."""
        at = self._positions.get(offset)
        if at is None:
            raise Violation(f"{key} on {who}: no batch begins at {offset}, where this replica has one")
        common = min(len(data), len(self.data) - at)
        if data[:common] != self.data[at : at + common]:
            raise Violation(f"{key} on {who}: {difference(self.data[at:], data)}")
        self._extend(key, data[common:], who)

    def has(self, data: bytes, offset: int) -> bool:
        """Whether these bytes begin, at this offset, with a batch that is committed."""
        at = self._positions.get(offset)
        first = next(iterate_headers(data), None)
        return (
            at is not None
            and first is not None
            and self.data[at : at + first[1].size] == data[: first[1].size]
        )

    def _extend(self, key: Key, data: bytes, who: object) -> None:
        for _, header in iterate_headers(data):
            if header.base_offset != self.end:
                raise Violation(f"{key} on {who}: offset {header.base_offset} follows {self.end - 1}")
            if header.leader_epoch < self.epoch:
                raise Violation(
                    f"{key} on {who}: leader epoch {header.leader_epoch} after {self.epoch} at {self.end}"
                )
            if header.leader_epoch > self.epoch:
                self.epoch_starts[header.leader_epoch] = header.base_offset
            self.end = header.next_offset
            self.epoch = header.leader_epoch
        at = len(self.data)
        self.data += data
        for position, header in iterate_headers(data):
            self._positions[header.next_offset] = at + position + header.size

    def records(self) -> Iterator[tuple[int, bytes | None]]:
        for at, header in iterate_headers(self.data):
            if not header.is_control:
                for record in decode_records(self.data, at, header):
                    yield record.offset, record.key


class Checker:
    """Looks at all brokers every TICK_S, and at every write to ZooKeeper."""

    def __init__(self, cluster: Cluster, history: History) -> None:
        self._cluster = cluster
        self._history = history
        self._committed: dict[Key, CommittedLog] = {}
        self._verified: dict[Log, int] = {}
        self._leaders: dict[tuple[Key, int], int] = {}
        self._watermarks: dict[tuple[int, int, Key, int], int] = {}
        self._states: dict[Key, PartitionState] = {}
        self._consumed: dict[tuple[int, int], bytes | None] = {}
        self._election: tuple[int, int] | None = None
        self._violation: Violation | None = None
        self._ends: dict[tuple[int, Key], int] = {}
        self._logs: dict[tuple[int, int, Key], Log] = {}
        self._leader_epochs: dict[Partition, int] = {}
        self._lost: dict[tuple[int, Key], tuple[int, float]] = {}
        self._controller_epochs: dict[tuple[int, int], int] = {}
        cluster.ensemble.observers.append(self._written)
        cluster.on_death = self._died

    # -- at every moment

    async def watch(self) -> None:
        """Look for ever; raises Violation."""
        while True:
            self.look()
            await asyncio.sleep(TICK_S)

    def look(self) -> None:
        if self._violation is not None:
            raise self._violation
        if self._cluster.crashes.found:
            raise Violation(f"unexpected exception at {self._cluster.crashes.found[0]}")
        for broker in self._cluster.brokers.values():
            self._check_controller_epoch(broker)
        states = self._cluster.partition_states()
        for key, state in states.items():
            replicas = list(self._replicas(key))
            for broker, partition in replicas:
                self._check_leader_epoch(key, broker, partition)
                if partition.is_leader:
                    self._check_leader(key, broker, partition)
                self._check_log(key, broker, partition)
            self._check_isr(key, state, replicas)

    def _replicas(self, key: Key) -> Iterator[tuple[SimulatedBroker, Partition]]:
        for broker in self._cluster.brokers.values():
            log = broker.log(*key)
            if log is not None and not log._closed:
                assert broker.replicas is not None
                partition = broker.replicas.hosted_partition(*key)
                assert partition is not None
                yield broker, partition

    def _check_controller_epoch(self, broker: SimulatedBroker) -> None:
        if broker.replicas is None:
            return
        life = (broker.id, broker.boots)
        epoch = broker.replicas.controller_epoch
        if epoch < self._controller_epochs.get(life, 0):
            raise Violation(f"{broker} listens to a controller of epoch {epoch} after a later one")
        self._controller_epochs[life] = epoch

    def _check_leader_epoch(self, key: Key, broker: SimulatedBroker, partition: Partition) -> None:
        before = self._leader_epochs.get(partition, -1)
        if partition.leader_epoch < before:
            raise Violation(
                f"{key}: {broker} goes back from leader epoch {before} to {partition.leader_epoch}"
            )
        self._leader_epochs[partition] = partition.leader_epoch

    def _check_leader(self, key: Key, broker: SimulatedBroker, partition: Partition) -> None:
        epoch = partition.leader_epoch
        known = self._leaders.setdefault((key, epoch), broker.id)
        if known != broker.id:
            raise Violation(f"{key}: brokers {known} and {broker.id} both lead in epoch {epoch}")
        noted = partition.log_or_raise().leader_epochs.latest_epoch
        if noted != epoch:
            raise Violation(
                f"{key}: {broker} leads in epoch {epoch}, but the last whose start it has noted is {noted}"
            )
        term = (broker.id, broker.boots, key, epoch)
        before = self._watermarks.get(term, 0)
        if partition.high_watermark < before:
            raise Violation(
                f"{key} on {broker}: the high watermark fell from {before} to {partition.high_watermark} "
                f"in leader epoch {epoch}"
            )
        self._watermarks[term] = partition.high_watermark

    def _check_log(self, key: Key, broker: SimulatedBroker, partition: Partition) -> None:
        log = partition.log
        assert log is not None
        self._logs[broker.id, broker.boots, key] = log
        if not log.log_start_offset <= log.high_watermark <= log.log_end_offset:
            raise Violation(f"{key} on {broker}: high watermark {log.high_watermark} outside of {log}")
        verified = self._verified.get(log, 0)
        if log.log_end_offset < verified:
            raise Violation(f"{key} on {broker}: committed up to {verified}, cut to {log.log_end_offset}")
        if log.high_watermark > verified:
            self._compare(key, log, verified, broker)
            self._verified[log] = log.high_watermark
            self._check_epoch_starts(key, log, broker)

    def _check_epoch_starts(self, key: Key, log: Log, who: object) -> None:
        """Of the epochs with committed records a replica knows each, and where it began."""
        start, end = log.log_start_offset, log.high_watermark
        noted = {epoch: first for epoch, first in log.leader_epochs.entries if first < end}
        begun = [one for one in self._committed[key].epoch_starts.items() if one[1] < end]
        expected = {
            epoch: max(first, start)
            for (epoch, first), after in zip(begun, [*begun[1:], (0, end)], strict=True)
            if after[1] > start
        }
        if noted != expected:
            raise Violation(f"{key} on {who}: leader epochs began at {expected}, noted is {noted}")

    def truncating(self, log: Log, offset: int) -> None:
        """A replica is about to drop everything from an offset on."""
        key = (log.topic, log.partition)
        committed = self._committed.get(key)
        if committed is None or offset >= min(committed.end, log.log_end_offset):
            return
        lost = read(log, offset, log.log_end_offset)
        if committed.has(lost, offset):
            life = LIFE.get()
            where = None if life is None else life.host
            self.fail(f"{key} on {where}: committed up to {committed.end}, about to be cut to {offset}")

    def fail(self, text: str) -> None:
        """Note a violation that the next look will raise; only the first counts."""
        if self._violation is None:
            self._violation = Violation(text)

    def _compare(self, key: Key, log: Log, offset: int, who: object) -> None:
        committed = self._committed.setdefault(key, CommittedLog())
        committed.compare(key, read(log, offset, log.high_watermark), offset, who)

    def _check_isr(
        self, key: Key, state: PartitionState, replicas: Sequence[tuple[SimulatedBroker, Partition]]
    ) -> None:
        leaders = [partition for _, partition in replicas if partition.is_leader]
        leader = max(leaders, key=lambda partition: partition.leader_epoch, default=None)
        if leader is None or leader.leader_epoch != state.leader_epoch:
            return
        for broker, partition in replicas:
            # As in Kafka, who is about to go (reassignment, phase B) is forgotten before the ISR is shrunk.
            if (
                broker.id in leader.assignment
                and broker.id in state.isr
                and partition.log_end_offset < leader.high_watermark
            ):
                raise Violation(
                    f"{key}: {broker} is in the ISR {state.isr} and ends at {partition.log_end_offset}, but "
                    f"the leader's high watermark is {leader.high_watermark}"
                )

    def _written(self, session_id: int, ops: Sequence[Op], results: Sequence[OpResult]) -> None:
        for op in ops:
            if isinstance(op, Delete) and op.path.rpartition("/")[0] == paths.BROKER_TOPICS:
                self._forget(op.path.rpartition("/")[2])
            if not isinstance(op, Create | SetData):
                continue
            if op.path == paths.CONTROLLER_EPOCH:
                self._election = (session_id, decode_controller_epoch(op.data or b""))
            elif op.path.startswith(paths.BROKER_TOPICS) and op.path.endswith("/state"):
                topic, index = op.path.split("/")[3], int(op.path.split("/")[5])
                self._state_written((topic, index), session_id, op.data or b"")

    def _forget(self, topic: str) -> None:
        """It has been deleted. A request that was long on its way may create one of that name anew."""
        self._states = {key: state for key, state in self._states.items() if key[0] != topic}
        self._committed = {key: log for key, log in self._committed.items() if key[0] != topic}
        self._leaders = {term: leader for term, leader in self._leaders.items() if term[0][0] != topic}
        self._watermarks = {term: offset for term, offset in self._watermarks.items() if term[2][0] != topic}

    def _state_written(self, key: Key, session_id: int, data: bytes) -> None:
        state = PartitionState.decode(*key, data)
        before = self._states.get(key)
        self._states[key] = state
        if self._election != (session_id, state.controller_epoch):
            self.fail(f"{key}: session {session_id:#x} wrote {state}, but elected is {self._election}")
        if before is not None and (
            state.leader_epoch < before.leader_epoch
            or (state.leader_epoch == before.leader_epoch and state.leader not in (before.leader, -1))
        ):
            self.fail(f"{key}: {state} follows {before}")

    def acknowledged(self, partition: int, offset: int) -> None:
        """A producer was told, with acks=all, that the record at this offset is safe."""
        key = (self._history.topic, partition)
        holders = [broker.id for broker in self._cluster.brokers.values() if self._end(broker, key) > offset]
        if len(holders) < MIN_ISR:
            self.fail(f"{key}: offset {offset} was acknowledged with acks=all, but only {holders} have it")

    def _end(self, broker: SimulatedBroker, key: Key) -> int:
        """Where a replica ends; of a dead broker or disk, where it ended when it died."""
        log = broker.log(*key) or self._logs.get((broker.id, broker.boots, key))
        end = self._ends.get((broker.id, key), 0) if log is None else log.log_end_offset
        lost_end, lost_at = self._lost.get((broker.id, key), (0, 0.0))
        # What was lost with the power may have been acknowledged before, by an answer still on its way.
        on_the_way = self._cluster.loop.time() - lost_at <= REQUEST_TIMEOUT_MS / 1000
        return max(end, lost_end) if on_the_way else end

    def _died(self, broker: SimulatedBroker, lost_power: bool) -> None:
        for key in self._cluster.partition_states():
            log = broker.log(*key) or self._logs.get((broker.id, broker.boots, key))
            if log is not None:
                self._ends[broker.id, key] = log.log_end_offset
            if lost_power:
                self._lost[broker.id, key] = (self._ends.pop((broker.id, key), 0), self._cluster.loop.time())

    def check_reading(self, partition: int, offsets: list[int], position: int) -> None:
        """A consumer that began at 0 read these offsets, and is at a position now."""
        committed = self._committed[self._history.topic, partition].records()
        expected = [offset for offset, _ in committed if offset < position]
        if offsets != expected:
            wrong = sorted(set(offsets) ^ set(expected))[:3] or "their order"
            raise Violation(f"a consumer of partition {partition} at {position}: wrong is {wrong}")

    def consumed(self, partition: int, offset: int, key: bytes | None) -> None:
        """A consumer has read a record."""
        known = self._consumed.setdefault((partition, offset), key)
        if known != key:
            self.fail(f"consumers read {known!r} and {key!r} at offset {offset} of partition {partition}")

    # -- at the end

    def recovered(self) -> bool:
        """All brokers serve and know the same, all replicas are in sync and equal."""
        brokers = self._cluster.brokers.values()
        if not all(broker.serving for broker in brokers):
            return False
        if self._cluster.ensemble.tree.children(paths.DELETE_TOPICS):
            return False
        assignments = self._cluster.assignments()
        for key, state in self._cluster.partition_states().items():
            wanted = assignments[key]
            replicas = [(broker, one) for broker, one in self._replicas(key) if broker.id in wanted]
            if len(replicas) != len(wanted) or set(state.isr) != wanted:
                return False
            if not all(_knows(broker, key, state) for broker in brokers):
                return False
            if len({(p.log_end_offset, p.high_watermark, p.leader_epoch) for _, p in replicas}) != 1:
                return False
            if any(one.log_or_raise().last_stable_offset != one.log_end_offset for _, one in replicas):
                return False
        return True

    def why_not_recovered(self) -> str:
        lines = [f"{broker}: serving={broker.serving}" for broker in self._cluster.brokers.values()]
        for key, state in self._cluster.partition_states().items():
            ignorant = [broker for broker in self._cluster.brokers.values() if not _knows(broker, key, state)]
            lines.append(
                f"{key} on {self._cluster.assignments()[key]}: {state}"
                + (f", not known to {ignorant}" if ignorant else "")
            )
            lines += [
                f"  {broker}: {partition} ends at {partition.log_end_offset}, high watermark "
                f"{partition.high_watermark}, last stable {partition.log_or_raise().last_stable_offset}"
                for broker, partition in self._replicas(key)
            ]
        return "\n".join(lines)

    def committed(self, topic: str, partition: int) -> bytearray:
        """The bytes of a partition that are below some high watermark."""
        return self._committed[topic, partition].data

    def check_promises(self) -> None:
        """Call when the cluster has recovered and all clients are done."""
        self.look()
        for key in self._cluster.partition_states():
            for broker, partition in self._replicas(key):
                self._compare(key, partition.log_or_raise(), 0, broker)
        history = self._history
        for index in range(history.partitions):
            there: dict[bytes, list[int]] = {}
            for offset, value in self._committed[history.topic, index].records():
                there.setdefault(value or b"", []).append(offset)
            self._check_promised(index, there)
            self._check_order(index, there)
            strangers = there.keys() - history.sent[index]
            if strangers:
                raise Violation(f"partition {index} has what nobody sent: {sorted(strangers)[:3]}")
            self._check_consumed(index)

    def _check_promised(self, partition: int, there: dict[bytes, list[int]]) -> None:
        for value, offset in self._history.promised[partition].items():
            found = there.get(value)
            if found is None:
                raise Violation(f"{value!r} was acknowledged at offset {offset} of {partition}, and is lost")
            if offset >= 0 and offset not in found:
                raise Violation(
                    f"{value!r} was acknowledged at offset {offset} of {partition}, is at {found}"
                )

    def _check_consumed(self, partition: int) -> None:
        records = dict(self._committed[self._history.topic, partition].records())
        for (read_from, offset), key in self._consumed.items():
            if read_from == partition and records.get(offset) != key:
                raise Violation(
                    f"a consumer read {key!r} at {offset} of {partition}, there is {records.get(offset)!r}"
                )

    def _check_order(self, partition: int, there: dict[bytes, list[int]]) -> None:
        for order in self._history.in_order[partition]:
            last = -1
            for value in order:
                offsets = there.get(value, [])
                if len(offsets) > 1:
                    raise Violation(f"{value!r} of an idempotent producer is there more than once: {offsets}")
                if offsets and offsets[0] < last:
                    raise Violation(f"{value!r} of an idempotent producer is before its predecessor")
                last = offsets[0] if offsets else last


def _knows(broker: SimulatedBroker, key: Key, state: PartitionState) -> bool:
    """Whether the broker would tell clients the same as ZooKeeper."""
    if broker.replicas is None:
        return False
    told = broker.replicas.metadata.partition_state(*key)
    return told is not None and (told.leader, told.leader_epoch, tuple(told.isr)) == (
        state.leader,
        state.leader_epoch,
        state.isr,
    )


def read(log: Log, offset: int, upper_offset: int) -> bytes:
    """The bytes of a log between two offsets; one read gives at most one segment."""
    parts: list[bytes] = []
    while offset < upper_offset:
        found = log.read(offset, 1 << 30, upper_offset=upper_offset)
        data = b"".join(region.file.pread(region.size, region.position) for region in found.regions)
        for _, header in iterate_headers(data):
            offset = header.next_offset
        if not data:
            raise Violation(f"{log}: nothing at offset {offset}, below {upper_offset}")
        parts.append(data)
    return b"".join(parts)


def difference(expected: bytes | bytearray, found: bytes) -> str:
    """Where two logs part, in people's words."""
    for (at, one), (_, other) in zip(iterate_headers(expected), iterate_headers(found), strict=False):
        if expected[at : at + one.size] != found[at : at + other.size]:
            return (
                f"at offset {one.base_offset} (leader epoch {one.leader_epoch}, {one.record_count} records) "
                f"was committed, here is offset {other.base_offset} (leader epoch {other.leader_epoch}, "
                f"{other.record_count} records)"
            )
    return "logs differ"
