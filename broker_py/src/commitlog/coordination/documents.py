# SPDX-License-Identifier: Apache-2.0
"""Every JSON document that Kafka keeps in ZooKeeper, as typed values (Kafka's `ZkData`).

Layout: UTF-8 JSON without blanks, keys in the order in which Kafka 3.9 writes them; timestamps and producer
id bounds are JSON strings, ports and versions numbers. Readers take every version that a live cluster or a
0.8 tool may have written and ignore unknown keys. Bad data raises DocumentError that names the document,
never a KeyError."""

from __future__ import annotations

import base64
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

from commitlog.coordination.json_fields import DocumentError as DocumentError
from commitlog.coordination.json_fields import dump, integer, load
from commitlog.coordination.registration import BrokerRegistration as BrokerRegistration
from commitlog.coordination.registration import Endpoint as Endpoint

TopicPartition = tuple[str, int]

ZERO_TOPIC_ID = bytes(16)
ONE_TOPIC_ID = bytes(15) + b"\x01"  # reserved for the metadata topic of KRaft


def uuid_to_text(topic_id: bytes) -> str:
    """16 bytes as the 22 characters of URL-safe base64 without padding (Kafka's Uuid.toString)."""
    return base64.urlsafe_b64encode(topic_id).rstrip(b"=").decode()


def uuid_from_text(text: str) -> bytes:
    try:
        value = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except ValueError as error:
        raise DocumentError(f"uuid {text!r}: not URL-safe base64") from error
    if len(value) != 16:
        raise DocumentError(f"uuid {text!r}: not 16 bytes")
    return value


def random_uuid(random_bytes: bytes) -> bytes:
    """A version 4 UUID made of 16 random bytes; the caller draws again while `is_reserved_uuid`
    (Uuid.randomUuid)."""
    return uuid.UUID(bytes=random_bytes, version=4).bytes


def is_reserved_uuid(value: bytes) -> bool:
    """Zero, one, and whatever would print with a leading dash (a command line would take it for an
    option)."""
    return value in (ZERO_TOPIC_ID, ONE_TOPIC_ID) or uuid_to_text(value).startswith("-")


def _replica_map(what: str, value: Any) -> dict[int, list[int]]:
    if value is None:
        return {}
    try:
        return {
            int(partition): [int(replica) for replica in replicas] for partition, replicas in value.items()
        }
    except (AttributeError, TypeError, ValueError) as error:
        raise DocumentError(f"{what}: partitions are not {{partition: [replicas]}}") from error


@dataclass(frozen=True, slots=True)
class TopicAssignment:
    """/brokers/topics/<t>, always written as version 3; versions 1 and 2 (0.8 tools) are read.
    `adding_replicas` and `removing_replicas` hold only partitions under reassignment (KIP-455)."""

    partitions: Mapping[int, Sequence[int]]
    topic_id: bytes | None = None
    adding_replicas: Mapping[int, Sequence[int]] = field(default_factory=dict)
    removing_replicas: Mapping[int, Sequence[int]] = field(default_factory=dict)

    def encode(self) -> bytes:
        def texts(replicas: Mapping[int, Sequence[int]]) -> dict[str, list[int]]:
            return {str(partition): list(replicas[partition]) for partition in sorted(replicas)}

        value: dict[str, object] = {"partitions": texts(self.partitions)}
        if self.topic_id is not None:
            value["topic_id"] = uuid_to_text(self.topic_id)
        value["adding_replicas"] = texts({p: r for p, r in self.adding_replicas.items() if r})
        value["removing_replicas"] = texts({p: r for p, r in self.removing_replicas.items() if r})
        value["version"] = 3
        return dump(value)

    @classmethod
    def decode(cls, topic: str, data: bytes) -> Self:
        what = f"assignment of topic {topic}"
        value = load(what, data)
        text = value.get("topic_id")
        return cls(
            partitions=_replica_map(what, value.get("partitions")),
            topic_id=uuid_from_text(text) if isinstance(text, str) else None,
            adding_replicas=_replica_map(what, value.get("adding_replicas")),
            removing_replicas=_replica_map(what, value.get("removing_replicas")),
        )


RECOVERED = 0
RECOVERING = 1


