# SPDX-License-Identifier: Apache-2.0
"""Every served API, in every version, tried without a right, with rights next door, and with the rights that
open it: Kafka's error each time, and in the answer nothing that was not in the question."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from commitlog.apis.registry import served_apis
from commitlog.security.acl import RESOURCE_TYPES, AclBinding
from commitlog.security.principal import KafkaPrincipal
from commitlog.server.broker import Broker
from commitlog.server.dispatch import Dispatcher, PendingRequest
from commitlog.wire import frames
from commitlog.wire.api_keys import ApiKey
from commitlog.wire.messages import request_class
from commitlog.wire.regions import FileRegion
from tests.security.world import acl, everything
from tests.server.acl_questions import QUESTIONS
from tests.server.authorization_table import (
    DENIALS,
    ROWS,
    SECRET,
    TARGET,
    Ids,
    Row,
    batch,
    error_codes,
    leaves,
    make,
    texts,
)
from tests.server.test_broker import World
from tests.server.test_broker import run as run_world

ADMIN = KafkaPrincipal("User", "admin")
MALLORY = KafkaPrincipal("User", "mallory")
SECRETS = {SECRET, TARGET, "target-2", "tar"}

SETTINGS = {
    "authorizer.class.name": "kafka.security.authorizer.AclAuthorizer",
    "super.users": "User:admin;User:ANONYMOUS",
    "offsets.topic.num.partitions": "1",
    "offsets.topic.replication.factor": "1",
    "transaction.state.log.num.partitions": "1",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "group.initial.rebalance.delay.ms": "0",
}


class Peer:
    """A connection as the dispatcher sees it, of whomever we like."""

    client_host = "127.0.0.1"
    client_port = 1
    listener_name = "PLAINTEXT"
    connection_id = "test"

    def __init__(self, principal: KafkaPrincipal) -> None:
        self.principal = principal
        self.closed = False

    def close(self) -> None:
        self.closed = True


class Attack:
    """A broker that knows secrets, and ways to ask it."""

    def __init__(self, broker: Broker) -> None:
        self.broker = broker
        assert broker._authorizer is not None
        self.authorizer = broker._authorizer
        self._dispatcher = Dispatcher(broker.services, authorizer=self.authorizer)
        self.ids: Ids = {}

    async def ask(self, who: KafkaPrincipal, request: Any, version: int) -> Any | None:
        """The answer; None when the connection was closed instead."""
        peer: Any = Peer(who)
        frame = bytearray(frames.encode_request(request, version, 7, "test"))
        answer = self._dispatcher.handle(peer, memoryview(frame)[4:])
        if isinstance(answer, PendingRequest):
            await asyncio.wait([answer.future])
            answer = answer.response()
        if answer is None:
            assert peer.closed
            return None
        parts = [part.read() if isinstance(part, FileRegion) else part for part in answer]
        payload = memoryview(b"".join(parts))[4:]
        return frames.decode_response(request.API_KEY, version, payload)[1]

    async def admin(self, key: ApiKey, version: int, **fields: Any) -> Any:
        answer = await self.ask(ADMIN, make(request_class(key), fields), version)
        assert answer is not None
        assert error_codes(answer) <= {0}, answer
        return answer

    async def grant(self, *acls: str) -> None:
        assert await self.authorizer.create_acls([acl(one) for one in acls]) == [None] * len(acls)

    async def revoke_all(self) -> None:
        await self.authorizer.delete_acls([everything()])

    async def prepare(self) -> None:
        """Topics, a group with offsets, and a transactional id, each one twice: asked for, and not."""
        assert await self.broker.wait_known(10_000)
        services = self.broker.services
        for name in (TARGET, SECRET):
            topic = {"name": name, "num_partitions": 1, "replication_factor": 1}
            await self.admin(ApiKey.CREATE_TOPICS, 7, topics=[topic], timeout_ms=10_000)
            self.ids[name] = services.metadata.topic_id(name)
            data = [{"name": name, "partition_data": [{"index": 0, "records": batch()}]}]
            await self.admin(ApiKey.PRODUCE, 9, acks=1, timeout_ms=5000, topic_data=data)
        for name in (TARGET, SECRET):
            for key_type in (0, 1):
                await self._coordinator(name, key_type)
            offsets = [{"name": SECRET, "partitions": [{"partition_index": 0, "committed_offset": 1}]}]
            await self._until_done(ApiKey.OFFSET_COMMIT, 8, group_id=name, topics=offsets)
            await self._until_done(
                ApiKey.INIT_PRODUCER_ID, 3, transactional_id=name, transaction_timeout_ms=60_000
            )

    async def _coordinator(self, name: str, key_type: int) -> None:
        await self._until_done(ApiKey.FIND_COORDINATOR, 4, coordinator_keys=[name], key_type=key_type)

    async def _until_done(self, key: ApiKey, version: int, **fields: Any) -> None:
        while True:
            answer = await self.ask(ADMIN, make(request_class(key), fields), version)
            if error_codes(answer) <= {0}:
                return
            await asyncio.sleep(0.02)


def run(directory: Path, test: Callable[[Attack], Coroutine[Any, Any, None]]) -> None:
    async def main(world: World) -> None:
        broker = world.broker(1, **{name.replace(".", "_"): value for name, value in SETTINGS.items()})
        await broker.start()
        attack = Attack(broker)
        async with asyncio.timeout(25):
            await attack.prepare()
            await test(attack)

    run_world(directory, main)


def asked() -> list[tuple[Row, int]]:
    return [
        (row, version)
        for row in ROWS
        if (api := served_apis().get(int(row.key))) is not None
        for version in row.asked_in(api.min_version, api.max_version)
    ]


def test_every_served_api_has_a_row() -> None:
    assert set(served_apis()) <= {int(row.key) for row in ROWS}


async def judge_denial(attack: Attack, row: Row, version: int) -> str | None:
    """What is wrong with the answer to whoever may not; None when it is Kafka's."""
    request = row.request(attack.ids)
    answer = await attack.ask(MALLORY, request, version)
    expected = row.codes
    if answer is None:
        return None if expected is None else "the connection was closed"
    codes = error_codes(answer) - {0}  # a version that lacks the field reads as zero
    if codes != expected:
        return f"error codes {codes}, not {expected}"
    leaked = (texts(answer) & (SECRETS | set(attack.ids.values()))) - texts(request)
    return f"it says {leaked}" if leaked else None


