# SPDX-License-Identifier: Apache-2.0
"""Producer ids for idempotent producers, handed out from blocks that the controller allocates.

Behaviour is that of Kafka's RPCProducerIdManager (KIP-730): one block of 1000 is cached, the next is asked for when
90 % are used, and a caller who finds none is told to retry (COORDINATOR_LOAD_IN_PROGRESS), never kept waiting.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from commitlog.wire.messages.allocate_producer_ids_request import AllocateProducerIdsRequest
from commitlog.wire.messages.allocate_producer_ids_response import AllocateProducerIdsResponse

AllocateBlock = Callable[[AllocateProducerIdsRequest], Awaitable[AllocateProducerIdsResponse]]


class ProducerIdManager:
    """Knows the current block and at most one block ahead."""

    def __init__(self, broker_id: int, broker_epoch: Callable[[], int], allocate: AllocateBlock) -> None:
        """`allocate` asks the active controller, wherever that is (OSError/TimeoutError when it cannot)."""
        raise NotImplementedError

    def next_id(self) -> int:
        """A producer id never used before in this cluster; raises KafkaError COORDINATOR_LOAD_IN_PROGRESS."""
        raise NotImplementedError

    async def stop(self) -> None:
        """Give up a request to the controller that is under way."""
        raise NotImplementedError