@dataclass(frozen=True, slots=True)
class PartitionState:
    """/brokers/topics/<t>/partitions/<p>/state. The partition epoch is not in it: it is the znode's data
    version."""

    leader: int
    leader_epoch: int
    isr: tuple[int, ...]
    controller_epoch: int
    leader_recovery_state: int = RECOVERED

    def encode(self) -> bytes:
        value: dict[str, object] = {
            "controller_epoch": self.controller_epoch,
            "leader": self.leader,
            "version": 1,
        }
        if self.leader_recovery_state == RECOVERING:
            value["leader_recovery_state"] = RECOVERING
        value["leader_epoch"] = self.leader_epoch
        value["isr"] = list(self.isr)
        return dump(value)

    @classmethod
    def decode(cls, topic: str, partition: int, data: bytes) -> Self:
        what = f"state of partition {topic}-{partition}"
        value = load(what, data)
        isr = value.get("isr")
        if not isinstance(isr, list):
            raise DocumentError(f"{what}: isr is {isr!r}, not a list")
        return cls(
            leader=integer(what, value, "leader"),
            leader_epoch=integer(what, value, "leader_epoch"),
            isr=tuple(int(replica) for replica in isr),
            controller_epoch=integer(what, value, "controller_epoch"),
            leader_recovery_state=integer(what, value, "leader_recovery_state", RECOVERED),
        )


@dataclass(frozen=True, slots=True)
class ControllerDocument:
    """/controller. A `kraft_controller_epoch` above 0 means that a KRaft controller owns the cluster
    (KIP-866)."""

    broker_id: int
    timestamp_ms: int
    kraft_controller_epoch: int = -1

    def encode(self) -> bytes:
        return dump(
            {
                "version": 2,
                "brokerid": self.broker_id,
                "timestamp": str(self.timestamp_ms),
                "kraftControllerEpoch": self.kraft_controller_epoch,
            }
        )

    @classmethod
    def decode(cls, data: bytes) -> Self:
        what = "/controller"
        value = load(what, data)
        return cls(
            broker_id=integer(what, value, "brokerid"),
            timestamp_ms=integer(what, value, "timestamp", -1),
            kraft_controller_epoch=integer(what, value, "kraftControllerEpoch", -1),
        )


def encode_controller_epoch(epoch: int) -> bytes:
    """/controller_epoch is plain decimal text, not JSON."""
    return str(epoch).encode()


def decode_controller_epoch(data: bytes) -> int:
    try:
        return int(data)
    except ValueError as error:
        raise DocumentError(f"/controller_epoch: {data[:80]!r} is not a number") from error


@dataclass(frozen=True, slots=True)
class ConfigEntity:
    """/config/<type>/<entity>: the overrides of a topic, broker, client, user or ip. An absent or empty znode
    has none."""

    config: Mapping[str, str]

    def encode(self) -> bytes:
        return dump({"version": 1, "config": dict(self.config)})

    @classmethod
    def decode(cls, data: bytes | None) -> Self:
        if not data:
            return cls({})
        config = load("config entity", data).get("config")
        if config is None:
            return cls({})
        if not isinstance(config, dict):
            raise DocumentError("config entity: config is not an object")
        return cls({str(name): _config_text(setting) for name, setting in config.items()})


def _config_text(setting: object) -> str:
    """A hand-written znode may hold numbers and booleans where Kafka keeps text."""
    if isinstance(setting, bool):
        return "true" if setting else "false"
    return str(setting)


@dataclass(frozen=True, slots=True)
class ConfigChange:
    """/config/changes/config_change_<n>: only a trigger, the entity is read afresh. Version 1 (entity_type,
    entity_name) is read; the bare string that 0.8.1 tools write raises DocumentError, as Kafka rejects it
    too."""

    entity_path: str

    def encode(self) -> bytes:
        return dump({"version": 2, "entity_path": self.entity_path})

    @classmethod
    def decode(cls, data: bytes) -> Self:
        what = "config change notification"
        value = load(what, data)
        version = integer(what, value, "version")
        if version == 1:
            kind, name = value.get("entity_type"), value.get("entity_name")
            if kind not in ("topics", "clients") or not isinstance(name, str):
                raise DocumentError(
                    f"{what}: version 1 must have entity_type topics or clients and entity_name: {value}"
                )
            return cls(f"{kind}/{name}")
        path = value.get("entity_path")
        if version != 2 or not isinstance(path, str):
            raise DocumentError(f"{what}: version must be 1 or 2, with entity_path: {value}")
        return cls(path)


def encode_cluster_id(cluster_id: str) -> bytes:
    """/cluster/id; the version is text here."""
    return dump({"version": "1", "id": cluster_id})


def decode_cluster_id(data: bytes) -> str:
    value = load("/cluster/id", data).get("id")
    if not isinstance(value, str):
        raise DocumentError("/cluster/id: no id")
    return value


