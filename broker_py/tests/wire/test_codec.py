# SPDX-License-Identifier: Apache-2.0
"""The compiled codec: messages come back as they were; Kafka's rules for fields a version lacks; limits."""

from __future__ import annotations

import tracemalloc
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from commitlog.wire.codec import EncodeError, MalformedMessage, UnsupportedField, reader, writer
from commitlog.wire.message import Message, RawTaggedField
from commitlog.wire.messages.api_versions_response import ApiVersionsResponse, SupportedFeatureKey
from commitlog.wire.messages.consumer_group_heartbeat_response import (
    Assignment,
    ConsumerGroupHeartbeatResponse,
)
from commitlog.wire.messages.fetch_request import FetchRequest, ForgottenTopic
from commitlog.wire.messages.heartbeat_request import HeartbeatRequest
from commitlog.wire.messages.metadata_request import MetadataRequest, MetadataRequestTopic
from commitlog.wire.messages.metadata_response import (
    MetadataResponse,
    MetadataResponsePartition,
    MetadataResponseTopic,
)
from commitlog.wire.messages.offset_commit_request import OffsetCommitRequest
from commitlog.wire.messages.produce_request import PartitionProduceData, ProduceRequest, TopicProduceData
from commitlog.wire.messages.request_header import RequestHeader
from commitlog.wire.messages.sasl_handshake_request import SaslHandshakeRequest
from commitlog.wire.regions import FileRegion
from commitlog.wire.schema import MessageSpec
from tests.wire.samples import message_class, message_specs, messages, version_id


def encoded(message: Message, version: int) -> bytes:
    parts = writer(type(message), version)(message)
    return b"".join(part for part in parts if not isinstance(part, FileRegion))


def decoded(cls: type[Message], version: int, data: bytes) -> Any:
    return reader(cls, version)(memoryview(data), 0)


