# SPDX-License-Identifier: Apache-2.0
"""FindCoordinator (10), at every version."""

from __future__ import annotations

import pytest

from commitlog.apis.k10_find_coordinator import API, error_response
from commitlog.groups.log_writer import OFFSETS_TOPIC
from commitlog.groups.partitioning import partition_for
from commitlog.transactions.log_writer import TRANSACTIONS_TOPIC
from commitlog.wire.errors import ErrorCode
from commitlog.wire.messages.find_coordinator_request import FindCoordinatorRequest
from tests.apis.group_services import Broker, versions
from tests.apis.transaction_services import TransactionBroker
from tests.groups.virtual_loop import in_virtual_time

E = ErrorCode
Found = tuple[ErrorCode, int, str, int]
NOWHERE = (-1, "", -1)


async def find(
    broker: Broker, key: str, version: int, *, key_type: int = 0, listener: str = "PLAINTEXT"
) -> Found:
    request = FindCoordinatorRequest(key_type=key_type)
    if version >= 4:
        request.coordinator_keys = [key]
    else:
        request.key = key
    answer = await broker.ask(API, request, version, listener=listener)
    if version >= 4:
        (answer,) = answer.coordinators
        assert answer.key == key
    return ErrorCode(answer.error_code), answer.node_id, answer.host, answer.port


@pytest.mark.parametrize("version", versions(API))
@in_virtual_time
async def test_coordinator_is_the_leader_of_the_groups_partition(version: int) -> None:
    broker = await Broker().started()
    broker.tell_offsets_topic()
    for group in ("a", "b", "c", "group"):
        leader = partition_for(group, 50) % 2
        assert await find(broker, group, version) == (E.NONE, leader, f"kafka{leader}", 9092)


@in_virtual_time
async def test_endpoint_is_of_the_listener_that_was_asked() -> None:
    broker = await Broker().started()
    broker.tell_offsets_topic()
    leader = partition_for("g", 50) % 2
    assert await find(broker, "g", 4, listener="INSIDE") == (E.NONE, leader, f"inside{leader}", 9093)
    assert await find(broker, "g", 4, listener="OTHER") == (E.COORDINATOR_NOT_AVAILABLE, *NOWHERE)


@pytest.mark.parametrize("version", versions(API))
@in_virtual_time
async def test_offsets_topic_is_created_when_there_is_none(version: int) -> None:
    broker = await Broker().started()
    assert await find(broker, "g", version) == (E.COORDINATOR_NOT_AVAILABLE, *NOWHERE)
    assert broker.auto_topics.asked == [OFFSETS_TOPIC]


@in_virtual_time
async def test_leader_that_is_dead() -> None:
    broker = await Broker().started()
    leader = partition_for("g", 50) % 2
    broker.tell_offsets_topic(alive=(1 - leader,))
    assert await find(broker, "g", 3) == (E.COORDINATOR_NOT_AVAILABLE, *NOWHERE)
    assert broker.auto_topics.asked == []


@in_virtual_time
async def test_partition_without_a_leader() -> None:
    broker = await Broker().started()
    broker.tell_metadata({OFFSETS_TOPIC: [-1] * 50})
    assert await find(broker, "g", 3) == (E.COORDINATOR_NOT_AVAILABLE, *NOWHERE)


@pytest.mark.parametrize("version", versions(API, 1))
@in_virtual_time
async def test_transactional_ids_are_found_by_a_topic_of_their_own(version: int) -> None:
    broker = await TransactionBroker().started()
    broker.tell_offsets_topic()
    assert await find(broker, "t", version, key_type=1) == (E.COORDINATOR_NOT_AVAILABLE, *NOWHERE)
    assert broker.auto_topics.asked == [TRANSACTIONS_TOPIC]
    broker.tell_metadata({TRANSACTIONS_TOPIC: [0, 1, 0, 1, 0]})
    for name in ("a", "b", "txn"):
        leader = partition_for(name, 5) % 2
        assert await find(broker, name, version, key_type=1) == (E.NONE, leader, f"kafka{leader}", 9092)


@pytest.mark.parametrize(("version", "error"), [(5, E.INVALID_REQUEST), (6, E.COORDINATOR_NOT_AVAILABLE)])
@in_virtual_time
async def test_share_groups_are_known_from_version_6_on(version: int, error: E) -> None:
    broker = await Broker().started()
    assert await find(broker, "s", version, key_type=2) == (error, *NOWHERE)


@pytest.mark.parametrize("version", versions(API, 1))
@in_virtual_time
async def test_unknown_type(version: int) -> None:
    broker = await Broker().started()
    assert await find(broker, "s", version, key_type=9) == (E.INVALID_REQUEST, *NOWHERE)


@in_virtual_time
async def test_unknown_type_and_no_key_to_say_it_of() -> None:
    broker = await Broker().started()
    answer = await broker.ask(API, FindCoordinatorRequest(key_type=9), 4)
    assert (answer.error_code, answer.coordinators) == (E.NONE, [])


@in_virtual_time
async def test_several_keys() -> None:
    broker = await Broker().started()
    broker.tell_offsets_topic()
    request = FindCoordinatorRequest(coordinator_keys=["a", "b", "c"])
    answer = await broker.ask(API, request, 4)
    assert [(each.key, each.node_id) for each in answer.coordinators] == [
        (key, partition_for(key, 50) % 2) for key in "abc"
    ]


@pytest.mark.parametrize("version", [1, 2, 3])
@in_virtual_time
async def test_messages_of_old_versions(version: int) -> None:
    broker = await Broker().started()
    answer = await broker.ask(API, FindCoordinatorRequest(key="g"), version)
    assert answer.error_message == "The coordinator is not available."
    broker.tell_offsets_topic()
    answer = await broker.ask(API, FindCoordinatorRequest(key="g"), version)
    assert answer.error_message == "NONE"
    answer = error_response(FindCoordinatorRequest(key="g"), E.INVALID_REQUEST, "for that reason")
    assert answer.error_message == E.INVALID_REQUEST.message
