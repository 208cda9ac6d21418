# SPDX-License-Identifier: Apache-2.0
"""The limits on connections: how many, how fast, and how many bytes they make us hold (Kafka's
ConnectionQuotas and MemoryPool).

Where Kafka makes the acceptor wait, here the newcomer waits, unread: its turn comes as late as it would have
been accepted. As many may wait as Kafka would leave in the socket's backlog; those beyond are closed. When
`max.connections` is reached, Kafka's acceptor waits too; here the newcomer is closed, and the reason logged.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from commitlog.metrics.rate import Rate, Windows, throttle_ms

log = logging.getLogger("commitlog.server.listener")

UNLIMITED = 2**31 - 1
MAX_ADDRESSES = 10_000
"""Whose connections are counted over time, when there is a quota for addresses."""


@dataclass
class ConnectionLimits:
    """The broker's limits; the names are the properties'. Socket buffers of -1 are the system's to choose."""

    max_connections: int
    max_connections_per_ip: int
    max_connections_per_ip_overrides: dict[str, int] = field(default_factory=dict)
    max_connection_creation_rate: int = UNLIMITED
    listener_max_connections: dict[str, int] = field(default_factory=dict)
    """By listener: listener.name.<name>.max.connections."""
    listener_max_creation_rate: dict[str, int] = field(default_factory=dict)
    """By listener: listener.name.<name>.max.connection.creation.rate."""
    connections_max_idle_ms: int = 600_000
    socket_request_max_bytes: int = 104_857_600
    socket_send_buffer_bytes: int = -1
    socket_receive_buffer_bytes: int = -1
    socket_listen_backlog_size: int = 50
    queued_max_request_bytes: int = -1
    quota_windows: Windows = field(default_factory=lambda: Windows(11, 1000))


@dataclass(slots=True)
class Admission:
    """What becomes of a new connection: it is read after `delay_ms`, or closed then."""

    delay_ms: int = 0
    close: bool = False


