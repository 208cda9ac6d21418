# SPDX-License-Identifier: Apache-2.0
"""A whole broker in this process with topics, a group and a transaction, and what must never come of a frame.

A frame is answered, or its connection is closed, or it waits. It is a finding when the broker logs an error
with a traceback, cannot encode its answer, holds much more memory than before, or does not serve the next
client.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import resource
import struct
import traceback
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from commitlog.config.broker import BrokerConfig
from commitlog.coordination.client import InvalidPath
from commitlog.coordination.memory import MemoryEnsemble
from commitlog.server.broker import Broker
from commitlog.server.clock import now_ms
from commitlog.storage.disk import LocalDisk
from commitlog.wire.client import BrokerConnection
from commitlog.wire.messages.create_topics_request import (
    CreatableTopic,
    CreatableTopicConfig,
    CreateTopicsRequest,
)
from commitlog.wire.messages.find_coordinator_request import FindCoordinatorRequest
from commitlog.wire.messages.metadata_request import MetadataRequest, MetadataRequestTopic
from commitlog.wire.primitives import EncodeError
from tests.real_zookeeper import free_port

PATIENCE_S = 0.05
"""How long an answer is waited for: a fetch or a member that joins may wait for longer."""
GROWTH_BYTES = 192 * 1024 * 1024
SETTINGS = {
    "broker.id": "0",
    "zookeeper.connect": "ensemble:2181",
    "offsets.topic.num.partitions": "1",
    "offsets.topic.replication.factor": "1",
    "transaction.state.log.num.partitions": "1",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "controlled.shutdown.enable": "false",
    "auto.create.topics.enable": "false",
    "socket.request.max.bytes": "1000000",
}


class Complaints(logging.Handler):
    """What the broker logs that nobody's request may make it log."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.found: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        error = record.exc_info[1] if record.exc_info else None
        if error is not None and not self._is_kafkas_too(error):
            self.found.append(f"{record.getMessage()}\n{''.join(traceback.format_exception(error))}")

    def in_the_loop(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        error = context.get("exception")
        self.found.append(f"{context.get('message')}: {error!r}")

    @staticmethod
    def _is_kafkas_too(error: BaseException) -> bool:
        """What Kafka answers with UNKNOWN_SERVER_ERROR too: a string that grew, since what is no UTF-8
        becomes U+FFFD, and does not fit into the answer; a topic without a name in LeaderAndIsr."""
        text = str(error)
        if isinstance(error, EncodeError):
            return "is longer than" in text or "'h' format" in text
        return isinstance(error, InvalidPath) and text.endswith("/config/topics/")


class Target:
    """The broker, a connection to it, and the complaints."""

    def __init__(self, broker: Broker, complaints: Complaints) -> None:
        self._broker = broker
        self._complaints = complaints
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        self.topic_ids: list[bytes] = []

    @property
    def port(self) -> int:
        return int(self._broker.listeners[0].port)

    async def ask(self, request: Any, version: int) -> Any:
        connection = await BrokerConnection.open("127.0.0.1", self.port, "test")
        try:
            async with asyncio.timeout(30):
                return await connection.send(request, version)
        finally:
            connection.close()

    async def prepare(self) -> None:
        """Make what frames name."""
        topics = [
            CreatableTopic(name="fuzz", num_partitions=2, replication_factor=1),
            CreatableTopic(
                name="compacted",
                num_partitions=1,
                replication_factor=1,
                configs=[CreatableTopicConfig(name="cleanup.policy", value="compact")],
            ),
        ]
        await self.ask(CreateTopicsRequest(topics=topics, timeout_ms=10_000), 7)
        for key_type, key in ((0, "readers"), (1, "transactional")):
            request = FindCoordinatorRequest(key_type=key_type, coordinator_keys=[key])
            while (await self.ask(request, 4)).coordinators[0].error_code:  # noqa: ASYNC110 - asked over the wire
                await asyncio.sleep(0.01)
        named = [MetadataRequestTopic(name=name) for name in ("fuzz", "compacted")]
        found = await self.ask(MetadataRequest(topics=named), 12)
        self.topic_ids = [topic.topic_id for topic in found.topics]

    async def send(self, frame: bytes, *, size: int | None = None) -> list[str]:
        """Send one frame, under a size that may lie; what the broker complained about since."""
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        try:
            async with asyncio.timeout(PATIENCE_S):
                reader, writer = self._streams = self._streams or await asyncio.open_connection(
                    "127.0.0.1", self.port
                )
                writer.write(struct.pack(">i", len(frame) if size is None else size) + frame)
                (length,) = struct.unpack(">i", await reader.readexactly(4))
                await reader.readexactly(length)
        except (TimeoutError, OSError, asyncio.IncompleteReadError):
            await self.disconnect()
        grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024
        if grown > GROWTH_BYTES:
            self._complaints.found.append(f"the process grew by {grown // 2**20} MiB")
        return self.complaints()

    def complaints(self) -> list[str]:
        found, self._complaints.found = self._complaints.found, []
        return found

    async def disconnect(self) -> None:
        if self._streams is not None:
            self._streams[1].close()
            with contextlib.suppress(OSError):
                await self._streams[1].wait_closed()
            self._streams = None

    async def is_well(self) -> bool:
        """Whether another client is served."""
        answer = await self.ask(MetadataRequest(topics=[]), 12)
        return answer is not None


@contextlib.asynccontextmanager
async def running_target(directory: Path) -> AsyncIterator[Target]:
    """A broker with its topics, and its log listened to."""
    complaints = Complaints()
    root = logging.getLogger("commitlog")
    root.addHandler(complaints)
    asyncio.get_running_loop().set_exception_handler(complaints.in_the_loop)
    ensemble = MemoryEnsemble(now_ms=now_ms)
    settings = {
        **SETTINGS,
        "listeners": f"PLAINTEXT://127.0.0.1:{free_port()}",
        "log.dirs": str(directory / "data"),
    }
    broker = Broker(
        BrokerConfig.from_properties(settings),
        disk=LocalDisk(),
        coordination=ensemble.client("broker", session_timeout_ms=60_000),
        now_ms=now_ms,
        rng=random.Random(1),
    )
    try:
        await broker.start()
        target = Target(broker, complaints)
        await target.prepare()
        complaints.found.clear()
        yield target
        await target.disconnect()
    finally:
        root.removeHandler(complaints)
        await broker.stop()
