# SPDX-License-Identifier: Apache-2.0
"""Deleting topics (Kafka: TopicDeletionManager).

Partitions go to NonExistent, caches are told to drop them (leader -2), replicas stop and delete their files,
and when the last broker has confirmed, the znodes go. A dead replica, or a reassignment, makes the topic
ineligible: it waits until the broker is back or the reassignment has ended, so that no broker comes back with
files of a topic that no longer exists.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable

from commitlog.controller.context import (
    ControllerContext,
    PartitionReplica,
    PartitionState,
    ReplicaState,
    TopicPartition,
)
from commitlog.controller.partition_state_machine import PartitionStateMachine
from commitlog.controller.replica_state_machine import ReplicaStateMachine
from commitlog.controller.store import ControllerStore
from commitlog.coordination import paths

log = logging.getLogger("commitlog.controller.topic_deletion")

SendMetadata = Callable[[Iterable[TopicPartition]], None]


class TopicDeletion:
    """Drives queued topics to their end; every method is called from the event task."""

    def __init__(
        self,
        context: ControllerContext,
        store: ControllerStore,
        partitions: PartitionStateMachine,
        replicas: ReplicaStateMachine,
        send_metadata: SendMetadata,
        enabled: Callable[[], bool],
    ) -> None:
        self._context = context
        self._store = store
        self._partitions = partitions
        self._replicas = replicas
        self._send_metadata = send_metadata
        self._enabled = enabled

    async def start(self, requested: set[str], ineligible: set[str]) -> None:
        """At the begin of a term: what is requested in ZooKeeper and what cannot be done yet."""
        if not self._enabled():
            log.info("Removing %s since delete topic is disabled", sorted(requested))
            await self._store.remove_topic_deletions(requested)
            return
        self._context.topics_to_be_deleted.update(requested)
        self._context.topics_ineligible_for_deletion.update(ineligible & requested)

    async def enqueue(self, topics: set[str]) -> None:
        if self._enabled():
            self._context.topics_to_be_deleted.update(topics)
            await self.resume()

    async def resume_for_topics(self, topics: Iterable[str]) -> None:
        """A reason to wait has gone for these topics."""
        ready = self._context.topics_to_be_deleted.intersection(topics)
        if ready:
            self._context.topics_ineligible_for_deletion.difference_update(ready)
            await self.resume()

    def mark_ineligible(self, topics: Iterable[str], reason: str) -> None:
        marked = self._context.topics_to_be_deleted.intersection(topics)
        if marked:
            self._context.topics_ineligible_for_deletion.update(marked)
            log.info("Halted deletion of topics %s due to %s", ",".join(sorted(marked)), reason)

    async def fail_replicas(self, replicas: Iterable[PartitionReplica]) -> None:
        """A broker died, or could not delete: wait for it."""
        failed = [one for one in replicas if self._context.is_topic_queued_for_deletion(one.topic)]
        if not failed:
            return
        topics = {one.topic for one in failed}
        log.debug("Deletion failed for replicas %s. Halting deletion for topics %s", failed, topics)
        await self._replicas.handle(failed, ReplicaState.DELETION_INELIGIBLE)
        self.mark_ineligible(topics, "replica deletion failure")
        await self.resume()

    async def complete_replicas(self, replicas: Iterable[PartitionReplica]) -> None:
        """A broker confirmed that the files are gone."""
        done = [one for one in replicas if self._context.is_topic_queued_for_deletion(one.topic)]
        await self._replicas.handle(done, ReplicaState.DELETION_SUCCESSFUL)
        await self.resume()

    async def resume(self) -> None:
        """Take every queued topic as far as it can go now."""
        retry: list[str] = []
        ready: list[str] = []
        for topic in sorted(self._context.topics_to_be_deleted):
            if self._context.all_topic_replicas_in_state(topic, ReplicaState.DELETION_SUCCESSFUL):
                await self._complete(topic)
                continue
            if self._in_progress(topic):
                continue
            if self._context.any_replica_in_state(topic, ReplicaState.DELETION_INELIGIBLE):
                retry.append(topic)
            if self._context.is_topic_eligible_for_deletion(topic):
                ready.append(topic)
        for topic in retry:
            ineligible = self._context.topic_replicas_in_state(topic, ReplicaState.DELETION_INELIGIBLE)
            await self._replicas.handle(ineligible, ReplicaState.OFFLINE)
        if ready:
            await self._begin(ready)

    def _in_progress(self, topic: str) -> bool:
        return self._context.any_replica_in_state(topic, ReplicaState.DELETION_STARTED)

    async def _begin(self, topics: list[str]) -> None:
        log.info("Topic deletion callback for %s", ",".join(topics))
        unseen = [one for one in topics if one not in self._context.topics_with_deletion_started]
        if unseen:
            partitions = [one for topic in unseen for one in self._context.partitions_of_topic(topic)]
            await self._partitions.handle(partitions, PartitionState.OFFLINE)
            await self._partitions.handle(partitions, PartitionState.NON_EXISTENT)
            self._context.topics_with_deletion_started.update(unseen)
        # Metadata caches drop the topic before its replicas stop, so that clients are not sent to them.
        self._send_metadata(one for topic in topics for one in self._context.partitions_of_topic(topic))
        await self._delete_replicas(topics)

    async def _delete_replicas(self, topics: list[str]) -> None:
        dead: list[PartitionReplica] = []
        alive: list[PartitionReplica] = []
        ineligible: set[str] = set()
        for topic in topics:
            for replica in self._context.replicas_of_topic(topic):
                if not self._context.is_replica_online(replica.broker, replica.topic_partition):
                    dead.append(replica)
                    ineligible.add(topic)
                elif self._context.replica_state(replica) is not ReplicaState.DELETION_SUCCESSFUL:
                    alive.append(replica)
        await self._replicas.handle(dead, ReplicaState.DELETION_INELIGIBLE)
        await self._replicas.handle(alive, ReplicaState.OFFLINE)
        await self._replicas.handle(alive, ReplicaState.DELETION_STARTED)
        if ineligible:
            self.mark_ineligible(ineligible, "offline replicas")

    async def _complete(self, topic: str) -> None:
        # The deletion of the topic's own znode is not a change to look at.
        self._store.ignore_changes(paths.topic(topic))
        deleted = self._context.topic_replicas_in_state(topic, ReplicaState.DELETION_SUCCESSFUL)
        await self._replicas.handle(deleted, ReplicaState.NON_EXISTENT)
        await self._store.delete_topic(topic)
        self._context.remove_topic(topic)
        log.info("Deletion of topic %s successfully completed", topic)