@dataclass(frozen=True, slots=True)
class ProducerIdBlock:
    """/latest_producer_id_block: the last block of producer ids given to a broker; `block_end` belongs to
    it."""

    broker_id: int
    block_start: int
    block_end: int

    def encode(self) -> bytes:
        return dump(
            {
                "version": 1,
                "broker": self.broker_id,
                "block_start": str(self.block_start),
                "block_end": str(self.block_end),
            }
        )

    @classmethod
    def decode(cls, data: bytes) -> Self:
        what = "/latest_producer_id_block"
        value = load(what, data)
        return cls(
            broker_id=integer(what, value, "broker"),
            block_start=integer(what, value, "block_start"),
            block_end=integer(what, value, "block_end"),
        )


FEATURE_DISABLED = 0
FEATURE_ENABLED = 1


@dataclass(frozen=True, slots=True)
class FeatureDocument:
    """/feature: version 2 from IBP 3.3-IV0 (KIP-584); a ZooKeeper-mode cluster has no finalized features."""

    status: int
    features: Mapping[str, Any] = field(default_factory=dict)
    version: int = 2

    def encode(self) -> bytes:
        return dump({"features": dict(self.features), "version": self.version, "status": self.status})

    @classmethod
    def decode(cls, data: bytes) -> Self:
        what = "/feature"
        value = load(what, data)
        status = integer(what, value, "status")
        if status not in (FEATURE_DISABLED, FEATURE_ENABLED):
            raise DocumentError(f"{what}: unknown status {status}")
        version = integer(what, value, "version")
        if version not in (1, 2):
            raise DocumentError(f"{what}: unsupported version {version}")
        features = value.get("features")
        if not isinstance(features, dict):
            raise DocumentError(f"{what}: features is not an object")
        return cls(status=status, features=features, version=version)


def _encode_partitions(partitions: Sequence[TopicPartition]) -> bytes:
    return dump(
        {"version": 1, "partitions": [{"topic": topic, "partition": number} for topic, number in partitions]}
    )


def _decode_partitions(what: str, data: bytes) -> list[tuple[TopicPartition, dict[str, Any]]]:
    found: list[tuple[TopicPartition, dict[str, Any]]] = []
    for entry in load(what, data).get("partitions") or ():
        if not isinstance(entry, dict) or not isinstance(entry.get("topic"), str):
            raise DocumentError(f"{what}: {entry!r} names no topic")
        found.append(((entry["topic"], integer(what, entry, "partition")), entry))
    return found


def encode_isr_change(partitions: Sequence[TopicPartition]) -> bytes:
    """/isr_change_notification/isr_change_<n>, written by leaders with an IBP below 2.7-IV2."""
    return _encode_partitions(partitions)


def decode_isr_change(data: bytes) -> list[TopicPartition]:
    return [partition for partition, _ in _decode_partitions("ISR change notification", data)]


def encode_preferred_replica_election(partitions: Sequence[TopicPartition]) -> bytes:
    """/admin/preferred_replica_election, the trigger of tools before KIP-460."""
    return _encode_partitions(partitions)


def decode_preferred_replica_election(data: bytes) -> list[TopicPartition]:
    return [partition for partition, _ in _decode_partitions("/admin/preferred_replica_election", data)]


def encode_reassign_partitions(assignments: Mapping[TopicPartition, Sequence[int]]) -> bytes:
    """/admin/reassign_partitions, the trigger of tools before KIP-455."""
    entries = [
        {"topic": topic, "partition": partition, "replicas": list(replicas)}
        for (topic, partition), replicas in assignments.items()
    ]
    return dump({"version": 1, "partitions": entries})


def decode_reassign_partitions(data: bytes) -> dict[TopicPartition, list[int]]:
    what = "/admin/reassign_partitions"
    try:
        return {
            partition: [int(replica) for replica in entry["replicas"]]
            for partition, entry in _decode_partitions(what, data)
        }
    except (KeyError, TypeError, ValueError) as error:
        raise DocumentError(f"{what}: replicas are not a list of broker ids") from error


LOG_DIR_FAILURE_EVENT = 1


def encode_log_dir_event(broker_id: int, event: int = LOG_DIR_FAILURE_EVENT) -> bytes:
    """/log_dir_event_notification/log_dir_event_<n>: a broker lost a log directory (KIP-112)."""
    return dump({"version": 1, "broker": broker_id, "event": event})


def decode_log_dir_event(data: bytes) -> int:
    """The broker's id."""
    return integer("log dir event", load("log dir event", data), "broker")