class ConnectionQuotas:
    """Counts the connections of all listeners of a broker against its limits."""

    def __init__(self, limits: ConnectionLimits, now_ms: Callable[[], int]) -> None:
        self.limits = limits
        self.memory = RequestMemory(limits.queued_max_request_bytes)
        self.total = 0
        self.throttled = 0
        """Connections that wait for their turn."""
        self.rejected = 0
        self._now_ms = now_ms
        self._per_ip: Counter[str] = Counter()
        self._per_listener: Counter[str] = Counter()
        self._broker_turn = _Turn(limits.quota_windows)
        self._listener_turns: dict[str, _Turn] = {}
        self._ip_rates: dict[str, float] = {}
        self._default_ip_rate: float | None = None
        self._ip_meters: dict[str, Rate] = {}

    def count(self, listener: str) -> int:
        """The connections that a listener has."""
        return self._per_listener[listener]

    def set_ip_rate(self, address: str | None, limit: float | None) -> None:
        """Connections per second from an address; None stands for all that have no limit of their own."""
        if address is None:
            self._default_ip_rate = limit
        elif limit is None:
            self._ip_rates.pop(address, None)
        else:
            self._ip_rates[address] = limit
        if not self._ip_rates and self._default_ip_rate is None:
            self._ip_meters.clear()

    def admit(self, listener: str, host: str) -> Admission | None:
        """Count a new connection; None when it is refused at once."""
        limits = self.limits
        limit = limits.max_connections_per_ip_overrides.get(host, limits.max_connections_per_ip)
        if self._per_ip[host] >= limit:
            self._reject(
                "Rejected connection from %s, address already has the configured maximum of %d connections.",
                host,
                limit,
            )
            return None
        if self.total >= limits.max_connections:
            self._reject(
                "Rejected connection from %s, the broker already has its maximum of %d connections.",
                host,
                limits.max_connections,
            )
            return None
        limit = limits.listener_max_connections.get(listener, UNLIMITED)
        if self._per_listener[listener] >= limit:
            self._reject(
                f"Rejected connection from %s, listener {listener} already has its maximum of %d "
                "connections.",
                host,
                limit,
            )
            return None
        admission = self._turn_of(listener, host)
        if admission.delay_ms > 0:
            if self.throttled >= limits.socket_listen_backlog_size:
                self._reject(
                    "Rejected connection from %s, %d connections already wait for their turn.",
                    host,
                    self.throttled,
                )
                return None
            self.throttled += 1
        self.total += 1
        self._per_ip[host] += 1
        self._per_listener[listener] += 1
        return admission

    def release(self, listener: str, host: str) -> None:
        """A connection that was admitted is gone."""
        self.total -= 1
        for counter, key in ((self._per_ip, host), (self._per_listener, listener)):
            counter[key] -= 1
            if counter[key] <= 0:
                del counter[key]

    def _reject(self, text: str, host: str, limit: int) -> None:
        self.rejected += 1
        log.info(text, host, limit)

    def _turn_of(self, listener: str, host: str) -> Admission:
        limits = self.limits
        now = self._now_ms()
        delay = 0
        if limits.max_connection_creation_rate < UNLIMITED:
            delay = self._broker_turn.wait(now, limits.max_connection_creation_rate)
        rate = limits.listener_max_creation_rate.get(listener, UNLIMITED)
        if rate < UNLIMITED:
            turn = self._listener_turns.get(listener)
            if turn is None:
                turn = self._listener_turns[listener] = _Turn(limits.quota_windows)
            delay = max(delay, turn.wait(now, rate))
        ip_rate = self._ip_rates.get(host, self._default_ip_rate)
        if ip_rate is not None:
            refused_for = self._over_ip_rate(host, ip_rate, now)
            if refused_for:
                return Admission(max(delay, refused_for), close=True)
        return Admission(delay)

    def _over_ip_rate(self, host: str, limit: float, now: int) -> int:
        """For how long a connection too many is left open and unread, so that its client does not come back
        at once; 0 when it is within the limit. A connection that is refused does not count."""
        meter = self._ip_meters.pop(host, None) or Rate(self.limits.quota_windows)
        self._ip_meters[host] = meter
        if len(self._ip_meters) > MAX_ADDRESSES:
            del self._ip_meters[next(iter(self._ip_meters))]
        meter.record(1, now)
        delay = throttle_ms(meter.measure(now), limit, meter.window_ms(now))
        if not delay:
            return 0
        meter.record(-1, now)
        log.debug("Delaying the close of a connection from %s for %d ms: over its rate", host, delay)
        return min(delay, self.limits.quota_windows.window_ms)


class _Turn:
    """An acceptor that accepts no faster than a rate: it tells newcomers when it will come to them."""

    def __init__(self, windows: Windows) -> None:
        self._meter = Rate(windows)
        self._window_ms = windows.window_ms
        self._free_ms = 0

    def wait(self, now_ms: int, limit: float) -> int:
        """The milliseconds until the newcomer's turn."""
        turn = max(now_ms, self._free_ms)
        self._meter.record(1, turn)
        delay = throttle_ms(self._meter.measure(turn), limit, self._meter.window_ms(turn))
        self._free_ms = turn + min(delay, self._window_ms)
        return self._free_ms - now_ms


class RequestMemory:
    """The bytes of requests in flight, of all connections together (queued.max.request.bytes).

    A connection's small buffer is its own; what it grows by counts. One that cannot grow is not read until
    another has given back. As in Kafka, the bound may be passed by the last one that was let in, else a
    request larger than the bound could never come.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.used = 0
        self._waiting: dict[Callable[[], None], None] = {}

    def take(self, size: int, retry: Callable[[], None]) -> bool:
        """Count `size` bytes; False when there is no room, and `retry` is called once there is."""
        if 0 < self.limit <= self.used:
            self._waiting[retry] = None
            return False
        self.used += size
        return True

    def give_back(self, size: int) -> None:
        """Those bytes are free again; who waited for room, first come first served, tries again."""
        self.used -= size
        while self._waiting and not 0 < self.limit <= self.used:
            retry = next(iter(self._waiting))
            del self._waiting[retry]
            retry()

    def forget(self, retry: Callable[[], None]) -> None:
        """Whoever waited is gone."""
        self._waiting.pop(retry, None)
