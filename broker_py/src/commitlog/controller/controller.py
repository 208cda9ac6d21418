# SPDX-License-Identifier: Apache-2.0
"""The controller of a broker: candidate always, active while elected (Kafka: KafkaController).

Every broker has one. It watches /controller; when that is absent it tries to take office, and if it wins it
loads the cluster from ZooKeeper, brings every replica and partition into its state, and from then on reacts
to events. It resigns when another has been elected, when its session expires, or when it cannot carry on.
What it does about brokers, topics, elections, ISRs and reassignments is in the modules of these names.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from commitlog.controller.broker_events import BrokerEvents
from commitlog.controller.channel import Connect
from commitlog.controller.context import LeaderAndIsr, ReplicaAssignment, TopicPartition
from commitlog.controller.core import ApiResult, ControllerCore
from commitlog.controller.events import ControllerEvent, EventQueue
from commitlog.controller.features import FeatureUpdate, set_up_feature_znode, update_features
from commitlog.controller.fencing import ControllerMoved
from commitlog.controller.isr_changes import IsrChanges
from commitlog.controller.leader_elections import ElectionResult, ElectionType, LeaderElections, Trigger
from commitlog.controller.producer_id_blocks import ProducerIdBlocks
from commitlog.controller.reassignment import Reassignments
from commitlog.controller.request_batch import ResponseEvents
from commitlog.controller.topic_events import TopicEvents
from commitlog.controller.topic_ids import TopicIds
from commitlog.coordination import paths
from commitlog.coordination.client import (
    ClientClosed,
    CoordinationError,
    EventType,
    SessionExpired,
    WatchEvent,
)
from commitlog.wire.errors import ErrorCode, KafkaError
from commitlog.wire.messages.alter_partition_response import AlterPartitionResponse

if TYPE_CHECKING:
    from commitlog.config.broker import BrokerConfig
    from commitlog.coordination.client import Coordination
    from commitlog.wire.messages.allocate_producer_ids_request import AllocateProducerIdsRequest
    from commitlog.wire.messages.allocate_producer_ids_response import AllocateProducerIdsResponse
    from commitlog.wire.messages.alter_partition_request import AlterPartitionRequest

log = logging.getLogger("commitlog.controller.controller")

T = TypeVar("T")

FIRST_REBALANCE_DELAY_SECONDS = 5
RESIGNATION_PAUSE_SECONDS = 1


@dataclass(frozen=True, slots=True)
class ControllerFigures:
    """KafkaController's gauges, and how many leaders this broker has elected since it started."""

    is_active: bool = False
    active_brokers: int = 0
    topics: int = 0
    partitions: int = 0
    offline_partitions: int = 0
    preferred_replica_imbalance: int = 0
    topics_to_delete: int = 0
    ineligible_topics_to_delete: int = 0
    elections: int = 0
    unclean_elections: int = 0