@pytest.mark.parametrize("spec", list(message_specs()), ids=version_id)
@settings(max_examples=3, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_every_message_comes_back_at_every_version(spec: MessageSpec, data: st.DataObject) -> None:
    cls = message_class(spec)
    for version in range(spec.min_version, spec.max_version + 1):
        message = data.draw(messages(spec, version))
        before, behind = b"\x07" * 3, b"\x55"
        frame = memoryview(before + encoded(message, version) + behind)
        assert reader(cls, version)(frame, len(before)) == message


class TestFieldsThatAVersionLacks:
    def test_a_set_field_that_must_not_be_dropped_is_refused(self) -> None:
        request = ProduceRequest(transactional_id="tx")
        with pytest.raises(
            UnsupportedField, match="Attempted to write a non-default transactionalId at version 2"
        ):
            writer(ProduceRequest, 2)(request)

    def test_an_ignorable_field_is_dropped_and_read_as_its_default(self) -> None:
        request = OffsetCommitRequest(group_id="g", member_id="m", generation_id_or_member_epoch=5)
        back = decoded(OffsetCommitRequest, 0, encoded(request, 0))
        assert (back.group_id, back.member_id, back.generation_id_or_member_epoch) == ("g", "", -1)

    def test_a_set_array_or_struct_that_must_not_be_dropped_is_refused(self) -> None:
        with pytest.raises(UnsupportedField, match="forgottenTopicsData"):
            writer(FetchRequest, 6)(FetchRequest(forgotten_topics_data=[ForgottenTopic(partitions=[1])]))
        request = FetchRequest()
        writer(FetchRequest, 14)(request)
        request.replica_state.replica_id = 1
        with pytest.raises(UnsupportedField, match="replicaState"):
            writer(FetchRequest, 14)(request)

    def test_a_field_that_a_later_version_dropped(self) -> None:
        with pytest.raises(UnsupportedField, match="replicaId"):
            writer(FetchRequest, 15)(FetchRequest(replica_id=3))

    def test_null_where_the_version_has_no_null(self) -> None:
        with pytest.raises(EncodeError):
            writer(MetadataRequest, 0)(MetadataRequest(topics=None))
        assert decoded(MetadataRequest, 1, encoded(MetadataRequest(topics=None), 1)).topics is None
        with pytest.raises(EncodeError):
            writer(MetadataRequest, 9)(MetadataRequest(topics=[MetadataRequestTopic(name=None)]))

    @pytest.mark.parametrize(("version", "null"), [(3, "ffff"), (4, "00")])
    def test_null_that_arrives_where_none_is_allowed(self, version: int, null: str) -> None:
        with pytest.raises(MalformedMessage, match="GroupId is null"):
            decoded(HeartbeatRequest, version, bytes.fromhex(null) + bytes(20))

    @pytest.mark.parametrize(("version", "null"), [(0, "ffffffff"), (9, "0000000000")])
    def test_a_null_array_that_arrives_where_none_is_allowed(self, version: int, null: str) -> None:
        with pytest.raises(MalformedMessage, match="Brokers is null"):
            decoded(MetadataResponse, version, bytes.fromhex(null) + bytes(20))

    def test_a_version_that_the_message_does_not_have(self) -> None:
        with pytest.raises(EncodeError, match="no version 12"):
            writer(ProduceRequest, 12)
        with pytest.raises(EncodeError, match="no version -1"):
            reader(ProduceRequest, -1)

    def test_a_nullable_struct(self) -> None:
        for assignment in (None, Assignment()):
            response = ConsumerGroupHeartbeatResponse(assignment=assignment)
            assert decoded(ConsumerGroupHeartbeatResponse, 0, encoded(response, 0)) == response


class TestTaggedFields:
    def test_unknown_ones_are_kept_between_the_known_ones(self) -> None:
        response = ApiVersionsResponse(
            supported_features=[SupportedFeatureKey("f", 1, 2)],
            zk_migration_ready=True,
            unknown_tagged_fields=[RawTaggedField(9, b"later"), RawTaggedField(1000, b"")],
        )
        data = encoded(response, 3)
        assert decoded(ApiVersionsResponse, 3, data) == response
        response.unknown_tagged_fields = response.unknown_tagged_fields[::-1]
        assert encoded(response, 3) == data
        # errors, no keys, throttle, then four tags: 0, 3, 9 and 1000 (e8 07), in order.
        assert data.hex() == "00000100000000040008020266000100020003010109056c61746572e80700"

    def test_default_ones_are_not_written(self) -> None:
        assert encoded(ApiVersionsResponse(), 3).hex() == "0000010000000000"

    def test_they_are_refused_where_the_version_has_none(self) -> None:
        raw = [RawTaggedField(1, b"")]
        with pytest.raises(UnsupportedField, match="Tagged fields were set, but version 3"):
            writer(HeartbeatRequest, 3)(HeartbeatRequest(unknown_tagged_fields=raw))
        inner = MetadataResponse(topics=[MetadataResponseTopic(unknown_tagged_fields=raw)])
        with pytest.raises(UnsupportedField):
            writer(MetadataResponse, 8)(inner)

    def test_one_tag_twice_is_refused(self) -> None:
        raws = [RawTaggedField(7, b"a"), RawTaggedField(7, b"b")]
        with pytest.raises(EncodeError, match="tag 7"):
            writer(HeartbeatRequest, 4)(HeartbeatRequest(unknown_tagged_fields=raws))

    def test_a_known_one_must_fill_its_size(self) -> None:
        good = bytes.fromhex("0000010000000001030101")
        assert decoded(ApiVersionsResponse, 3, good).zk_migration_ready is True
        with pytest.raises(MalformedMessage, match="ZkMigrationReady"):
            decoded(ApiVersionsResponse, 3, bytes.fromhex("000001000000000103020101"))

    def test_an_unknown_one_beyond_the_end_is_malformed(self) -> None:
        request = HeartbeatRequest(group_id="g", unknown_tagged_fields=[RawTaggedField(9, b"abc")])
        with pytest.raises(MalformedMessage, match="a tagged field is longer"):
            decoded(HeartbeatRequest, 4, encoded(request, 4)[:-1])

    def test_a_client_id_keeps_its_classic_length_in_a_flexible_header(self) -> None:
        header = RequestHeader(request_api_key=18, request_api_version=3, correlation_id=1, client_id="me")
        assert encoded(header, 2).hex() == "001200030000000100026d6500"
        assert decoded(RequestHeader, 2, encoded(header, 2)) == header


class TestValues:
    def test_numbers_out_of_range_are_refused(self) -> None:
        with pytest.raises(EncodeError, match="HeartbeatRequest v0"):
            writer(HeartbeatRequest, 0)(HeartbeatRequest(generation_id=2**31))

    @pytest.mark.parametrize("version", [8, 9])
    def test_strings_of_more_than_32767_bytes_are_refused(self, version: int) -> None:
        longest = OffsetCommitRequest(group_id="é" * 16383 + "x")
        if version >= OffsetCommitRequest.MIN_VERSION:
            assert decoded(OffsetCommitRequest, version, encoded(longest, version)) == longest
        with pytest.raises(EncodeError):
            writer(OffsetCommitRequest, version)(OffsetCommitRequest(group_id="é" * 16384))
        with pytest.raises(EncodeError):
            writer(SaslHandshakeRequest, 0)(SaslHandshakeRequest(mechanism="é" * 16384))

    def test_a_compact_string_of_more_than_32767_bytes_is_malformed(self) -> None:
        data = bytes.fromhex("818002") + b"x" * 32768 + bytes(8)
        with pytest.raises(MalformedMessage, match="GroupId is too long"):
            decoded(HeartbeatRequest, 4, data)

    def test_what_is_no_utf8_is_replaced_as_java_does(self) -> None:
        assert decoded(SaslHandshakeRequest, 0, b"\0\3a\xffb").mechanism == "a�b"

    def test_arrays_too_long_for_one_byte(self) -> None:
        partition = MetadataResponsePartition(
            0, 1, 2, 3, list(range(127)), list(range(126)), list(range(400))
        )
        response = MetadataResponse(topics=[MetadataResponseTopic(name="t", partitions=[partition])])
        for version in (5, 9):
            back = decoded(MetadataResponse, version, encoded(response, version))
            assert back.topics[0].partitions[0].offline_replicas == list(range(400))
            assert back.topics[0].partitions[0].replica_nodes == list(range(127))

    def test_records_are_not_copied(self) -> None:
        records = bytes(range(256)) * 20
        request = ProduceRequest(topic_data=[TopicProduceData("t", [PartitionProduceData(0, records)])])
        for version in (3, 9):
            frame = memoryview(bytearray(encoded(request, version)))
            found = reader(ProduceRequest, version)(frame, 0).topic_data[0].partition_data[0].records
            assert isinstance(found, memoryview)
            assert found.obj is frame.obj
            assert found == records


_COUNT = "7fffffff"


@pytest.mark.parametrize(
    ("rest", "complaint"),
    [
        (_COUNT, "TopicData has more elements than bytes remain"),
        (f"00000001 0001 61 {_COUNT}", "PartitionData has more elements than bytes remain"),
        (f"00000001 0001 61 00000001 00000000 {_COUNT}", "Records is longer than what remains"),
    ],
)
def test_a_count_that_cannot_be_true_allocates_nothing(rest: str, complaint: str) -> None:
    read = reader(ProduceRequest, 3)
    data = memoryview(bytes.fromhex(f"ffff ffff 00000000 {rest}"))
    tracemalloc.start()
    try:
        with pytest.raises(MalformedMessage, match=complaint):
            read(data, 0)
        assert tracemalloc.get_traced_memory()[1] < 20_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("count", ["ffffffff0f", "8080808010", "ffffffff7f"])
def test_a_compact_count_that_cannot_be_true(count: str) -> None:
    with pytest.raises(MalformedMessage):
        decoded(ProduceRequest, 9, bytes.fromhex("00ffff00000000" + count) + bytes(40))


def test_a_varint_without_end_is_malformed() -> None:
    with pytest.raises(MalformedMessage, match="longer than 5 bytes"):
        decoded(ProduceRequest, 9, b"\xff" * 40)


def test_a_traceback_shows_the_compiled_line() -> None:
    with pytest.raises(EncodeError) as caught:
        writer(HeartbeatRequest, 1)(HeartbeatRequest(group_id=None))  # type: ignore[arg-type]
    assert "<write HeartbeatRequest v1>" in str(caught.traceback[-1].path)
