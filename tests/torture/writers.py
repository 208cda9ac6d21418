# SPDX-License-Identifier: Apache-2.0
"""Under which producer id and epoch records were written, which consumers are not shown: asked by raw Fetch requests."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from commitlog.records.header import iterate_headers
from commitlog.wire.client import BrokerConnection
from commitlog.wire.messages.fetch_request import FetchPartition, FetchRequest, FetchTopic
from commitlog.wire.messages.metadata_request import MetadataRequest, MetadataRequestTopic

Place = tuple[int, int]
FETCH_VERSION = 11
"""The last that needs neither a topic's id nor a session."""
CLIENT = "torture"


def writers_of(bootstrap: str, topic: str, places: Iterable[Place]) -> dict[Place, tuple[int, int]]:
    """(partition, offset) -> (producer id, producer epoch) of the batch there. Raises OSError, ConnectionError."""
    return asyncio.run(_writers_of(bootstrap, topic, places))


async def _writers_of(bootstrap: str, topic: str, places: Iterable[Place]) -> dict[Place, tuple[int, int]]:
    host, _, port = bootstrap.split(",")[0].rpartition(":")
    first = await BrokerConnection.open(host, int(port), CLIENT)
    try:
        metadata = await first.send(MetadataRequest(topics=[MetadataRequestTopic(name=topic)]))
    finally:
        first.close()
    brokers = {broker.node_id: (broker.host, broker.port) for broker in metadata.brokers}
    leaders = {partition.partition_index: brokers[partition.leader_id] for partition in metadata.topics[0].partitions}
    return {place: await _writer_of(leaders[place[0]], topic, place) for place in places}


async def _writer_of(leader: tuple[str, int], topic: str, place: Place) -> tuple[int, int]:
    partition, offset = place
    asked = FetchPartition(partition=partition, fetch_offset=offset, partition_max_bytes=1 << 20)
    connection = await BrokerConnection.open(*leader, CLIENT)
    try:
        topics = [FetchTopic(topic=topic, partitions=[asked])]
        request = FetchRequest(replica_id=-1, max_wait_ms=0, min_bytes=0, max_bytes=1 << 20, session_epoch=-1, topics=topics)
        answer = await connection.send(request, FETCH_VERSION)
        records = bytes(answer.responses[0].partitions[0].records or b"")
    finally:
        connection.close()
    for _, header in iterate_headers(records):
        if header.base_offset <= offset <= header.last_offset:
            return header.producer_id, header.producer_epoch
    raise ConnectionError(f"{topic}-{partition}: offset {offset} was not fetched")
