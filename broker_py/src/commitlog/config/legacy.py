# SPDX-License-Identifier: Apache-2.0
"""Names of Kafka 0.7 and 0.8 that today's brokers no longer know, so that an old server.properties still
starts a broker.

Kafka 3.0 dropped host.name, port, advertised.host.name and advertised.port (KAFKA-4763 removals, KIP-724
era); up to 2.x they stood behind listeners and advertised.listeners, and so they do here. A name that was
only renamed is read as its successor; one whose purpose is gone is ignored with a line that says since when.
"""

from __future__ import annotations

from collections.abc import Mapping

from commitlog.config.definitions import Type, parse_value

# Old name: today's name.
RENAMED = {
    "brokerid": "broker.id",
    "hostname": "host.name",
    "zk.connect": "zookeeper.connect",
    "zk.connectiontimeout.ms": "zookeeper.connection.timeout.ms",
    "zk.sessiontimeout.ms": "zookeeper.session.timeout.ms",
    "log.file.size": "log.segment.bytes",
    "log.default.flush.interval.ms": "log.flush.interval.ms",
    "log.default.flush.scheduler.interval.ms": "log.flush.scheduler.interval.ms",
    "log.flush.interval": "log.flush.interval.messages",
    "log.delete.delay.ms": "log.segment.delete.delay.ms",
    "log.retention.size": "log.retention.bytes",
    "max.message.size": "message.max.bytes",
    "max.socket.request.bytes": "socket.request.max.bytes",
    "socket.send.buffer": "socket.send.buffer.bytes",
    "socket.receive.buffer": "socket.receive.buffer.bytes",
}

# Old name: why it has no effect.
IGNORED = {
    "zookeeper.sync.time.ms": "has had no effect since Kafka 3.0",
    "zk.synctime.ms": "has had no effect since Kafka 3.0",
    "replica.lag.max.messages": "was removed in Kafka 0.9: replica.lag.time.max.ms alone decides",
    "controller.message.queue.size": "was removed in Kafka 0.9",
    "enable.zookeeper": "was removed in Kafka 0.8: a broker always uses ZooKeeper",
    "num.threads": "was removed in Kafka 0.8: use num.network.threads and num.io.threads",
    "quota.producer.default": "was removed in Kafka 3.0: use kafka-configs.sh with the clients entity",
    "quota.consumer.default": "was removed in Kafka 3.0: use kafka-configs.sh with the clients entity",
    "log.cleaner.min.compaction.lag": "was never a setting: use log.cleaner.min.compaction.lag.ms",
}

MINUTES = {"log.cleanup.interval.mins": "log.retention.check.interval.ms"}

ADDRESS_NAMES = ("host.name", "port", "advertised.host.name", "advertised.port")

NAMES = frozenset((*RENAMED, *IGNORED, *MINUTES, *ADDRESS_NAMES))


def translate(properties: Mapping[str, str]) -> tuple[dict[str, str], list[str]]:
    """Today's settings for a file of any age, and one line for each old name that was met."""
    found = dict(properties)
    notes: list[str] = []
    for old, new in RENAMED.items():
        if old in found:
            value = found.pop(old)
            found.setdefault(new, value)
            notes.append(f"{old} is an old name: read as {new}")
    for old, new in MINUTES.items():
        if old in found:
            value = found.pop(old)
            if value.strip().isdigit():
                value = str(int(value) * 60_000)
            found.setdefault(new, value)
            notes.append(f"{old} is an old name: read as {new}={found[new]}")
    for old, reason in IGNORED.items():
        if found.pop(old, None) is not None:
            notes.append(f"{old} {reason}; it is ignored")
    _translate_addresses(found, notes)
    return found, notes


def _translate_addresses(found: dict[str, str], notes: list[str]) -> None:
    """KafkaConfig of 2.x: listeners, else host.name and port; advertised.listeners, else advertised.host.name
    and advertised.port where either is given, else the listeners."""
    old = {name: found.pop(name).strip() for name in ADDRESS_NAMES if name in found}
    if not old:
        return
    for name in ("port", "advertised.port"):
        parse_value(name, Type.INT, old.get(name, "0"))
    host, port = old.get("host.name", ""), old.get("port", "9092")
    advertised = "advertised.host.name" in old or "advertised.port" in old
    if "listeners" in found:
        if "host.name" in old or "port" in old:
            notes.append("host.name and port are ignored, because listeners is set")
    elif "host.name" in old or "port" in old:
        found["listeners"] = f"PLAINTEXT://{_bracketed(host)}:{port}"
        notes.append(f"host.name and port are old names: read as listeners={found['listeners']}")
    if not advertised:
        return
    if "advertised.listeners" in found:
        notes.append(
            "advertised.host.name and advertised.port are ignored, because advertised.listeners is set"
        )
        return
    shown_host, shown_port = old.get("advertised.host.name", host), old.get("advertised.port", port)
    found["advertised.listeners"] = f"PLAINTEXT://{_bracketed(shown_host)}:{shown_port}"
    notes.append(
        "advertised.host.name and advertised.port are old names: read as "
        f"advertised.listeners={found['advertised.listeners']}"
    )


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host and not host.startswith("[") else host
