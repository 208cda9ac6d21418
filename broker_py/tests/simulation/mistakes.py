# SPDX-License-Identifier: Apache-2.0
"""Known mistakes, planted for the time of a run: the proof that the simulation would notice them.

Each is one that replicated logs have really had, or that a change to the code could bring in unseen.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

from commitlog.controller import election
from commitlog.controller.context import LeaderAndIsr
from commitlog.controller.fencing import Fence
from commitlog.coordination.client import Op, OpResult
from commitlog.groups.coordinator import GroupCoordinator
from commitlog.groups.log_writer import LogWriter
from commitlog.replication import fetch, state_change
from commitlog.replication.fetch import FetchIsolation
from commitlog.replication.fetch_states import FetchState
from commitlog.replication.isr import InSyncReplicas, IsrState, RemoteReplica
from commitlog.replication.partition import Partition
from commitlog.replication.replica_manager import ReplicaManager
from commitlog.storage import segment
from commitlog.storage.log import Log
from commitlog.storage.log_loader import LoadedLog, LogLoader
from commitlog.storage.producer_state import ProducerStates
from commitlog.transactions import log_writer as transaction_log
from commitlog.transactions.markers import MarkerChannel
from commitlog.wire.errors import ErrorCode, KafkaError

Patch = tuple[Any, str, Any]
"""A class or module, the name of something in it, and what to put there."""


def _patches(*patches: Patch) -> Callable[[], contextlib.AbstractContextManager[None]]:
    @contextlib.contextmanager
    def planted() -> Iterator[None]:
        before = [(owner, name, owner.__dict__.get(name)) for owner, name, _ in patches]
        for owner, name, value in patches:
            setattr(owner, name, value)
        try:
            yield
        finally:
            for owner, name, value in before:
                if value is None:
                    delattr(owner, name)  # it was inherited
                else:
                    setattr(owner, name, value)

    return planted


def _acknowledged_at_once(self: Partition, required_offset: int) -> ErrorCode:
    return ErrorCode.NONE if self.is_leader else ErrorCode.NOT_LEADER_OR_FOLLOWER


def _only_the_leader(self: InSyncReplicas, leader_end_offset: int) -> int:
    return leader_end_offset


_append_as_leader = Log.append_as_leader


def _append_without_epoch(self: Log, records: Any, leader_epoch: int, **options: Any) -> Any:
    return _append_as_leader(self, records, 0, **options)


def _cut_to_high_watermark(partition: Partition, topic_id: bytes, *, truncation_on_fetch: bool) -> FetchState:
    """As before KIP-101."""
    log = partition.log_or_raise()
    log.truncate_to(log.high_watermark)
    return FetchState(partition, topic_id, partition.leader_epoch, log.log_end_offset, -1, False)


def _accept_any_controller(self: ReplicaManager, controller_epoch: int) -> bool:
    self.controller_epoch = controller_epoch
    return True


async def _write_unguarded(self: Fence, *ops: Op) -> list[OpResult]:
    return [None, *await self._coordination.multi(ops)]


def _admit_anybody(
    self: InSyncReplicas, replica: RemoteReplica, leader_epoch_start: int, high_watermark: int
) -> None:
    state = self.state
    if not state.in_flight and replica.broker_id not in state.committed:
        self._propose((*state.committed, replica.broker_id))


def _shrink_at_once(self: IsrState) -> frozenset[int]:
    return frozenset(self.committed if self.proposed is None else self.proposed)


def _ignore_min_isr(self: Partition) -> int:
    return 1


def _no_duplicates(self: ProducerStates, header: Any) -> None:
    return None


_append_as_follower = Log.append_as_follower


def _believe(self: ProducerStates, *_: Any, **__: Any) -> None:
    """Any sequence number is right."""


def _follow_without_producers(self: Log, records: Any, **options: Any) -> Any:
    with _patches((ProducerStates, "add_batch", _believe))():
        return _append_as_follower(self, records, **options)


def _load_no_group(self: GroupCoordinator, group_id: str, replay: Any) -> None:
    pass


_write_records = LogWriter._append


def _write_for_the_leader_alone(self: LogWriter, *arguments: Any, acks: int | None = None) -> None:
    _write_records(self, *arguments, acks=1)


def _obey_any_state(*_: Any) -> None:
    """Whatever leader epoch the request names."""


def _never_outdated(*_: Any) -> bool:
    return False


def _hear_every_controller(self: ReplicaManager, controller_epoch: int) -> bool:
    self.controller_epoch = max(self.controller_epoch, controller_epoch)
    return True


_names_another_epoch = [False]


def _serve_any_epoch(self: Partition, current_leader_epoch: int, *, require_leader: bool) -> Log:
    _names_another_epoch[0] = current_leader_epoch not in (-1, self.leader_epoch)
    if require_leader and not self.is_leader:
        raise KafkaError(ErrorCode.NOT_LEADER_OR_FOLLOWER)
    return self.log_or_raise()


_diverging_epoch = fetch.diverging_epoch


def _look_only_in_this_epoch(*arguments: Any) -> tuple[int, int] | None:
    return None if _names_another_epoch[0] else _diverging_epoch(*arguments)


def _logs_never_part(*_: Any) -> None:
    return None


def _no_epoch_entry(self: Log, leader_epoch: int, start_offset: int) -> None:
    pass


def _nothing_is_corrupt(*_: Any) -> bool:
    return True


_load = LogLoader.load


def _load_as_if_stopped(self: LogLoader) -> LoadedLog:
    self.clean = True
    return _load(self)


def _elect_anybody(context: Any, partition: Any, state: LeaderAndIsr, *_: bool) -> election.Elected | None:
    """Whoever is alive and comes first, in the ISR or not."""
    live = election._online(context, partition, context.replicas(partition))
    return election.Elected(state.new_leader_and_isr(live[0], live), live) if live else None


_update_high_watermark = Log.update_high_watermark


def _everything_is_committed(self: Log, high_watermark: int) -> int:
    return _update_high_watermark(self, self.log_end_offset)


def _serve_consumers_all(log: Log, isolation: FetchIsolation) -> int:
    return log.log_end_offset


def _read_to_the_high_watermark(log: Log, isolation: FetchIsolation) -> int:
    return log.log_end_offset if isolation is FetchIsolation.LOG_END else log.high_watermark


_read = Log.read


def _read_without_aborts(self: Log, *arguments: Any, read_committed: bool = False, **options: Any) -> Any:
    return _read(self, *arguments, **options)


_add_markers = MarkerChannel.add


def _forget_what_was_prepared(
    self: MarkerChannel, *arguments: Any, is_loaded: bool = False, **options: Any
) -> None:
    if not is_loaded:
        _add_markers(self, *arguments, **options)


MISTAKES: dict[str, Callable[[], contextlib.AbstractContextManager[None]]] = {
    "acknowledge before the ISR has it": _patches((Partition, "replicated", _acknowledged_at_once)),
    "count only the leader into the high watermark": _patches(
        (InSyncReplicas, "smallest_end", _only_the_leader)
    ),
    "forget the leader epoch on append": _patches((Log, "append_as_leader", _append_without_epoch)),
    "cut to the high watermark instead of by epoch": _patches(
        (FetchState, "begin", staticmethod(_cut_to_high_watermark))
    ),
    "brokers accept any controller's epoch": _patches(
        (ReplicaManager, "accept_controller_epoch", _accept_any_controller)
    ),
    "the controller writes without checking its epoch": _patches((Fence, "_guarded", _write_unguarded)),
    "admit to the ISR before it has caught up": _patches((InSyncReplicas, "maybe_expand", _admit_anybody)),
    "a proposed ISR shrink counts before the controller confirms": _patches(
        (IsrState, "maximal", property(_shrink_at_once))
    ),
    "ignore min.insync.replicas": _patches((Partition, "effective_min_isr", property(_ignore_min_isr))),
    "do not recognize a producer's duplicate": _patches(
        (ProducerStates, "find_duplicate", _no_duplicates), (ProducerStates, "check", _believe)
    ),
    "followers do not learn producers' sequence numbers": _patches(
        (Log, "append_as_follower", _follow_without_producers)
    ),
    "brokers obey a LeaderAndIsr with an old leader epoch (nor look at partition or controller epoch)": (
        _patches(
            (state_change, "_check", _obey_any_state),
            (Partition, "_is_outdated", _never_outdated),
            (ReplicaManager, "accept_controller_epoch", _hear_every_controller),
        )
    ),
    "leaders serve requests that name another leader epoch (nor look where such logs part)": _patches(
        (Partition, "log_for", _serve_any_epoch), (fetch, "diverging_epoch", _look_only_in_this_epoch)
    ),
    "leaders do not look where a follower's log parts from theirs": _patches(
        (fetch, "diverging_epoch", _logs_never_part)
    ),
    "a new leader does not note where its epoch begins": _patches(
        (Log, "assign_epoch_start", _no_epoch_entry)
    ),
    "recovery after a loss of power believes what it finds": _patches(
        (segment, "check_crc", _nothing_is_corrupt)
    ),
    "after a loss of power logs are loaded as after a clean stop": _patches(
        (LogLoader, "load", _load_as_if_stopped)
    ),
    "the controller elects whoever is alive": _patches((election, "_offline", _elect_anybody)),
    "followers take all that they have for committed": _patches(
        (Log, "update_high_watermark", _everything_is_committed)
    ),
    "consumers are shown what is not committed yet": _patches((fetch, "_upper_offset", _serve_consumers_all)),
    "read_committed reads to the high watermark": _patches(
        (fetch, "_upper_offset", _read_to_the_high_watermark)
    ),
    "consumers are not told which transactions were aborted": _patches((Log, "read", _read_without_aborts)),
    "a new transaction coordinator forgets what was prepared": _patches(
        (MarkerChannel, "add", _forget_what_was_prepared)
    ),
    "steps of a transaction are acknowledged by the leader alone": _patches(
        (transaction_log, "ALL_REPLICAS", 1)
    ),
    "a new group coordinator loads nothing": _patches((GroupCoordinator, "_add_loaded", _load_no_group)),
    "offset commits are acknowledged by the leader alone": _patches(
        (LogWriter, "_append", _write_for_the_leader_alone)
    ),
}
