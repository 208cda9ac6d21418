# -*- coding: utf-8 -*-
# Copyright: Contributors to the commitlog.kafka collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Consumer groups through kafka-python's admin client."""

from __future__ import annotations

import contextlib
import dataclasses
import re
import typing as t

from ansible_collections.commitlog.kafka.plugins.module_utils._admin import RequestFailed, one_line
from ansible_collections.commitlog.kafka.plugins.module_utils._group_plan import Offsets, Partition, nested
from ansible_collections.commitlog.kafka.plugins.module_utils._topic_admin import TopicAdmin

with contextlib.suppress(ImportError):  # said by require_libraries() before any of this is used
    import kafka.errors as kafka_errors
    from kafka import TopicPartition
    from kafka.admin import OffsetTimestamp
    from kafka.structs import OffsetAndMetadata

DEAD = "Dead"
# COORDINATOR_LOAD_IN_PROGRESS, COORDINATOR_NOT_AVAILABLE and NOT_COORDINATOR: another moment, and it is there.
COORDINATOR_MOVES = (14, 15, 16)


@dataclasses.dataclass
class GroupState:
    """One group: its state by Kafka's name (Dead where there is none), its members, and the offsets that it has committed."""

    name: str
    state: str
    protocol_type: str
    assignor: str
    members: list[dict[str, t.Any]]
    offsets: Offsets

    @property
    def exists(self) -> bool:
        """Whether the coordinator knows it, by members or by offsets."""
        return self.state != DEAD or bool(self.offsets)

    @property
    def active(self) -> bool:
        """Whether it has members, which would not hear of offsets changed behind their back."""
        return bool(self.members)


def assigned_partitions(member: dict[str, t.Any]) -> list[Partition]:
    """The partitions that a member consumes; none where its protocol is not Kafka's consumer protocol."""
    assignment = member.get("member_assignment")
    topics = assignment.get("assigned_partitions") if isinstance(assignment, dict) else None
    return sorted((entry["topic"], index) for entry in topics or [] for index in entry["partitions"])


def _member(entry: dict[str, t.Any]) -> dict[str, t.Any]:
    by_topic: dict[str, list[int]] = {}
    for topic, index in assigned_partitions(entry):
        by_topic.setdefault(topic, []).append(index)
    return dict(
        member_id=entry["member_id"],
        instance_id=entry.get("group_instance_id"),
        client_id=entry["client_id"],
        host=entry["client_host"].lstrip("/"),
        assignment=by_topic,
    )


class GroupAdmin(TopicAdmin):
    """Reads groups, resets their offsets and deletes them."""

    def group_names(self) -> list[str]:
        """The names of all groups; asked of every broker, since each knows those that it coordinates."""
        with one_line("ListGroups"):
            return sorted({entry["group_id"] for entry in self.client.list_groups()})

    def groups(self, names: list[str]) -> list[GroupState]:
        """The groups named, in order, Dead ones included; two requests to each of their coordinators."""
        if not names:
            return []
        described = self._patiently("DescribeGroups", lambda: self._described(names))
        offsets = self._patiently("OffsetFetch", lambda: self.client.list_group_offsets(dict.fromkeys(names)))
        return [self._group(name, described[name], offsets.get(name, {})) for name in names]

    def _described(self, names: list[str]) -> dict[str, dict[str, t.Any]]:
        found: dict[str, dict[str, t.Any]] = self.client.describe_groups(names)
        for name in names:
            code = re.match(r"\[Error (\d+)\]", found[name].get("error") or "")
            if code and int(code.group(1)) in COORDINATOR_MOVES:
                raise kafka_errors.for_code(int(code.group(1)))(name)
        return found

    def _patiently(self, what: str, call: t.Callable[[], t.Any]) -> t.Any:
        """Ask again while there is no coordinator yet: the first question makes the brokers create __consumer_offsets."""

        def state() -> tuple[t.Any, str]:
            try:
                return call(), ""
            except kafka_errors.KafkaError as error:
                if getattr(error, "errno", None) in COORDINATOR_MOVES:
                    return None, type(error).__name__
                raise

        with one_line(what):
            return self.wait(what + " was not answered", state)

    @staticmethod
    def _group(name: str, entry: dict[str, t.Any], offsets: dict[t.Any, t.Any]) -> GroupState:
        if entry.get("error") and entry["group_state"] != DEAD:
            raise RequestFailed("DescribeGroups for group {0}: {1}".format(name, entry["error"]))
        return GroupState(
            name=name,
            state=entry["group_state"],
            protocol_type=entry["protocol_type"],
            assignor=entry["protocol_data"],
            members=[_member(member) for member in entry["members"]],
            offsets={(key.topic, key.partition): value.offset for key, value in offsets.items() if value.offset >= 0},
        )

    def offsets_at(self, partitions: t.Iterable[Partition], timestamp_ms: int) -> Offsets:
        """The offset of the first record from that time on, in each partition; -1 where there is none."""
        wanted = {TopicPartition(*partition): OffsetTimestamp(timestamp_ms) for partition in partitions}
        if not wanted:
            return {}
        with one_line("ListOffsets"):
            found = self.client.list_partition_offsets(wanted, timeout_ms=self.timeout_ms)
        return {(key.topic, key.partition): value.offset for key, value in found.items()}

    def commit(self, name: str, offsets: Offsets) -> None:
        """Set a group's offsets; in check mode this is only noted."""
        self.note("OffsetCommit", group=name, offsets=nested(offsets))
        if self.check_mode:
            return
        wanted = {TopicPartition(*partition): OffsetAndMetadata(offset, "", -1) for partition, offset in offsets.items()}
        with one_line("OffsetCommit for group " + name):
            answer = self.client.alter_group_offsets(name, wanted)
        self._check("OffsetCommit", name, answer)

    def delete_offsets(self, name: str, partitions: list[Partition]) -> None:
        """Make a group forget the offsets of partitions; in check mode this is only noted."""
        self.note("OffsetDelete", group=name, partitions=["{0}-{1}".format(*partition) for partition in partitions])
        if self.check_mode:
            return
        with one_line("OffsetDelete for group " + name):
            answer = self.client.delete_group_offsets(name, [TopicPartition(*partition) for partition in partitions])
        self._check("OffsetDelete", name, answer)

    def delete_group(self, name: str) -> None:
        """Delete a group with its offsets; in check mode this is only noted."""
        self.note("DeleteGroups", group=name)
        if self.check_mode:
            return
        with one_line("DeleteGroups for group " + name):
            outcome = self.client.delete_groups([name]).get(name, "OK")
        if outcome != "OK":
            raise RequestFailed("DeleteGroups for group {0}: {1}".format(name, outcome))

    @staticmethod
    def _check(api: str, name: str, answer: dict[t.Any, t.Any]) -> None:
        for key, error in sorted(answer.items()):
            if error is not kafka_errors.NoError:
                raise RequestFailed(
                    "{0} for group {1}, partition {2} of {3}: {4}".format(api, name, key.partition, key.topic, error.__name__)
                )
