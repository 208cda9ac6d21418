# SPDX-License-Identifier: Apache-2.0
"""py-spy's raw samples of a broker, read: what its event loop was at while it did not wait."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

_FRAME = re.compile(r"^(?P<function>.+) \((?P<file>.+?)(?::\d+)?\)$")
_LOOP = "Runner.run"
_WAITING = ("epoll_wait", "epoll_pwait", "poll", "select")
_SYSTEM_CALLS = {
    "read",
    "recv",
    "recvmsg",
    "write",
    "writev",
    "send",
    "sendmsg",
    "pwrite64",
    "pread64",
    "sendfile64",
}


class Frame(NamedTuple):
    """`function (file:line)` of py-spy, without the line."""

    function: str
    file: str

    @property
    def is_python(self) -> bool:
        return self.file.endswith(".py") or self.file.startswith("<")


@dataclass(frozen=True)
class Profile:
    """Samples of one broker's event loop at work: on top of the stack, and anywhere in it."""

    title: str
    samples: int
    on_top: Counter[tuple[Frame, str]]
    """By the innermost Python function and the C function that it was in, "" for none."""
    within: Counter[Frame]

    def rooms(self) -> dict[str, float]:
        """The share of system calls, of each room of the house, and of the event loop."""
        found: Counter[str] = Counter()
        for (frame, called), count in self.on_top.items():
            found["system calls" if called in _SYSTEM_CALLS else room(frame.file)] += count
        return {name: count / self.samples for name, count in found.most_common()}


def room(file: str) -> str:
    """commitlog/storage/log.py: storage; what is around the house is the event loop's."""
    parts = Path(file).parts
    if "commitlog" in parts[:-1]:
        return parts[parts.index("commitlog") + 1]
    return "wire" if file.startswith(("<read ", "<write ")) or not file else "event loop"


def parse(title: str, text: str) -> Profile:
    """py-spy's raw format: `outermost;...;innermost count` a line."""
    on_top: Counter[tuple[Frame, str]] = Counter()
    within: Counter[Frame] = Counter()
    samples = 0
    for line in text.splitlines():
        stack, _, number = line.rpartition(" ")
        frames = [_frame(one) for one in stack.split(";")]
        inner = frames[-1].function
        if inner in _WAITING or not any(one.function == _LOOP for one in frames):
            continue
        count = int(number)
        samples += count
        python = [one for one in frames if one.is_python]
        on_top[python[-1], "" if frames[-1].is_python else inner] += count
        within.update(dict.fromkeys(python, count))
    return Profile(title, samples, on_top, within)


def _frame(text: str) -> Frame:
    found = _FRAME.match(text)
    return Frame(found["function"], found["file"]) if found else Frame(text, "")
