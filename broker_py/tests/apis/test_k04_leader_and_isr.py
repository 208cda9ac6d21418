# SPDX-License-Identifier: Apache-2.0
"""LeaderAndIsr (4): settings of new topics are read before their logs are made."""

from __future__ import annotations

from collections.abc import Iterable
from types import SimpleNamespace
from typing import Any

import pytest

from commitlog.apis.k04_leader_and_isr import API
from commitlog.wire.errors import ErrorCode
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


@pytest.mark.parametrize(
    ("controller_epoch", "code"),
    [(2, ErrorCode.STALE_CONTROLLER_EPOCH), (3, ErrorCode.INVALID_TOPIC_EXCEPTION)],
)
@in_virtual_time
async def test_a_name_that_no_controller_gives(controller_epoch: int, code: ErrorCode) -> None:
    replicas = SimpleNamespace(
        is_broker_epoch_stale=lambda epoch: False,
        accept_controller_epoch=lambda epoch: epoch >= 3,
        controller_epoch=3,
    )
    message = request(1, "..", "..")
    message.controller_epoch = controller_epoch
    answer = await ask_services(SimpleNamespace(replicas=replicas), API, message, 1)
    assert [(one.topic_name, one.error_code) for one in answer.partition_errors] == [("..", code)] * 2
