# SPDX-License-Identifier: Apache-2.0
"""Documents against the bytes that Apache Kafka 3.9.1 writes (its ZkData encoders were run to get them)."""

from __future__ import annotations

import pytest

from commitlog.coordination import documents
from commitlog.coordination.documents import (
    BrokerRegistration,
    ConfigChange,
    ConfigEntity,
    ControllerDocument,
    DocumentError,
    Endpoint,
    FeatureDocument,
    PartitionState,
    ProducerIdBlock,
    TopicAssignment,
)

PLAINTEXT = Endpoint("PLAINTEXT", "kafka1", 9092, "PLAINTEXT")
SSL = Endpoint("SSL", "kafka1", 9093, "SSL")
INTERNAL = Endpoint("INTERNAL", "10.0.0.1", 9094, "PLAINTEXT")
TOPIC_ID = documents.uuid_from_text("YyGroaTEQj-FhfZ_nmmyuQ")


def registration(*endpoints: Endpoint, version: int = 5, rack: str | None = None, jmx_port: int = -1):
    return BrokerRegistration(1, endpoints, jmx_port, 1700000000000, rack, {}, version)


KAFKA_BYTES = {
    "registration": (
        registration(PLAINTEXT),
        b'{"features":{},"listener_security_protocol_map":{"PLAINTEXT":"PLAINTEXT"},"endpoints":'
        b'["PLAINTEXT://kafka1:9092"],"jmx_port":-1,"port":9092,"host":"kafka1","version":5,'
        b'"timestamp":"1700000000000"}',
    ),
    "registration with three listeners": (
        registration(PLAINTEXT, SSL, INTERNAL, jmx_port=9999),
        b'{"features":{},"listener_security_protocol_map":{"PLAINTEXT":"PLAINTEXT","SSL":"SSL","INTERNAL":'
        b'"PLAINTEXT"},"endpoints":["PLAINTEXT://kafka1:9092","SSL://kafka1:9093","INTERNAL://10.0.0.1:9094"],'
        b'"jmx_port":9999,"port":9092,"host":"kafka1","version":5,"timestamp":"1700000000000"}',
    ),
    "registration with a rack": (
        registration(PLAINTEXT, rack="r1"),
        b'{"features":{},"listener_security_protocol_map":{"PLAINTEXT":"PLAINTEXT"},"endpoints":'
        b'["PLAINTEXT://kafka1:9092"],"rack":"r1","jmx_port":-1,"port":9092,"host":"kafka1","version":5,'
        b'"timestamp":"1700000000000"}',
    ),
    "registration without a plaintext listener": (
        registration(SSL),
        b'{"features":{},"listener_security_protocol_map":{"SSL":"SSL"},"endpoints":["SSL://kafka1:9093"],'
        b'"jmx_port":-1,"port":-1,"host":null,"version":5,"timestamp":"1700000000000"}',
    ),
    "registration version 4": (
        registration(PLAINTEXT, version=4),
        b'{"listener_security_protocol_map":{"PLAINTEXT":"PLAINTEXT"},"endpoints":["PLAINTEXT://kafka1:9092"],'
        b'"jmx_port":-1,"port":9092,"host":"kafka1","version":4,"timestamp":"1700000000000"}',
    ),
    "registration version 2": (
        registration(PLAINTEXT, version=2),
        b'{"endpoints":["PLAINTEXT://kafka1:9092"],"jmx_port":-1,"port":9092,"host":"kafka1","version":2,'
        b'"timestamp":"1700000000000"}',
    ),
    "partition state": (
        PartitionState(leader=1, leader_epoch=4, isr=(1, 2), controller_epoch=7),
        b'{"controller_epoch":7,"leader":1,"version":1,"leader_epoch":4,"isr":[1,2]}',
    ),
    "recovering partition state": (
        PartitionState(-1, 4, (1,), 7, documents.RECOVERING),
        b'{"controller_epoch":7,"leader":-1,"version":1,"leader_recovery_state":1,"leader_epoch":4,"isr":[1]}',
    ),
    "topic": (
        TopicAssignment({0: [1, 2], 1: [2, 3, 1]}, TOPIC_ID, {0: [], 1: [3]}, {1: [1]}),
        b'{"partitions":{"0":[1,2],"1":[2,3,1]},"topic_id":"YyGroaTEQj-FhfZ_nmmyuQ","adding_replicas":{"1":[3]},'
        b'"removing_replicas":{"1":[1]},"version":3}',
    ),
    "topic without an id": (
        TopicAssignment({0: [1, 2]}),
        b'{"partitions":{"0":[1,2]},"adding_replicas":{},"removing_replicas":{},"version":3}',
    ),
    "producer ids": (
        ProducerIdBlock(1, 1000, 1999),
        b'{"version":1,"broker":1,"block_start":"1000","block_end":"1999"}',
    ),
    "controller": (
        ControllerDocument(3, 1700000000000),
        b'{"version":2,"brokerid":3,"timestamp":"1700000000000","kraftControllerEpoch":-1}',
    ),
    "features": (FeatureDocument(1), b'{"features":{},"version":2,"status":1}'),
    "config": (
        ConfigEntity({"cleanup.policy": "compact", 'aé"b': "x\\\n€", "retention.ms": "1"}),
        '{"version":1,"config":{"cleanup.policy":"compact","aé\\"b":"x\\\\\\n€","retention.ms":"1"}}'.encode(),
    ),
    "empty config": (ConfigEntity({}), b'{"version":1,"config":{}}'),
    "config change": (ConfigChange("topics/foo"), b'{"version":2,"entity_path":"topics/foo"}'),
}


