# SPDX-License-Identifier: Apache-2.0
"""Telling the controller that a log directory of this broker has failed (KIP-112;
KafkaZkClient.propagateLogDirEvent).

The notification says only which broker it is. The controller then sends LeaderAndIsr for all its replicas,
learns from KAFKA_STORAGE_ERROR which of them are gone, and elects other leaders for these.
"""

from __future__ import annotations

import asyncio
import logging

from commitlog.coordination import paths
from commitlog.coordination.client import Coordination, CoordinationError, retry_until_connected
from commitlog.coordination.documents import encode_log_dir_event

log = logging.getLogger("commitlog.server.log_dir_events")


class LogDirEvents:
    """Writes notifications in the background, as the directory fails in the midst of something else."""

    def __init__(self, coordination: Coordination, broker_id: int) -> None:
        self._coordination = coordination
        self._broker_id = broker_id
        self._tasks: set[asyncio.Task[None]] = set()

    def propagate(self) -> None:
        """Have the controller look at this broker's replicas."""
        task = asyncio.get_running_loop().create_task(self._propagate(), name="log-dir-event")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def stop(self) -> None:
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _propagate(self) -> None:
        data = encode_log_dir_event(self._broker_id)
        prefix = paths.log_dir_event(paths.LOG_DIR_EVENT_PREFIX)
        try:
            # Done twice when the answer was lost: the second one finds nothing new.
            await retry_until_connected(
                self._coordination, lambda: self._coordination.create(prefix, data, sequential=True)
            )
        except CoordinationError as error:
            log.error("The controller could not be told of the failed log directory: %s", error)
        except Exception:
            log.exception("The controller could not be told of the failed log directory")
