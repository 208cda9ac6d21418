# SPDX-License-Identifier: Apache-2.0
"""The order in which Java's HashMap and HashSet give back what they hold.

Kafka's tools print many things in that order, which follows from the hash codes alone: the same lines in the
same order is what scripts that compare outputs rely on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeVar

T = TypeVar("T")

_MASK = 0xFFFFFFFF
_SMALLEST = 16


def string_hash(text: str) -> int:
    """String.hashCode, unsigned."""
    result = 0
    units = text.encode("utf-16-be", "surrogatepass")
    for at in range(0, len(units), 2):
        result = (31 * result + (units[at] << 8 | units[at + 1])) & _MASK
    return result


def names_hash(*names: str) -> int:
    """List.hashCode of strings, which is the hash code of an option with these names."""
    result = 1
    for name in names:
        result = (31 * result + string_hash(name)) & _MASK
    return result


def partition_hash(partition: tuple[str, int]) -> int:
    """TopicPartition.hashCode."""
    topic, number = partition
    return (31 * (31 + number) + string_hash(topic)) & _MASK


def hash_order(items: Iterable[T], hash_of: Callable[[T], int], capacity: int = _SMALLEST) -> list[T]:
    """The items (added one by one, without repetition) as a HashMap of that initial capacity, a power of two,
    iterates over them."""
    given = list(items)
    while len(given) > capacity * 3 // 4:
        capacity *= 2

    def bucket(item: T) -> int:
        value = hash_of(item)
        return (value ^ value >> 16) & (capacity - 1)

    return sorted(given, key=bucket)


def sized_for(count: int) -> int:
    """The capacity of `new HashMap<>(count)`."""
    return 1 << max(0, count - 1).bit_length()


def strings_in_hash_order(items: Iterable[str]) -> list[str]:
    return hash_order(items, string_hash)


def partitions_in_hash_order(items: Iterable[T]) -> list[T]:
    """Topic partitions in the order of a HashMap."""
    return hash_order(items, partition_hash)  # type: ignore[arg-type]
