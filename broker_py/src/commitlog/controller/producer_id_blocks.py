# SPDX-License-Identifier: Apache-2.0
"""Blocks of producer ids for brokers (KIP-730, Kafka: ZkProducerIdManager.getNewProducerIdBlock).

/latest_producer_id_block holds the last block given out; the next one is written over it with the version
just read, so that no two brokers ever get the same block, whoever gives them out.
"""

from __future__ import annotations

import logging

from commitlog.controller.core import ControllerCore
from commitlog.coordination import paths
from commitlog.coordination.client import BadVersion, NodeExists, NoNode
from commitlog.coordination.documents import ProducerIdBlock
from commitlog.wire.errors import ErrorCode, KafkaError
from commitlog.wire.messages.allocate_producer_ids_request import AllocateProducerIdsRequest
from commitlog.wire.messages.allocate_producer_ids_response import AllocateProducerIdsResponse

log = logging.getLogger("commitlog.controller.producer_ids")

BLOCK_SIZE = 1000
MAX_PRODUCER_ID = 2**63 - 1


class ProducerIdBlocks:
    """Allocates in the event task of the active controller."""

    def __init__(self, core: ControllerCore) -> None:
        self._core = core

    async def allocate(self, request: AllocateProducerIdsRequest) -> AllocateProducerIdsResponse:
        broker = self._core.context.live_brokers.get(request.broker_id)
        if broker is None:
            log.warning("Ignoring AllocateProducerIds due to unknown broker %d", request.broker_id)
            return AllocateProducerIdsResponse(error_code=ErrorCode.BROKER_ID_NOT_REGISTERED)
        if broker.epoch != request.broker_epoch:
            log.warning("Ignoring AllocateProducerIds due to stale epoch of broker %d", request.broker_id)
            return AllocateProducerIdsResponse(error_code=ErrorCode.STALE_BROKER_EPOCH)
        block = await self._next_block(request.broker_id)
        log.info(
            "Allocated producer ids %d to %d to broker %d", block.block_start, block.block_end, broker.id
        )
        return AllocateProducerIdsResponse(
            producer_id_start=block.block_start, producer_id_len=block.block_end - block.block_start + 1
        )

    async def _next_block(self, broker_id: int) -> ProducerIdBlock:
        path = paths.LATEST_PRODUCER_ID_BLOCK
        while True:
            try:
                data, stat = await self._core.fence.read(lambda: self._core.coordination.get(path))
            except NoNode:
                await self._create()
                continue
            start = ProducerIdBlock.decode(data).block_end + 1 if data else 0
            if start > MAX_PRODUCER_ID - BLOCK_SIZE:
                raise KafkaError(
                    ErrorCode.UNKNOWN_SERVER_ERROR,
                    "Exhausted all producerIds: the last block has been given out",
                )
            block = ProducerIdBlock(broker_id, start, start + BLOCK_SIZE - 1)
            try:
                await self._core.fence.set_conditionally(path, block.encode(), stat.version)
            except BadVersion:
                continue
            return block

    async def _create(self) -> None:
        try:
            await self._core.fence.create(paths.LATEST_PRODUCER_ID_BLOCK)
        except NodeExists:
            return