def complain(complaints: dict[tuple[str, str, int], str | None]) -> None:
    wrong = [
        f"{key} ({what}) version {version}: {complaint}"
        for (key, what, version), complaint in complaints.items()
        if complaint is not None
    ]
    assert not wrong, "\n".join(wrong)


async def try_all(attack: Attack) -> dict[tuple[str, str, int], str | None]:
    return {
        (row.key.name, row.what, version): await judge_denial(attack, row, version)
        for row, version in asked()
    }


def test_without_any_right(tmp_path: Path) -> None:
    async def test(attack: Attack) -> None:
        complain(await try_all(attack))
        assert set(attack.broker.services.metadata.topics()) == {
            TARGET,
            SECRET,
            "__consumer_offsets",
            "__transaction_state",
        }
        assert attack.authorizer.acls(everything()) == []

    run(tmp_path, test)


def test_with_every_right_next_door(tmp_path: Path) -> None:
    """Names that begin alike, prefixes that do, the same name as another type of resource."""

    async def test(attack: Attack) -> None:
        bindings: list[AclBinding] = []
        for kind in RESOURCE_TYPES:
            neighbours = ["tar", "target-2", "target-**", "targets", "Target", "fresh-2", "newer"]
            if kind.name == "CLUSTER":
                neighbours = []
            elif kind.name in ("DELEGATION_TOKEN", "USER"):
                neighbours += [TARGET, "kafka-cluster", "fresh", "new"]
            else:
                neighbours += ["kafka-cluster"]
            bindings += [acl(f"allow User:mallory ALL {kind.name}:{name}") for name in neighbours]
        bindings += [acl(f"allow User:bob ALL {kind}:*") for kind in ("TOPIC", "GROUP", "CLUSTER")]
        bindings += [acl(f"allow User:mallory ALL {kind}:* from 10.9.9.9") for kind in ("TOPIC", "CLUSTER")]
        assert set(await attack.authorizer.create_acls(bindings)) == {None}
        complain(await try_all(attack))

    run(tmp_path, test)


def test_the_right_key_opens_the_door(tmp_path: Path) -> None:
    """The rows' rights are the ones that are asked for: with all of them no denial is left, and with all but
    one of them one is."""

    async def judge(attack: Attack, row: Row, version: int) -> str | None:
        await attack.revoke_all()
        await attack.grant(*(f"allow User:mallory {grant}" for grant in row.grants))
        answer = await attack.ask(MALLORY, row.request(attack.ids), version)
        denied = DENIALS & error_codes(answer)
        if denied:
            return f"with {row.grants} it is still {denied}"
        for grant in row.grants:
            await attack.grant(f"deny User:mallory {grant}")
            answer = await attack.ask(MALLORY, row.request(attack.ids), version)
            await attack.authorizer.delete_acls([everything(principal="User:mallory")])
            await attack.grant(*(f"allow User:mallory {each}" for each in row.grants))
            if row.codes and not DENIALS & error_codes(answer):
                return f"without {grant} it is answered"
        return None

    async def test(attack: Attack) -> None:
        complaints: dict[tuple[str, str, int], str | None] = {}
        newest = {row.what + row.key.name: (row, version) for row, version in asked() if row.grants}
        for row, version in newest.values():
            complaints[row.key.name, row.what, version] = await judge(attack, row, version)
        complain(complaints)

    run(tmp_path, test)


