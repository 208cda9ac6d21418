# -*- coding: utf-8 -*-
# Copyright: Contributors to the commitlog.kafka collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Topics through kafka-python's admin client: what the modules ask, in their own words, with errors of one line."""

from __future__ import annotations

import base64
import time
import typing as t
import uuid

from ansible_collections.commitlog.kafka.plugins.module_utils._topic_plan import (
    PartitionState,
    Setting,
    TopicPlan,
    TopicState,
    WantedTopic,
)

try:
    import kafka.errors as kafka_errors
    from kafka.admin import AlterConfigOp, ConfigResource, ConfigResourceType
except ImportError:  # said by require_libraries() before any of this is used
    pass

UNKNOWN_TOPIC_OR_PARTITION = 3
POLL_S = 0.1


class RequestFailed(Exception):
    """The cluster refused a request, or did not do in time what it had agreed to; the text says what."""


def _error_text(code: int, message: t.Optional[str]) -> str:
    name = kafka_errors.for_code(code).__name__
    return "{0}: {1}".format(name, message) if message else name


class TopicAdmin:
    """Reads and changes topics. Every request made that changes something is noted in `requests`, in order."""

    def __init__(self, client: t.Any, timeout_s: int) -> None:
        self._client = client
        self._timeout_s = timeout_s
        self.requests: list[dict[str, t.Any]] = []

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def names(self) -> list[str]:
        """The names of all topics, sorted."""
        with _one_line("Metadata"):
            return sorted(self._client.list_topics())

    def read(self, name: str, with_settings: bool = True) -> t.Optional[TopicState]:
        """The topic, or None where there is none."""
        topics = self.read_all([name], with_settings)
        return topics[0] if topics else None

    def read_all(self, names: list[str], with_settings: bool = True) -> list[TopicState]:
        """Those of the named topics that exist, in the order asked for, in two requests at most."""
        if not names:
            return []
        with _one_line("Metadata"):
            metadata = {entry["name"]: entry for entry in self._client.describe_topics(names)}
        found = []
        for name in names:
            entry = metadata.get(name)
            if entry is None or entry["error_code"] == UNKNOWN_TOPIC_OR_PARTITION:
                continue
            if entry["error_code"] != 0 and not entry.get("partitions"):
                raise RequestFailed("topic {0}: {1}".format(name, _error_text(entry["error_code"], None)))
            found.append(entry)
        settings = self._settings([entry["name"] for entry in found]) if with_settings and found else {}
        return [_topic_state(entry, settings.get(entry["name"], {})) for entry in found]

    def _settings(self, names: list[str]) -> dict[str, dict[str, Setting]]:
        with _one_line("DescribeConfigs"):
            answer = self._client.describe_configs(
                [ConfigResource(ConfigResourceType.TOPIC, name) for name in names], config_filter="all"
            )
        return {
            name: {
                key: Setting(entry["value"], entry.get("config_type"), entry["config_source"] == "DYNAMIC_TOPIC_CONFIG")
                for key, entry in entries.items()
            }
            for name, entries in answer.get("topic", {}).items()
        }

    def create(self, wanted: WantedTopic, validate_only: bool) -> None:
        """Create the topic; with validate_only let the cluster judge the request without doing it."""
        request: dict[str, t.Any] = dict(configs={name: text for name, text in wanted.config.items() if text is not None})
        if wanted.replica_assignment is not None:
            request["assignments"] = wanted.replica_assignment
        else:
            request["num_partitions"] = -1 if wanted.partitions is None else wanted.partitions
            request["replication_factor"] = -1 if wanted.replication_factor is None else wanted.replication_factor
        self._note("CreateTopics", wanted.name, request)
        with _one_line("CreateTopics for topic " + wanted.name):
            answer = self._client.create_topics(
                {wanted.name: request},
                timeout_ms=self._timeout_s * 1000,
                validate_only=validate_only,
                raise_errors=False,
            )
        for entry in answer["topics"]:
            self._check("CreateTopics", wanted.name, entry["error_code"], entry.get("error_message"))

    def delete(self, name: str) -> None:
        """Delete the topic."""
        self._note("DeleteTopics", name, {})
        with _one_line("DeleteTopics for topic " + name):
            answer = self._client.delete_topics([name], timeout_ms=self._timeout_s * 1000, raise_errors=False)
        for entry in answer["topics"]:
            self._check("DeleteTopics", name, entry["error_code"], entry.get("error_message"))

    def carry_out(self, name: str, plan: TopicPlan, validate_only: bool) -> None:
        """Make the changes of plan; with validate_only let the cluster judge them without doing them."""
        if plan.set_config or plan.reset_config:
            self._alter_config(name, plan, validate_only)
        if plan.grow_to is not None:
            self._grow(name, plan, validate_only)

    def _alter_config(self, name: str, plan: TopicPlan, validate_only: bool) -> None:
        self._note("IncrementalAlterConfigs", name, dict(set=plan.set_config, delete=plan.reset_config))
        changes: dict[str, t.Any] = {key: (AlterConfigOp.SET, text) for key, text in plan.set_config.items()}
        changes.update((key, (AlterConfigOp.DELETE, None)) for key in plan.reset_config)
        with _one_line("IncrementalAlterConfigs for topic " + name):
            answer = self._client.alter_configs(
                [ConfigResource(ConfigResourceType.TOPIC, name, changes)],
                validate_only=validate_only,
                raise_on_unknown=False,
            )
        outcome = answer["topic"][name]
        if outcome != "OK":
            raise RequestFailed("IncrementalAlterConfigs for topic {0}: {1}".format(name, outcome))

    def _grow(self, name: str, plan: TopicPlan, validate_only: bool) -> None:
        request: dict[str, t.Any] = dict(count=plan.grow_to)
        if plan.new_assignments is not None:
            request["assignments"] = plan.new_assignments
        self._note("CreatePartitions", name, request)
        with _one_line("CreatePartitions for topic " + name):
            answer = self._client.create_partitions(
                {name: request if "assignments" in request else plan.grow_to},
                timeout_ms=self._timeout_s * 1000,
                validate_only=validate_only,
                raise_errors=False,
            )
        for entry in answer.results:
            self._check("CreatePartitions", name, entry.error_code, entry.error_message)

    def wait_until_led(self, name: str, partitions: t.Optional[int] = None) -> TopicState:
        """Wait until every partition (so many, when said) has a leader. Raises RequestFailed when time is up."""

        def state() -> tuple[t.Optional[TopicState], str]:
            topic = self.read(name, with_settings=False)
            if topic is None:
                return None, "the brokers do not show it yet"
            if partitions is not None and len(topic.partitions) < partitions:
                return None, "the brokers show {0} of {1} partitions".format(len(topic.partitions), partitions)
            leaderless = [p.partition for p in topic.partitions if p.leader < 0]
            if leaderless:
                return None, "partitions {0} have no leader".format(leaderless)
            return topic, ""

        return self._wait("topic {0} was accepted but is not ready".format(name), state)

    def wait_until_gone(self, name: str) -> None:
        """Wait until the brokers no longer show the topic. Raises RequestFailed when time is up."""

        def state() -> tuple[t.Optional[bool], str]:
            topic = self.read(name, with_settings=False)
            return (True, "") if topic is None else (None, "the brokers still show it; is one of its brokers down?")

        self._wait("deletion of topic {0} was accepted but is not done".format(name), state)

    def _wait(self, what: str, state: t.Callable[[], tuple[t.Any, str]]) -> t.Any:
        deadline = time.monotonic() + self._timeout_s
        while True:
            result, reason = state()
            if result is not None:
                return result
            if time.monotonic() >= deadline:
                raise RequestFailed("{0} after {1} s: {2}".format(what, self._timeout_s, reason))
            time.sleep(POLL_S)

    def _note(self, api: str, topic: str, arguments: dict[str, t.Any]) -> None:
        self.requests.append(dict(api=api, topic=topic, **arguments))

    @staticmethod
    def _check(api: str, topic: str, code: int, message: t.Optional[str]) -> None:
        if code != 0:
            raise RequestFailed("{0} for topic {1}: {2}".format(api, topic, _error_text(code, message)))


class _one_line:
    """Turns what kafka-python raises into RequestFailed with the name of the request in front."""

    def __init__(self, what: str) -> None:
        self._what = what

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: t.Any, error: t.Any, _traceback: t.Any) -> None:
        if isinstance(error, (kafka_errors.KafkaError, RuntimeError, ValueError, OSError)):
            text = " ".join(str(error).split()) or type(error).__name__
            raise RequestFailed("{0}: {1}".format(self._what, text)) from error


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
