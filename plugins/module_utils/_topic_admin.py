# -*- coding: utf-8 -*-
# Copyright: Contributors to the commitlog.kafka collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Topics through kafka-python's admin client: what the modules ask, in their own words, with errors of one line."""

from __future__ import annotations

import base64
import contextlib
import typing as t
import uuid

from ansible_collections.commitlog.kafka.plugins.module_utils._admin import (
    RequestFailed,
    error_text,
    one_line,
    raise_for,
)
from ansible_collections.commitlog.kafka.plugins.module_utils._config_admin import ConfigAdmin
from ansible_collections.commitlog.kafka.plugins.module_utils._topic_plan import (
    PartitionState,
    Setting,
    TopicPlan,
    TopicState,
    WantedTopic,
)

with contextlib.suppress(ImportError):  # said by require_libraries() before any of this is used
    from kafka import TopicPartition
    from kafka.admin import ConfigResource, ConfigResourceType, OffsetSpec
    from kafka.errors import KafkaError
    from kafka.protocol.metadata import MetadataRequest

UNKNOWN_TOPIC_OR_PARTITION = 3


class TopicAdmin(ConfigAdmin):
    """Reads and changes topics."""

    def names(self) -> list[str]:
        """The names of all topics, sorted."""
        with one_line("Metadata"):
            return sorted(self.client.list_topics())

    def read(self, name: str, with_settings: bool = True) -> t.Optional[TopicState]:
        """The topic, or None where there is none."""
        topics = self.read_all([name], with_settings)
        return topics[0] if topics else None

    def read_all(
        self, names: t.Optional[list[str]] = None, with_settings: bool = True, only_settings: t.Optional[list[str]] = None
    ) -> list[TopicState]:
        """Those of the named topics that exist, in the order asked for (all of them, by name, where none are named).

        Two requests, however many topics: one for the metadata and one for the settings.
        """
        if names is not None and not names:
            return []
        with one_line("Metadata"):
            metadata = {entry["name"]: entry for entry in self.client.describe_topics(names)}
        found = []
        for name in sorted(metadata) if names is None else names:
            entry = metadata.get(name)
            if entry is None or entry["error_code"] == UNKNOWN_TOPIC_OR_PARTITION:
                continue
            if entry["error_code"] != 0 and not entry.get("partitions"):
                raise RequestFailed("topic {0}: {1}".format(name, error_text(entry["error_code"])))
            found.append(entry)
        settings = self._settings([entry["name"] for entry in found], only_settings) if with_settings and found else {}
        return [_topic_state(entry, settings.get(entry["name"], {})) for entry in found]

    def read_everywhere(self, names: list[str]) -> list[list[TopicState]]:
        """Those of the named topics that exist, without settings, as each living broker shows them.

        Brokers hear of changes one after the other, and the next question may be put to any of them.
        """
        with one_line("DescribeCluster"):
            brokers = [entry["broker_id"] for entry in self.client.describe_cluster()["brokers"]]
        request = [MetadataRequest.MetadataRequestTopic(name=name) for name in names]
        views = []
        for broker in brokers:
            with contextlib.suppress(KafkaError):  # one that has just gone need not know
                answer = self.send(MetadataRequest(topics=request, allow_auto_topic_creation=False), broker).to_dict()
                known = [entry for entry in answer["topics"] if entry["error_code"] != UNKNOWN_TOPIC_OR_PARTITION]
                views.append([_topic_state(entry, {}) for entry in known])
        return views

    def _settings(self, names: list[str], only: t.Optional[list[str]]) -> dict[str, dict[str, Setting]]:
        with one_line("DescribeConfigs"):
            answer = self.client.describe_configs(
                [ConfigResource(ConfigResourceType.TOPIC, name, only) for name in names], config_filter="all"
            )
        return {
            name: {
                key: Setting(entry["value"], entry.get("config_type"), entry["config_source"] == "DYNAMIC_TOPIC_CONFIG")
                for key, entry in entries.items()
            }
            for name, entries in answer.get("topic", {}).items()
        }

    def offsets(self, partitions: list[tuple[str, int]]) -> dict[tuple[str, int], tuple[int, int]]:
        """The earliest and the latest offset of partitions that have a leader."""
        if not partitions:
            return {}
        keys = [TopicPartition(topic, index) for topic, index in partitions]
        with one_line("ListOffsets"):
            first = self.client.list_partition_offsets(dict.fromkeys(keys, OffsetSpec.EARLIEST), timeout_ms=self.timeout_ms)
            last = self.client.list_partition_offsets(dict.fromkeys(keys, OffsetSpec.LATEST), timeout_ms=self.timeout_ms)
        return {(key.topic, key.partition): (first[key].offset, last[key].offset) for key in keys}

    def create(self, topics: list[WantedTopic]) -> dict[str, tuple[int, int]]:
        """Create topics in one request; in check mode the cluster judges it without doing it.

        Returns the number of partitions and replicas of each, which the cluster chose where they were not said; -1 where it
        does not tell (before Kafka 2.4).
        """
        if not topics:
            return {}
        wanted = {}
        for topic in topics:
            request: dict[str, t.Any] = dict(configs={name: text for name, text in topic.config.items() if text is not None})
            if topic.replica_assignment is not None:
                request["assignments"] = topic.replica_assignment
            else:
                request["num_partitions"] = -1 if topic.partitions is None else topic.partitions
                request["replication_factor"] = -1 if topic.replication_factor is None else topic.replication_factor
            self.note("CreateTopics", topic=topic.name, **request)
            wanted[topic.name] = request
        with one_line(_what("CreateTopics", wanted)):
            answer = self.client.create_topics(
                wanted, timeout_ms=self.timeout_ms, validate_only=self.check_mode, raise_errors=False
            )
        for entry in answer["topics"]:
            raise_for("CreateTopics for topic " + entry["name"], entry["error_code"], entry.get("error_message"))
        return {
            entry["name"]: (entry.get("num_partitions", -1), entry.get("replication_factor", -1)) for entry in answer["topics"]
        }

    def delete(self, names: list[str]) -> None:
        """Delete topics in one request; in check mode this is only noted."""
        for name in names:
            self.note("DeleteTopics", topic=name)
        if self.check_mode or not names:
            return
        with one_line(_what("DeleteTopics", names)):
            answer = self.client.delete_topics(names, timeout_ms=self.timeout_ms, raise_errors=False)
        for entry in answer["topics"]:
            raise_for("DeleteTopics for topic " + entry["name"], entry["error_code"], entry.get("error_message"))

    def grow(self, plans: dict[str, TopicPlan]) -> None:
        """Give topics more partitions, in one request; in check mode the cluster judges it without doing it."""
        wanted: dict[str, t.Any] = {}
        for name, plan in plans.items():
            request: dict[str, t.Any] = dict(count=plan.grow_to)
            if plan.new_assignments is not None:
                request["assignments"] = plan.new_assignments
            self.note("CreatePartitions", topic=name, **request)
            if self.check_mode and plan.moves and plan.new_assignments is not None:
                continue  # the cluster would compare their number of replicas with the one that is not changed yet
            wanted[name] = request if "assignments" in request else plan.grow_to
        if not wanted:
            return
        with one_line(_what("CreatePartitions", wanted)):
            answer = self.client.create_partitions(
                wanted, timeout_ms=self.timeout_ms, validate_only=self.check_mode, raise_errors=False
            )
        for entry in answer.results:
            raise_for("CreatePartitions for topic " + entry.name, entry.error_code, entry.error_message)

    def wait_until_led(self, wanted: dict[str, t.Optional[int]]) -> list[TopicState]:
        """Wait until every partition (so many, where it is said) has a leader. Raises RequestFailed when time is up."""

        def state() -> tuple[t.Optional[list[TopicState]], str]:
            views = self.read_everywhere(list(wanted))
            for topics in views:
                reason = _not_ready(topics, wanted)
                if reason:
                    return None, reason
            return (views[-1], "") if views else (None, "no broker answers")

        found: list[TopicState] = self.wait("what was asked was accepted but is not ready", state) if wanted else []
        return found

    def wait_until_gone(self, names: list[str]) -> None:
        """Wait until the brokers no longer show the topics. Raises RequestFailed when time is up."""

        def state() -> tuple[t.Optional[bool], str]:
            left = sorted({topic.name for topics in self.read_everywhere(names) for topic in topics})
            reason = "the brokers still show {0}; is one of its brokers down?".format(", ".join(left[:5]))
            return (None, reason) if left else (True, "")

        self.wait("the deletion was accepted but is not done", state)


