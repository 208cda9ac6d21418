# -*- coding: utf-8 -*-
# Copyright: Contributors to the commitlog.kafka collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How fast replicas are copied (KIP-73): topics name the replicas that are held back, brokers the rate at which."""

from __future__ import annotations

import typing as t

from ansible_collections.commitlog.kafka.plugins.module_utils._cluster_admin import ClusterAdmin
from ansible_collections.commitlog.kafka.plugins.module_utils._cluster_health import ClusterState
from ansible_collections.commitlog.kafka.plugins.module_utils._config_admin import ConfigChange
from ansible_collections.commitlog.kafka.plugins.module_utils._topic_plan import TopicState

LEADER_RATE = "leader.replication.throttled.rate"
FOLLOWER_RATE = "follower.replication.throttled.rate"
LEADER_REPLICAS = "leader.replication.throttled.replicas"
FOLLOWER_REPLICAS = "follower.replication.throttled.replicas"
TOPIC_THROTTLES = (FOLLOWER_REPLICAS, LEADER_REPLICAS)
BROKER_THROTTLES = (FOLLOWER_RATE, LEADER_RATE)
EVERY_REPLICA = "*"

Throttles = t.Dict[t.Tuple[str, str], t.Dict[str, str]]
"""The settings of throttles, by ("topic" or "broker", name)."""


def throttles_left(admin: ClusterAdmin, state: ClusterState) -> Throttles:
    """Throttles that are set now."""
    left: Throttles = {}
    for topic in state.topics:
        found = {name: topic.overrides[name] or "" for name in TOPIC_THROTTLES if name in topic.overrides}
        if found:
            left["topic", topic.name] = found
    for broker, settings in admin.broker_settings([broker.id for broker in state.brokers], list(BROKER_THROTTLES)).items():
        found = {name: entry.value or "" for name, entry in sorted(settings.items()) if entry.dynamic}
        if found:
            left["broker", str(broker)] = found
    return left


def rates(brokers: t.Iterable[int], rate: int) -> Throttles:
    """What each of the brokers may give and take."""
    return {("broker", str(broker)): dict.fromkeys(BROKER_THROTTLES, str(rate)) for broker in sorted(brokers)}


def catching_up(topics: list[TopicState], brokers: set[int]) -> Throttles:
    """The replicas of these brokers, and those that they are copied from, where there are any."""
    wanted: Throttles = {}
    for topic in topics:
        pairs = [(p.partition, broker) for p in topic.partitions for broker in p.replicas if brokers.intersection(p.replicas)]
        takers = ["{0}:{1}".format(*pair) for pair in pairs if pair[1] in brokers]
        givers = ["{0}:{1}".format(*pair) for pair in pairs if pair[1] not in brokers]
        if takers and givers:
            wanted["topic", topic.name] = {FOLLOWER_REPLICAS: ",".join(takers), LEADER_REPLICAS: ",".join(givers)}
    return wanted


def together(present: str, more: str) -> str:
    """A list of replicas with those that are named besides; one that names all of them stays as it is."""
    named = [entry for entry in present.split(",") if entry]
    return present if EVERY_REPLICA in named else ",".join([*named, *(entry for entry in more.split(",") if entry not in named)])


def added(present: Throttles, wanted: Throttles) -> Throttles:
    """What there is with what is wanted: rates as they are wanted, replicas besides those that are there."""
    result = {place: dict(settings) for place, settings in present.items()}
    for (kind, name), settings in wanted.items():
        have = result.setdefault((kind, name), {})
        for key, text in settings.items():
            have[key] = together(have.get(key, ""), text) if kind == "topic" else text
    return result


def changes_between(before: Throttles, after: Throttles) -> list[ConfigChange]:
    """What to set and to reset."""
    changes = []
    for place in sorted({*before, *after}):
        have, wanted = before.get(place, {}), after.get(place, {})
        setting = {key: text for key, text in sorted(wanted.items()) if have.get(key) != text}
        resetting = sorted(set(have) - set(wanted))
        if setting or resetting:
            changes.append(ConfigChange(place[0], place[1], setting, resetting))
    return changes
