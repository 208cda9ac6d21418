# SPDX-License-Identifier: Apache-2.0
"""An administrator at work while things break: topics come and go, partitions move from broker to broker."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

from commitlog.wire.errors import ErrorCode
from commitlog.wire.messages.alter_partition_reassignments_request import (
    AlterPartitionReassignmentsRequest,
    ReassignablePartition,
    ReassignableTopic,
)
from commitlog.wire.messages.create_topics_request import (
    CreatableTopic,
    CreatableTopicConfig,
    CreateTopicsRequest,
)
from commitlog.wire.messages.delete_topics_request import DeleteTopicsRequest
from commitlog.wire.messages.metadata_request import MetadataRequest
from tests.simulation.workload import KNOWN_LATER, Client

if TYPE_CHECKING:
    from commitlog.wire.client import BrokerConnection

PACE_S = 2.0
_SETTLED = (ErrorCode.NONE, ErrorCode.TOPIC_ALREADY_EXISTS, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)


async def create_topic(client: Client, name: str, partitions: int, replicas: int) -> None:
    """Create a topic; whoever asks a second time finds it there."""
    topic = CreatableTopic(
        name=name,
        num_partitions=partitions,
        replication_factor=replicas,
        configs=[CreatableTopicConfig(name="min.insync.replicas", value="2")],
    )
    while True:
        try:
            connection = await _to_controller(client)
            response = await connection.send(CreateTopicsRequest(topics=[topic], timeout_ms=2_000))
        except KNOWN_LATER:
            await client.pause()
            continue
        if response.topics[0].error_code in _SETTLED:
            return
        await client.pause()


async def delete_topic(client: Client, name: str) -> None:
    """Delete a topic, and go on asking until it is gone."""
    while True:
        try:
            connection = await _to_controller(client)
            response = await connection.send(DeleteTopicsRequest(topic_names=[name], timeout_ms=2_000), 5)
        except KNOWN_LATER:
            await client.pause()
            continue
        if response.responses[0].error_code in _SETTLED:
            return
        await client.pause()


async def _to_controller(client: Client) -> BrokerConnection:
    response = await (await client.to_any()).send(MetadataRequest(topics=[]))
    addresses = {broker.node_id: (broker.host, broker.port) for broker in response.brokers}
    if response.controller_id not in addresses:
        raise ConnectionError("nobody knows the controller")
    return await client.connect(addresses[response.controller_id])


class Administrator:
    """Does one thing after the other; in the end everything that it made for a time is gone again."""

    def __init__(self, client: Client, brokers: list[int], partitions: int, replicas: int) -> None:
        self.stopping = False
        self._client = client
        self._brokers = brokers
        self._partitions = partitions
        self._replicas = replicas
        self._made: list[str] = []

    async def run(self) -> None:
        client, rng = self._client, self._client.rng
        for number in itertools.count():
            await client.pause(PACE_S)
            if self.stopping:
                break
            if rng.randrange(2) == 0:
                await self._reassign()
            elif self._made and rng.randrange(2) == 0:
                await delete_topic(client, self._made.pop(rng.randrange(len(self._made))))
            else:
                self._made.append(f"for-a-time-{number}")
                await create_topic(client, self._made[-1], rng.randint(1, 3), self._replicas)
        for name in self._made:
            await delete_topic(client, name)

    async def _reassign(self) -> None:
        """Ask once: what comes of it is told by the cluster's state, which is looked at in the end."""
        rng = self._client.rng
        wish = ReassignablePartition(
            partition_index=rng.randrange(self._partitions),
            replicas=rng.sample(self._brokers, self._replicas),
        )
        topic = ReassignableTopic(name=self._client.topic, partitions=[wish])
        try:
            connection = await _to_controller(self._client)
            await connection.send(AlterPartitionReassignmentsRequest(topics=[topic], timeout_ms=2_000))
        except KNOWN_LATER:
            return
