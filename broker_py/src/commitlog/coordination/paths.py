# SPDX-License-Identifier: Apache-2.0
"""Where everything is in ZooKeeper: the paths of Kafka's `ZkData`, relative to the chroot.

Entity names below /config are sanitized as Kafka's `Sanitizer` does (quota entities may hold any character);
the default entity is the literal `<default>`."""

from __future__ import annotations

from urllib.parse import quote, unquote

CONSUMERS = "/consumers"
CLUSTER_ID = "/cluster/id"
CONTROLLER = "/controller"
CONTROLLER_EPOCH = "/controller_epoch"
BROKER_IDS = "/brokers/ids"
BROKER_SEQUENCE_ID = "/brokers/seqid"
BROKER_TOPICS = "/brokers/topics"
CONFIG_CHANGES = "/config/changes"
CONFIG_CHANGE_PREFIX = "config_change_"
DELETE_TOPICS = "/admin/delete_topics"
REASSIGN_PARTITIONS = "/admin/reassign_partitions"
PREFERRED_REPLICA_ELECTION = "/admin/preferred_replica_election"
ISR_CHANGE_NOTIFICATION = "/isr_change_notification"
ISR_CHANGE_PREFIX = "isr_change_"
LOG_DIR_EVENT_NOTIFICATION = "/log_dir_event_notification"
LOG_DIR_EVENT_PREFIX = "log_dir_event_"
LATEST_PRODUCER_ID_BLOCK = "/latest_producer_id_block"
FEATURE = "/feature"
ACL = "/kafka-acl"
EXTENDED_ACL = "/kafka-acl-extended"
ACL_CHANGES = "/kafka-acl-changes"
EXTENDED_ACL_CHANGES = "/kafka-acl-extended-changes"
ACL_CHANGE_PREFIX = "acl_changes_"

CONFIG_TYPES = ("topics", "clients", "users", "brokers", "ips")
DEFAULT_ENTITY = "<default>"

# ZkData.PersistentZkPaths: made by every broker when it starts.
PERSISTENT_PATHS = (
    CONSUMERS,
    BROKER_IDS,
    BROKER_TOPICS,
    CONFIG_CHANGES,
    DELETE_TOPICS,
    BROKER_SEQUENCE_ID,
    ISR_CHANGE_NOTIFICATION,
    LATEST_PRODUCER_ID_BLOCK,
    LOG_DIR_EVENT_NOTIFICATION,
    *(f"/config/{config_type}" for config_type in CONFIG_TYPES),
)


def broker_id(broker: int) -> str:
    return f"{BROKER_IDS}/{broker}"


def topic(name: str) -> str:
    return f"{BROKER_TOPICS}/{name}"


def topic_partitions(name: str) -> str:
    return f"{BROKER_TOPICS}/{name}/partitions"


def topic_partition(name: str, partition: int) -> str:
    return f"{BROKER_TOPICS}/{name}/partitions/{partition}"


def partition_state(name: str, partition: int) -> str:
    return f"{BROKER_TOPICS}/{name}/partitions/{partition}/state"


def delete_topic(name: str) -> str:
    return f"{DELETE_TOPICS}/{name}"


def config_type(kind: str) -> str:
    return f"/config/{kind}"


def config_entity(kind: str, sanitized_name: str) -> str:
    """The znode of an entity's overrides; `sanitized_name` has been through `sanitize` (or is
    DEFAULT_ENTITY)."""
    return f"/config/{kind}/{sanitized_name}"


def topic_config(name: str) -> str:
    return config_entity("topics", name)


def broker_config(broker: int | str) -> str:
    """Per-broker dynamic configuration; pass DEFAULT_ENTITY for the cluster-wide one."""
    return config_entity("brokers", str(broker))


def config_change(sequence_node: str) -> str:
    return f"{CONFIG_CHANGES}/{sequence_node}"


def isr_change(sequence_node: str) -> str:
    return f"{ISR_CHANGE_NOTIFICATION}/{sequence_node}"


def log_dir_event(sequence_node: str) -> str:
    return f"{LOG_DIR_EVENT_NOTIFICATION}/{sequence_node}"


def consumer_group(group: str) -> str:
    return f"{CONSUMERS}/{group}"


def consumer_offset(group: str, name: str, partition: int) -> str:
    """Where OffsetCommit v0 and the 0.8 consumers keep an offset, as decimal text."""
    return f"{CONSUMERS}/{group}/offsets/{name}/{partition}"


def sanitize(name: str) -> str:
    """Kafka's Sanitizer.sanitize: java.net.URLEncoder's alphabet, with `*` as %2A and a blank as %20."""
    return quote(name, safe="-_.").replace("~", "%7E")


def desanitize(name: str) -> str:
    return unquote(name)


def sequence_number(sequence_node: str, prefix: str) -> int:
    """The number of a notification znode such as config_change_0000000012."""
    return int(sequence_node.removeprefix(prefix))


def invalid_reason(path: str) -> str | None:
    """What ZooKeeper's client says of a path that cannot be (PathUtils.validatePath)."""
    last = "/"
    for at, char in enumerate(path[1:], 1):
        if char == "\0":
            return f"null character not allowed @{at}"
        if char == "/" and last == "/":
            return f"empty node name specified @{at}"
        ends = path[at + 1 : at + 2] in ("", "/")
        if char == "." and ends and (last == "/" or path[at - 2 : at] == "/."):
            return f"relative paths not allowed @{at}"
        if "\1" <= char <= "\x1f" or "\x7f" <= char <= "\x9f" or "\ud800" <= char <= "\uf8ff":
            return f"invalid character @{at}"
        if "\ufff0" <= char <= "\uffff":
            return f"invalid character @{at}"
        last = char
    return None
