# SPDX-License-Identifier: Apache-2.0
"""The matrix's driver of kcat (kafkacat), the command line client of librdkafka."""

from __future__ import annotations

import json
import queue
import re
import subprocess
import threading
import time
from typing import Any

from tests.clients.driving import (
    COUNT,
    DEADLINE_S,
    Setting,
    codec_values,
    drive,
    expect,
    return_in_session,
    share_and_resume,
    until,
)
from tests.clients.features import CODECS, OTHERS_COUNT

ADMIN = "it has no admin commands"
BUFFER = 50_000
"""More than kcat reads of its input before it writes anything."""


def kcat(bootstrap: str, *arguments: str, text: str = "") -> str:
    command = ["kcat", "-b", bootstrap, *arguments]
    done = subprocess.run(
        command, input=text, capture_output=True, text=True, timeout=DEADLINE_S, check=False
    )
    expect(done.returncode, 0, f"{' '.join(command)}: {done.stderr}")
    return done.stdout


def write(setting: Setting, topic: str, values: list[str], *arguments: str) -> None:
    kcat(setting.bootstrap, "-P", "-t", topic, *arguments, text="".join(f"{value}\n" for value in values))


def read(bootstrap: str, topic: str, *arguments: str) -> list[Any]:
    said = kcat(bootstrap, "-C", "-q", "-e", "-J", "-t", topic, "-o", "beginning", *arguments)
    return [json.loads(line) for line in said.splitlines()]


def values_of(records: list[Any]) -> list[str]:
    return [record["payload"] for record in records]


def produce_consume(setting: Setting) -> None:
    topic = setting.topic("produce-consume")
    lines = "".join(f"key {number % 10}:value {number}\n" for number in range(COUNT))
    kcat(setting.servers[0], "-P", "-t", topic, "-K", ":", text=lines)
    found = read(setting.servers[-1], topic)
    expect(sorted(values_of(found)), sorted(f"value {number}" for number in range(COUNT)), "values")
    for partition in (0, 1):
        numbers = [int(each["payload"].split()[1]) for each in found if each["partition"] == partition]
        expect(numbers, sorted(numbers), "order")


def headers(setting: Setting) -> None:
    topic = setting.topic("headers")
    write(setting, topic, ["with"], "-H", "one=1", "-H", "none")
    kcat(setting.bootstrap, "-P", "-t", topic, "-Z", "-K", ":", text=":\n")
    first, second = read(setting.bootstrap, topic)
    expect(first["headers"], ["one", "1", "none", None], "headers")
    expect((second["key"], second["payload"]), (None, None), "the empty record")


def codec(name: str) -> Any:
    def run(setting: Setting) -> None:
        values = codec_values(name)
        write(setting, setting.topic(name), values, "-z", name, "-X", "linger.ms=100")
        expect(values_of(read(setting.bootstrap, setting.topic(name))), values, "values")
        others = values_of(read(setting.bootstrap, f"others.{name}"))
        expect(others, [f"other {number}" for number in range(OTHERS_COUNT)], "values of others")

    return run


