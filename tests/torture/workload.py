# SPDX-License-Identifier: Apache-2.0
"""Clients that never give up, and write down what they were promised: librdkafka's, through its Python binding.

Partitions by purpose: 0 to 3 have idempotent producers, 4 to 7 transactions, 8 and 9 what a copier took, once, from 4 and 5.
"""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, Message, Producer, TopicPartition

from torture.checker import ABORTED, COMMITTED, COPY_MARK
from torture.history import Recorder
from torture.writers import writers_of

TOPIC = "torture"
PLAIN, TRANSACTIONAL, COPIED, COPIES = range(4), range(4, 8), range(4, 6), range(8, 10)
PARTITIONS = 10
OUTSTANDING_MAX = 100
SETTLE_S = 120
RETRY_S = 0.2
STATISTICS_MS = 5_000

COMMON: dict[str, Any] = {
    "log_level": 0,
    "reconnect.backoff.ms": 50,
    "reconnect.backoff.max.ms": 500,
    "socket.connection.setup.timeout.ms": 2_000,
    "topic.metadata.refresh.fast.interval.ms": 100,
}
PRODUCER: dict[str, Any] = {
    **COMMON,
    "acks": "all",
    "enable.idempotence": True,
    "linger.ms": 2,
    "retry.backoff.ms": 50,
    "retry.backoff.max.ms": 250,
    "request.timeout.ms": 5_000,
}


def silent(error: KafkaError) -> None:
    """librdkafka repeats what can be repeated; what cannot, comes with a delivery or an exception."""


def write_stacks(path: Path) -> None:
    """Where every thread of this process is, librdkafka's too, when there is a gdb to tell; once."""
    gdb = shutil.which("gdb")
    if gdb is None or path.exists():
        return
    command = [gdb, "-batch", "-p", str(os.getpid()), "-ex", "thread apply all backtrace 20"]
    with path.open("wb") as stacks:
        subprocess.run(command, stdout=stacks, stderr=subprocess.DEVNULL, check=False, timeout=SETTLE_S)


class Client:
    """One thread with a client; `work` runs until `stopping` and must then settle."""

    def __init__(self, name: str, recorder: Recorder, bootstrap: str, seed: int, run: str) -> None:
        self.name = name
        self.recorder = recorder
        self.bootstrap = bootstrap
        self.readers, self.copier = f"readers-{run}", f"copier-{run}"
        self.rng = random.Random(f"{seed} {name}")
        self.stopping = threading.Event()
        self.failures: list[str] = []
        self._statistics = ""
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def join(self, deadline_s: float) -> None:
        """Wait until it has settled; it is noted when it does not, with what librdkafka last said of itself."""
        self._thread.join(deadline_s)
        if self._thread.is_alive():
            text = f"did not settle within {deadline_s:.0f} s"
            self.recorder.note("stuck", who=self.name, text=text, statistics=self._statistics)
            write_stacks(self.recorder.path.with_name("stacks.txt"))

    def _keep_statistics(self, statistics: str) -> None:
        self._statistics = statistics

    def _run(self) -> None:
        try:
            self.work()
        except Exception as error:
            self.recorder.note("stuck", who=self.name, text=f"gave up: {error!r}")

    def work(self) -> None:
        raise NotImplementedError

    def complain(self, error: object) -> None:
        """What a client was told that it should not have been told, or only in passing; counted, not judged."""
        self.failures.append(str(error))
        self.recorder.note("complaint", who=self.name, text=str(error))

    def settings(self, **more: Any) -> dict[str, Any]:
        statistics = {"statistics.interval.ms": STATISTICS_MS, "stats_cb": self._keep_statistics}
        return {"bootstrap.servers": self.bootstrap, "client.id": self.name, "error_cb": silent, **statistics, **more}


