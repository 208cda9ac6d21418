# SPDX-License-Identifier: Apache-2.0
"""Garbage: cut at every byte, bytes flipped at random. Only MalformedMessage comes of it, or a message."""

from __future__ import annotations

import random
from contextlib import suppress

import pytest

from commitlog.wire.api_keys import API_VERSIONS, ApiKey
from commitlog.wire.codec import MalformedMessage, reader, writer
from commitlog.wire.frames import decode_request, decode_request_header, decode_response, encode_request
from commitlog.wire.primitives import read_uvarint, read_uvarint_rest
from commitlog.wire.schema import MessageSpec
from tests.wire.samples import full_sample, message_class, message_specs, version_id


def interesting_versions(spec: MessageSpec) -> list[int]:
    """The lowest, the highest, and those on both sides of the change to flexible."""
    edges = {spec.min_version, spec.max_version, spec.flexible or 0, (spec.flexible or 1) - 1}
    return sorted(version for version in edges if spec.min_version <= version <= spec.max_version)


@pytest.mark.parametrize("spec", list(message_specs()), ids=version_id)
def test_truncation_at_every_byte(spec: MessageSpec) -> None:
    cls = message_class(spec)
    for version in interesting_versions(spec):
        data = b"".join(writer(cls, version)(full_sample(spec, version)))  # type: ignore[arg-type]
        read = reader(cls, version)
        for end in range(len(data)):
            with pytest.raises(MalformedMessage):
                read(memoryview(data[:end]), 0)


@pytest.mark.parametrize("spec", list(message_specs()), ids=version_id)
def test_flipped_bytes(spec: MessageSpec) -> None:
    cls = message_class(spec)
    rng = random.Random(spec.name)
    for version in interesting_versions(spec):
        data = b"".join(writer(cls, version)(full_sample(spec, version)))  # type: ignore[arg-type]
        read = reader(cls, version)
        for _ in range(30 if data else 0):
            broken = bytearray(data)
            for _ in range(rng.randint(1, 4)):
                broken[rng.randrange(len(broken))] = rng.choice((0, 0x7F, 0x80, 0xFF, rng.randrange(256)))
            with suppress(MalformedMessage):
                read(memoryview(broken), 0)


@pytest.mark.parametrize("key", list(ApiKey))
def test_frames_of_garbage(key: ApiKey) -> None:
    rng = random.Random(key)
    versions = API_VERSIONS[key]
    for _ in range(100):
        version = rng.randint(versions.low, versions.high)
        head = int(key).to_bytes(2, "big") + version.to_bytes(2, "big")
        frame = memoryview(head + rng.randbytes(rng.randrange(60)))
        with suppress(MalformedMessage):
            decode_request(decode_request_header(frame), frame)
        with suppress(MalformedMessage):
            decode_response(key, version, frame)


def test_every_truncated_frame_of_a_request() -> None:
    for spec in message_specs():
        if spec.kind != "request":
            continue
        version = spec.max_version
        whole = encode_request(full_sample(spec, version), version, 7, "client")[4:]  # type: ignore[arg-type]
        for end in range(0, len(whole), 3):
            frame = memoryview(whole[:end])
            with pytest.raises(MalformedMessage):
                decode_request(decode_request_header(frame), frame)


@pytest.mark.parametrize(
    "length", [b"\xff\xff\xff\xff\x0f", b"\xff\xff\xff\xff\x4f", b"\x80\x80\x80\x80\x08"]
)
def test_a_length_that_is_negative_in_java_is_null(length: bytes) -> None:
    assert read_uvarint_rest(memoryview(length), 1, length[0]) == (0, 5)


def test_a_tagged_field_of_a_negative_size() -> None:
    with pytest.raises(MalformedMessage):
        read_uvarint(memoryview(b"\xff\xff\xff\xff\x0f"), 0)


def test_the_largest_length() -> None:
    assert read_uvarint(memoryview(b"\xff\xff\xff\xff\x07"), 0) == (0x7FFFFFFF, 5)
