# SPDX-License-Identifier: Apache-2.0
"""One transactional id: the state of its transaction, and which step may follow which (KIP-98, KIP-360).

The rules are those of Kafka's TransactionMetadata::

    Empty ──add partitions──▶ Ongoing ──EndTxn──▶ PrepareCommit ──markers written──▶ CompleteCommit
      ▲                         ▲  │                                                     │
      │                         │  └─EndTxn, or fenced──▶ PrepareAbort ──▶ CompleteAbort │
      │                         └───────────add partitions───────────────────────┴───────┤
      └─────────────────────────────InitProducerId───────────────────────────────────────┘
    Empty, CompleteCommit, CompleteAbort ──expired──▶ Dead

A step is taken in two moves. `prepare_*` says what will be and notes it as pending: nothing else may begin
until that is settled. Once the log has it `complete` makes it true; when the log refused it, whoever asked
clears `pending`. PrepareEpochFence is only ever pending: it reserves the next epoch for an abort that
nobody asked for. There is no I/O and no clock here.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from commitlog.wire.errors import ErrorCode

TopicPartition = tuple[str, int]

NO_PRODUCER_ID = -1
NO_PRODUCER_EPOCH = -1
NO_TIMESTAMP = -1
MAX_EPOCH = (1 << 15) - 1


class TransactionState(IntEnum):
    """The numbers are those of the log; `label` is what DescribeTransactions and ListTransactions show."""

    EMPTY = 0
    ONGOING = 1
    PREPARE_COMMIT = 2
    PREPARE_ABORT = 3
    COMPLETE_COMMIT = 4
    COMPLETE_ABORT = 5
    DEAD = 6
    PREPARE_EPOCH_FENCE = 7

    @property
    def label(self) -> str:
        return "".join(word.capitalize() for word in self.name.split("_"))


_State = TransactionState
_IDLE = frozenset({_State.EMPTY, _State.COMPLETE_COMMIT, _State.COMPLETE_ABORT})

VALID_PREVIOUS_STATES: dict[TransactionState, frozenset[TransactionState]] = {
    _State.EMPTY: _IDLE,
    _State.ONGOING: _IDLE | {_State.ONGOING},
    _State.PREPARE_COMMIT: frozenset({_State.ONGOING}),
    _State.PREPARE_ABORT: frozenset({_State.ONGOING, _State.PREPARE_EPOCH_FENCE}),
    _State.COMPLETE_COMMIT: frozenset({_State.PREPARE_COMMIT}),
    _State.COMPLETE_ABORT: frozenset({_State.PREPARE_ABORT}),
    _State.DEAD: _IDLE,
    _State.PREPARE_EPOCH_FENCE: frozenset({_State.ONGOING}),
}


class IllegalTransition(RuntimeError):
    """A mistake of ours, never of a client: the rules above were not kept."""


@dataclass(frozen=True, slots=True)
class Transition:
    """What a transactional id will be after the step that is pending (TxnTransitMetadata)."""

    state: TransactionState
    producer_id: int
    last_producer_id: int
    producer_epoch: int
    last_producer_epoch: int
    timeout_ms: int
    partitions: frozenset[TopicPartition]
    start_ms: int
    last_update_ms: int


def is_epoch_exhausted(epoch: int) -> bool:
    """The highest epoch is kept back, so that a producer of the one before it can still be fenced."""
    return epoch >= MAX_EPOCH - 1


@dataclass(slots=True, eq=False)
class TransactionMetadata:
    """A transactional id as the log has it, and what is pending."""

    transactional_id: str
    producer_id: int
    producer_epoch: int
    timeout_ms: int
    state: TransactionState
    last_producer_id: int = NO_PRODUCER_ID
    last_producer_epoch: int = NO_PRODUCER_EPOCH
    partitions: frozenset[TopicPartition] = frozenset()
    """During PrepareCommit and PrepareAbort: those whose markers are not known to be written."""
    start_ms: int = NO_TIMESTAMP
    last_update_ms: int = NO_TIMESTAMP
    pending: TransactionState | None = None
    has_failed_epoch_fence: bool = False
    """The epoch was raised for a fence that could not be written: it is not raised again."""

    @property
    def is_epoch_exhausted(self) -> bool:
        return is_epoch_exhausted(self.producer_epoch)

    # -- what may follow

    def fence_producer_epoch(self) -> Transition:
        """The next epoch, under which the ongoing transaction will be aborted."""
        if self.producer_epoch == MAX_EPOCH:
            raise IllegalTransition(f"{self}: no epoch is left to fence with")
        epoch = self.producer_epoch if self.has_failed_epoch_fence else self.producer_epoch + 1
        return self._prepare(
            _State.PREPARE_EPOCH_FENCE,
            epoch=epoch,
            last_epoch=NO_PRODUCER_EPOCH,
            update_ms=self.last_update_ms,
        )

    def increment_epoch(
        self, timeout_ms: int, expected_epoch: int | None, now_ms: int
    ) -> Transition | ErrorCode:
        """InitProducerId with the id kept; a producer that names its epoch must not have been fenced."""
        if self.is_epoch_exhausted:
            raise IllegalTransition(f"{self}: the epochs are exhausted")
        if expected_epoch is None:
            epoch, last_epoch = self.producer_epoch + 1, NO_PRODUCER_EPOCH
        elif self.producer_epoch == NO_PRODUCER_EPOCH or expected_epoch == self.producer_epoch:
            epoch, last_epoch = self.producer_epoch + 1, self.producer_epoch
        elif expected_epoch == self.last_producer_epoch:
            # Raised already, and the answer was lost. A new producer would have left no last epoch.
            epoch, last_epoch = self.producer_epoch, self.last_producer_epoch
        else:
            return ErrorCode.PRODUCER_FENCED
        return self._prepare(
            _State.EMPTY,
            epoch=epoch,
            last_epoch=last_epoch,
            timeout_ms=timeout_ms,
            partitions=frozenset(),
            start_ms=NO_TIMESTAMP,
            update_ms=now_ms,
        )

    def rotate_producer_id(
        self, producer_id: int, timeout_ms: int, now_ms: int, *, record_last_epoch: bool
    ) -> Transition:
        """InitProducerId when the epochs of the id are used up."""
        return self._prepare(
            _State.EMPTY,
            producer_id=producer_id,
            epoch=0,
            last_epoch=self.producer_epoch if record_last_epoch else NO_PRODUCER_EPOCH,
            timeout_ms=timeout_ms,
            partitions=frozenset(),
            start_ms=NO_TIMESTAMP,
            update_ms=now_ms,
        )

    def add_partitions(self, added: frozenset[TopicPartition], now_ms: int) -> Transition:
        return self._prepare(
            _State.ONGOING,
            partitions=self.partitions | added,
            start_ms=now_ms if self.state in _IDLE else self.start_ms,
            update_ms=now_ms,
        )

    def abort_or_commit(self, state: TransactionState, now_ms: int) -> Transition:
        return self._prepare(state, update_ms=now_ms)

    def finish(self, now_ms: int) -> Transition:
        """All markers are, or will be, written."""
        state = _State.COMPLETE_COMMIT if self.state is _State.PREPARE_COMMIT else _State.COMPLETE_ABORT
        self.has_failed_epoch_fence = False
        return self._prepare(state, partitions=frozenset(), update_ms=now_ms)

    def die(self) -> Transition:
        return self._prepare(_State.DEAD, partitions=frozenset(), update_ms=self.last_update_ms)

    def _prepare(
        self,
        state: TransactionState,
        *,
        update_ms: int,
        producer_id: int | None = None,
        epoch: int | None = None,
        last_epoch: int | None = None,
        timeout_ms: int | None = None,
        partitions: frozenset[TopicPartition] | None = None,
        start_ms: int | None = None,
    ) -> Transition:
        if self.pending is not None:
            raise IllegalTransition(f"{self}: {state.label} while {self.pending.label} is pending")
        if self.state not in VALID_PREVIOUS_STATES[state]:
            raise IllegalTransition(f"{self}: to {state.label}")
        transition = Transition(
            state=state,
            producer_id=self.producer_id if producer_id is None else producer_id,
            last_producer_id=self.producer_id,
            producer_epoch=self.producer_epoch if epoch is None else epoch,
            last_producer_epoch=self.last_producer_epoch if last_epoch is None else last_epoch,
            timeout_ms=self.timeout_ms if timeout_ms is None else timeout_ms,
            partitions=self.partitions if partitions is None else partitions,
            start_ms=self.start_ms if start_ms is None else start_ms,
            last_update_ms=update_ms,
        )
        if state is not _State.DEAD and transition.producer_epoch < 0:
            raise IllegalTransition(f"{self}: epoch {transition.producer_epoch}")
        self.pending = state
        return transition

    # -- what the log has

    def complete(self, transition: Transition) -> None:
        """The log has the pending step. Raises IllegalTransition when that does not fit what is."""
        if self.pending is not transition.state or not self._fits(transition):
            raise IllegalTransition(f"{self}: cannot become {transition}")
        match transition.state:
            case _State.EMPTY:
                self.timeout_ms = transition.timeout_ms
                self.producer_id = transition.producer_id
                self.last_producer_id = transition.last_producer_id
                self.producer_epoch = transition.producer_epoch
                self.last_producer_epoch = transition.last_producer_epoch
                self.partitions = frozenset()
            case _State.ONGOING:
                self.start_ms = transition.start_ms
                self.partitions = transition.partitions
            case _State.COMPLETE_COMMIT | _State.COMPLETE_ABORT:
                self.partitions = frozenset()
        self.last_update_ms = transition.last_update_ms
        self.pending = None
        self.state = transition.state

    def _fits(self, transition: Transition) -> bool:
        if transition.state is _State.EMPTY:
            return transition.producer_epoch in (self.producer_epoch, self.producer_epoch + 1) or (
                transition.producer_epoch == 0 and transition.producer_id != self.producer_id
            )
        if (
            transition.producer_id != self.producer_id
            or transition.producer_epoch != self.producer_epoch
            or transition.timeout_ms != self.timeout_ms
        ):
            return False
        match transition.state:
            case _State.ONGOING:
                return self.partitions <= transition.partitions
            case _State.PREPARE_COMMIT | _State.PREPARE_ABORT:
                return self.partitions == transition.partitions and self.start_ms == transition.start_ms
            case _State.COMPLETE_COMMIT | _State.COMPLETE_ABORT:
                return transition.start_ms != NO_TIMESTAMP
        return False  # PrepareEpochFence becomes PrepareAbort, and Dead is removed

    def remove_partition(self, partition: TopicPartition) -> None:
        """Its marker is written, or can never be."""
        if self.state not in (_State.PREPARE_COMMIT, _State.PREPARE_ABORT):
            raise IllegalTransition(f"{self}: no markers are being written")
        self.partitions -= {partition}

    def is_timed_out(self, now_ms: int) -> bool:
        return (
            self.pending is None and self.state is _State.ONGOING and self.start_ms + self.timeout_ms < now_ms
        )

    def is_expired(self, now_ms: int, expiration_ms: int) -> bool:
        return self.pending is None and self.state in _IDLE and self.last_update_ms <= now_ms - expiration_ms

    def __str__(self) -> str:
        pending = "None" if self.pending is None else self.pending.label
        return (
            f"TransactionMetadata(transactionalId={self.transactional_id}, producerId={self.producer_id}, "
            f"producerEpoch={self.producer_epoch}, state={self.state.label}, pendingState={pending}, "
            f"topicPartitions={sorted(self.partitions)})"
        )
