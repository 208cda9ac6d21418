# SPDX-License-Identifier: Apache-2.0
"""Good requests that administrators and brokers send."""

from __future__ import annotations

from commitlog.wire.api_keys import ApiKey
from tests.jvm.bad_requests import TOPIC, VICTIM, Good

K = ApiKey


BINDING = {
    "resource_type": 2,
    "resource_name": TOPIC,
    "resource_pattern_type": 3,
    "principal": "User:somebody",
    "host": "*",
    "operation": 3,
    "permission_type": 3,
}
FILTER = {
    "resource_type_filter": 2,
    "resource_name_filter": TOPIC,
    "pattern_type_filter": 3,
    "principal_filter": "User:somebody",
    "host_filter": "*",
    "operation": 3,
    "permission_type": 3,
}
TOPIC_SETTING = {"resource_type": 2, "resource_name": TOPIC}
BROKER_SETTING = {"resource_type": 4, "resource_name": "0"}
LOGGER = {"resource_type": 8, "resource_name": "0"}
USER = [{"entity_type": "user", "entity_name": "somebody"}]
CONTROL = {"controller_id": 0, "controller_epoch": 0, "broker_epoch": "<broker epoch>"}
STATE = {
    "topic_name": VICTIM,
    "partition_index": 0,
    "controller_epoch": 0,
    "leader": 0,
    "leader_epoch": 0,
    "isr": [0],
    "replicas": [0],
}

OF_ADMINISTRATORS = [
    Good(
        K.CREATE_TOPICS,
        "by numbers",
        {
            "topics": [
                {
                    "name": "<fresh>",
                    "num_partitions": 1,
                    "replication_factor": 1,
                    "configs": [{"name": "flush.messages", "value": "1000"}],
                }
            ],
            "timeout_ms": 10_000,
        },
    ),
    Good(
        K.CREATE_TOPICS,
        "by hand",
        {
            "topics": [
                {
                    "name": "<fresh>",
                    "num_partitions": -1,
                    "replication_factor": -1,
                    "assignments": [{"partition_index": 0, "broker_ids": [0]}],
                }
            ],
            "timeout_ms": 10_000,
        },
        hopeless=("broker_ids",),
    ),
    Good(K.DESCRIBE_ACLS, "of a topic", FILTER),
    Good(K.CREATE_ACLS, "of a topic", {"creations": [BINDING]}),
    Good(K.DELETE_ACLS, "of a topic", {"filters": [FILTER]}),
    Good(
        K.DESCRIBE_CONFIGS,
        "of a topic",
        {"resources": [TOPIC_SETTING | {"configuration_keys": ["flush.messages"]}], "include_synonyms": True},
    ),
    Good(
        K.DESCRIBE_CONFIGS,
        "of a broker",
        {"resources": [BROKER_SETTING | {"configuration_keys": ["log.cleaner.threads"]}]},
    ),
    Good(
        K.ALTER_CONFIGS,
        "of a topic",
        {"resources": [TOPIC_SETTING | {"configs": [{"name": "flush.messages", "value": "100000"}]}]},
        skipped=("resources = [{",),
    ),
    Good(
        K.ALTER_CONFIGS,
        "of a broker",
        {
            "resources": [BROKER_SETTING | {"configs": [{"name": "log.cleaner.threads", "value": "1"}]}],
            "validate_only": True,
        },
        skipped=("resources = [{",),
    ),
    Good(
        K.INCREMENTAL_ALTER_CONFIGS,
        "of a topic",
        {"resources": [TOPIC_SETTING | {"configs": [{"name": "flush.messages", "value": "200000"}]}]},
    ),
    Good(
        K.INCREMENTAL_ALTER_CONFIGS,
        "of a topic's list",
        {
            "resources": [
                TOPIC_SETTING
                | {"configs": [{"name": "cleanup.policy", "config_operation": 2, "value": "compact"}]}
            ],
            "validate_only": True,
        },
    ),
    Good(
        K.INCREMENTAL_ALTER_CONFIGS,
        "of a logger",
        {
            "resources": [LOGGER | {"configs": [{"name": "root", "value": "INFO"}]}],
            "validate_only": True,
        },
    ),
    Good(
        K.ALTER_REPLICA_LOG_DIRS,
        "to where it is",
        {"dirs": [{"path": "<log dir>", "topics": [{"name": TOPIC, "partitions": [0]}]}]},
    ),
    Good(K.DESCRIBE_LOG_DIRS, "of a topic", {"topics": [{"topic": TOPIC, "partitions": [0]}]}),
    Good(
        K.CREATE_PARTITIONS,
        "of a topic",
        {
            "topics": [{"name": TOPIC, "count": 3, "assignments": [{"broker_ids": [0]}]}],
            "timeout_ms": 10_000,
            "validate_only": True,
        },
    ),
    Good(K.RENEW_DELEGATION_TOKEN, "one", {"hmac": "<hmac>", "renew_period_ms": -1}),
    Good(
        K.DESCRIBE_DELEGATION_TOKEN,
        "somebody's",
        {"owners": [{"principal_type": "User", "principal_name": "nobody"}]},
    ),
    Good(K.EXPIRE_DELEGATION_TOKEN, "one", {"hmac": "<hmac>", "expiry_time_period_ms": 10_000_000}),
    # After those that look at tokens: Apache Kafka loses one with a renewer of no type.
    Good(
        K.CREATE_DELEGATION_TOKEN,
        "for oneself",
        {
            "owner_principal_type": "User",
            "owner_principal_name": "admin",
            "renewers": [{"principal_type": "User", "principal_name": "somebody"}],
            "max_lifetime_ms": -1,
        },
        damaged=False,  # most of it names another, and makes a token
    ),
    Good(K.ELECT_LEADERS, "one", {"topic_partitions": [{"topic": TOPIC, "partitions": [0]}]}),
    Good(
        K.ALTER_PARTITION_REASSIGNMENTS,
        "to where it is",
        {"topics": [{"name": TOPIC, "partitions": [{"partition_index": 0, "replicas": [0]}]}]},
    ),
    Good(
        K.ALTER_PARTITION_REASSIGNMENTS,
        "a cancellation",
        {"topics": [{"name": TOPIC, "partitions": [{"partition_index": 0, "replicas": None}]}]},
    ),
    Good(K.LIST_PARTITION_REASSIGNMENTS, "one", {"topics": [{"name": TOPIC, "partition_indexes": [0]}]}),
    Good(
        K.ALTER_CLIENT_QUOTAS,
        "of a user",
        {"entries": [{"entity": USER, "ops": [{"key": "producer_byte_rate", "value": 1e9}]}]},
    ),
    Good(
        K.DESCRIBE_CLIENT_QUOTAS,
        "of a user",
        {"components": [{"entity_type": "user", "match_type": 0, "match": "somebody"}], "strict": True},
        skipped=("components.0.entity_type = 'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx... (32767)",),
    ),
    Good(
        K.ALTER_USER_SCRAM_CREDENTIALS,
        "of a user",
        {
            "upsertions": [
                {
                    "name": "somebody",
                    "mechanism": 1,
                    "iterations": 4096,
                    "salt": b"salt",
                    "salted_password": b"p" * 32,
                }
            ]
        },
    ),
    Good(
        K.ALTER_USER_SCRAM_CREDENTIALS,
        "of a user that is deleted",
        {"deletions": [{"name": "somebody", "mechanism": 1}]},
    ),
    Good(K.DESCRIBE_USER_SCRAM_CREDENTIALS, "of a user", {"users": [{"name": "somebody"}]}),
    Good(
        K.UPDATE_FEATURES,
        "one",
        {
            "feature_updates": [
                {"feature": "metadata.version", "max_version_level": 9, "allow_downgrade": True}
            ]
        },
    ),
    Good(K.DESCRIBE_CLUSTER, "brokers", {}),
    Good(K.DELETE_TOPICS, "by names", {"topic_names": ["none"], "timeout_ms": 10_000}, until=5),
    Good(K.DELETE_TOPICS, "by names", {"topics": [{"name": "none"}], "timeout_ms": 10_000}, since=6),
]