class PlainProducer(Client):
    """acks=all, idempotent, without a limit of time. After a fatal error it begins anew under another name."""

    pace_s = 0.06

    def work(self) -> None:
        generation = 0
        while not self.stopping.is_set():
            self._produce(f"{self.name}.{generation}")
            generation += 1

    def _produce(self, name: str) -> None:
        producer = Producer(self.settings(**PRODUCER, **{"message.timeout.ms": 0}))
        count = 0
        self._fatal = False
        self._outstanding = dict.fromkeys(PLAIN, 0)
        while not self.stopping.is_set() and not self._fatal:
            until = time.monotonic() + self.rng.uniform(0, 2) * self.pace_s
            while (left := until - time.monotonic()) > 0:
                producer.poll(left)
            for _ in range(self.rng.randint(1, 4)):
                partition = self.rng.choice(PLAIN)
                if self._outstanding[partition] >= OUTSTANDING_MAX:
                    continue
                self._outstanding[partition] += 1
                value = f"{name}/{count}"
                count += 1
                self.recorder.note("sent", who=name, partition=partition, value=value)
                try:
                    producer.produce(TOPIC, value.encode(), partition=partition, on_delivery=self._delivered)
                except KafkaException as failure:  # it has ended before a delivery report could say so
                    self._end(failure.args[0])
                    break
        deadline = time.monotonic() + SETTLE_S
        while len(producer) and not self._fatal and time.monotonic() < deadline:
            producer.poll(0.2)
        if left := len(producer):
            producer.purge()
            producer.poll(1)
            if not self._fatal:
                self.recorder.note("stuck", who=name, text=f"{left} records are not acknowledged")

    def _delivered(self, error: KafkaError | None, message: Message) -> None:
        value, partition = (message.value() or b"").decode(), message.partition()
        self._outstanding[partition] -= 1
        if error is None:
            self.recorder.note("acknowledged", partition=partition, value=value, offset=message.offset())
            return
        self._end(error)
        self.recorder.note("failed", partition=partition, value=value, error=str(error))

    def _end(self, error: KafkaError) -> None:
        if not self._fatal:
            self.complain(error)
        self._fatal = True


