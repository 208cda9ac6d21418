# SPDX-License-Identifier: Apache-2.0
"""Headers and frames, byte by byte: what a client sees on the socket."""

from __future__ import annotations

import pytest

from commitlog.wire.codec import EncodeError, MalformedMessage
from commitlog.wire.errors import ErrorCode
from commitlog.wire.frames import (
    decode_record,
    decode_request,
    decode_request_header,
    decode_response,
    encode_record,
    encode_request,
    encode_response,
    record_version,
)
from commitlog.wire.messages.api_versions_request import ApiVersionsRequest
from commitlog.wire.messages.api_versions_response import ApiVersion, ApiVersionsResponse
from commitlog.wire.messages.consumer_protocol_subscription import ConsumerProtocolSubscription
from commitlog.wire.messages.controlled_shutdown_request import ControlledShutdownRequest
from commitlog.wire.messages.fetch_response import FetchableTopicResponse, FetchResponse, PartitionData
from commitlog.wire.messages.heartbeat_response import HeartbeatResponse
from commitlog.wire.messages.metadata_request import MetadataRequest, MetadataRequestTopic
from commitlog.wire.messages.metadata_response import (
    MetadataResponse,
    MetadataResponseBroker,
    MetadataResponsePartition,
    MetadataResponseTopic,
)
from commitlog.wire.messages.offset_commit_key import OffsetCommitKey
from commitlog.wire.messages.produce_request import PartitionProduceData, ProduceRequest, TopicProduceData
from commitlog.wire.messages.produce_response import (
    PartitionProduceResponse,
    ProduceResponse,
    TopicProduceResponse,
)
from commitlog.wire.regions import FileRegion, Part


class TenBytesFile:
    """A file of which byte n is n."""

    def pread(self, size: int, position: int) -> bytes:
        return bytes(range(position, position + size))

    def fileno(self) -> int:
        raise AssertionError("nobody needs a descriptor here")


def joined(parts: list[Part]) -> bytes:
    return b"".join(part.read() if isinstance(part, FileRegion) else part for part in parts)


def hexed(*pieces: str) -> bytes:
    return bytes.fromhex("".join(pieces))