@pytest.mark.parametrize("name", KAFKA_BYTES)
def test_written_as_kafka_writes(name: str) -> None:
    document, kafka_bytes = KAFKA_BYTES[name]
    assert document.encode() == kafka_bytes


def test_plain_documents_are_written_as_kafka_writes() -> None:
    assert documents.encode_cluster_id("O6TZt2OnSUm2f5xjlMqAEw") == (
        b'{"version":"1","id":"O6TZt2OnSUm2f5xjlMqAEw"}'
    )
    partitions = b'{"version":1,"partitions":[{"topic":"t","partition":0},{"topic":"t","partition":1}]}'
    assert documents.encode_isr_change([("t", 0), ("t", 1)]) == partitions
    assert documents.encode_preferred_replica_election([("t", 0), ("t", 1)]) == partitions
    assert documents.encode_reassign_partitions({("t", 0): [1, 2], ("t", 1): [3]}) == (
        b'{"version":1,"partitions":[{"topic":"t","partition":0,"replicas":[1,2]},'
        b'{"topic":"t","partition":1,"replicas":[3]}]}'
    )
    assert documents.encode_log_dir_event(3) == b'{"version":1,"broker":3,"event":1}'
    assert documents.encode_controller_epoch(7) == b"7"


def test_what_is_written_reads_back() -> None:
    for rack in (None, "r1"):
        document = registration(PLAINTEXT, SSL, rack=rack)
        assert BrokerRegistration.decode(1, document.encode()) == document
    state = PartitionState(-1, 4, (1,), 7, documents.RECOVERING)
    assert PartitionState.decode("t", 0, state.encode()) == state
    topic = TopicAssignment({0: [1, 2], 1: [2, 3, 1]}, TOPIC_ID, {1: [3]}, {1: [1]})
    assert TopicAssignment.decode("t", topic.encode()) == topic
    for document in (ProducerIdBlock(1, 0, 999), ControllerDocument(3, 17), FeatureDocument(0)):
        assert type(document).decode(document.encode()) == document
    partitions = [("t", 0), ("u", 3)]
    assert documents.decode_isr_change(documents.encode_isr_change(partitions)) == partitions
    moves = {("t", 0): [1, 2]}
    assert documents.decode_reassign_partitions(documents.encode_reassign_partitions(moves)) == moves
    assert documents.decode_log_dir_event(documents.encode_log_dir_event(3)) == 3
    assert documents.decode_cluster_id(documents.encode_cluster_id("x")) == "x"
    assert documents.decode_controller_epoch(b"12") == 12