@pytest.mark.parametrize(
    ("acls", "code"),
    [
        ([], 31),
        (["allow User:mallory IDEMPOTENT_WRITE CLUSTER:kafka-cluster"], 0),
        (["allow User:mallory WRITE TOPIC:anything**"], 0),
        (["allow User:mallory READ TOPIC:anything"], 31),
        (["allow User:mallory WRITE TOPIC:anything", "deny User:mallory WRITE TOPIC:*"], 31),
    ],
)
def test_a_producer_id_is_for_whoever_may_write_to_any_topic(
    tmp_path: Path, acls: list[str], code: int
) -> None:
    async def test(attack: Attack) -> None:
        await attack.grant(*acls)
        request = make(request_class(ApiKey.INIT_PRODUCER_ID), {"transactional_id": None})
        codes = error_codes(await attack.ask(MALLORY, request, 4))
        while codes == {14}:  # the first block of ids is on its way
            await asyncio.sleep(0.02)
            codes = error_codes(await attack.ask(MALLORY, request, 4))
        assert codes == {code}

    run(tmp_path, test)


def test_what_one_may_see_among_all(tmp_path: Path) -> None:
    async def test(attack: Attack) -> None:
        async def ask(key: ApiKey, version: int, **fields: Any) -> Any:
            return await attack.ask(MALLORY, make(request_class(key), fields), version)

        await attack.grant(
            "allow User:mallory READ TOPIC:target",
            "allow User:mallory DESCRIBE GROUP:target",
            "allow User:mallory DESCRIBE TRANSACTIONAL_ID:target",
        )
        metadata = await ask(
            ApiKey.METADATA,
            10,
            topics=None,
            include_topic_authorized_operations=True,
            include_cluster_authorized_operations=True,
        )
        (topic,) = metadata.topics
        assert (topic.name, topic.topic_authorized_operations) == (TARGET, 1 << 3 | 1 << 8)
        assert metadata.cluster_authorized_operations == 0
        cluster = await ask(ApiKey.DESCRIBE_CLUSTER, 1, include_cluster_authorized_operations=True)
        assert cluster.cluster_authorized_operations == 0
        assert [group.group_id for group in (await ask(ApiKey.LIST_GROUPS, 4)).groups] == [TARGET]
        listed = await ask(ApiKey.LIST_TRANSACTIONS, 0)
        assert [one.transactional_id for one in listed.transaction_states] == [TARGET]
        # The group has an offset in the other topic.
        fetched = await ask(ApiKey.OFFSET_FETCH, 8, groups=[{"group_id": TARGET, "topics": None}])
        assert [group.topics for group in fetched.groups] == [[]]
        (described,) = (
            await ask(ApiKey.DESCRIBE_GROUPS, 3, groups=[TARGET], include_authorized_operations=True)
        ).groups
        assert described.authorized_operations == 1 << 8
        await attack.grant("allow User:mallory DESCRIBE CLUSTER:kafka-cluster")
        assert {group.group_id for group in (await ask(ApiKey.LIST_GROUPS, 4)).groups} == {TARGET, SECRET}
        cluster = await ask(ApiKey.DESCRIBE_CLUSTER, 1, include_cluster_authorized_operations=True)
        assert cluster.cluster_authorized_operations == 1 << 8

    run(tmp_path, test)


def test_whoever_may_not_describe_a_topics_settings_is_not_told_them_at_its_creation(tmp_path: Path) -> None:
    async def test(attack: Attack) -> None:
        await attack.grant("allow User:mallory CREATE CLUSTER:kafka-cluster")
        request = make(
            request_class(ApiKey.CREATE_TOPICS),
            {"topics": [{"name": "new", "num_partitions": 1, "replication_factor": 1}], "timeout_ms": 10_000},
        )
        answer = await attack.ask(MALLORY, request, 7)
        assert answer is not None
        (topic,) = answer.topics
        assert (topic.error_code, topic.topic_config_error_code) == (0, 29)
        assert (topic.num_partitions, topic.replication_factor, topic.configs) == (-1, -1, [])

    run(tmp_path, test)


def test_what_an_administrator_may_get_wrong(tmp_path: Path) -> None:
    async def test(attack: Attack) -> None:
        for what, key, version, fields, codes in QUESTIONS:
            answer = await attack.ask(ADMIN, make(request_class(key), fields), version)
            found = [value for name, value in leaves(answer) if name == "error_code"]
            assert (found if answer is not None else None) == codes, f"{key.name} of {what}: {answer}"

    run(tmp_path, test)


def test_without_an_authorizer_there_are_no_acls(tmp_path: Path) -> None:
    """SECURITY_DISABLED, and everything else is allowed."""

    async def main(world: World) -> None:
        broker = world.broker(1)
        await broker.start()
        assert broker._authorizer is None
        dispatcher = Dispatcher(broker.services)
        for key in (ApiKey.DESCRIBE_ACLS, ApiKey.CREATE_ACLS, ApiKey.DELETE_ACLS):
            fields = next(each for _, one, _, each, codes in QUESTIONS if one is key and codes)
            peer: Any = Peer(MALLORY)
            frame = bytearray(frames.encode_request(make(request_class(key), fields), 3, 7, "test"))
            answer: Any = dispatcher.handle(peer, memoryview(frame)[4:])
            if isinstance(answer, PendingRequest):
                await asyncio.wait([answer.future])
                answer = answer.response()
            payload = memoryview(b"".join(answer))[4:]
            assert error_codes(frames.decode_response(int(key), 3, payload)[1]) - {0} == {54}

    run_world(tmp_path, main)