class TestRequests:
    def test_api_versions_v0(self) -> None:
        assert encode_request(ApiVersionsRequest(), 0, 1, "me") == hexed(
            "0000000c", "0012", "0000", "00000001", "0002", "6d65"
        )

    def test_api_versions_v3_has_a_flexible_header(self) -> None:
        request = ApiVersionsRequest(client_software_name="kcat", client_software_version="1.7")
        data = encode_request(request, 3, 2, None)
        header = ("0012", "0003", "00000002", "ffff", "00")
        assert data == hexed("00000015", *header, "05", "6b636174", "04", "312e37", "00")
        frame = memoryview(data)[4:]
        found = decode_request_header(frame)
        assert (found.api_key, found.api_version, found.correlation_id, found.client_id) == (18, 3, 2, None)
        assert decode_request(found, frame) == request

    def test_metadata_v0_and_v12(self) -> None:
        request = MetadataRequest(topics=[MetadataRequestTopic(name="test")])
        v0 = encode_request(request, 0, 3, "")
        assert v0 == hexed("00000014", "0003", "0000", "00000003", "0000", "00000001", "0004", "74657374")
        v12 = encode_request(request, 12, 3, "")
        topic = ("00" * 16, "05", "74657374", "00")
        assert v12 == hexed(
            "00000025", "0003", "000c", "00000003", "0000", "00", "02", *topic, "01", "00", "00"
        )

    def test_produce_v0_as_kafka_0_8_clients_send_it(self) -> None:
        request = ProduceRequest(
            acks=1, timeout_ms=1500, topic_data=[TopicProduceData("test", [PartitionProduceData(0, b"\1\2")])]
        )
        body = (
            "0001",
            "000005dc",
            "00000001",
            "0004",
            "74657374",
            "00000001",
            "00000000",
            "00000002",
            "0102",
        )
        assert encode_request(request, 0, 4, "c") == hexed(
            "00000029", "0000", "0000", "00000004", "0001", "63", *body
        )

    def test_controlled_shutdown_v0_has_no_client_id(self) -> None:
        data = encode_request(ControlledShutdownRequest(broker_id=5), 0, 6, "ignored")
        assert data == hexed("0000000c", "0007", "0000", "00000006", "00000005")
        frame = memoryview(data)[4:]
        header = decode_request_header(frame)
        assert (header.client_id, header.body_offset) == (None, 8)
        assert decode_request(header, frame) == ControlledShutdownRequest(broker_id=5)

    def test_a_header_of_an_unknown_api_versions_version_can_be_read(self) -> None:
        frame = memoryview(hexed("0012", "007f", "00000009", "0002", "6d65", "00", "aabbcc"))
        header = decode_request_header(frame)
        assert (header.api_version, header.correlation_id, header.client_id) == (127, 9, "me")
        with pytest.raises(MalformedMessage, match="api key 18 and version 127"):
            decode_request(header, frame)

    def test_an_unknown_api_key(self) -> None:
        frame = memoryview(hexed("7fff", "0000", "00000009", "ffff"))
        with pytest.raises(MalformedMessage, match="api key 32767"):
            decode_request(decode_request_header(frame), frame)

    def test_tagged_fields_of_the_header_are_stepped_over(self) -> None:
        frame = memoryview(
            hexed("0012", "0003", "00000009", "ffff", "02", "0003aabbcc", "0500", "0161", "0162", "00")
        )
        header = decode_request_header(frame)
        assert header.body_offset == len(frame) - 5

    def test_tagged_fields_of_the_header_beyond_the_frame(self) -> None:
        with pytest.raises(MalformedMessage):
            decode_request_header(
                memoryview(hexed("0012", "0003", "00000009", "ffff", "01", "00", "ffffffff07"))
            )

    @pytest.mark.parametrize("length", [3, 32767])
    def test_a_client_id_beyond_the_frame(self, length: int) -> None:
        with pytest.raises(MalformedMessage, match="client id"):
            decode_request_header(
                memoryview(hexed("0000", "0000", "00000009") + length.to_bytes(2, "big") + b"ab")
            )

    def test_a_client_id_that_is_too_long(self) -> None:
        with pytest.raises(EncodeError, match="client id"):
            encode_request(ApiVersionsRequest(), 0, 1, "x" * 32768)