def test_registrations_of_every_age_are_read() -> None:
    # 0.8.1.1: one host and port.
    old = b'{"jmx_port":-1,"timestamp":"1409999999999","host":"kafka1","version":1,"port":9092}'
    assert BrokerRegistration.decode(0, old).endpoints == (PLAINTEXT,)
    # 0.9: listeners named by their protocol.
    newer = (
        b'{"jmx_port":-1,"timestamp":"1","endpoints":["SSL://kafka1:9093"],"host":null,"version":2,"port":-1}'
    )
    assert BrokerRegistration.decode(0, newer).endpoints == (SSL,)
    ipv6 = b'{"version":4,"endpoints":["PLAINTEXT://[::1]:9092"],"listener_security_protocol_map":{}}'
    assert BrokerRegistration.decode(0, ipv6).endpoints[0].host == "::1"
    assert BrokerRegistration.decode(0, ipv6).endpoints[0].connection_string() == "PLAINTEXT://[::1]:9092"


def test_topics_of_every_age_are_read() -> None:
    assert TopicAssignment.decode("t", b'{"version":1,"partitions":{"0":[0,1]}}') == TopicAssignment(
        {0: [0, 1]}
    )


def test_config_znodes_of_every_kind_are_read() -> None:
    assert ConfigEntity.decode(b"").config == {}
    assert ConfigEntity.decode(None).config == {}
    typed_by_hand = b'{"version":1,"config":{"retention.ms":1000,"preallocate":true}}'
    assert ConfigEntity.decode(typed_by_hand).config == {"retention.ms": "1000", "preallocate": "true"}
    assert ConfigChange.decode(b'{"version":1,"entity_type":"topics","entity_name":"t"}') == ConfigChange(
        "topics/t"
    )


@pytest.mark.parametrize(
    ("decode", "data"),
    [
        (ConfigChange.decode, b'"test"'),  # what kafka-topics.sh of 0.8.1 writes
        (ConfigChange.decode, b'{"version":1,"entity_type":"brokers","entity_name":"t"}'),
        (ConfigChange.decode, b'{"version":3,"entity_path":"topics/t"}'),
        (ControllerDocument.decode, b"{}"),
        (FeatureDocument.decode, b'{"version":2,"status":7,"features":{}}'),
        (ProducerIdBlock.decode, b'{"version":1,"broker":1,"block_start":"x","block_end":"2"}'),
        (lambda data: TopicAssignment.decode("t", data), b'{"partitions":{"0":"x"}}'),
        (lambda data: PartitionState.decode("t", 0, data), b'{"leader":1}'),
        (lambda data: BrokerRegistration.decode(0, data), b"garbage"),
        (lambda data: BrokerRegistration.decode(0, data), b'{"version":5,"endpoints":["nonsense"]}'),
        (documents.decode_reassign_partitions, b'{"version":1,"partitions":[{"topic":"t","partition":0}]}'),
        (documents.decode_controller_epoch, b"seven"),
        (documents.uuid_from_text, "tooshort"),
    ],
)
def test_bad_documents_are_refused_as_such(decode, data) -> None:
    with pytest.raises(DocumentError):
        decode(data)


def test_topic_ids_as_kafka_prints_them() -> None:
    assert documents.uuid_to_text(TOPIC_ID) == "YyGroaTEQj-FhfZ_nmmyuQ"
    assert documents.is_reserved_uuid(bytes(16))
    assert documents.is_reserved_uuid(bytes(15) + b"\x01")
    assert documents.is_reserved_uuid(b"\xf8" + bytes(15))  # prints with a leading dash
    made = documents.random_uuid(bytes(range(16)))
    assert (made[6] >> 4, made[8] >> 6) == (4, 2)