class KafkaController:
    """Elects, fails over, and drives the cluster's state from one event queue."""

    def __init__(
        self,
        config: BrokerConfig,
        coordination: Coordination,
        broker_id: int,
        broker_epoch: int,
        *,
        now_ms: Callable[[], int],
        rng: random.Random,
        connect: Connect,
    ) -> None:
        self.broker_epoch = broker_epoch
        self._config = config
        self._broker_id = broker_id
        self._now_ms = now_ms
        self._in_office = False
        self._session_id = 0
        """The session that holds /controller while in office."""
        self._controller_id: int | None = None
        self._rebalance_timer: asyncio.TimerHandle | None = None
        self._queue = EventQueue(self._process)
        self._core = ControllerCore(
            config, coordination, broker_id, connect, self._queue.put, self._response_events()
        )
        self._context = self._core.context
        self._store = self._core.store
        self._reassignments = Reassignments(self._core)
        self._brokers = BrokerEvents(self._core, self._reassignments)
        self._topics = TopicEvents(self._core, TopicIds(rng))
        self._elections = LeaderElections(self._core)
        self._isr_changes = IsrChanges(self._core, self._reassignments)
        self._producer_ids = ProducerIdBlocks(self._core)

    def __repr__(self) -> str:
        return f"[Controller id={self._broker_id}]"

    @property
    def is_active(self) -> bool:
        """Whether this broker is the elected controller right now, as far as it knows."""
        return self._in_office

    @property
    def controller_epoch(self) -> int:
        """The epoch of the current term; 0 while not active."""
        return self._context.epoch

    def figures(self) -> ControllerFigures:
        """What there is to be seen of the controller; all zero while another broker is the controller."""
        context, elections = self._context, self._core.partitions
        if not self._in_office:
            return ControllerFigures(
                elections=elections.elections, unclean_elections=elections.unclean_elections
            )
        led = context.leadership.items()
        return ControllerFigures(
            is_active=True,
            active_brokers=len(context.live_brokers),
            topics=len(context.all_topics),
            partitions=sum(map(len, context.assignments.values())),
            offline_partitions=len(context.partitions_with_offline_leader()),
            preferred_replica_imbalance=sum(
                1
                for partition, state in led
                if (replicas := context.replicas(partition))
                and replicas[0] != state.leader
                and partition.topic not in context.topics_to_be_deleted
            ),
            topics_to_delete=len(context.topics_to_be_deleted),
            ineligible_topics_to_delete=len(context.topics_ineligible_for_deletion),
            elections=elections.elections,
            unclean_elections=elections.unclean_elections,
        )

    # Life

    async def start(self) -> None:
        """Start the event task and stand for election; call after the broker has registered."""
        self._store.handle_changes(paths.CONTROLLER, self._controller_fired)
        self._queue.start()
        self._queue.put(ControllerEvent("Startup", self._reelect, active_only=False))

    async def stop(self) -> None:
        """Stop the event task, resign if active; the znode goes with the session."""
        await self._queue.stop()
        await self._resign()

    async def on_session_expired(self) -> None:
        """Drop all queued events and resign; returns when done. Call before the broker registers again."""
        await self._queue.clear_and_put(ControllerEvent("Expire", self._resign, active_only=False))

    async def on_session_restored(self, broker_epoch: int) -> None:
        """Stand for election again with the broker's new epoch; call after the re-registration."""
        self.broker_epoch = broker_epoch
        self._queue.put(ControllerEvent("RegisterBrokerAndReelect", self._reelect, active_only=False))

    # The event task

    async def _process(self, event: ControllerEvent) -> None:
        session_id = self._core.coordination.session_id
        if event.active_only and (not self.is_active or session_id != self._session_id):
            event.preempt()
            return
        self._core.fence.session_id = session_id
        try:
            await event.run()
        except ControllerMoved as error:
            log.info("%r Controller moved to another broker when processing %s: %s", self, event.name, error)
            await self._resign_if_moved(event)
        except (SessionExpired, ClientClosed) as error:
            log.info("%r Abandoned %s: %s", self, event.name, error)
        except Exception:
            log.exception("%r Error processing event %s", self, event.name)

    async def _resign_if_moved(self, event: ControllerEvent) -> None:
        try:
            await self._learn_controller()
        except CoordinationError as error:
            log.info("%r Could not learn who the controller is after %s: %s", self, event.name, error)
        # Even if /controller still names us: the epoch is another's, so the term is over.
        await self._resign()

    # Election

    def _controller_fired(self, event: WatchEvent) -> None:
        # Stand in any case: what was created may be gone again before we look, and no watch would tell.
        name = "Reelect" if event.type is EventType.DELETED else "ControllerChange"
        self._queue.put(ControllerEvent(name, self._reelect, active_only=False))

    async def _learn_controller(self) -> None:
        """Who is it, with the watch armed again; resign if it was us and is no longer."""
        await self._store.arm(paths.CONTROLLER)
        self._controller_id = await self._store.controller_id()
        if self._in_office and self._controller_id != self._broker_id:
            await self._resign()

    async def _reelect(self) -> None:
        await self._learn_controller()
        if self._controller_id is not None:
            # It may even be our own id, left by a session of ours that has not ended yet: not our office.
            log.debug("%r Broker %d has been elected as the controller", self, self._controller_id)
            return
        try:
            epoch = await self._core.fence.elect(self._broker_id, self._now_ms())
        except ControllerMoved as error:
            await self._learn_controller()
            log.debug("%r Did not become controller: %s", self, error)
            return
        self._context.reset()
        self._context.epoch = epoch
        self._in_office = True
        self._session_id = self._core.coordination.session_id
        log.info(
            "%r %d successfully elected as the controller. Epoch incremented to %d",
            self,
            self._broker_id,
            epoch,
        )
        try:
            await self._failover()
        except (ControllerMoved, SessionExpired, ClientClosed):
            raise
        except Exception:
            log.exception("%r Error while becoming the controller, resigning", self)
            await self._give_up_office()

    async def _failover(self) -> None:
        """From elected to serving, in Kafka's order (onControllerFailover)."""
        await set_up_feature_znode(self._core)
        self._register_handlers()
        await self._store.delete_log_dir_events((await self._store.log_dir_events())[0])
        await self._store.delete_isr_changes((await self._store.isr_changes())[0])
        await self._load_context()
        requested = await self._store.topic_deletions()
        await self._core.deletion.start(requested, self._topics.deletions_that_must_wait(requested))
        # Followers act on LeaderAndIsr only when they know the leader to be alive, so that comes first.
        self._core.send_update_metadata(())
        await self._core.replicas.startup()
        await self._core.partitions.startup()
        log.info("%r Ready to serve as the new controller with epoch %d", self, self._context.epoch)
        await self._reassignments.start()
        await self._core.deletion.resume()
        await self._elections.process_znode()
        if self._config.auto_leader_rebalance_enable:
            self._schedule_rebalance(FIRST_REBALANCE_DELAY_SECONDS)

    def _register_handlers(self) -> None:
        reactions: Mapping[str, tuple[str, Callable[[], Awaitable[None]]]] = {
            paths.BROKER_IDS: ("BrokerChange", self._brokers.process_broker_change),
            paths.BROKER_TOPICS: ("TopicChange", self._topics.process_topic_change),
            paths.DELETE_TOPICS: ("TopicDeletion", self._topics.process_topic_deletion),
            paths.LOG_DIR_EVENT_NOTIFICATION: ("LogDirChange", self._brokers.process_log_dir_events),
            paths.ISR_CHANGE_NOTIFICATION: ("IsrChange", self._isr_changes.process_notifications),
        }
        for path, (name, run) in reactions.items():
            self._store.handle_changes(path, partial(self._react, name, run))
        triggers: Mapping[str, tuple[str, Callable[[], Awaitable[None]]]] = {
            paths.PREFERRED_REPLICA_ELECTION: ("ManualLeaderBalance", self._elections.process_znode),
            paths.REASSIGN_PARTITIONS: ("AlterPartitionReassignment", self._reassign_by_znode),
        }
        for path, (name, run) in triggers.items():
            self._store.handle_changes(path, partial(self._react_to_trigger, path, name, run))

    def _react(self, name: str, run: Callable[[], Awaitable[None]], _: WatchEvent) -> None:
        self._core.event(name, run)

    def _react_to_trigger(
        self, path: str, name: str, run: Callable[[], Awaitable[None]], event: WatchEvent
    ) -> None:
        """A request is a creation. A change is this controller's own: what it has finished is taken out."""
        self._core.event(name, partial(self._arm, path) if event.type is EventType.CHANGED else run)

    async def _arm(self, path: str) -> None:
        await self._store.arm(path)

    async def _reassign_by_znode(self) -> None:
        await self._reassignments.process_znode()

    async def _load_context(self) -> None:
        self._context.live_brokers = await self._store.brokers()
        log.info("%r Initialized broker epochs: %s", self, {one.id: one.epoch for one in self._live()})
        await self._topics.load()
        await self._brokers.watch_registrations(self._context.live_brokers)
        partitions = self._context.all_partitions()
        for partition, state in (await self._store.partition_states(partitions)).items():
            if isinstance(state, LeaderAndIsr):
                self._context.leadership[partition] = state
            else:
                log.error("%r Cannot read the state of %s: %s", self, partition, state)
        for broker in self._live():
            self._core.channel.add_broker(broker)
        log.info("%r Partitions being reassigned: %s", self, sorted(self._context.being_reassigned))

    def _live(self) -> Iterable[Any]:
        return self._context.live_brokers.values()

    async def _give_up_office(self) -> None:
        """Let another broker try first: remove /controller, if it is still ours, and pause."""
        await self._resign()
        try:
            await self._core.fence.delete(paths.CONTROLLER)
        except ControllerMoved as error:
            log.info("%r Another broker has been elected already: %s", self, error)
        await asyncio.sleep(RESIGNATION_PAUSE_SECONDS)

    async def _resign(self) -> None:
        """Forget the term: watches, timer, connections to brokers, context."""
        self._in_office = False
        if self._rebalance_timer is not None:
            self._rebalance_timer.cancel()
            self._rebalance_timer = None
        self._store.ignore_all_changes(keep=(paths.CONTROLLER,))
        channel, self._core.channel = self._core.channel, self._core.new_channel()
        self._context.reset()
        await channel.stop()
        log.debug("%r Resigned", self)

    # Timers and answers of brokers

    def _schedule_rebalance(self, delay_seconds: float) -> None:
        loop = asyncio.get_running_loop()
        self._rebalance_timer = loop.call_later(
            delay_seconds, self._core.event, "AutoLeaderBalance", self._rebalance
        )

    async def _rebalance(self) -> None:
        try:
            await self._elections.rebalance()
        finally:
            if self.is_active:
                self._schedule_rebalance(self._config.leader_imbalance_check_interval_seconds)

    def _response_events(self) -> ResponseEvents:
        def leader_and_isr(broker_id: int, response: Any) -> None:
            run = partial(self._brokers.process_leader_and_isr_response, broker_id, response)
            self._core.event("LeaderAndIsrResponseReceived", run)

        def update_metadata(broker_id: int, response: Any) -> None:
            if response.error_code != ErrorCode.NONE:
                name = ErrorCode.of(response.error_code).name
                log.error("%r UpdateMetadata was refused by broker %d: %s", self, broker_id, name)

        def stop_replica(broker_id: int, errors: dict[TopicPartition, int]) -> None:
            run = partial(self._topics.process_stop_replica_response, broker_id, errors)
            self._core.event("TopicDeletion", run)

        return ResponseEvents(leader_and_isr, update_metadata, stop_replica)

    # What the APIs ask

    async def controlled_shutdown(self, broker_id: int, broker_epoch: int) -> set[TopicPartition]:
        """Move leaders off a broker; the partitions it still leads. Raises KafkaError."""
        work = partial(self._brokers.controlled_shutdown, broker_id, broker_epoch)
        return await self._core.ask("ControlledShutdown", work, ErrorCode.STALE_CONTROLLER_EPOCH)

    async def alter_partition(self, request: AlterPartitionRequest, version: int) -> AlterPartitionResponse:
        """Answer a leader's ISR change; ``version`` says whether topics are named by id."""
        try:
            return await self._core.ask("AlterPartition", partial(self._alter_partition, request, version))
        except KafkaError as error:
            return AlterPartitionResponse(error_code=error.code)

    async def _alter_partition(self, request: AlterPartitionRequest, version: int) -> AlterPartitionResponse:
        response, partitions = await self._isr_changes.alter(request, version)
        if self._context.being_reassigned.intersection(partitions):
            run = partial(self._reassignments.complete_if_caught_up, partitions)
            self._core.event("AlterPartitionReassignment", run)
        return response

    async def elect_leaders(
        self, election_type: ElectionType, partitions: Sequence[TopicPartition] | None
    ) -> dict[TopicPartition, ElectionResult]:
        """Elect for these partitions, or for all; raises KafkaError NOT_CONTROLLER."""

        async def work() -> dict[TopicPartition, ElectionResult]:
            chosen = self._elections.elect_all() if partitions is None else partitions
            return await self._elections.elect(chosen, election_type, Trigger.ADMIN_CLIENT)

        return await self._core.ask("ManualLeaderBalance", work)

    async def allocate_producer_ids(self, request: AllocateProducerIdsRequest) -> AllocateProducerIdsResponse:
        """The next block of producer ids; raises KafkaError NOT_CONTROLLER."""
        return await self._core.ask("AllocateProducerIds", partial(self._producer_ids.allocate, request))

    async def update_features(
        self, updates: Sequence[FeatureUpdate]
    ) -> dict[str, tuple[ErrorCode, str | None]]:
        """Change finalized features; raises KafkaError NOT_CONTROLLER."""
        return await self._core.ask("UpdateFeatures", lambda: update_features(self._core, updates))

    async def alter_partition_reassignments(
        self, wanted: Mapping[TopicPartition, Sequence[int] | None]
    ) -> dict[TopicPartition, ApiResult]:
        """Start, or with None cancel, reassignments; raises KafkaError NOT_CONTROLLER."""
        return await self._core.ask("AlterPartitionReassignment", partial(self._reassignments.alter, wanted))

    async def list_partition_reassignments(
        self, partitions: Sequence[TopicPartition] | None
    ) -> dict[TopicPartition, ReplicaAssignment]:
        """Reassignments under way; raises KafkaError NOT_CONTROLLER."""

        async def work() -> dict[TopicPartition, ReplicaAssignment]:
            return self._reassignments.current(partitions)

        return await self._core.ask("ListPartitionReassignment", work)

    def enable_default_unclean_leader_election(self) -> None:
        """unclean.leader.election.enable became true for the cluster: try leaderless partitions again."""
        self._core.event("UncleanLeaderElectionEnable", self._trigger_online)

    def enable_topic_unclean_leader_election(self, topic: str) -> None:
        """unclean.leader.election.enable became true for a topic: try its leaderless partitions again."""
        self._core.event("TopicUncleanLeaderElectionEnable", partial(self._trigger_online, topic))

    async def _trigger_online(self, topic: str | None = None) -> None:
        await self._core.partitions.trigger_online(topic)
