# SPDX-License-Identifier: Apache-2.0
"""What the drivers written in Python share: the command line, a line of JSON per feature (features.py)."""

from __future__ import annotations

import json
import sys
import time
import traceback
from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

from tests.clients.features import NAMES

DEADLINE_S = 60.0
COUNT = 100
CODEC_COUNT = 50


class Setting(NamedTuple):
    """Where a driver works."""

    bootstrap: str
    zookeeper: str
    prefix: str

    @property
    def servers(self) -> list[str]:
        return self.bootstrap.split(",")

    def topic(self, feature: str) -> str:
        return f"{self.prefix}.{feature}"


def until(condition: Callable[[], Any], what: str, deadline_s: float = DEADLINE_S) -> Any:
    """The condition's value as soon as it is true."""
    deadline = time.monotonic() + deadline_s
    while time.monotonic() < deadline:
        found = condition()
        if found:
            return found
        time.sleep(0.02)
    raise AssertionError(f"waited {deadline_s:.0f} s for {what}")


def expect(found: object, wanted: object, what: str) -> None:
    if found != wanted:
        raise AssertionError(f"{what}: {found!r}, not {wanted!r}")


def codec_values(codec: str) -> list[str]:
    """Long enough that no producer finds them not worth compressing."""
    return [f"{codec} {number} " + "squeeze " * 20 for number in range(CODEC_COUNT)]


def answer(feature: str, cell: str, why: str = "") -> None:
    print(json.dumps({"feature": feature, "cell": cell, "why": why}), flush=True)


def drive(features: dict[str, Callable[[Setting], None]], not_in_client: dict[str, str]) -> None:
    """Try every feature in turn; one that fails does not keep the next from being tried."""
    setting = Setting(*sys.argv[1:4])
    for name in sys.argv[4:] or NAMES:
        if name in not_in_client:
            answer(name, "no", not_in_client[name])
            continue
        try:
            features[name](setting)
        except Exception as error:
            traceback.print_exc()
            answer(name, "FAILED", f"{type(error).__name__}: {error}")
        else:
            answer(name, "yes")


class GroupMember(Protocol):
    """A member of a group, which does nothing but when ``owned`` is asked."""

    values: list[str]
    lost: set[int]

    def owned(self) -> set[int]:
        """Poll once; the partitions that are the member's now."""

    def commit(self) -> None: ...

    def close(self) -> None: ...


def _share(one: GroupMember, two: GroupMember) -> bool:
    """Whether each has two of the four partitions. Both are polled: most clients join while they are."""
    first, second = one.owned(), two.owned()
    return len(first) == 2 and len(second) == 2 and not first & second


def share_and_resume(
    make: Callable[[], GroupMember], write: Callable[[str, int], object], *, cooperative: bool = False
) -> None:
    """Features `rebalance` and `cooperative`; ``write`` takes a value and its partition of the four."""
    for number in range(40):
        write(f"before {number}", number % 4)
    one = make()
    until(lambda: one.owned() == {0, 1, 2, 3} and len(one.values) >= 40, "one member to have all")
    one.commit()
    one.lost.clear()
    two = make()
    until(lambda: _share(one, two), "two members to share")
    if cooperative:
        expect(len(one.lost), 2, "partitions that the first member lost")
    two.close()
    until(lambda: one.owned() == {0, 1, 2, 3}, "the first to have all again")
    one.close()
    for number in range(4):
        write(f"after {number}", number)
    three = make()
    until(lambda: three.owned() and len(three.values) >= 4, "the records after the committed offsets")
    expect(sorted(three.values), [f"after {number}" for number in range(4)], "values")
    three.close()


def return_in_session(make: Callable[[str], GroupMember]) -> None:
    """Feature `static-member`; ``make`` takes the instance id."""
    one, two = make("one"), make("two")
    until(lambda: _share(one, two), "two members to share")
    before = two.owned()
    two.close()
    one.lost.clear()
    two = make("two")
    until(lambda: (one.owned(), two.owned())[1] == before, "the second to have its partitions again")
    expect(one.lost, set(), "partitions that the first lost")
    one.close()
    two.close()