class Transactions:
    """A transactional producer that survives its own fatal errors by taking its id over."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._producer: Producer | None = None
        self._count = 0
        self._values = 0
        self.name = ""

    def run(self, body: Callable[[Transactions], bool]) -> str:
        """One transaction; `body` sends, and says whether to commit. What became of it."""
        producer = self._ready()
        self.name = f"{self._client.name}:{self._count}"
        self._count += 1
        fate = ABORTED
        try:
            producer.begin_transaction()
            self._client.recorder.note("begun", transaction=self.name)
            if body(self):
                fate = "unknown"
                self._repeat(producer.commit_transaction)
                fate = COMMITTED
            else:
                # librdkafka ends a transaction whose partitions the coordinator may have put off, since the one before
                # was not complete yet: Kafka answers INVALID_TXN_STATE to that, which is fatal there.
                producer.flush(10)
                self._repeat(producer.abort_transaction)
        except KafkaException as failure:
            self._recover(producer, failure.args[0])
        self._client.recorder.note("ended", transaction=self.name, fate=fate)
        return fate

    def send(self, partition: int, copied: str = "") -> None:
        value = f"{self._client.name}/{self._values}" + (COPY_MARK + copied if copied else "")
        self._values += 1
        self._client.recorder.note("sent", who=self._client.name, partition=partition, value=value, transaction=self.name)
        assert self._producer is not None
        self._producer.produce(TOPIC, value.encode(), partition=partition, on_delivery=self._delivered)

    def _delivered(self, error: KafkaError | None, message: Message) -> None:
        """librdkafka may purge, for the transaction that it aborts, what was sent in the next; it says so only here, and
        commits without it."""
        if error is not None:
            value, never_sent = (message.value() or b"").decode(), error.code() == KafkaError._PURGE_QUEUE
            self._client.recorder.note(
                "failed", partition=message.partition(), value=value, error=str(error), never_sent=never_sent
            )

    def send_offsets(self, consumer: Consumer) -> None:
        producer, group = self._producer, consumer.consumer_group_metadata()
        assert producer is not None
        positions = [one for one in consumer.position(consumer.assignment()) if one.offset >= 0]
        self._repeat(lambda: producer.send_offsets_to_transaction(positions, group, 10))

    def _ready(self) -> Producer:
        while self._producer is None:
            settings = self._client.settings(**PRODUCER)
            name = f"torture-{self._client.name}"
            producer = Producer({**settings, "transactional.id": name, "transaction.timeout.ms": 20_000})
            try:
                self._repeat(lambda one=producer: one.init_transactions(10))  # type: ignore[misc]
                self._producer = producer
            except KafkaException as failure:
                self._client.complain(failure.args[0])
                time.sleep(RETRY_S)
        return self._producer

    def _recover(self, producer: Producer, error: KafkaError) -> None:
        self._client.complain(error)
        self._producer = None
        if error.txn_requires_abort():
            try:
                self._repeat(producer.abort_transaction)
                self._producer = producer
            except KafkaException as failure:
                self._client.complain(failure.args[0])

    def _repeat(self, operation: Callable[[], Any]) -> None:
        deadline = time.monotonic() + SETTLE_S
        while True:
            try:
                operation()
                return
            except KafkaException as failure:
                if not failure.args[0].retriable() or time.monotonic() > deadline:
                    raise
                time.sleep(RETRY_S)


class TransactionalProducer(Client):
    """Transactions over several partitions; most commit, some abort. Each reads a little of what others committed, too."""

    def work(self) -> None:
        transactions = Transactions(self)
        # Each reads where it may well write itself; in a circle they would show up.
        reader = Consumer(self.settings(**COMMON, **{"group.id": self.name, "enable.auto.commit": False}))
        reader.assign([TopicPartition(TOPIC, partition, OFFSET_BEGINNING) for partition in TRANSACTIONAL])
        while not self.stopping.is_set():
            transactions.run(lambda running: self._body(running, reader))
            time.sleep(self.rng.uniform(0, 0.2))
        reader.close()

    def _body(self, transactions: Transactions, reader: Consumer) -> bool:
        note_reads(self, reader.consume(50, 0.01), transaction=transactions.name)
        for _ in range(self.rng.randint(1, 8)):
            transactions.send(self.rng.choice(TRANSACTIONAL))
        return self.rng.random() < 0.85


class Copier(Client):
    """Reads committed records, writes a copy of each, and commits both the copies and its offsets in one transaction."""

    def work(self) -> None:
        transactions = Transactions(self)
        consumer = Consumer(self.settings(**COMMON, **{"group.id": self.copier, "enable.auto.commit": False}))
        placed = False
        idle_since = time.monotonic()
        # What was produced last is to be copied too.
        while not self.stopping.is_set() or time.monotonic() - idle_since < 10:
            placed = placed or self._place(consumer)
            messages = note_reads(self, consumer.consume(100, 0.3)) if placed else []
            if messages:
                idle_since = time.monotonic()
                placed = transactions.run(lambda running, read=messages: self._copy(running, consumer, read)) == COMMITTED
        consumer.close()

    def _place(self, consumer: Consumer) -> bool:
        try:
            committed = consumer.committed([TopicPartition(TOPIC, partition) for partition in COPIED], 10)
        except KafkaException:
            return False
        if any(one.error for one in committed):
            return False
        self.recorder.note("assigned", who=self.name, group=self.copier, partitions=list(COPIED))
        consumer.assign([TopicPartition(TOPIC, one.partition, max(one.offset, 0)) for one in committed])
        return True

    def _copy(self, transactions: Transactions, consumer: Consumer, messages: list[Message]) -> bool:
        for message in messages:
            transactions.send(COPIES[message.partition() % len(COPIES)], (message.value() or b"").decode())
        transactions.send_offsets(consumer)
        return self.rng.random() < 0.95


class Reader(Client):
    """Reads all partitions from the start, as they grow."""

    def __init__(self, *arguments: Any, isolation: str) -> None:
        super().__init__(*arguments)
        self._isolation = isolation

    def work(self) -> None:
        isolation = {"isolation.level": f"read_{self._isolation}"}
        consumer = Consumer(self.settings(**COMMON, **isolation, **{"group.id": self.name, "enable.auto.commit": False}))
        consumer.assign([TopicPartition(TOPIC, partition, OFFSET_BEGINNING) for partition in range(PARTITIONS)])
        while not self.stopping.is_set():
            note_reads(self, consumer.consume(500, 0.5), isolation=self._isolation)
        consumer.close()


class Member(Client):
    """A member of a group that shares all partitions; commits what it has read, and notes which commits were acknowledged."""

    def work(self) -> None:
        settings = self.settings(
            **COMMON, **{"group.id": self.readers, "enable.auto.commit": False, "session.timeout.ms": 10_000}
        )
        consumer = Consumer({**settings, "auto.offset.reset": "earliest"})
        self._read: list[Message] = []
        consumer.subscribe([TOPIC], on_assign=self._assigned, on_revoke=self._revoked)
        last_commit = time.monotonic()
        while not self.stopping.is_set():
            message = consumer.poll(0.2)
            if message is not None:
                self._read.append(message)
            if time.monotonic() - last_commit > 1:
                last_commit = time.monotonic()
                self._flush()
                self._commit(consumer)
        consumer.close()

    def _flush(self) -> None:
        read, self._read = self._read, []
        note_reads(self, read, group=self.readers)

    def _assigned(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        self._flush()
        self.recorder.note("assigned", who=self.name, group=self.readers, partitions=[one.partition for one in partitions])

    def _revoked(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        self._flush()

    def _commit(self, consumer: Consumer) -> None:
        try:
            done = consumer.commit(asynchronous=False) or []
        except KafkaException:
            # Nothing to commit, or no coordinator, or another generation: it will be read again.
            return
        if offsets := {one.partition: one.offset for one in done if one.error is None and one.offset >= 0}:
            self.recorder.note("kept", who=self.name, group=self.readers, offsets=offsets)


def note_reads(client: Client, messages: list[Message], isolation: str = "committed", **more: Any) -> list[Message]:
    """Write down what was read, by partition; the messages that are records."""
    records = [message for message in messages if message.error() is None]
    by_partition: dict[int, list[tuple[int, str]]] = defaultdict(list)
    for message in records:
        by_partition[message.partition()].append((message.offset(), (message.value() or b"").decode()))
    for partition, read in by_partition.items():
        client.recorder.note("read", who=client.name, isolation=isolation, partition=partition, records=read, **more)
    return records


class Workload:
    """All clients together."""

    def __init__(self, recorder: Recorder, bootstrap: str, seed: int) -> None:
        self._recorder = recorder
        self._bootstrap = bootstrap
        self._places: dict[str, set[tuple[int, int]]] = defaultdict(set)
        # Groups are this run's own: what they committed in an earlier topic of the same name does not count.
        run = f"{seed}-{time.time():.0f}"
        arguments = (recorder, bootstrap, seed, run)
        self._producers: list[Client] = [
            *(PlainProducer(f"p{number}", *arguments) for number in range(2)),
            *(TransactionalProducer(f"t{number}", *arguments) for number in range(2)),
        ]
        self._copier = Copier("x0", *arguments)
        self._readers = [Reader("ru", *arguments, isolation="uncommitted"), Reader("rc", *arguments, isolation="committed")]
        self._members = [Member(f"g{number}", *arguments) for number in range(2)]

    @property
    def clients(self) -> list[Client]:
        return [*self._producers, self._copier, *self._readers, *self._members]

    def start(self) -> None:
        for client in self.clients:
            client.start()

    def finish(self) -> None:
        """Let everyone settle, then read the whole log."""
        self._stop(self._producers)
        self._stop([self._copier])
        last = {isolation: self._read_all(isolation) for isolation in ("uncommitted", "committed")}["committed"]
        self._note_writers_of_copies()
        self._wait_for_group(last)
        self._stop([*self._readers, *self._members])

    def _stop(self, clients: list[Client]) -> None:
        for client in clients:
            client.stopping.set()
        for client in clients:
            client.join(SETTLE_S + 30)

    def _read_all(self, isolation: str) -> dict[int, int]:
        """Note the log from start to end; the end of the records in it, by partition."""
        ends: dict[int, int] = {}
        for partition in range(PARTITIONS):
            try:
                ends[partition] = self._read_partition(partition, isolation)
            except (KafkaException, TimeoutError) as error:
                self._recorder.note("stuck", who="the last reader", text=f"partition {partition}, read_{isolation}: {error}")
        return ends

    def _read_partition(self, partition: int, isolation: str) -> int:
        more = {"group.id": "last", "isolation.level": f"read_{isolation}", "enable.auto.commit": False}
        consumer = Consumer(
            {"bootstrap.servers": self._bootstrap, "error_cb": silent, **COMMON, **more, "enable.partition.eof": True}
        )
        try:
            _, high = consumer.get_watermark_offsets(TopicPartition(TOPIC, partition), 30)
            consumer.assign([TopicPartition(TOPIC, partition, OFFSET_BEGINNING)])
            deadline = time.monotonic() + SETTLE_S
            records: list[tuple[int, str]] = []
            end = 0
            while end < high:
                for message in consumer.consume(1_000, 1):
                    if message.error() is None:
                        records.append((message.offset(), (message.value() or b"").decode()))
                        end = message.offset() + 1
                    elif message.error().code() == KafkaError._PARTITION_EOF:
                        end = message.offset()
                if time.monotonic() > deadline:
                    raise TimeoutError(f"it ends at {end}, and the high watermark is {high}: a transaction is open")
            self._recorder.note("final", isolation=isolation, partition=partition, records=records)
            for offset, value in records:
                self._places[value].add((partition, offset))
            return records[-1][0] + 1 if records else 0
        finally:
            consumer.close()

    def _note_writers_of_copies(self) -> None:
        copies = {value: sorted(places) for value, places in self._places.items() if len(places) > 1}
        if not copies:
            return
        writers = writers_of(self._bootstrap, TOPIC, [place for places in copies.values() for place in places])
        for value, places in copies.items():
            self._recorder.note("writers", value=value, writers=[writers[place] for place in places])

    def _wait_for_group(self, ends: dict[int, int]) -> None:
        """The group reads what is left; what it has in the end is noted."""
        consumer = Consumer(
            {"bootstrap.servers": self._bootstrap, "error_cb": silent, **COMMON, "group.id": self._members[0].readers}
        )
        deadline = time.monotonic() + SETTLE_S
        kept: dict[int, int] = {}
        while time.monotonic() < deadline:
            try:
                committed = consumer.committed([TopicPartition(TOPIC, partition) for partition in ends], 10)
                kept = {one.partition: one.offset for one in committed}
            except KafkaException:
                pass
            if kept and all(kept[partition] >= end for partition, end in ends.items() if end):
                break
            time.sleep(1)
        else:
            self._recorder.note("stuck", who="the group", text=f"committed {kept}, the log ends at {ends}")
        self._recorder.note("final_kept", group=self._members[0].readers, offsets=kept)
        consumer.close()
