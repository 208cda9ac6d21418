# SPDX-License-Identifier: Apache-2.0
"""Which quota holds for whom, and how long a client is throttled (Kafka's ClientQuotaManagerTest)."""

from __future__ import annotations

import pytest

from commitlog.coordination.paths import DEFAULT_ENTITY
from commitlog.metrics.rate import Windows
from commitlog.security import client_quotas
from commitlog.security.client_quotas import ClientQuotaManager, ClientQuotas, MutationThrottled
from commitlog.security.quota_entities import Entity, QuotaLimits

# From the strongest to the weakest.
PRECEDENCE: list[tuple[Entity, tuple[str, str]]] = [
    (("u", "c"), ("u", "c")),
    (("u", DEFAULT_ENTITY), ("u", "c")),
    (("u", None), ("u", "")),
    ((DEFAULT_ENTITY, "c"), ("u", "c")),
    ((DEFAULT_ENTITY, DEFAULT_ENTITY), ("u", "c")),
    ((DEFAULT_ENTITY, None), ("u", "")),
    ((None, "c"), ("", "c")),
    ((None, DEFAULT_ENTITY), ("", "c")),
]


class Clock:
    """Milliseconds, moved by hand."""

    def __init__(self) -> None:
        self.ms = 0

    def __call__(self) -> int:
        return self.ms


def manager(clock: Clock, **options: int) -> ClientQuotaManager:
    return ClientQuotaManager("Produce", Windows(11, 1000), clock, **options)


def test_the_most_specific_quota_holds() -> None:
    limits = QuotaLimits()
    for number, (entity, tags) in reversed(list(enumerate(PRECEDENCE))):
        limits.put(entity, number)
        assert limits.find("u", "c") == (tags, number)
    for number, (entity, _) in enumerate(PRECEDENCE):
        assert limits.find("u", "c")[1] == number
        limits.put(entity, None)
    assert limits.find("u", "c") == (("", "c"), None)


def test_defaults_are_for_others_too_but_names_are_not() -> None:
    limits = QuotaLimits()
    for number, (entity, _) in enumerate(PRECEDENCE):
        limits.put(entity, number)
    assert limits.find("u", "other")[1] == 1
    assert limits.find("other", "c")[1] == 3
    assert limits.find("other", "other")[1] == 4


def test_who_gives_no_client_id_has_quotas_of_the_user_only() -> None:
    limits = QuotaLimits()
    for number, (entity, _) in enumerate(PRECEDENCE):
        limits.put(entity, number)
    assert limits.find("u", "") == (("u", ""), 2)
    assert limits.find("other", "") == (("other", ""), 5)


def test_a_name_that_looks_like_the_default_is_not_the_default() -> None:
    quotas = manager(Clock())
    quotas.update((DEFAULT_ENTITY, None), 10)
    quotas.update(("%3Cdefault%3E", None), 20)
    assert quotas.limit("<default>", "c") == 20
    assert quotas.limit("somebody", "c") == 10


def test_nothing_is_measured_without_a_quota() -> None:
    quotas = ClientQuotas(Windows(11, 1000), Windows(11, 1000), Clock())
    assert not quotas.active
    quotas.apply((None, "c"), {"producer_byte_rate": 10})
    assert (quotas.active, quotas.produce.enabled, quotas.fetch.enabled) == (True, True, False)
    assert quotas.produce.record("u", "unlimited", 10**9) == 0
    assert not list(quotas.produce.sensors())
    quotas.apply((None, "c"), {})
    assert not quotas.active
    quotas.apply(("u", None), {"controller_mutation_rate": 1})
    assert (quotas.active, quotas.controller.enabled) == (False, True)


def test_a_client_over_its_quota_waits_until_it_is_within_it_again() -> None:
    """Kafka's ClientQuotaManagerTest.testQuotaViolation."""
    clock = Clock()
    quotas = manager(clock)
    quotas.update((None, "unknown"), 500)
    for _ in range(10):
        assert quotas.record("ANONYMOUS", "unknown", 400) == 0
        clock.ms += 1000
    # 4000 + 2300 bytes in 10.5 s are 600 a second: 100 too many, for a fifth of 10.5 s.
    clock.ms += 500
    assert quotas.record("ANONYMOUS", "unknown", 2300) == 2100
    # Once there is nothing left of the burst in the window, there is nothing to wait for.
    clock.ms += 12_000
    assert quotas.record("ANONYMOUS", "unknown", 0) == 0


def test_those_who_share_a_limit_are_measured_together() -> None:
    quotas = manager(Clock())
    quotas.update(("u", None), 100)
    assert quotas.record("u", "a", 900) == 0
    assert quotas.record("u", "b", 200) == 1000
    assert quotas.record("v", "b", 10**6) == 0


def test_a_changed_limit_holds_for_what_was_recorded() -> None:
    quotas = manager(Clock())
    quotas.update((None, DEFAULT_ENTITY), 100)
    assert quotas.record("u", "a", 1000) == 0
    quotas.update((None, DEFAULT_ENTITY), 50)
    assert quotas.record("u", "a", 0) == 10_000
    quotas.update((None, "a"), 1000)
    assert quotas.record("u", "a", 0) == 0


def test_what_is_not_answered_is_not_counted() -> None:
    quotas = manager(Clock())
    quotas.update((None, "a"), 100)
    assert quotas.record("u", "a", 5000) > 0
    quotas.unrecord("u", "a", 5000)
    assert quotas.record("u", "a", 1000) == 0


def test_the_most_at_once_is_what_the_whole_window_allows() -> None:
    quotas = manager(Clock())
    quotas.update((None, "a"), 100)
    assert quotas.most_at_once("u", "a") == 1000
    assert quotas.most_at_once("u", "b") is None


def test_a_request_is_throttled_for_one_window_at_most() -> None:
    quotas = manager(Clock(), max_throttle_ms=1000)
    quotas.update(("u", None), 1)
    assert quotas.record("u", "a", 10_000) == 1000


def test_mutations_are_refused_once_the_bucket_is_overdrawn() -> None:
    clock = Clock()
    quotas = ClientQuotas(Windows(11, 1000), Windows(11, 1000), clock)
    quotas.apply(("u", None), {"controller_mutation_rate": 1})
    # The burst is 11; the request that overdraws it is served still.
    assert quotas.controller.permit("u", "c", 15, strict=True) == 0
    with pytest.raises(MutationThrottled) as refused:
        quotas.controller.permit("u", "c", 1, strict=True)
    assert refused.value.delay_ms == 4000
    assert quotas.controller.permit("u", "c", 1, strict=False) == 5000
    clock.ms += 5000
    assert quotas.controller.permit("u", "c", 1, strict=True) == 0
    assert quotas.controller.permit("v", "c", 1000, strict=True) == 0


def test_client_ids_may_be_invented_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client_quotas, "MAX_SENSORS", 10)
    quotas = manager(Clock())
    quotas.update((None, DEFAULT_ENTITY), 100)
    for number in range(1000):
        quotas.record("u", str(number), 1)
        assert len(list(quotas.sensors())) <= 10
        assert len(quotas._clients) <= 10