def _not_ready(topics: list[TopicState], wanted: dict[str, t.Optional[int]]) -> str:
    """What one broker still lacks of topics with so many partitions, all led; "" for nothing."""
    missing = sorted(set(wanted) - {topic.name for topic in topics})
    if missing:
        return "a broker does not show {0} yet".format(", ".join(missing[:5]))
    for topic in topics:
        count = wanted[topic.name]
        if count is not None and len(topic.partitions) < count:
            return "a broker shows {0} of {1} partitions of {2}".format(len(topic.partitions), count, topic.name)
        leaderless = [p.partition for p in topic.partitions if p.leader < 0]
        if leaderless:
            return "partitions {0} of {1} have no leader".format(leaderless, topic.name)
    return ""


def _what(api: str, names: t.Collection[str]) -> str:
    """The request's name for an error, with its topic where there is only one."""
    return "{0} for topic {1}".format(api, next(iter(names))) if len(names) == 1 else "{0} for {1} topics".format(api, len(names))


def _topic_state(entry: dict[str, t.Any], settings: dict[str, Setting]) -> TopicState:
    partitions = [
        PartitionState(
            partition=p["partition_index"],
            leader=p["leader_id"],
            leader_epoch=p.get("leader_epoch", -1),
            replicas=list(p["replica_nodes"]),
            isr=list(p["isr_nodes"]),
            offline_replicas=list(p.get("offline_replicas") or []),
        )
        for p in entry["partitions"]
    ]
    return TopicState(
        name=entry["name"],
        topic_id=_topic_id_text(entry.get("topic_id")),
        internal=bool(entry.get("is_internal")),
        partitions=sorted(partitions, key=lambda p: p.partition),
        settings=settings,
    )


def _topic_id_text(topic_id: t.Any) -> t.Optional[str]:
    """The id as Kafka's tools and ZooKeeper write it: URL-safe base64 without padding; None before Kafka 2.8, which had none."""
    if topic_id is None:
        return None
    number = uuid.UUID(str(topic_id))
    return base64.urlsafe_b64encode(number.bytes).decode().rstrip("=") if number.int else None