OF_BROKERS = [  # with the epochs of the past, so that a change of another field changes nothing either
    Good(
        K.ENVELOPE,
        "a request",
        {"request_data": b"x", "request_principal": b"y", "client_host_address": b"z"},
    ),
    Good(K.ALLOCATE_PRODUCER_IDS, "of a broker", {"broker_id": 0, "broker_epoch": 0}),
    Good(
        K.ALTER_PARTITION,
        "of a leader",
        {
            "broker_id": 0,
            "broker_epoch": "<broker epoch>",
            "topics": [
                {
                    "topic_name": VICTIM,
                    "topic_id": "<victim>",
                    "partitions": [
                        {
                            "partition_index": 0,
                            "leader_epoch": 0,
                            "partition_epoch": 0,
                            "new_isr": [0],
                            "new_isr_with_epochs": [{"broker_id": 0, "broker_epoch": "<broker epoch>"}],
                        }
                    ],
                }
            ],
        },
    ),
    Good(
        K.LEADER_AND_ISR,
        "of the past",
        CONTROL
        | {
            "ungrouped_partition_states": [STATE],
            "topic_states": [
                {
                    "topic_name": VICTIM,
                    "topic_id": "<victim>",
                    "partition_states": [{**STATE, "topic_name": ""}],
                }
            ],
            "live_leaders": [{"broker_id": 0, "host_name": "h", "port": 1}],
        },
    ),
    Good(
        K.STOP_REPLICA,
        "of the past",
        CONTROL
        | {
            "ungrouped_partitions": [{"topic_name": VICTIM, "partition_index": 0}],
            "topics": [{"name": VICTIM, "partition_indexes": [0]}],
            "topic_states": [
                {"topic_name": VICTIM, "partition_states": [{"partition_index": 0, "leader_epoch": 0}]}
            ],
        },
    ),
    Good(
        K.UPDATE_METADATA,
        "of the past",
        CONTROL
        | {
            "ungrouped_partition_states": [
                {name: value for name, value in STATE.items() if name not in ("live_leaders",)}
            ],
            "topic_states": [{"topic_name": VICTIM, "topic_id": "<victim>", "partition_states": []}],
            "live_brokers": [
                {
                    "id": 0,
                    "v0_host": "h",
                    "v0_port": 1,
                    "endpoints": [{"port": 1, "host": "h", "listener": "PLAINTEXT"}],
                }
            ],
        },
    ),
    Good(K.CONTROLLED_SHUTDOWN, "of the past", {"broker_id": 0, "broker_epoch": 0}),
]
