# SPDX-License-Identifier: Apache-2.0
"""DescribeLogDirs and DescribeCluster at every version."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from commitlog.apis import k35_describe_log_dirs, k60_describe_cluster
from commitlog.replication.metadata_cache import MetadataCache
from commitlog.wire.errors import ErrorCode, KafkaError
from commitlog.wire.messages.describe_cluster_request import DescribeClusterRequest
from commitlog.wire.messages.describe_log_dirs_request import DescribableLogDirTopic, DescribeLogDirsRequest
from commitlog.wire.messages.update_metadata_request import (
    UpdateMetadataBroker,
    UpdateMetadataEndpoint,
    UpdateMetadataRequest,
)
from tests.apis.controller_services import ask_services, versions


class LogDirs:
    """Directories /a and /b that work, /c that failed."""

    online_log_dirs = ("/a", "/b")
    offline_log_dirs = ("/c",)

    def __init__(self) -> None:
        self.logs = [
            SimpleNamespace(
                log_dir="/a", topic="t", partition=0, size=100, high_watermark=5, log_end_offset=7
            ),
            SimpleNamespace(
                log_dir="/b", topic="t", partition=1, size=200, high_watermark=7, log_end_offset=7
            ),
            SimpleNamespace(
                log_dir="/a", topic="u", partition=0, size=300, high_watermark=0, log_end_offset=0
            ),
        ]
        self.future = SimpleNamespace(
            log_dir="/b", topic="t", partition=0, size=50, high_watermark=2, log_end_offset=3
        )

    def all_logs(self) -> list[Any]:
        return self.logs

    def future_logs(self) -> list[Any]:
        return [self.future]

    def get_log(self, topic: str, partition: int) -> Any:
        return next(log for log in self.logs if (log.topic, log.partition) == (topic, partition))


@pytest.mark.parametrize("version", versions(k35_describe_log_dirs.API))
def test_log_dirs(version: int) -> None:
    services = SimpleNamespace(
        log_manager=LogDirs(),
        disk=SimpleNamespace(free_bytes=lambda path: (1_000, 400 if path == "/a" else 300)),
    )

    def describe(topics: list[DescribableLogDirTopic] | None) -> dict[str, tuple[int, int, int, Any]]:
        request = DescribeLogDirsRequest(topics=topics)
        response = asyncio.run(ask_services(services, k35_describe_log_dirs.API, request, version))
        return {
            one.log_dir: (
                one.error_code,
                one.total_bytes,
                one.usable_bytes,
                {
                    (topic.name, part.partition_index): (
                        (part.partition_size, part.offset_lag) if part.is_future_key else part.partition_size
                    )
                    for topic in one.topics
                    for part in topic.partitions
                },
            )
            for one in response.results
        }

    space = (1_000, 400) if version >= 4 else (-1, -1)
    everything = describe(None)
    assert everything["/a"] == (0, *space, {("t", 0): 100, ("u", 0): 300})
    assert everything["/b"][3] == {("t", 1): 200, ("t", 0): (50, 4)}
    assert everything["/c"] == (ErrorCode.KAFKA_STORAGE_ERROR, -1, -1, {})
    chosen = describe([DescribableLogDirTopic(topic="t", partitions=[1])])
    assert (chosen["/a"][3], chosen["/b"][3]) == ({}, {("t", 1): 200})


@pytest.mark.parametrize("version", versions(k60_describe_cluster.API))
def test_the_cluster(version: int) -> None:
    cache = MetadataCache(1)
    endpoint = UpdateMetadataEndpoint(port=9092, host="kafka1", listener="PLAINTEXT")
    broker = UpdateMetadataBroker(id=1, rack="r", endpoints=[endpoint])
    cache.update(UpdateMetadataRequest(controller_id=1, live_brokers=[broker]))
    services = SimpleNamespace(metadata=cache, cluster_id="id")

    def describe(**options: Any) -> Any:
        request = DescribeClusterRequest(**options)
        return asyncio.run(ask_services(services, k60_describe_cluster.API, request, version))

    found = describe(include_cluster_authorized_operations=True)
    assert (found.cluster_id, found.controller_id, found.cluster_authorized_operations) == ("id", 1, 8096)
    assert [(one.broker_id, one.host, one.port, one.rack) for one in found.brokers] == [
        (1, "kafka1", 9092, "r")
    ]
    assert describe().cluster_authorized_operations == -(2**31)


OTHER = "but we wanted an endpoint of type CONTROLLER"


@pytest.mark.parametrize(
    ("endpoint_type", "code", "message"),
    [
        (2, 114, f"The request was sent to an endpoint of type BROKER, {OTHER}"),
        (0, 115, "Unsupported endpoint type 0"),
    ],
)
def test_only_brokers_are_known(endpoint_type: int, code: int, message: str) -> None:
    context: Any = SimpleNamespace(listener_name="PLAINTEXT")
    services: Any = SimpleNamespace(metadata=MetadataCache(1), cluster_id="id")
    with pytest.raises(KafkaError) as refused:
        k60_describe_cluster.API.handle(
            services, context, DescribeClusterRequest(endpoint_type=endpoint_type)
        )
    assert (refused.value.code, refused.value.message) == (code, message)
