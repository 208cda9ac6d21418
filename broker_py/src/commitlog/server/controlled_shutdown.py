# SPDX-License-Identifier: Apache-2.0
"""Asking the controller to move leadership away before this broker stops (KafkaServer.controlledShutdown)."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING

from commitlog.wire.errors import ErrorCode
from commitlog.wire.messages.controlled_shutdown_request import ControlledShutdownRequest

if TYPE_CHECKING:
    from commitlog.config.broker import BrokerConfig
    from commitlog.server.controller_client import ControllerClient

log = logging.getLogger("commitlog.server.controlled_shutdown")


def request_version(config: BrokerConfig) -> int:
    """Not negotiated: it follows from inter.broker.protocol.version."""
    if config.ibp_at_least("2.4-IV1"):
        return 3
    return 2 if config.ibp_at_least("2.2-IV0") else 1


async def controlled_shutdown(
    config: BrokerConfig, client: ControllerClient, broker_epoch: Callable[[], int]
) -> bool:
    """Try controlled.shutdown.max.retries times; False when leadership could not be moved away."""
    log.info("[KafkaServer id=%d] Starting controlled shutdown", config.broker_id)
    loop = asyncio.get_running_loop()
    for remaining in reversed(range(config.controlled_shutdown_max_retries)):
        started = loop.time()
        if await _ask(config, client, broker_epoch()):
            elapsed_ms = int((loop.time() - started) * 1000)
            log.info("Controlled shutdown request returned successfully after %dms", elapsed_ms)
            return True
        if remaining:
            await asyncio.sleep(config.controlled_shutdown_retry_backoff_ms / 1000)
            log.info("Retrying controlled shutdown (%d retries remaining)", remaining)
    log.warning("Proceeding to do an unclean shutdown as all the controlled shutdown attempts failed")
    return False


async def _ask(config: BrokerConfig, client: ControllerClient, broker_epoch: int) -> bool:
    request = ControlledShutdownRequest(broker_id=config.broker_id, broker_epoch=broker_epoch)
    timeout = max(config.controller_socket_timeout_ms, config.request_timeout_ms) / 1000
    try:
        response = await asyncio.wait_for(client.send(request, request_version(config)), timeout)
    except OSError as error:
        log.warning(
            "Error during controlled shutdown, possibly because leader movement took longer than the "
            "configured controller.socket.timeout.ms and/or request.timeout.ms: %s",
            error or type(error).__name__,
        )
        return False
    if response.error_code == ErrorCode.NONE and not response.remaining_partitions:
        return True
    left = [f"{one.topic_name}-{one.partition_index}" for one in response.remaining_partitions]
    log.info("Remaining partitions to move: %s", ",".join(left))
    log.info("Error from controller: %s", ErrorCode.of(response.error_code).name)
    return False
