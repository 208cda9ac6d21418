# SPDX-License-Identifier: Apache-2.0
"""One row, or more, for every API: what to ask, what Kafka answers whoever may not, and which rights open it.

Rows ask about the topic, group and transactional id TARGET. Expectations are those of Kafka 3.9's KafkaApis.
"""

from __future__ import annotations

import typing
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from commitlog.records.batch import build_batch
from commitlog.wire.api_keys import ApiKey
from commitlog.wire.messages import request_class

TARGET = "target"
SECRET = "hidden"
NEVER = 99

TOPIC, GROUP, CLUSTER, TRANSACTION = 29, 30, 31, 53
DENIALS = {TOPIC, GROUP, CLUSTER, TRANSACTION, 65}
REFUSED_ON_PLAINTEXT = 64
ILLEGAL_SASL_STATE = 34
UNSUPPORTED = 35

Ids = dict[str, bytes]
"""Topic ids by name, known once the broker runs."""


@dataclass(frozen=True)
class Row:
    """``codes``: every error in the answer to whoever has no right; None: the connection is closed.

    ``grants``: the rights with which no authorization error is left, none where they would change too much;
    ``versions``: where it can be asked.
    """

    key: ApiKey
    what: str
    fields: Callable[[Ids], dict[str, Any]]
    codes: frozenset[int] | None
    grants: tuple[str, ...] = ()
    versions: range = field(default=range(NEVER))

    def asked_in(self, low: int, high: int) -> Iterator[int]:
        yield from (version for version in range(low, high + 1) if version in self.versions)

    def request(self, ids: Ids) -> Any:
        return make(request_class(self.key), self.fields(ids))


def make(message: type[Any], values: dict[str, Any]) -> Any:
    """A message of plain values: a dict becomes the struct, or the list of structs, that its field holds."""
    hints = _hints(message)
    return message(**{name: _value(hints[name], value) for name, value in values.items()})


_hints = cache(typing.get_type_hints)


def _value(hint: Any, value: Any) -> Any:
    struct = next((one for one in _parts(hint) if hasattr(one, "unknown_tagged_fields")), None)
    if struct is None:
        return value
    if isinstance(value, list):
        return [make(struct, one) for one in value]
    return make(struct, value) if isinstance(value, dict) else value


def _parts(hint: Any) -> Iterator[Any]:
    yield hint
    for part in typing.get_args(hint):
        yield from _parts(part)


def error_codes(message: Any) -> set[int]:
    """Every error code anywhere in a message."""
    return {value for name, value in leaves(message) if name.endswith("error_code")}


def texts(message: Any) -> set[Any]:
    """Every name, id and other text or bytes anywhere in a message."""
    found = {value for _, value in leaves(message) if isinstance(value, str | bytes)}
    return found | {bytes(value) for _, value in leaves(message) if isinstance(value, bytearray | memoryview)}


