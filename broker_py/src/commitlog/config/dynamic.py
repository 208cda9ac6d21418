# SPDX-License-Identifier: Apache-2.0
"""Which broker settings may change while a broker runs, and at which level (Kafka's `DynamicBrokerConfig`,
KIP-226).

Values come from /config/brokers/<default> (cluster-wide) and /config/brokers/<id> (per broker); this module
checks what AlterConfigs asks for, `BrokerConfig.update_dynamic` puts what ZooKeeper holds in force.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from commitlog.config.broker import BrokerConfig
from commitlog.config.definitions import (
    Definition,
    InvalidValue,
    Type,
    broker_definitions,
    parse_value,
)
from commitlog.config.properties import ConfigError

# DynamicConfig.Broker: throttles of KIP-73, which exist only as dynamic settings of one broker.
THROTTLES: Mapping[str, Definition] = {
    name: Definition(name, Type.LONG, (1 << 63) - 1, None, "MEDIUM", doc, update="per-broker")
    for name, doc in (
        (
            "leader.replication.throttled.rate",
            "Upper bound (bytes/sec) on leader replication traffic for the replicas listed in "
            "leader.replication.throttled.replicas of each topic.",
        ),
        (
            "follower.replication.throttled.rate",
            "Upper bound (bytes/sec) on follower replication traffic for the replicas listed in "
            "follower.replication.throttled.replicas of each topic.",
        ),
        (
            "replica.alter.log.dirs.io.max.bytes.per.second",
            "Upper bound (bytes/sec) on disk I/O used for moving replicas between log directories of one "
            "broker.",
        ),
    )
}

_LISTENER_PREFIX = re.compile(r"listener\.name\.[^.]*\.(.*)")


def is_dynamic(name: str) -> bool:
    """Whether DescribeConfigs shows the setting as not read-only."""
    row = broker_definitions().get(name)
    return name in THROTTLES or (row is not None and row.update != "read-only")


def update_mode(name: str) -> str:
    """ "read-only", "per-broker" or "cluster-wide"."""
    row = broker_definitions().get(name) or THROTTLES.get(name)
    return row.update if row is not None else "read-only"


def _base_name(name: str) -> str:
    """listener.name.<listener>.ssl.keystore.location is checked as ssl.keystore.location."""
    match = _LISTENER_PREFIX.fullmatch(name)
    return match[1] if match else name


def validate_dynamic(changes: Mapping[str, str], config: BrokerConfig, *, per_broker: bool) -> None:
    """Refuse what DynamicBrokerConfig.validateConfigs refuses, with its words; `changes` is the whole new set
    of overrides at that level."""
    known = broker_definitions()
    fixed = [name for name in changes if _base_name(name) in known and not is_dynamic(_base_name(name))]
    if fixed:
        raise ConfigError(f"Cannot update these configs dynamically: Set({', '.join(sorted(fixed))})")
    if not per_broker:
        own = [name for name in changes if update_mode(_base_name(name)) == "per-broker"]
        if own:
            raise ConfigError(
                "Cannot update these configs at default cluster level, broker id must be specified: "
                f"Set({', '.join(sorted(own))})"
            )
    try:
        for name, text in changes.items():
            row = known.get(_base_name(name))
            if row is not None:
                row.parse(text)
            elif name in THROTTLES and int(str(parse_value(name, Type.LONG, text))) < 0:
                raise InvalidValue(name, text, "Value must be at least 0")
    except InvalidValue as error:
        raise ConfigError(str(error), name=error.name) from None
    config.check_dynamic(changes, per_broker=per_broker)
