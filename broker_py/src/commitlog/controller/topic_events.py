# SPDX-License-Identifier: Apache-2.0
"""Topics appear, grow and are to be deleted, all by znodes that somebody else writes (Kafka:
KafkaController).

Whoever writes /brokers/topics/<t>, the API of this broker, of another one, or a 0.8 tool, only states a wish;
the watch makes it true. A znode without topic id (written by an old tool) gets one here (KIP-516).
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from functools import partial

from commitlog.controller.context import (
    PartitionReplica,
    PartitionState,
    ReplicaAssignment,
    ReplicaState,
    TopicPartition,
)
from commitlog.controller.core import ControllerCore
from commitlog.controller.election import ElectionStrategy
from commitlog.controller.topic_ids import TopicIds
from commitlog.coordination import paths
from commitlog.coordination.client import EventType, NoNode, WatchEvent
from commitlog.wire.errors import ErrorCode

log = logging.getLogger("commitlog.controller.controller")

Assignments = dict[str, tuple[bytes | None, dict[int, ReplicaAssignment]]]


class TopicEvents:
    """What the active controller does about topics."""

    def __init__(self, core: ControllerCore, topic_ids: TopicIds) -> None:
        self._core = core
        self._context = core.context
        self._topic_ids = topic_ids

    async def load(self) -> None:
        """All topics at the begin of a term."""
        topics = await self._core.store.topics()
        self._context.all_topics = topics
        self._watch(topics)
        await self._take_in(await self._core.store.assignments(topics))

    async def process_topic_change(self) -> None:
        topics = await self._core.store.topics()
        new = topics - self._context.all_topics
        gone = self._context.all_topics - topics
        for topic in sorted(gone):
            self._core.store.ignore_changes(paths.topic(topic))
            self._context.remove_topic(topic)
        self._context.all_topics = topics
        self._watch(new)
        added = await self._core.store.assignments(new)
        if new or gone:
            log.info(
                "New topics: [%s], deleted topics: [%s], new partition replica assignment %s",
                ",".join(sorted(new)),
                ",".join(sorted(gone)),
                {
                    topic: {number: list(one.replicas) for number, one in assignment.items()}
                    for topic, (_, assignment) in added.items()
                },
            )
        partitions = await self._take_in(added)
        if partitions:
            await self._on_new_partitions(partitions)

    async def _take_in(self, found: Assignments) -> list[TopicPartition]:
        """Assignments and ids into the context, ids given where they lack."""
        partitions: list[TopicPartition] = []
        for topic, (topic_id, assignment) in found.items():
            for partition, replicas in assignment.items():
                name = TopicPartition(topic, partition)
                self._context.set_assignment(name, replicas)
                if replicas.is_being_reassigned:
                    self._context.being_reassigned.add(name)
                partitions.append(name)
            if not self._core.versions.topic_ids:
                continue
            if topic_id is None:
                topic_id = self._topic_ids.next()
                try:
                    await self._core.store.set_assignment(topic, topic_id, assignment)
                except NoNode:
                    log.info("Topic %s went away before it was given an id", topic)
                    continue
                log.info("Gave topic %s, which had none, an id", topic)
            self._context.add_topic_id(topic, topic_id)
        return partitions

    def _watch(self, topics: Iterable[str]) -> None:
        for topic in topics:
            self._core.store.handle_changes(paths.topic(topic), partial(self._topic_fired, topic))

    def _topic_fired(self, topic: str, event: WatchEvent) -> None:
        if event.type is EventType.CHANGED:
            self._core.event("TopicChange", partial(self.process_partition_modifications, topic))

    async def process_partition_modifications(self, topic: str) -> None:
        """The topic's znode was written: only additional partitions are of interest."""
        if topic not in self._context.all_topics:
            return
        found = (await self._core.store.assignments((topic,))).get(topic)
        if found is None:
            return
        topic_id, assignment = found
        known = self._context.assignments.get(topic, {})
        added = {number: replicas for number, replicas in assignment.items() if number not in known}
        if not added:
            return
        if self._context.is_topic_queued_for_deletion(topic):
            log.error("Skipping adding partitions %s for topic %s, it is being deleted", sorted(added), topic)
            await self._core.store.set_assignment(topic, topic_id, known)
            return
        log.info(
            "New partitions to be added %s for topic %s",
            {number: list(one.replicas) for number, one in added.items()},
            topic,
        )
        for number, replicas in added.items():
            self._context.set_assignment(TopicPartition(topic, number), replicas)
        await self._on_new_partitions([TopicPartition(topic, number) for number in added])

    async def _on_new_partitions(self, partitions: list[TopicPartition]) -> None:
        log.info("New partition creation callback for %s", ",".join(map(str, partitions)))
        replicas = [one for partition in partitions for one in self._context.replicas_of_partition(partition)]
        await self._core.partitions.handle(partitions, PartitionState.NEW)
        await self._core.replicas.handle(replicas, ReplicaState.NEW)
        await self._core.partitions.handle(partitions, PartitionState.ONLINE, ElectionStrategy.OFFLINE)
        await self._core.replicas.handle(replicas, ReplicaState.ONLINE)

    async def process_topic_deletion(self) -> None:
        requested = await self._core.store.topic_deletions()
        unknown = requested - self._context.all_topics
        if unknown:
            log.warning("Ignoring request to delete non-existing topics %s", ",".join(sorted(unknown)))
            await self._core.store.remove_topic_deletions(unknown)
        requested -= unknown
        if not self._core.config.delete_topic_enable:
            log.info("Removing %s since delete topic is disabled", sorted(requested))
            await self._core.store.remove_topic_deletions(requested)
        elif requested:
            log.info("Starting topic deletion for topics %s", ",".join(sorted(requested)))
            self._context.topics_to_be_deleted.update(requested)
            moving = {one.topic for one in self._context.being_reassigned}
            self._core.deletion.mark_ineligible(requested & moving, "topic reassignment in progress")
            await self._core.deletion.enqueue(requested)

    def deletions_that_must_wait(self, requested: set[str]) -> set[str]:
        """Of the requested deletions at the begin of a term, those that cannot be done yet."""
        waiting = {one.topic for one in self._context.being_reassigned}
        for topic in requested:
            if any(
                not self._context.is_replica_online(one.broker, one.topic_partition)
                for one in self._context.replicas_of_topic(topic)
            ):
                waiting.add(topic)
        return waiting & requested

    async def process_stop_replica_response(self, broker_id: int, errors: dict[TopicPartition, int]) -> None:
        """A broker's answer to the deletion of replicas."""
        failed = [one for one, code in errors.items() if code != ErrorCode.NONE]
        if failed:
            log.error(
                "Broker %d could not delete replicas %s", broker_id, {one: errors[one] for one in failed}
            )
        await self._core.deletion.fail_replicas(PartitionReplica(*one, broker_id) for one in failed)
        done = [PartitionReplica(*one, broker_id) for one, code in errors.items() if code == ErrorCode.NONE]
        if done:
            await self._core.deletion.complete_replicas(done)
