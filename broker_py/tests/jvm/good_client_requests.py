# SPDX-License-Identifier: Apache-2.0
"""Good requests that producers, consumers and their groups send."""

from __future__ import annotations

from typing import Any

from commitlog.records.batch import build_batch
from commitlog.wire.api_keys import ApiKey
from tests.jvm.bad_requests import GROUP, READ, STATIC, TOPIC, UNKNOWN_ID, Good

K = ApiKey


RECORDS = bytes(build_batch([(1_700_000_000_000, b"k", b"v", ())]))
MEMBER = {"group_id": STATIC, "member_id": "<member>", "group_instance_id": "one"}
TRANSACTION = {"transactional_id": "<writer>", "producer_id": "<producer>", "producer_epoch": 0}


def partitions(name: str, **partition: Any) -> list[dict[str, Any]]:
    return [{"name": TOPIC, name: [partition]}]


OF_CLIENTS = [
    Good(
        K.PRODUCE,
        "records",
        {
            "acks": -1,
            "timeout_ms": 1000,
            "topic_data": [{"name": TOPIC, "partition_data": [{"index": 0, "records": RECORDS}]}],
        },
        since=3,
        kept=("acks", "records"),  # with acks 0 nothing is answered; records: bad_batches.py
    ),
    Good(
        K.FETCH,
        "by name",
        {
            "max_bytes": 10_000,
            "topics": [{"topic": READ, "partitions": [{"partition_max_bytes": 10_000}]}],
            "forgotten_topics_data": [{"topic": READ, "partitions": [0]}],
        },
        until=12,
    ),
    Good(
        K.FETCH,
        "by id",
        {
            "max_bytes": 10_000,
            "topics": [{"topic_id": "<read>", "partitions": [{"partition_max_bytes": 10_000}]}],
            "forgotten_topics_data": [{"topic_id": "<read>", "partitions": [0]}],
        },
        since=13,
    ),
    Good(
        K.LIST_OFFSETS,
        "the end",
        {"replica_id": -1, "topics": partitions("partitions", partition_index=0, timestamp=-1)},
    ),
    Good(K.METADATA, "by name", {"topics": [{"name": TOPIC}], "allow_auto_topic_creation": False}),
    Good(
        K.METADATA,
        "by id",
        {"topics": [{"name": None, "topic_id": "<matrix>"}], "allow_auto_topic_creation": False},
        since=12,
    ),
    Good(
        K.OFFSET_COMMIT,
        "of nobody's group",
        {
            "group_id": GROUP,
            "topics": partitions("partitions", partition_index=0, committed_offset=1, committed_metadata=""),
        },
    ),
    Good(
        K.OFFSET_COMMIT,
        "of a member",
        MEMBER
        | {
            "generation_id_or_member_epoch": 1,
            "topics": partitions("partitions", partition_index=0, committed_offset=1),
        },
        since=7,
    ),
    Good(
        K.OFFSET_FETCH,
        "of a group",
        {
            "group_id": GROUP,
            "topics": [{"name": TOPIC, "partition_indexes": [0]}],
            "groups": [{"group_id": GROUP, "topics": [{"name": TOPIC, "partition_indexes": [0]}]}],
        },
        kept=("groups",),
    ),
    Good(K.FIND_COORDINATOR, "of a group", {"key": GROUP, "coordinator_keys": [GROUP]}),
    Good(
        K.JOIN_GROUP,
        "as the first",
        {
            "group_id": "<fresh>",
            "session_timeout_ms": 30_000,
            "rebalance_timeout_ms": 30_000,
            "protocol_type": "consumer",
            "protocols": [{"name": "range", "metadata": b"x"}],
        },
        kept=("group_id", "protocols", "metadata"),
        damaged=False,
    ),
    Good(K.JOIN_GROUP, "without a name", {"group_id": ""}),
    Good(
        K.JOIN_GROUP,
        "as a static member",
        {
            "group_id": "<fresh>",
            "group_instance_id": "two",
            "session_timeout_ms": 30_000,
            "rebalance_timeout_ms": 30_000,
            "protocol_type": "consumer",
            "protocols": [{"name": "range", "metadata": b"x"}],
        },
        since=5,
        kept=("group_id", "protocols", "metadata"),
        damaged=False,
    ),
    Good(K.HEARTBEAT, "of a member", MEMBER | {"generation_id": 1}, since=3),
    Good(K.HEARTBEAT, "of nobody", {"group_id": GROUP, "member_id": "m", "generation_id": 1}),
    Good(
        K.LEAVE_GROUP,
        "of nobody",
        {"group_id": STATIC, "member_id": "m", "members": [{"member_id": "m", "group_instance_id": "none"}]},
    ),
    Good(
        K.SYNC_GROUP,
        "of a member",
        MEMBER
        | {
            "generation_id": 1,
            "protocol_type": "consumer",
            "protocol_name": "range",
            "assignments": [{"member_id": "<member>", "assignment": b"y"}],
        },
        since=5,
    ),
    Good(K.SYNC_GROUP, "of nobody", {"group_id": GROUP, "generation_id": 1, "member_id": "m"}, until=4),
    Good(K.DESCRIBE_GROUPS, "one", {"groups": [STATIC]}),
    Good(K.LIST_GROUPS, "some", {"states_filter": ["Stable", "Empty"], "types_filter": ["classic"]}),
    Good(K.API_VERSIONS, "all", {"client_software_name": "a", "client_software_version": "1"}),
    Good(
        K.DELETE_RECORDS,
        "before an offset",
        {"topics": partitions("partitions", partition_index=0, offset=1), "timeout_ms": 1000},
    ),
    Good(
        K.INIT_PRODUCER_ID,
        "of a transaction",
        {"transactional_id": "<fresh>", "transaction_timeout_ms": 10_000},
    ),
    Good(
        K.INIT_PRODUCER_ID,
        "again",
        {
            "transactional_id": "<writer>",
            "transaction_timeout_ms": 10_000,
            "producer_id": UNKNOWN_ID[0],
            "producer_epoch": 5,
        },
        since=3,
    ),
    Good(
        K.OFFSET_FOR_LEADER_EPOCH,
        "as a consumer",
        {
            "replica_id": -1,
            "topics": [
                {
                    "topic": TOPIC,
                    "partitions": [{"partition": 0, "current_leader_epoch": 0, "leader_epoch": 0}],
                }
            ],
        },
    ),
    Good(
        K.ADD_PARTITIONS_TO_TXN,
        "as a client",
        {
            "v3_and_below_transactional_id": "<writer>",
            "v3_and_below_producer_id": "<producer>",
            "v3_and_below_producer_epoch": 0,
            "v3_and_below_topics": [{"name": TOPIC, "partitions": [0]}],
        },
        until=3,
    ),
    Good(
        K.ADD_PARTITIONS_TO_TXN,
        "as a broker",
        {
            "transactions": [
                TRANSACTION | {"verify_only": True, "topics": [{"name": TOPIC, "partitions": [0]}]}
            ]
        },
        since=4,
        skipped=("transactions = []", "transactions = [{"),  # none, and one twice
    ),
    Good(K.ADD_OFFSETS_TO_TXN, "a group", TRANSACTION | {"group_id": GROUP}),
    Good(
        K.TXN_OFFSET_COMMIT,
        "an offset",
        TRANSACTION
        | {
            "group_id": GROUP,
            "topics": partitions("partitions", partition_index=0, committed_offset=1, committed_metadata=""),
        },
    ),
    Good(K.END_TXN, "a commit", TRANSACTION | {"committed": True}),
    Good(
        K.WRITE_TXN_MARKERS,
        "an abort",
        {
            "markers": [
                {
                    "producer_id": 9_000,
                    "producer_epoch": 0,
                    "topics": [{"name": TOPIC, "partition_indexes": [0]}],
                }
            ]
        },
        skipped=("markers.0.topics = [{", "markers.0.topics.0.partition_indexes = [0, 0]"),
    ),
    Good(
        K.OFFSET_DELETE,
        "one",
        {"group_id": GROUP, "topics": partitions("partitions", partition_index=1)},
    ),
    Good(K.DESCRIBE_PRODUCERS, "of a topic", {"topics": [{"name": TOPIC, "partition_indexes": [1]}]}),
    Good(K.DESCRIBE_TRANSACTIONS, "one", {"transactional_ids": ["<writer>"]}),
    Good(
        K.LIST_TRANSACTIONS,
        "some",
        {"state_filters": ["Ongoing"], "producer_id_filters": [9_999], "duration_filter": 1},
    ),
    Good(
        K.CONSUMER_GROUP_HEARTBEAT,
        "a member of the new protocol",
        {"group_id": GROUP, "member_id": "", "subscribed_topic_names": [TOPIC]},
    ),
    Good(K.CONSUMER_GROUP_DESCRIBE, "a group of the new protocol", {"group_ids": [GROUP]}),
    Good(K.DELETE_GROUPS, "one that is not there", {"groups_names": ["none"]}),
    Good(K.SASL_HANDSHAKE, "once more", {"mechanism": "PLAIN"}),
    Good(K.SASL_AUTHENTICATE, "once more", {"auth_bytes": b"\0admin\0secret"}),
]
