# SPDX-License-Identifier: Apache-2.0
"""How much clients may do (Kafka's ClientQuotaManager, ClientRequestQuotaManager and
ControllerMutationQuotaManager).

What a client did is recorded after it was done; when that is over its limit, the answer says for how long the
client has to wait, and its channel is muted for that long. Nothing is recorded as long as no quota of that
kind is configured: `enabled` is what hot paths look at.

Produce and fetch count bytes per second. Requests count the share of the broker's event loop, where 100 is
all of it (Kafka counts 100 for each of its threads). Mutations of topics count partitions.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator

from commitlog.coordination.paths import sanitize
from commitlog.metrics.rate import Rate, TokenBucket, Windows, throttle_ms
from commitlog.security.quota_entities import Entity, QuotaLimits, Tags, describe
from commitlog.wire.errors import ErrorCode, KafkaError

log = logging.getLogger("commitlog.security.client_quotas")

MAX_SENSORS = 10_000
"""Who was not seen for longest is forgotten beyond this: client ids are free to invent."""


class Sensor:
    """What one client, or those who share a limit, did of late."""

    __slots__ = ("limit", "meter", "throttled_ms", "throttles")

    def __init__(self, meter: Rate | TokenBucket, limit: float | None) -> None:
        self.meter = meter
        self.limit = limit
        self.throttled_ms = 0
        self.throttles = 0

    def note_throttle(self, delay_ms: int) -> None:
        self.throttled_ms += delay_ms
        self.throttles += 1


class ClientQuotaManager:
    """One kind of quota."""

    def __init__(
        self,
        kind: str,
        windows: Windows,
        now_ms: Callable[[], int],
        *,
        max_throttle_ms: int | None = None,
    ) -> None:
        self.kind = kind
        self.enabled = False
        self.now_ms = now_ms
        self._windows = windows
        self._max_throttle_ms = max_throttle_ms
        self._limits = QuotaLimits()
        self._sensors: dict[Tags, Sensor] = {}
        self._clients: dict[tuple[str, str], Sensor] = {}

    def update(self, entity: Entity, limit: float | None) -> None:
        """Set or remove a quota; it holds for what was recorded already, too."""
        if self._limits.get(entity) == limit:
            return
        if limit is None:
            log.info("Removing %s quota for %s", self.kind, describe(entity))
        else:
            log.info("Changing %s quota for %s to %s", self.kind, describe(entity), limit)
        self._limits.put(entity, limit)
        self.enabled = bool(self._limits)
        self._clients.clear()
        for tags, sensor in list(self._sensors.items()):
            found, sensor.limit = self._limits.find(*tags)
            if found != tags or sensor.limit is None:
                del self._sensors[tags]
            elif isinstance(sensor.meter, TokenBucket):
                sensor.meter.rate = sensor.limit

    def limit(self, user: str, client_id: str) -> float | None:
        """The limit that holds for a client; None when there is none."""
        return self._limits.find(sanitize(user), client_id and sanitize(client_id))[1]

    def sensors(self) -> Iterator[tuple[Tags, Sensor]]:
        return iter(self._sensors.items())

    def record(self, user: str, client_id: str, value: float) -> int:
        """Note what a client did; the milliseconds that it has to wait for it."""
        sensor = self.sensor(user, client_id)
        if sensor is None or sensor.limit is None:
            return 0
        meter = sensor.meter
        assert isinstance(meter, Rate)
        now = self.now_ms()
        meter.record(value, now)
        delay = throttle_ms(meter.measure(now), sensor.limit, meter.window_ms(now))
        if self._max_throttle_ms is not None:
            delay = min(delay, self._max_throttle_ms)
        if delay > 0:
            sensor.note_throttle(delay)
            log.debug("%s quota violated by %s/%s: delay %d ms", self.kind, user, client_id, delay)
        return delay

    def unrecord(self, user: str, client_id: str, value: float) -> None:
        """Take back what was recorded and then not done."""
        sensor = self.sensor(user, client_id)
        if sensor is not None:
            assert isinstance(sensor.meter, Rate)
            sensor.meter.record(-value, self.now_ms())

    def most_at_once(self, user: str, client_id: str) -> float | None:
        """More than this is throttled whatever was before; None when there is no limit."""
        sensor = self.sensor(user, client_id)
        if sensor is None or sensor.limit is None:
            return None
        return sensor.limit * (self._windows.samples - 1) * self._windows.window_ms / 1000

    def sensor(self, user: str, client_id: str) -> Sensor | None:
        """What measures this client; None when no quota holds for it."""
        key = user, client_id
        sensor = self._clients.get(key)
        if sensor is not None:
            return sensor
        tags, limit = self._limits.find(sanitize(user), client_id and sanitize(client_id))
        if limit is None:
            return None
        # Those seen last are at the end.
        sensor = self._sensors.pop(tags, None) or Sensor(self._meter(limit), limit)
        self._sensors[tags] = sensor
        if len(self._sensors) > MAX_SENSORS:
            del self._sensors[next(iter(self._sensors))]
            self._clients.clear()
        if len(self._clients) >= MAX_SENSORS:
            self._clients.clear()
        self._clients[key] = sensor
        return sensor

    def _meter(self, limit: float) -> Rate | TokenBucket:
        return Rate(self._windows)


class ControllerQuotaManager(ClientQuotaManager):
    """Creations and deletions of partitions: a bucket of tokens."""

    def _meter(self, limit: float) -> TokenBucket:
        return TokenBucket(self._windows, limit)

    def permit(self, user: str, client_id: str, partitions: int, *, strict: bool) -> int:
        """Take so many tokens; the milliseconds to wait until the bucket is even again.

        Who knows THROTTLING_QUOTA_EXCEEDED is refused with it when the bucket is overdrawn already; who does
        not is only made to wait.
        """
        sensor = self.sensor(user, client_id)
        if sensor is None or sensor.limit is None:
            return 0
        bucket = sensor.meter
        assert isinstance(bucket, TokenBucket)
        now = self.now_ms()
        if strict:
            delay = self._delay(bucket, now)
            if delay > 0:
                sensor.note_throttle(delay)
                raise MutationThrottled(delay)
            bucket.take(partitions, now)
            return 0
        bucket.take(partitions, now)
        delay = self._delay(bucket, now)
        if delay > 0:
            sensor.note_throttle(delay)
        return delay

    @staticmethod
    def _delay(bucket: TokenBucket, now_ms: int) -> int:
        return throttle_ms_of_bucket(bucket.measure(now_ms), bucket.rate)


class MutationThrottled(KafkaError):
    """THROTTLING_QUOTA_EXCEEDED, and for how long."""

    def __init__(self, delay_ms: int) -> None:
        super().__init__(ErrorCode.THROTTLING_QUOTA_EXCEEDED, "The throttling quota has been exceeded.")
        self.delay_ms = delay_ms


def throttle_ms_of_bucket(tokens: float, rate: float) -> int:
    """The time in which an overdrawn bucket is even again."""
    if tokens >= 0:
        return 0
    return throttle_ms(rate - tokens, rate, 1000)


class ClientQuotas:
    """All kinds of quotas of one broker (Kafka's QuotaFactory.QuotaManagers).

    `active`: some quota of bytes or requests is configured.
    """

    def __init__(self, windows: Windows, controller_windows: Windows, now_ms: Callable[[], int]) -> None:
        self.active = False
        self.produce = ClientQuotaManager("Produce", windows, now_ms)
        self.fetch = ClientQuotaManager("Fetch", windows, now_ms)
        # A request's time is paid for in one window at most: throttling it for longer helps nobody.
        self.request = ClientQuotaManager("Request", windows, now_ms, max_throttle_ms=windows.window_ms)
        self.controller = ControllerQuotaManager("ControllerMutation", controller_windows, now_ms)

    def managers(self) -> tuple[ClientQuotaManager, ...]:
        return self.produce, self.fetch, self.request, self.controller

    def apply(self, entity: Entity, configs: dict[str, float]) -> None:
        """Put in force what ZooKeeper has for a user, a client or both."""
        for name, manager in zip(CLIENT_QUOTAS, self.managers(), strict=True):
            manager.update(entity, configs.get(name))
        self.active = self.produce.enabled or self.fetch.enabled or self.request.enabled


CLIENT_QUOTAS = (
    "producer_byte_rate",
    "consumer_byte_rate",
    "request_percentage",
    "controller_mutation_rate",
)
"""QuotaConfigs: in the order of ClientQuotas.managers."""
WHOLE_NUMBERS = frozenset({"producer_byte_rate", "consumer_byte_rate"})
IP_QUOTA = "connection_creation_rate"
