# SPDX-License-Identifier: Apache-2.0
"""Java's String.hashCode and Kafka's Utils.abs: brokers and tools must agree on them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from commitlog.groups.partitioning import java_string_hash, partition_for

# As `java` prints "...".hashCode(); the fourth one is famous for being Integer.MIN_VALUE.
JAVA_HASHES = [
    ("", 0),
    ("a", 97),
    ("hello world", 1794106052),
    ("polygenelubricants", -(2**31)),
    ("console-consumer-12345", 158455506),
    ("\U0001f600", 1772899),
    ("grüppe", -1233264812),
]


@pytest.mark.parametrize(("text", "value"), JAVA_HASHES)
def test_same_hash_as_java(text: str, value: int) -> None:
    assert java_string_hash(text) == value


def test_partition_is_the_absolute_value_not_the_masked_one() -> None:
    assert partition_for("grüppe", 50) == 1233264812 % 50
    assert partition_for("grüppe", 50) != (-1233264812 & 0x7FFFFFFF) % 50


def test_smallest_integer_has_partition_0() -> None:
    assert partition_for("polygenelubricants", 50) == 0


@given(st.text(alphabet=st.characters(exclude_categories=())))
def test_hash_is_the_polynomial_over_utf16_units(text: str) -> None:
    encoded = text.encode("utf-16-be", "surrogatepass")
    units = [int.from_bytes(encoded[i : i + 2], "big") for i in range(0, len(encoded), 2)]
    polynomial = sum(unit * 31 ** (len(units) - 1 - i) for i, unit in enumerate(units))
    value = java_string_hash(text)
    assert -(2**31) <= value < 2**31
    assert (value - polynomial) % 2**32 == 0


@given(st.text(max_size=40), st.integers(1, 1000))
def test_partition_exists(text: str, count: int) -> None:
    assert 0 <= partition_for(text, count) < count
