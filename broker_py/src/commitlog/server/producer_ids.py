# SPDX-License-Identifier: Apache-2.0
"""Producer ids for idempotent producers, handed out from blocks that the controller allocates.

Behaviour is that of Kafka's RPCProducerIdManager (KIP-730): one block of 1000 is in use, the next is asked
for when 90 % of it are used up, and who finds none is told to come again (COORDINATOR_LOAD_IN_PROGRESS),
never kept waiting.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from commitlog.wire.errors import ErrorCode, KafkaError
from commitlog.wire.messages.allocate_producer_ids_request import AllocateProducerIdsRequest
from commitlog.wire.messages.allocate_producer_ids_response import AllocateProducerIdsResponse

logger = logging.getLogger("commitlog.server.producer_ids")

AllocateBlock = Callable[[AllocateProducerIdsRequest], Awaitable[AllocateProducerIdsResponse]]

PREFETCH_THRESHOLD = 0.9
RETRY_BACKOFF_MS = 50
MAX_PRODUCER_ID = (1 << 63) - 1


class ProducerIdManager:
    """Knows the current block and at most one block ahead."""

    def __init__(self, broker_id: int, broker_epoch: Callable[[], int], allocate: AllocateBlock) -> None:
        """`allocate` asks the active controller, wherever that is; OSError or TimeoutError when it cannot."""
        self._broker_id = broker_id
        self._broker_epoch = broker_epoch
        self._allocate = allocate
        self._current = range(0)
        self._next_id = 0
        self._next_block: range | None = None
        self._prefetch_at = 0
        self._request: asyncio.Task[None] | None = None
        self._retry_at = 0.0

    def next_id(self) -> int:
        """A producer id never given out in this cluster; raises COORDINATOR_LOAD_IN_PROGRESS."""
        producer_id = self._claim()
        if producer_id is None:
            self._request_block()
            raise KafkaError(
                ErrorCode.COORDINATOR_LOAD_IN_PROGRESS, "Producer ID block is full. Waiting for next block"
            )
        return producer_id

    async def stop(self) -> None:
        """Give up a request to the controller that is under way."""
        if self._request is not None:
            self._request.cancel()
            await asyncio.wait([self._request])

    def _claim(self) -> int | None:
        if self._next_id >= self._current.stop:
            if self._next_block is None:
                return None
            self._current = self._next_block
            self._next_id = self._current.start
            self._prefetch_at = self._current.start + int(len(self._current) * PREFETCH_THRESHOLD)
            self._next_block = None
        producer_id = self._next_id
        self._next_id += 1
        if producer_id == self._prefetch_at:
            self._request_block()
        return producer_id

    def _request_block(self) -> None:
        loop = asyncio.get_running_loop()
        if self._request is None and self._next_block is None and loop.time() >= self._retry_at:
            self._request = loop.create_task(self._fetch_block(), name="allocate-producer-ids")

    async def _fetch_block(self) -> None:
        logger.debug("Requesting next Producer ID block")
        request = AllocateProducerIdsRequest(broker_id=self._broker_id, broker_epoch=self._broker_epoch())
        try:
            self._take(await self._allocate(request))
        except (OSError, TimeoutError, KafkaError) as reason:
            logger.warning("Could not get a producer ID block from the controller: %s", reason)
        finally:
            self._request = None
            if self._next_block is None:
                self._retry_at = asyncio.get_running_loop().time() + RETRY_BACKOFF_MS / 1000

    def _take(self, response: AllocateProducerIdsResponse) -> None:
        error = ErrorCode.of(response.error_code)
        start, size = response.producer_id_start, response.producer_id_len
        if error is ErrorCode.STALE_BROKER_EPOCH:
            logger.warning("Our broker currentBlockCount was stale, trying again.")
        elif error is ErrorCode.BROKER_ID_NOT_REGISTERED:
            logger.warning("Our broker ID is not yet known by the controller, trying again.")
        elif error is not ErrorCode.NONE:
            logger.error("Received an unexpected error code from the controller: %s", error.name)
        elif start < self._current.stop - 1:
            logger.error(
                "Producer ID block is not monotonic with current block: current=%s response=%s",
                self._current,
                response,
            )
        elif start < 0 or size <= 0 or start > MAX_PRODUCER_ID - size:
            logger.error("Producer ID block includes invalid ID range: %s", response)
        else:
            self._next_block = range(start, start + size)
