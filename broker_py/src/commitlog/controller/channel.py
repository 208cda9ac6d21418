# SPDX-License-Identifier: Apache-2.0
"""The controller's line to every broker (Kafka: ControllerChannelManager, RequestSendThread).

Per broker one FIFO queue and one request in flight. A request is repeated, 100 ms apart, until the broker
answers or is removed: control requests carry epochs, so a repetition is harmless and a gap is not. The
controller reaches its own broker in the same way, through its own listener.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Protocol

from commitlog.controller.context import Broker
from commitlog.coordination.documents import Endpoint

log = logging.getLogger("commitlog.controller.channel")

RETRY_BACKOFF_SECONDS = 0.1


class BrokerLink(Protocol):
    """What the channel needs of a connection to a broker; wire.client.BrokerConnection is one."""

    async def send(self, msg: Any, version: int | None = None) -> Any:
        """Send a request at exactly ``version`` and return the response; ConnectionError or TimeoutError if
        not."""

    def close(self) -> None: ...


Connect = Callable[[int, Endpoint], Awaitable[BrokerLink]]
ResponseCallback = Callable[[int, Any], None]


@dataclass(slots=True)
class QueuedRequest:
    message: Any
    version: int
    on_response: ResponseCallback | None


class BrokerSender:
    """One broker's queue and the task that empties it."""

    def __init__(self, controller_id: int, broker: Broker, endpoint: Endpoint, connect: Connect) -> None:
        self._name = f"[Controller-{controller_id}-to-broker-{broker.id}-send-thread]"
        self._broker_id = broker.id
        self._endpoint = endpoint
        self._connect = connect
        self._requests: deque[QueuedRequest] = deque()
        self._wakeup = asyncio.Event()
        self._link: BrokerLink | None = None
        self._task = asyncio.get_running_loop().create_task(self._run(), name=self._name)

    def send(self, request: QueuedRequest) -> None:
        self._requests.append(request)
        self._wakeup.set()

    @property
    def queue_size(self) -> int:
        return len(self._requests)

    def stop(self) -> asyncio.Task[None]:
        """Give up what is queued; the task returned ends at once."""
        self._requests.clear()
        self._task.cancel()
        self._close_link()
        return self._task

    def _close_link(self) -> None:
        link, self._link = self._link, None
        if link is not None:
            link.close()

    async def _run(self) -> None:
        while True:
            while not self._requests:
                self._wakeup.clear()
                await self._wakeup.wait()
            request = self._requests.popleft()
            response = await self._send_until_answered(request)
            if request.on_response is not None:
                try:
                    request.on_response(self._broker_id, response)
                except Exception:
                    log.exception("%s Response handler failed", self._name)

    async def _send_until_answered(self, request: QueuedRequest) -> Any:
        attempts = 0
        while True:
            try:
                if self._link is None:
                    self._link = await self._connect(self._broker_id, self._endpoint)
                    log.info("%s Controller connected to %s", self._name, self._endpoint.connection_string())
                return await self._link.send(request.message, request.version)
            except Exception as error:
                self._report(request, error, again=attempts > 0)
            attempts += 1
            self._close_link()
            await asyncio.sleep(RETRY_BACKOFF_SECONDS)

    def _report(self, request: QueuedRequest, error: Exception, *, again: bool) -> None:
        """Once per request: a broker may stay away for hours, and is tried ten times a second."""
        expected = isinstance(error, OSError | TimeoutError)
        level = logging.DEBUG if again else logging.WARNING if expected else logging.ERROR
        log.log(
            level,
            "%s %s to broker at %s failed, retrying: %s",
            self._name,
            type(request.message).__name__,
            self._endpoint.connection_string(),
            error or type(error).__name__,
            exc_info=None if expected else error,
        )


class ControllerChannel:
    """The senders of one term of office."""

    def __init__(self, controller_id: int, listener_name: str, connect: Connect) -> None:
        self._controller_id = controller_id
        self._listener_name = listener_name
        self._connect = connect
        self._senders: dict[int, BrokerSender] = {}
        self._stopping: set[asyncio.Task[None]] = set()

    def add_broker(self, broker: Broker) -> None:
        if broker.id in self._senders:
            return
        endpoint = broker.endpoint(self._listener_name)
        if endpoint is None:
            log.error("Broker %d has no endpoint for listener %s", broker.id, self._listener_name)
            return
        self._senders[broker.id] = BrokerSender(self._controller_id, broker, endpoint, self._connect)

    def remove_broker(self, broker_id: int) -> None:
        sender = self._senders.pop(broker_id, None)
        if sender is not None:
            task = sender.stop()
            self._stopping.add(task)
            task.add_done_callback(self._stopping.discard)

    def send(
        self, broker_id: int, message: Any, version: int, on_response: ResponseCallback | None = None
    ) -> None:
        sender = self._senders.get(broker_id)
        if sender is None:
            log.warning("Not sending %s to broker %d, since it is offline", type(message).__name__, broker_id)
            return
        sender.send(QueuedRequest(message, version, on_response))

    @property
    def queue_sizes(self) -> dict[int, int]:
        return {broker_id: sender.queue_size for broker_id, sender in self._senders.items()}

    async def stop(self) -> None:
        for broker_id in list(self._senders):
            self.remove_broker(broker_id)
        await asyncio.gather(*self._stopping, return_exceptions=True)
