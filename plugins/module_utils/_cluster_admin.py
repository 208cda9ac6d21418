# -*- coding: utf-8 -*-
# Copyright: Contributors to the commitlog.kafka collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The cluster as a whole through kafka-python's admin client: brokers, controller, features, elections, reassignments."""

from __future__ import annotations

import contextlib
import typing as t

from ansible_collections.commitlog.kafka.plugins.module_utils._admin import RequestFailed, error_text, one_line, raise_for
from ansible_collections.commitlog.kafka.plugins.module_utils._cluster_health import BrokerState, ClusterState
from ansible_collections.commitlog.kafka.plugins.module_utils._reassignment_plan import Layout, Partition
from ansible_collections.commitlog.kafka.plugins.module_utils._topic_admin import TopicAdmin

with contextlib.suppress(ImportError):  # said by require_libraries() before any of this is used
    import kafka.errors as kafka_errors
    from kafka import TopicPartition

ELECTION_NOT_NEEDED = 84
NO_REASSIGNMENT_IN_PROGRESS = 85
ELECTION_TYPES = {"preferred": 0, "unclean": 1}


def brokers_of(answer: dict[str, t.Any]) -> list[BrokerState]:
    """The brokers of a DescribeCluster answer, by id."""
    found = [BrokerState(entry["broker_id"], entry["host"], entry["port"], entry.get("rack")) for entry in answer["brokers"]]
    return sorted(found, key=lambda broker: broker.id)


def _by_topic(partitions: list[Partition]) -> dict[str, list[int]]:
    found: dict[str, list[int]] = {}
    for topic, index in partitions:
        found.setdefault(topic, []).append(index)
    return found


def _log_dir(entry: dict[str, t.Any]) -> dict[str, t.Any]:
    partitions = [partition for topic in entry["topics"] for partition in topic["partitions"]]
    return dict(
        path=entry["log_dir"],
        error=error_text(entry["error_code"]) if entry["error_code"] else None,
        replicas=len(partitions),
        size=sum(partition["partition_size"] for partition in partitions),
        total_bytes=entry.get("total_bytes", -1),
        usable_bytes=entry.get("usable_bytes", -1),
    )


class ClusterAdmin(TopicAdmin):
    """Reads the cluster, elects leaders and moves replicas."""

    def cluster(self, with_topics: bool = True, only_settings: t.Optional[list[str]] = None) -> ClusterState:
        """The brokers and, in two requests more, all topics; of their settings only those named, where some are."""
        with one_line("DescribeCluster"):
            answer = self.client.describe_cluster()
        topics = self.read_all(only_settings=only_settings or ["min.insync.replicas"]) if with_topics else []
        return ClusterState(answer.get("cluster_id"), answer.get("controller_id", -1), brokers_of(answer), topics)

    def features(self) -> dict[str, dict[str, t.Any]]:
        """Feature levels that brokers support and that the cluster has settled on; none in ZooKeeper mode before any is set."""
        with one_line("ApiVersions"):
            found = self.client.describe_features()
        return {
            name: {key: list(value) if isinstance(value, tuple) else value for key, value in entry.items()}
            for name, entry in sorted(found.items())
        }

    def broker_version(self, broker: int) -> str:
        """The version that a broker's served APIs amount to, as kafka-python reads it."""
        with one_line("ApiVersions"):
            data = self.client.get_broker_version_data(broker)
        return ".".join(str(number) for number in data.broker_version)

    def log_dirs(self, brokers: list[int]) -> dict[int, list[dict[str, t.Any]]]:
        """The log directories of brokers, each asked of the broker itself."""
        with one_line("DescribeLogDirs"):
            answer = self.client.describe_log_dirs(brokers=brokers)
        return {entry["broker"]: [_log_dir(directory) for directory in entry["log_dirs"]] for entry in answer}

    # -- elections

    def elect(self, kind: str, partitions: list[Partition]) -> dict[Partition, str]:
        """Have leaders elected; what the controller said of each partition where it was not a success."""
        by_topic = _by_topic(partitions)
        self.note("ElectLeaders", type=kind, partitions=by_topic)
        if self.check_mode:
            return {}
        with one_line("ElectLeaders"):
            answer = self.client.elect_leaders(ELECTION_TYPES[kind], by_topic, timeout_ms=self.timeout_ms, raise_errors=False)
        raise_for("ElectLeaders", getattr(answer, "error_code", 0) or 0)
        return {
            (topic.topic, entry.partition_id): error_text(entry.error_code, entry.error_message)
            for topic in answer.replica_election_results
            for entry in topic.partition_result
            if entry.error_code not in (0, ELECTION_NOT_NEEDED)
        }

    # -- reassignments

    def reassignments(self) -> dict[Partition, dict[str, list[int]]]:
        """The reassignments in progress: replicas, adding_replicas and removing_replicas of each partition."""
        with one_line("ListPartitionReassignments"):
            found = self.client.list_partition_reassignments(timeout_ms=self.timeout_ms)
        return {(key.topic, key.partition): value for key, value in sorted(found.items())}

    def reassign(self, layout: Layout) -> None:
        """Have the controller move partitions to these replicas. Raises RequestFailed, naming a partition that it refused."""
        self.note(
            "AlterPartitionReassignments", partitions={"{0}-{1}".format(*key): list(value) for key, value in layout.items()}
        )
        self._alter_reassignments(dict(layout))

    def cancel(self, partitions: list[Partition]) -> None:
        """Have the controller return partitions to where they were. One that has just finished is no error."""
        self.note("AlterPartitionReassignments", partitions={"{0}-{1}".format(*key): None for key in partitions})
        self._alter_reassignments(dict.fromkeys(partitions))

    def _alter_reassignments(self, wanted: dict[Partition, t.Optional[list[int]]]) -> None:
        if self.check_mode:
            return
        keys = {TopicPartition(*partition): replicas for partition, replicas in wanted.items()}
        with one_line("AlterPartitionReassignments"):
            answer = self.client.alter_partition_reassignments(keys, timeout_ms=self.timeout_ms)
        for key, error in sorted(answer.items()):
            if error is None or (keys.get(key) is None and error is kafka_errors.for_code(NO_REASSIGNMENT_IN_PROGRESS)):
                continue
            raise RequestFailed(
                "AlterPartitionReassignments for partition {1} of {0}: {2}".format(key.topic, key.partition, error.__name__)
            )