class Member:
    """`kcat -G`, whose standard output is read here, and whose partitions are named on standard error.

    It commits by itself, and when it ends.
    """

    def __init__(self, setting: Setting, topic: str, *arguments: str) -> None:
        command = ["kcat", "-b", setting.bootstrap, "-J", "-u", "-X", "auto.offset.reset=earliest"]
        command += ["-X", "session.timeout.ms=10000", "-X", "heartbeat.interval.ms=200", *arguments]
        self.process = subprocess.Popen(
            [*command, "-G", topic, topic], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        self.values: list[str] = []
        self.lost: set[int] = set()
        self._assigned: set[int] = set()
        self._told: queue.Queue[tuple[str, str]] = queue.Queue()
        for kind, stream in (("record", self.process.stdout), ("news", self.process.stderr)):
            threading.Thread(target=self._listen, args=(kind, stream), daemon=True).start()

    def _listen(self, kind: str, stream: Any) -> None:
        for line in stream:
            self._told.put((kind, line))

    def owned(self) -> set[int]:
        time.sleep(0.01)
        while not self._told.empty():
            kind, line = self._told.get()
            if kind == "record":
                self.values.append(json.loads(line)["payload"])
            elif "rebalanced" in line:
                self._rebalanced(line)
        return set(self._assigned)

    def _rebalanced(self, line: str) -> None:
        partitions = {int(number) for number in re.findall(r"\[(\d+)\]", line)}
        if "assign" in line:  # assigned: ..., incremental assignment of ...
            self._assigned |= partitions
        else:
            self.lost |= partitions
            self._assigned -= partitions

    def commit(self) -> None:
        """Its offsets are stored when it is told to end."""

    def close(self) -> None:
        self.process.terminate()
        self.process.wait(DEADLINE_S)


def rebalance(setting: Setting) -> None:
    topic = setting.topic("rebalance")
    share_and_resume(
        lambda: Member(setting, topic),
        lambda value, partition: write(setting, topic, [value], "-p", str(partition)),
    )


def cooperative(setting: Setting) -> None:
    topic = setting.topic("cooperative")
    share_and_resume(
        lambda: Member(setting, topic, "-X", "partition.assignment.strategy=cooperative-sticky"),
        lambda value, partition: write(setting, topic, [value], "-p", str(partition)),
        cooperative=True,
    )


def static_member(setting: Setting) -> None:
    topic = setting.topic("static-member")
    return_in_session(lambda instance: Member(setting, topic, "-X", f"group.instance.id={instance}"))


def idempotence(setting: Setting) -> None:
    topic = setting.topic("idempotence")
    values = [f"value {number}" for number in range(COUNT)]
    write(setting, topic, values, "-X", "enable.idempotence=true")
    expect(values_of(read(setting.bootstrap, topic)), values, "values")


def transactions(setting: Setting) -> None:
    """What it is given until the end of its input is one transaction; one that is killed before has its
    transaction aborted by the next under the same id."""
    topic = setting.topic("transactions")
    same = ("-X", f"transactional.id={topic}")

    def values(isolation: str) -> set[str]:
        found = read(setting.bootstrap, topic, "-X", f"isolation.level={isolation}")
        return {value[:2] for value in values_of(found)}

    def names(letters: str) -> list[str]:
        return [f"{letter}{number}" for letter in letters for number in range(10)]

    write(setting, topic, names("a"), *same)
    command = ["kcat", "-b", setting.bootstrap, "-P", "-t", topic, *same]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as killed:
        assert killed.stdin is not None
        killed.stdin.write("".join(f"{name}\n" for name in [*names("b"), "b9" + "." * BUFFER]))
        killed.stdin.flush()
        until(lambda: values("read_uncommitted") == set(names("ab")), "records of an open transaction")
        expect(values("read_committed"), set(names("a")), "read_committed before the end")
        killed.kill()
    write(setting, topic, names("c"), *same)
    expect(values("read_committed"), set(names("ac")), "read_committed")
    expect(values("read_uncommitted"), set(names("abc")), "read_uncommitted")


def offsets_by_time(setting: Setting) -> None:
    topic = setting.topic("offsets-by-time")
    for number in range(3):
        write(setting, topic, [str(number)])
        until(lambda number=number: len(read(setting.bootstrap, topic)) == number + 1, "the record")
    times = [each["ts"] for each in read(setting.bootstrap, topic)]

    def offset(timestamp: int) -> int:
        found = re.search(
            r"\[0\] offset (\d+)", kcat(setting.bootstrap, "-Q", "-t", f"{topic}:0:{timestamp}")
        )
        assert found is not None
        return int(found[1])

    expect((offset(-2), offset(-1), offset(times[0] + 1)), (0, 3, 1), "earliest, latest, the first not older")


FEATURES = {
    "produce-consume": produce_consume,
    "headers": headers,
    **{name: codec(name) for name in CODECS},
    "rebalance": rebalance,
    "cooperative": cooperative,
    "static-member": static_member,
    "idempotence": idempotence,
    "transactions": transactions,
    "offsets-by-time": offsets_by_time,
}

if __name__ == "__main__":
    drive(
        FEATURES,
        {
            "transactional-offsets": "it sends no offsets with a transaction",
            **dict.fromkeys(("topics", "configs", "groups-admin", "delete-records"), ADMIN),
        },
    )
