# SPDX-License-Identifier: Apache-2.0
"""The brokers of a controller test cluster, asked through the codec as a client of a given version would."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any, cast

from commitlog.apis.registry import Api
from commitlog.apis.services import RequestContext
from commitlog.config.broker import BrokerConfig
from commitlog.metrics.rate import Windows
from commitlog.security.client_quotas import ClientQuotas
from commitlog.security.principal import ANONYMOUS
from commitlog.wire import frames
from commitlog.wire.errors import KafkaError
from tests.controller.cluster import Cluster, Node


async def ask(cluster: Cluster, api: Api, request: Any, version: int, node: Node | None = None) -> Any:
    """Encode, decode, handle, encode, decode; by default the active controller is asked."""
    asked = node or cluster.active
    config = BrokerConfig.from_properties({"broker.id": "1", "zookeeper.connect": "x"} | cluster.properties)
    services = SimpleNamespace(
        config=config,
        controller=asked.controller,
        topic_admin=cluster.admin,
        metadata=asked.fake.metadata,
        coordination=cluster.tool,
        quotas=no_quotas(),
    )
    return await ask_services(services, api, request, version)


def no_quotas() -> ClientQuotas:
    """Quotas as they are as long as none is configured."""
    return ClientQuotas(Windows(11, 1000), Windows(11, 1000), lambda: 0)


async def ask_services(services: Any, api: Api, request: Any, version: int) -> Any:
    frame = memoryview(frames.encode_request(request, version, 7, "client"))[4:]
    header = frames.decode_request_header(frame)
    decoded = frames.decode_request(header, frame)
    context = RequestContext(header, "127.0.0.1", 1, "PLAINTEXT", ANONYMOUS, "", lambda: None)
    try:
        answer: Any = api.handle(cast(Any, services), context, decoded)
        if asyncio.iscoroutine(answer):
            answer = await answer
    except KafkaError as error:
        assert api.error_response is not None
        answer = api.error_response(decoded, error.code, error.message)
    encoded = b"".join(bytes(cast(Any, part)) for part in frames.encode_response(answer, version, 7))
    return frames.decode_response(int(api.key), version, memoryview(encoded)[4:])[1]


def idle(cluster: Cluster) -> Node:
    """A broker that is not the active controller."""
    return next(node for node in cluster.nodes.values() if not node.controller.is_active)


def versions(api: Api, first: int = 0) -> range:
    return range(max(first, api.min_version), api.max_version + 1)
