# SPDX-License-Identifier: Apache-2.0
"""Brokers come, go, bounce, change their endpoints, lose a disk, or ask to leave (Kafka: KafkaController).

A broker is known by its id and its epoch, the czxid of its registration. A known id with a larger czxid has
been down and up again between two looks ("bounced"): it is first treated as failed, then as new.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from functools import partial
from typing import Any

from commitlog.controller.context import (
    Broker,
    PartitionReplica,
    PartitionState,
    ReplicaState,
    TopicPartition,
)
from commitlog.controller.core import ControllerCore
from commitlog.controller.election import ElectionStrategy
from commitlog.controller.reassignment import Reassignments
from commitlog.coordination import paths
from commitlog.coordination.client import EventType, WatchEvent
from commitlog.wire.errors import ErrorCode, KafkaError

log = logging.getLogger("commitlog.controller.controller")

UNKNOWN_BROKER_EPOCH = -1


class BrokerEvents:
    """What the active controller does about brokers."""

    def __init__(self, core: ControllerCore, reassignments: Reassignments) -> None:
        self._core = core
        self._context = core.context
        self._reassignments = reassignments

    # Registrations

    async def process_broker_change(self) -> None:
        current = await self._core.store.brokers()
        known = self._context.live_brokers
        new = {one for one in current if one not in known}
        dead = {one for one in known if one not in current}
        bounced = {one for one in current if one in known and current[one].epoch > known[one].epoch}
        if not new and not dead and not bounced:
            return
        log.info(
            "Newly added brokers: %s, deleted brokers: %s, bounced brokers: %s, all live brokers: %s",
            sorted(new),
            sorted(dead),
            sorted(bounced),
            sorted(current),
        )
        for broker_id in new:
            self._core.channel.add_broker(current[broker_id])
        for broker_id in bounced:
            self._core.channel.remove_broker(broker_id)
            self._core.channel.add_broker(current[broker_id])
        for broker_id in dead:
            self._core.channel.remove_broker(broker_id)
        if new:
            self._add({one: current[one] for one in new})
            await self.on_startup(new)
        if bounced:
            self._remove(bounced)
            await self.on_failure(bounced)
            self._add({one: current[one] for one in bounced})
            await self.on_startup(bounced)
        if dead:
            self._remove(dead)
            await self.on_failure(dead)

    def _add(self, brokers: dict[int, Broker]) -> None:
        self._context.live_brokers |= brokers

    def _remove(self, brokers: Iterable[int]) -> None:
        for broker_id in brokers:
            self._context.live_brokers.pop(broker_id, None)

    async def on_startup(self, brokers: set[int]) -> None:
        log.info("New broker startup callback for %s", ",".join(map(str, sorted(brokers))))
        for broker_id in brokers:
            self._context.replicas_on_offline_dirs.pop(broker_id, None)
        # The old ones learn of the new ones before any of their partitions may move there, and the new ones
        # learn of everything, before they are told to lead or follow.
        existing = self._context.live_or_shutting_down_ids - brokers
        self._core.send_update_metadata((), existing)
        self._core.send_update_metadata(self._context.partitions_with_leaders(), brokers)
        replicas = self._context.replicas_on_brokers(brokers)
        await self._core.replicas.handle(replicas, ReplicaState.ONLINE)
        await self._core.partitions.trigger_online()
        await self._reassignments.resume_involving(brokers)
        await self._core.deletion.resume_for_topics({one.topic for one in replicas})
        await self.watch_registrations(brokers)

    async def watch_registrations(self, brokers: Iterable[int]) -> None:
        for broker_id in sorted(brokers):
            path = paths.broker_id(broker_id)
            self._core.store.handle_changes(path, partial(self._registration_fired, broker_id))
            await self._core.store.arm(path)

    def _registration_fired(self, broker_id: int, event: WatchEvent) -> None:
        # Creation and deletion are seen by the watch on the children.
        if event.type is EventType.CHANGED:
            self._core.event("BrokerChange", partial(self.process_broker_modification, broker_id))

    async def process_broker_modification(self, broker_id: int) -> None:
        registered = await self._core.store.broker(broker_id)
        known = self._context.live_brokers.get(broker_id)
        if registered is None or known is None or registered.epoch != known.epoch:
            return
        if registered != known:
            log.info("Updated broker: %s -> %s", known.endpoints, registered.endpoints)
            self._context.live_brokers[broker_id] = registered
            self._core.send_update_metadata(())

    async def on_failure(self, brokers: set[int]) -> None:
        log.info("Broker failure callback for %s", ",".join(map(str, sorted(brokers))))
        for broker_id in brokers:
            self._context.replicas_on_offline_dirs.pop(broker_id, None)
            self._context.shutting_down.discard(broker_id)
        await self._on_replicas_offline(self._context.replicas_on_brokers(brokers))
        for broker_id in brokers:
            if broker_id not in self._context.live_brokers:
                self._core.store.ignore_changes(paths.broker_id(broker_id))

    async def _on_replicas_offline(self, replicas: list[PartitionReplica]) -> None:
        is_deleted = self._context.is_topic_queued_for_deletion
        leaderless = self._context.partitions_with_offline_leader()
        await self._core.partitions.handle(leaderless, PartitionState.OFFLINE)
        await self._core.partitions.trigger_online()
        staying = [one for one in replicas if not is_deleted(one.topic)]
        await self._core.replicas.handle(staying, ReplicaState.OFFLINE)
        # No broker that holds a replica to be deleted may be forgotten.
        await self._core.deletion.fail_replicas([one for one in replicas if is_deleted(one.topic)])
        if not leaderless:
            # No partition changed its leader, so nothing above told the brokers who is alive now.
            self._core.send_update_metadata(())

    # Log directories

    async def process_log_dir_events(self) -> None:
        """Ask the brokers that lost a directory which replicas are gone: their answers to LeaderAndIsr say
        it."""
        names, brokers = await self._core.store.log_dir_events()
        try:
            await self._core.replicas.handle(self._context.replicas_on_brokers(brokers), ReplicaState.ONLINE)
        finally:
            await self._core.store.delete_log_dir_events(names)

    async def process_leader_and_isr_response(self, broker_id: int, response: Any) -> None:
        if response.error_code != ErrorCode.NONE:
            log.error(
                "Received error in LeaderAndIsr response from broker %d: %s",
                broker_id,
                ErrorCode.of(response.error_code).name,
            )
            return
        lost: set[TopicPartition] = set()
        found: set[TopicPartition] = set()
        for partition, code in self._partition_errors(response):
            if code == ErrorCode.KAFKA_STORAGE_ERROR:
                lost.add(partition)
            elif code == ErrorCode.NONE:
                found.add(partition)
        before = self._context.replicas_on_offline_dirs.get(broker_id, set())
        after = (before - found) | lost
        if after:
            self._context.replicas_on_offline_dirs[broker_id] = after
        else:
            self._context.replicas_on_offline_dirs.pop(broker_id, None)
        newly_lost = after - before
        if newly_lost:
            log.info("Mark replicas %s on broker %d as offline", sorted(newly_lost), broker_id)
            await self._on_replicas_offline([PartitionReplica(*one, broker_id) for one in sorted(newly_lost)])

    def _partition_errors(self, response: Any) -> Iterable[tuple[TopicPartition, int]]:
        for one in response.partition_errors:
            yield TopicPartition(one.topic_name, one.partition_index), one.error_code
        for topic in response.topics:
            name = self._context.topic_names.get(topic.topic_id)
            if name is not None:
                for one in topic.partition_errors:
                    yield TopicPartition(name, one.partition_index), one.error_code

    # Controlled shutdown

    async def controlled_shutdown(self, broker_id: int, broker_epoch: int) -> set[TopicPartition]:
        """Move leaders away and followers out of the ISR; the partitions that the broker still leads."""
        known = self._context.live_brokers.get(broker_id)
        if broker_epoch != UNKNOWN_BROKER_EPOCH and known is not None and broker_epoch < known.epoch:
            log.info("Received controlled shutdown request from an old broker epoch %d", broker_epoch)
            raise KafkaError(
                ErrorCode.STALE_BROKER_EPOCH,
                f"Received controlled shutdown request from an old broker epoch {broker_epoch} for broker "
                f"{broker_id}. Current broker epoch is {known.epoch}.",
            )
        if known is None:
            raise KafkaError(ErrorCode.BROKER_NOT_AVAILABLE, f"Broker id {broker_id} does not exist.")
        log.info("Shutting down broker %d", broker_id)
        self._context.shutting_down.add(broker_id)
        affected = [
            one
            for one in self._context.partitions_on_broker(broker_id)
            if len(self._context.replicas(one)) > 1
            and one in self._context.leadership
            and not self._context.is_topic_queued_for_deletion(one.topic)
        ]
        led = [one for one in affected if self._context.leadership[one].leader == broker_id]
        followed = [one for one in affected if self._context.leadership[one].leader != broker_id]
        await self._core.partitions.handle(led, PartitionState.ONLINE, ElectionStrategy.CONTROLLED_SHUTDOWN)
        batch = self._core.new_batch()
        for partition in followed:
            batch.add_stop_replica((broker_id,), partition, delete=False)
        batch.send()
        await self._core.replicas.handle(
            [PartitionReplica(*one, broker_id) for one in followed], ReplicaState.OFFLINE
        )
        remaining = set(self._context.partitions_led_by(broker_id))
        log.debug("Remaining partitions to move from broker %d: %s", broker_id, remaining)
        return remaining
