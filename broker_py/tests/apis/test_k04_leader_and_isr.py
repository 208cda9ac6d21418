# SPDX-License-Identifier: Apache-2.0
"""LeaderAndIsr (4): settings of new topics are read before their logs are made."""

from __future__ import annotations

from collections.abc import Iterable
from types import SimpleNamespace
from typing import Any

import pytest

from commitlog.apis.k04_leader_and_isr import API
from commitlog.wire.messages.leader_and_isr_request import (
    LeaderAndIsrPartitionState,
    LeaderAndIsrRequest,
    LeaderAndIsrTopicState,
)
from commitlog.wire.messages.leader_and_isr_response import LeaderAndIsrResponse
from tests.apis.controller_services import ask_services, versions
from tests.groups.virtual_loop import in_virtual_time


class Recorder:
    """Stands for the topic configurations and the replica manager."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, Any]] = []

    async def refresh(self, topics: Iterable[str]) -> None:
        self.calls.append(("refresh", list(topics)))

    def hosted_partition(self, topic: str, partition: int) -> object | None:
        return object() if (topic, partition) == ("hosted", 0) else None

    def become_leader_or_follower(self, request: LeaderAndIsrRequest, version: int) -> LeaderAndIsrResponse:
        self.calls.append(("apply", version))
        return LeaderAndIsrResponse()


def request(version: int, *topics: str) -> LeaderAndIsrRequest:
    if version < 2:
        ungrouped = [LeaderAndIsrPartitionState(topic_name=topic) for topic in topics]
        return LeaderAndIsrRequest(ungrouped_partition_states=ungrouped)
    grouped = [
        LeaderAndIsrTopicState(topic, partition_states=[LeaderAndIsrPartitionState()]) for topic in topics
    ]
    return LeaderAndIsrRequest(topic_states=grouped)


@pytest.mark.parametrize("version", versions(API))
@in_virtual_time
async def test_new_topics_first(version: int) -> None:
    recorder = Recorder()
    services = SimpleNamespace(topic_configs=recorder, replicas=recorder)
    await ask_services(services, API, request(version, "hosted", "new"), version)
    assert recorder.calls == [("refresh", ["new"]), ("apply", version)]


@in_virtual_time
async def test_nothing_is_read_for_topics_that_are_here() -> None:
    recorder = Recorder()
    services = SimpleNamespace(topic_configs=recorder, replicas=recorder)
    await ask_services(services, API, request(7, "hosted"), 7)
    assert recorder.calls == [("apply", 7)]
