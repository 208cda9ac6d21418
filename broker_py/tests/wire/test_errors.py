# SPDX-License-Identifier: Apache-2.0
"""Error codes and the words that go with them."""

from __future__ import annotations

from commitlog.wire.errors import ErrorCode, KafkaError


def test_every_code_has_its_words() -> None:
    assert [int(code) for code in ErrorCode] == list(range(-1, 128))
    assert ErrorCode.TOPIC_ALREADY_EXISTS.exception == "TopicExistsException"
    assert ErrorCode.UNKNOWN_TOPIC_OR_PARTITION.message == "This server does not host this topic-partition."
    assert ErrorCode.NOT_LEADER_OR_FOLLOWER.retriable
    assert not ErrorCode.INVALID_REQUEST.retriable
    assert all(code.exception and code.message for code in ErrorCode if code)


def test_an_unknown_code_is_an_unknown_error() -> None:
    assert ErrorCode.of(3) is ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
    assert ErrorCode.of(9999) is ErrorCode.UNKNOWN_SERVER_ERROR


def test_an_error_says_its_own_text_or_the_codes() -> None:
    assert str(KafkaError(ErrorCode.INVALID_CONFIG, "bad key")) == "INVALID_CONFIG: bad key"
    bare = KafkaError(ErrorCode.INVALID_CONFIG)
    assert bare.message is None
    assert str(bare) == "INVALID_CONFIG: Configuration is invalid."