def leaves(value: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """Every field of a message that holds no other one, by its name."""
    if hasattr(value, "unknown_tagged_fields"):
        for each in value.__slots__:
            yield from leaves(getattr(value, each), each)
    elif isinstance(value, list | tuple):
        for one in value:
            yield from leaves(one, name)
    else:
        yield name, value


def batch(*, transactional: bool = False) -> bytearray:
    if transactional:
        return build_batch(
            [(0, None, b"x", ())],
            producer_id=7_000,
            producer_epoch=0,
            base_sequence=0,
            is_transactional=True,
        )
    return build_batch([(0, None, b"x", ())])


def row(
    key: ApiKey,
    what: str,
    fields: dict[str, Any] | Callable[[Ids], dict[str, Any]],
    codes: Iterable[int] | None,
    *grants: str,
    since: int = 0,
    until: int = NEVER,
) -> Row:
    return Row(
        key,
        what,
        fields if callable(fields) else lambda ids: fields,
        None if codes is None else frozenset(codes),
        grants,
        range(since, until),
    )


K = ApiKey
OFFSETS = [{"name": TARGET, "partitions": [{"partition_index": 0, "committed_offset": 1}]}]
GROUP_TOPICS = [{"name": TARGET, "partition_indexes": [0]}]
ADDED = [{"name": TARGET, "partitions": [0]}]
CONTROL = {"controller_id": 1, "controller_epoch": 1, "broker_epoch": 2**60}
STATE = {"partition_index": 0, "controller_epoch": 1, "leader": 1, "leader_epoch": 9, "replicas": [1]}
SEVERAL_GROUPS = 8
BINDING = {
    "resource_type": 2,
    "resource_name": TARGET,
    "principal": "User:mallory",
    "host": "*",
    "operation": 3,
    "permission_type": 3,
}
FILTER = {"resource_type_filter": 2, "resource_name_filter": TARGET, "operation": 1, "permission_type": 1}
BROKER_CONFIG = {"resource_type": 4, "resource_name": "1"}
TOPIC_CONFIG = {"resource_type": 2, "resource_name": TARGET}
SETTING = {"configs": [{"name": "retention.ms", "value": "1000"}]}
BROKER_SETTING = {"configs": [{"name": "log.cleaner.threads", "value": "1"}]}

ROWS = [
    row(
        K.PRODUCE,
        "records",
        lambda ids: {
            "acks": 1,
            "timeout_ms": 1000,
            "topic_data": [{"name": TARGET, "partition_data": [{"index": 0, "records": batch()}]}],
        },
        {TOPIC},
        "WRITE TOPIC:target",
        since=3,
    ),
    row(
        K.PRODUCE,
        "records of a transaction",
        lambda ids: {
            "transactional_id": TARGET,
            "acks": 1,
            "timeout_ms": 1000,
            "topic_data": [
                {"name": TARGET, "partition_data": [{"index": 0, "records": batch(transactional=True)}]}
            ],
        },
        {TRANSACTION},
        "WRITE TOPIC:target",
        "WRITE TRANSACTIONAL_ID:target",
        since=3,
    ),
    row(
        K.FETCH,
        "as a consumer",
        {"max_bytes": 1000, "topics": [{"topic": TARGET, "partitions": [{"partition_max_bytes": 1000}]}]},
        {TOPIC},
        "READ TOPIC:target",
        until=13,
    ),
    row(
        K.FETCH,
        "as a consumer, by id",
        lambda ids: {
            "max_bytes": 1000,
            "topics": [{"topic_id": ids[TARGET], "partitions": [{"partition_max_bytes": 1000}]}],
        },
        {TOPIC},
        "READ TOPIC:target",
        since=13,
    ),
    row(
        K.FETCH,
        "as a broker",
        {
            "replica_id": 1,
            "max_bytes": 1000,
            "topics": [{"topic": TARGET, "partitions": [{"partition_max_bytes": 1000}]}],
        },
        {TOPIC},
        "CLUSTER_ACTION CLUSTER:kafka-cluster",
        until=13,
    ),
    row(
        K.FETCH,
        "as a broker, by id",
        lambda ids: {
            "replica_state": {"replica_id": 1},
            "max_bytes": 1000,
            "topics": [{"topic_id": ids[TARGET], "partitions": [{"partition_max_bytes": 1000}]}],
        },
        {TOPIC},
        "CLUSTER_ACTION CLUSTER:kafka-cluster",
        since=15,
    ),
    row(
        K.LIST_OFFSETS,
        "the end",
        {"replica_id": -1, "topics": [{"name": TARGET, "partitions": [{"timestamp": -1}]}]},
        {TOPIC},
        "DESCRIBE TOPIC:target",
    ),
    row(K.METADATA, "a topic", {"topics": [{"name": TARGET}]}, {TOPIC}, "DESCRIBE TOPIC:target"),
    row(
        K.METADATA,
        "a topic by its id",
        lambda ids: {"topics": [{"name": None, "topic_id": ids[TARGET]}]},
        {TOPIC},
        "DESCRIBE TOPIC:target",
        since=12,
    ),
    row(
        K.METADATA,
        "a topic that is not there",
        {"topics": [{"name": "fresh"}], "allow_auto_topic_creation": True},
        {TOPIC},
        "DESCRIBE TOPIC:fresh",
        "CREATE TOPIC:fresh",
    ),
    row(K.METADATA, "all topics", {"topics": None}, (), since=1),
    row(
        K.LEADER_AND_ISR,
        "a new leader",
        lambda ids: (
            CONTROL
            | {
                "topic_states": [
                    {"topic_name": TARGET, "topic_id": ids[TARGET], "partition_states": [STATE]}
                ],
                "live_leaders": [{"broker_id": 1, "host_name": "h", "port": 1}],
            }
        ),
        {CLUSTER},
        since=2,
    ),
    row(
        K.STOP_REPLICA,
        "a deletion",
        CONTROL
        | {
            "topic_states": [
                {
                    "topic_name": TARGET,
                    "partition_states": [{"partition_index": 0, "leader_epoch": 9, "delete_partition": True}],
                }
            ]
        },
        {CLUSTER},
        since=3,
    ),
    row(K.UPDATE_METADATA, "an empty cluster", CONTROL, {CLUSTER}),
    row(K.CONTROLLED_SHUTDOWN, "of broker 1", {"broker_id": 1, "broker_epoch": 2**60}, {CLUSTER}),
    row(
        K.OFFSET_COMMIT,
        "an offset",
        {"group_id": TARGET, "topics": OFFSETS},
        {GROUP},
        "READ GROUP:target",
        "READ TOPIC:target",
    ),
    row(
        K.OFFSET_FETCH,
        "an offset",
        {"group_id": TARGET, "topics": GROUP_TOPICS},
        {GROUP},
        "DESCRIBE GROUP:target",
        "DESCRIBE TOPIC:target",
        until=SEVERAL_GROUPS,
    ),
    row(
        K.OFFSET_FETCH,
        "all offsets of groups",
        {"groups": [{"group_id": TARGET, "topics": None}]},
        {GROUP},
        "DESCRIBE GROUP:target",
        since=SEVERAL_GROUPS,
    ),
    row(K.FIND_COORDINATOR, "of a group", {"key": TARGET}, {GROUP}, "DESCRIBE GROUP:target", until=4),
    row(
        K.FIND_COORDINATOR,
        "of a transactional id",
        {"coordinator_keys": [TARGET], "key_type": 1},
        {TRANSACTION},
        "DESCRIBE TRANSACTIONAL_ID:target",
        since=4,
    ),
    row(K.JOIN_GROUP, "a group", {"group_id": TARGET}, {GROUP}, "READ GROUP:target"),
    row(K.HEARTBEAT, "a group", {"group_id": TARGET}, {GROUP}, "READ GROUP:target"),
    row(K.LEAVE_GROUP, "a group", {"group_id": TARGET}, {GROUP}, "READ GROUP:target"),
    row(
        K.SYNC_GROUP,
        "a group",
        {"group_id": TARGET, "protocol_type": "consumer", "protocol_name": "range"},
        {GROUP},
        "READ GROUP:target",
    ),
    row(K.DESCRIBE_GROUPS, "a group", {"groups": [TARGET]}, {GROUP}, "DESCRIBE GROUP:target"),
    row(K.LIST_GROUPS, "all", {}, ()),
    row(K.SASL_HANDSHAKE, "where there is no SASL", {"mechanism": "PLAIN"}, {ILLEGAL_SASL_STATE}),
    row(K.API_VERSIONS, "all", {"client_software_name": "a", "client_software_version": "1"}, ()),
    row(
        K.CREATE_TOPICS,
        "a topic",
        {"topics": [{"name": "new", "num_partitions": 1, "replication_factor": 1}], "timeout_ms": 1000},
        {TOPIC},
        "CREATE TOPIC:new",
        "DESCRIBE_CONFIGS TOPIC:new",
    ),
    row(K.DELETE_TOPICS, "a topic", {"topic_names": [TARGET], "timeout_ms": 0}, {TOPIC}, until=6),
    row(
        K.DELETE_TOPICS,
        "a topic by its id",
        lambda ids: {"topics": [{"name": None, "topic_id": ids[TARGET]}], "timeout_ms": 0},
        {TOPIC},
        since=6,
    ),
    row(
        K.DELETE_TOPICS,
        "a topic by its name",
        {"topics": [{"name": TARGET}], "timeout_ms": 0},
        {TOPIC},
        since=6,
    ),
    row(
        K.DELETE_RECORDS,
        "of a topic",
        {
            "topics": [{"name": TARGET, "partitions": [{"partition_index": 0, "offset": 0}]}],
            "timeout_ms": 1000,
        },
        {TOPIC},
        "DELETE TOPIC:target",
    ),
    row(
        K.INIT_PRODUCER_ID,
        "a transactional id",
        {"transactional_id": TARGET, "transaction_timeout_ms": 1000},
        {TRANSACTION},
        "WRITE TRANSACTIONAL_ID:target",
    ),
    row(
        K.OFFSET_FOR_LEADER_EPOCH,
        "as a consumer",
        {"replica_id": -1, "topics": [{"topic": TARGET, "partitions": [{"leader_epoch": 0}]}]},
        {TOPIC},
        "DESCRIBE TOPIC:target",
        since=3,
    ),
    row(
        K.OFFSET_FOR_LEADER_EPOCH,
        "as a broker",
        {"replica_id": 1, "topics": [{"topic": TARGET, "partitions": [{"leader_epoch": 0}]}]},
        {TOPIC},
        "CLUSTER_ACTION CLUSTER:kafka-cluster",
        since=3,
    ),
    row(
        K.ADD_PARTITIONS_TO_TXN,
        "as a client",
        {"v3_and_below_transactional_id": TARGET, "v3_and_below_topics": ADDED},
        {TRANSACTION},
        "WRITE TRANSACTIONAL_ID:target",
        "WRITE TOPIC:target",
        until=4,
    ),
    row(
        K.ADD_PARTITIONS_TO_TXN,
        "as a broker",
        {"transactions": [{"transactional_id": TARGET, "topics": ADDED}]},
        {CLUSTER},
        "CLUSTER_ACTION CLUSTER:kafka-cluster",
        since=4,
    ),
    row(
        K.ADD_OFFSETS_TO_TXN,
        "a group",
        {"transactional_id": TARGET, "group_id": TARGET},
        {TRANSACTION},
        "WRITE TRANSACTIONAL_ID:target",
        "READ GROUP:target",
    ),
    row(
        K.END_TXN,
        "a transaction",
        {"transactional_id": TARGET},
        {TRANSACTION},
        "WRITE TRANSACTIONAL_ID:target",
    ),
    row(
        K.WRITE_TXN_MARKERS,
        "a marker",
        {"markers": [{"producer_id": 7, "topics": [{"name": TARGET, "partition_indexes": [0]}]}]},
        {CLUSTER},
    ),
    row(
        K.TXN_OFFSET_COMMIT,
        "an offset",
        {"transactional_id": TARGET, "group_id": TARGET, "topics": OFFSETS},
        {TRANSACTION},
        "WRITE TRANSACTIONAL_ID:target",
        "READ GROUP:target",
        "READ TOPIC:target",
    ),
    row(K.DESCRIBE_ACLS, "of a topic", FILTER, {CLUSTER}, "DESCRIBE CLUSTER:kafka-cluster"),
    row(K.CREATE_ACLS, "for oneself", {"creations": [BINDING]}, {CLUSTER}),
    row(K.DELETE_ACLS, "of a topic", {"filters": [FILTER]}, {CLUSTER}),
    row(
        K.DESCRIBE_CONFIGS,
        "of a topic",
        {"resources": [TOPIC_CONFIG]},
        {TOPIC},
        "DESCRIBE_CONFIGS TOPIC:target",
    ),
    row(
        K.DESCRIBE_CONFIGS,
        "of a broker",
        {"resources": [BROKER_CONFIG]},
        {CLUSTER},
        "DESCRIBE_CONFIGS CLUSTER:kafka-cluster",
    ),
    row(
        K.DESCRIBE_CONFIGS,
        "of a broker's loggers",
        {"resources": [BROKER_CONFIG | {"resource_type": 8}]},
        {CLUSTER},
        "DESCRIBE_CONFIGS CLUSTER:kafka-cluster",
    ),
    row(
        K.ALTER_CONFIGS,
        "of a topic",
        {"resources": [TOPIC_CONFIG | SETTING], "validate_only": True},
        {TOPIC},
        "ALTER_CONFIGS TOPIC:target",
    ),
    row(
        K.ALTER_CONFIGS,
        "of a broker",
        {"resources": [BROKER_CONFIG | BROKER_SETTING], "validate_only": True},
        {CLUSTER},
        "ALTER_CONFIGS CLUSTER:kafka-cluster",
    ),
    row(
        K.ALTER_REPLICA_LOG_DIRS,
        "of a topic",
        {"dirs": [{"path": "/nowhere", "topics": [{"name": TARGET, "partitions": [0]}]}]},
        {CLUSTER},
        "ALTER CLUSTER:kafka-cluster",
    ),
    row(K.DESCRIBE_LOG_DIRS, "all", {"topics": None}, (), "DESCRIBE CLUSTER:kafka-cluster", until=3),
    row(K.DESCRIBE_LOG_DIRS, "all", {"topics": None}, {CLUSTER}, "DESCRIBE CLUSTER:kafka-cluster", since=3),
    row(K.SASL_AUTHENTICATE, "where there is no SASL", {"auth_bytes": b"x"}, {ILLEGAL_SASL_STATE}),
    row(
        K.CREATE_PARTITIONS,
        "of a topic",
        {
            "topics": [{"name": TARGET, "count": 2, "assignments": None}],
            "timeout_ms": 0,
            "validate_only": True,
        },
        {TOPIC},
        "ALTER TOPIC:target",
    ),
    row(K.CREATE_DELEGATION_TOKEN, "for oneself", {}, {REFUSED_ON_PLAINTEXT}),
    row(K.RENEW_DELEGATION_TOKEN, "somebody's", {"hmac": b"x"}, {REFUSED_ON_PLAINTEXT}),
    row(K.EXPIRE_DELEGATION_TOKEN, "somebody's", {"hmac": b"x"}, {REFUSED_ON_PLAINTEXT}),
    row(K.DESCRIBE_DELEGATION_TOKEN, "everybody's", {"owners": None}, {REFUSED_ON_PLAINTEXT}),
    row(K.DELETE_GROUPS, "a group", {"groups_names": [TARGET]}, {GROUP}),
    row(
        K.ELECT_LEADERS,
        "of a topic",
        {"topic_partitions": [{"topic": TARGET, "partitions": [0]}], "timeout_ms": 1000},
        {CLUSTER},
        "ALTER CLUSTER:kafka-cluster",
    ),
    row(
        K.INCREMENTAL_ALTER_CONFIGS,
        "of a topic",
        {"resources": [TOPIC_CONFIG | SETTING], "validate_only": True},
        {TOPIC},
        "ALTER_CONFIGS TOPIC:target",
    ),
    row(
        K.INCREMENTAL_ALTER_CONFIGS,
        "of a broker's loggers",
        {
            "resources": [
                BROKER_CONFIG | {"resource_type": 8, "configs": [{"name": "root", "value": "INFO"}]}
            ],
            "validate_only": True,
        },
        {CLUSTER},
        "ALTER_CONFIGS CLUSTER:kafka-cluster",
    ),
    row(
        K.ALTER_PARTITION_REASSIGNMENTS,
        "of a topic",
        {"topics": [{"name": TARGET, "partitions": [{"partition_index": 0, "replicas": None}]}]},
        {CLUSTER},
        "ALTER CLUSTER:kafka-cluster",
    ),
    row(K.LIST_PARTITION_REASSIGNMENTS, "all", {"topics": None}, {CLUSTER}, "DESCRIBE CLUSTER:kafka-cluster"),
    row(
        K.OFFSET_DELETE,
        "an offset",
        {"group_id": TARGET, "topics": [{"name": TARGET, "partitions": [{"partition_index": 0}]}]},
        {GROUP},
        "DELETE GROUP:target",
        "READ TOPIC:target",
    ),
    row(
        K.DESCRIBE_CLIENT_QUOTAS,
        "all",
        {"components": []},
        {CLUSTER},
        "DESCRIBE_CONFIGS CLUSTER:kafka-cluster",
    ),
    row(
        K.ALTER_CLIENT_QUOTAS,
        "of a user",
        {
            "entries": [
                {
                    "entity": [{"entity_type": "user", "entity_name": "mallory"}],
                    "ops": [{"key": "producer_byte_rate", "value": 1.0}],
                }
            ],
            "validate_only": True,
        },
        {CLUSTER},
        "ALTER_CONFIGS CLUSTER:kafka-cluster",
    ),
    row(
        # Not all of them: Apache Kafka 3.9 fails over a denial of that and never answers.
        K.DESCRIBE_USER_SCRAM_CREDENTIALS,
        "of a user",
        {"users": [{"name": "admin"}]},
        {CLUSTER},
        "DESCRIBE CLUSTER:kafka-cluster",
    ),
    row(
        K.ALTER_USER_SCRAM_CREDENTIALS,
        "of a user",
        {"deletions": [{"name": "admin", "mechanism": 1}]},
        {CLUSTER},
        "ALTER CLUSTER:kafka-cluster",
    ),
    row(
        K.ALTER_PARTITION,
        "an ISR of one's own",
        lambda ids: {
            "broker_id": 1,
            "broker_epoch": 2**60,
            "topics": [
                {"topic_id": ids[TARGET], "partitions": [{"new_isr_with_epochs": [{"broker_id": 1}]}]}
            ],
        },
        {CLUSTER},
        since=3,
    ),
    row(
        K.UPDATE_FEATURES,
        "a feature",
        {"feature_updates": [{"feature": "metadata.version", "max_version_level": 9}]},
        {CLUSTER},
        "ALTER CLUSTER:kafka-cluster",
    ),
    row(K.ENVELOPE, "a request of somebody else", {"request_data": b"x"}, None),
    row(K.DESCRIBE_CLUSTER, "the cluster", {}, ()),
    row(
        K.DESCRIBE_PRODUCERS,
        "of a topic",
        {"topics": [{"name": TARGET, "partition_indexes": [0]}]},
        {TOPIC},
        "READ TOPIC:target",
    ),
    row(
        K.DESCRIBE_TRANSACTIONS,
        "a transactional id",
        {"transactional_ids": [TARGET]},
        {TRANSACTION},
        "DESCRIBE TRANSACTIONAL_ID:target",
    ),
    row(K.LIST_TRANSACTIONS, "all", {}, ()),
    row(K.ALLOCATE_PRODUCER_IDS, "a block", {"broker_id": 1, "broker_epoch": 2**60}, {CLUSTER}),
    row(
        K.CONSUMER_GROUP_HEARTBEAT,
        "a member of the new protocol",
        {"group_id": TARGET, "subscribed_topic_names": [TARGET]},
        {UNSUPPORTED},
    ),
    row(K.CONSUMER_GROUP_DESCRIBE, "a group of the new protocol", {"group_ids": [TARGET]}, {UNSUPPORTED}),
]