class TestResponses:
    def test_api_versions_v0_and_v3_have_header_v0(self) -> None:
        response = ApiVersionsResponse(api_keys=[ApiVersion(18, 0, 4)])
        v0 = joined(encode_response(response, 0, 1))
        assert v0 == hexed("00000010", "00000001", "0000", "00000001", "0012", "0000", "0004")
        v3 = joined(encode_response(response, 3, 1))
        assert v3 == hexed(
            "00000013", "00000001", "0000", "02", "0012", "0000", "0004", "00", "00000000", "00"
        )
        assert decode_response(18, 3, memoryview(v3)[4:]) == (1, response)

    def test_an_api_versions_answer_in_v0_to_a_version_that_the_broker_lacks(self) -> None:
        response = ApiVersionsResponse(
            error_code=ErrorCode.UNSUPPORTED_VERSION, api_keys=[ApiVersion(18, 0, 2)]
        )
        payload = joined(encode_response(response, 0, 1))[4:]
        assert decode_response(18, 4, payload) == (1, response)

    def test_flexible_responses_have_header_v1(self) -> None:
        assert joined(encode_response(HeartbeatResponse(), 3, 8)) == hexed(
            "0000000a", "00000008", "00000000", "0000"
        )
        flexible = joined(encode_response(HeartbeatResponse(), 4, 8))
        assert flexible == hexed("0000000c", "00000008", "00", "00000000", "0000", "00")
        assert decode_response(12, 4, flexible[4:]) == (8, HeartbeatResponse())

    def test_metadata_v1(self) -> None:
        partition = MetadataResponsePartition(
            partition_index=0, leader_id=1, replica_nodes=[1, 2], isr_nodes=[1]
        )
        response = MetadataResponse(
            brokers=[MetadataResponseBroker(1, "kafka1", 9092)],
            controller_id=1,
            topics=[MetadataResponseTopic(name="test", partitions=[partition])],
        )
        assert joined(encode_response(response, 1, 2)) == hexed(
            "0000004d00000002",
            "000000010000000100066b61666b613100002384ffff",
            "00000001",
            "00000001000000047465737400",
            "00000001000000000000000000010000000200000001000000020000000100000001",
        )

    def test_produce_v0_v9(self) -> None:
        partition = PartitionProduceResponse(index=0, error_code=0, base_offset=7)
        response = ProduceResponse(responses=[TopicProduceResponse("test", [partition])])
        assert joined(encode_response(response, 0, 5)) == hexed(
            "000000200000000500000001000474657374000000010000000000000000000000000007"
        )
        assert joined(encode_response(response, 9, 5)) == hexed(
            "000000330000000500020574657374020000000000000000000000000007",
            "ffffffffffffffffffffffffffffffff010000000000000000",
        )

    @pytest.mark.parametrize("version", [4, 11, 12, 16])
    def test_fetch_leaves_file_regions_to_the_edge(self, version: int) -> None:
        file = TenBytesFile()
        regions = [FileRegion(file, 2, 3), FileRegion(file, 7, 2)]
        parts = [
            PartitionData(0, records=regions),
            PartitionData(1, records=b""),
            PartitionData(2, records=b"tail"),
        ]
        response = FetchResponse(
            responses=[FetchableTopicResponse(topic="" if version > 12 else "t", partitions=parts)]
        )
        sent = encode_response(response, version, 1)
        assert [type(part) for part in sent] == [bytes, FileRegion, FileRegion, bytes]
        assert all(len(part) for part in sent), "an empty buffer makes sendmsg loops spin"
        data = joined(sent)
        assert int.from_bytes(data[:4], "big") == len(data) - 4
        _, back = decode_response(1, version, memoryview(data)[4:])
        assert isinstance(back, FetchResponse)
        assert [bytes(part.records or b"") for part in back.responses[0].partitions] == [
            b"\2\3\4\7\x08",
            b"",
            b"tail",
        ]  # type: ignore[arg-type]

    def test_large_record_data_stay_parts_of_their_own(self) -> None:
        records = bytearray(10_000)
        response = FetchResponse(
            responses=[FetchableTopicResponse(topic="t", partitions=[PartitionData(records=records)])]
        )
        sent = encode_response(response, 4, 1)
        assert sent[1] is records

    def test_null_records(self) -> None:
        response = FetchResponse(responses=[FetchableTopicResponse(topic="t", partitions=[PartitionData()])])
        _, back = decode_response(1, 4, joined(encode_response(response, 4, 1))[4:])
        assert back == response

    def test_a_response_without_room_for_its_header(self) -> None:
        for length in range(5):
            with pytest.raises(MalformedMessage):
                decode_response(12, 4, bytes(length))


class TestRecords:
    def test_the_version_stands_in_front(self) -> None:
        key = OffsetCommitKey(group="g", topic="t", partition=3)
        data = encode_record(key, 1)
        assert data == hexed("0001", "0001", "67", "0001", "74", "00000003")
        assert record_version(data) == 1
        assert decode_record(OffsetCommitKey, data) == key

    def test_a_version_that_nobody_knows(self) -> None:
        with pytest.raises(MalformedMessage, match="no version 2"):
            decode_record(OffsetCommitKey, hexed("0002", "0000"))
        for data in (b"", b"\0"):
            with pytest.raises(MalformedMessage):
                decode_record(OffsetCommitKey, data)
            with pytest.raises(MalformedMessage):
                record_version(data)

    def test_a_newer_consumer_protocol_is_read_as_the_highest_known(self) -> None:
        subscription = ConsumerProtocolSubscription(topics=["t"], generation_id=4, rack_id="r")
        newer = b"\0\x09" + encode_record(subscription, 3)[2:] + b"what the future adds"
        assert decode_record(ConsumerProtocolSubscription, newer, newer_as_highest=True) == subscription
