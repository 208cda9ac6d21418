# SPDX-License-Identifier: Apache-2.0
"""What the parts of the controller share: the context, the store, the channel, the state machines.

Kafka keeps all of this, and all event handlers, in the one class KafkaController; here the handlers are in
modules by subject (broker_events, topic_events, leader_elections, ...) and meet in this object.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from commitlog.controller.channel import Connect, ControllerChannel
from commitlog.controller.context import ControllerContext, TopicPartition
from commitlog.controller.events import ControllerEvent
from commitlog.controller.fencing import ControllerMoved, Fence
from commitlog.controller.partition_state_machine import PartitionStateMachine
from commitlog.controller.replica_state_machine import ReplicaStateMachine
from commitlog.controller.request_batch import BatchSettings, RequestBatch, ResponseEvents
from commitlog.controller.store import ControllerStore
from commitlog.controller.topic_deletion import TopicDeletion
from commitlog.controller.versions import ControlVersions
from commitlog.coordination import paths
from commitlog.coordination.client import ClientClosed, Coordination, NoNode, SessionExpired
from commitlog.coordination.documents import ConfigEntity, DocumentError
from commitlog.wire.errors import ErrorCode, KafkaError

if TYPE_CHECKING:
    from commitlog.config.broker import BrokerConfig

T = TypeVar("T")


class ControllerCore:
    """One per broker; its context is empty while the broker is not the active controller."""

    def __init__(
        self,
        config: BrokerConfig,
        coordination: Coordination,
        broker_id: int,
        connect: Connect,
        put: Callable[[ControllerEvent], None],
        responses: ResponseEvents,
    ) -> None:
        self.config = config
        self.broker_id = broker_id
        self.coordination = coordination
        self.put = put
        self.context = ControllerContext()
        self.fence = Fence(coordination, config.zookeeper_max_in_flight_requests)
        self.store = ControllerStore(coordination, self.fence)
        self.versions = ControlVersions.of(config.inter_broker_protocol_version)
        self._connect = connect
        self._responses = responses
        self.settings = BatchSettings(broker_id, config.inter_broker_listener.name, self.versions)
        self.channel = self.new_channel()
        self.replicas = ReplicaStateMachine(self.context, self.store, self.new_batch)
        self.partitions = PartitionStateMachine(
            self.context,
            self.store,
            self.new_batch,
            self.unclean_election_allowed,
            recovery_supported=self.versions.leader_recovery,
        )
        self.deletion = TopicDeletion(
            self.context,
            self.store,
            self.partitions,
            self.replicas,
            self.send_update_metadata,
            lambda: self.config.delete_topic_enable,
        )

    def new_channel(self) -> ControllerChannel:
        control = self.config.control_plane_listener_name
        listener = control.upper() if control else self.settings.inter_broker_listener
        return ControllerChannel(self.broker_id, listener, self._connect)

    def new_batch(self) -> RequestBatch:
        return RequestBatch(self.settings, self.context, self.channel, self._responses)

    def event(
        self,
        name: str,
        run: Callable[[], Awaitable[None]],
        preempt: Callable[[], None] | None = None,
    ) -> None:
        """Queue what only an active controller does."""
        if preempt is None:
            self.put(ControllerEvent(name, run))
        else:
            self.put(ControllerEvent(name, run, preempt))

    async def ask(
        self, name: str, work: Callable[[], Awaitable[T]], inactive: ErrorCode = ErrorCode.NOT_CONTROLLER
    ) -> T:
        """Run ``work`` in the event task; ``inactive`` is the error when this broker is not, or stops
        being, active."""
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()

        def fail(error: Exception) -> None:
            if not future.done():
                future.set_exception(error)

        def preempt() -> None:
            fail(KafkaError(inactive))

        async def run() -> None:
            try:
                result = await work()
            except KafkaError as error:
                fail(error)
            except (ControllerMoved, SessionExpired, ClientClosed, asyncio.CancelledError):
                preempt()
                raise
            except Exception as error:
                fail(KafkaError(ErrorCode.UNKNOWN_SERVER_ERROR, str(error)))
                raise
            else:
                if not future.done():
                    future.set_result(result)

        self.event(name, run, preempt)
        return await future

    def send_update_metadata(
        self, partitions: Iterable[TopicPartition], brokers: Iterable[int] | None = None
    ) -> None:
        """Tell all live brokers, or some, about partitions and about who is alive."""
        batch = self.new_batch()
        to = self.context.live_or_shutting_down_ids if brokers is None else brokers
        batch.add_update_metadata(to, partitions)
        batch.send()

    async def unclean_election_allowed(self, topics: set[str]) -> Mapping[str, bool]:
        """unclean.leader.election.enable per topic: its override, else the broker's."""
        names = sorted(topics)
        overrides = await self.fence.all(self._unclean_override(name) for name in names)
        default = self.config.unclean_leader_election_enable
        return {
            name: default if one is None else one.strip().lower() == "true"
            for name, one in zip(names, overrides, strict=True)
        }

    async def _unclean_override(self, topic: str) -> str | None:
        try:
            data, _ = await self.fence.read(lambda: self.coordination.get(paths.topic_config(topic)))
            return ConfigEntity.decode(data).config.get("unclean.leader.election.enable")
        except NoNode:
            return None
        except DocumentError:
            return "false"


ApiResult = tuple[int, str | None]
"""An error code with its message, as an API response carries them."""


def describe(error: Any) -> str:
    return str(error) or type(error).__name__
