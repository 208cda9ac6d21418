# SPDX-License-Identifier: Apache-2.0
"""Every client against one cluster of two broker processes and a real ZooKeeper, and what each can do.

    python -m tests.clients.matrix [--write FILE] [CLIENT ...]

Clients that are not here are skipped aloud (`make client-libs` fetches them, roster.py says which they are).
What a driver says of itself is not all: the batches that it wrote are looked at on the brokers' disks.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic

from commitlog.records.header import BatchHeader, Codec, iterate_headers
from tests import real_zookeeper
from tests.clients.features import CODECS, FEATURES, NAMES, OTHERS, OTHERS_COUNT
from tests.clients.roster import ROSTER, Client
from tests.clients.table import Cell, Row, as_markdown
from tests.end_to_end.cluster import DEADLINE_S, Cluster, running_cluster

DRIVER_DEADLINE_S = 300.0
AT_ONCE = 3
"""Drivers wait more than they work: for sessions, rebalances and the start of their runtimes."""
SETTINGS = {
    "num.partitions": "2",
    "default.replication.factor": "2",
    "transaction.state.log.replication.factor": "2",
    "transaction.state.log.min.isr": "1",
    "transaction.state.log.num.partitions": "4",
}


@contextlib.contextmanager
def prepared_cluster(directory: Path, zookeeper: real_zookeeper.ZooKeeperProcess) -> Iterator[Cluster]:
    """Two brokers, and the topics that no client owns."""
    with running_cluster(directory, zookeeper, 2, SETTINGS) as cluster:
        _create_topics(cluster, [NewTopic(f"{OTHERS}.{codec}", 1, 2) for codec in CODECS])
        for codec in CODECS:
            producer = Producer(
                {"bootstrap.servers": cluster.bootstrap, "compression.type": codec, "linger.ms": 100}
            )
            for number in range(OTHERS_COUNT):
                producer.produce(f"{OTHERS}.{codec}", f"other {number}")
            assert producer.flush(DEADLINE_S) == 0
        yield cluster


def _create_topics(cluster: Cluster, topics: Sequence[NewTopic]) -> None:
    admin = AdminClient({"bootstrap.servers": cluster.bootstrap, "log_level": 2})
    for created in admin.create_topics(list(topics)).values():
        created.result(DEADLINE_S)
    for topic in topics:
        for partition in range(topic.num_partitions):
            cluster.wait_isr(topic.topic, {0, 1}, partition)


def run_client(cluster: Cluster, client: Client) -> Row:
    """Make the client's topics, run its driver, and look at what it wrote."""
    _create_topics(
        cluster,
        [NewTopic(f"{client.prefix}.{f.name}", f.partitions, 2) for f in FEATURES if f.name != "topics"],
    )
    began = time.monotonic()
    arguments = [cluster.bootstrap, cluster.connect_string, client.prefix]
    try:
        done = subprocess.run(
            [*client.command(), *arguments],
            capture_output=True,
            text=True,
            timeout=DRIVER_DEADLINE_S,
            check=False,
        )
        output, errors = done.stdout, done.stderr
        ending = f"the driver ended with {done.returncode} before this"
    except subprocess.TimeoutExpired as error:
        output, errors = (_text(part) for part in (error.stdout, error.stderr))
        ending = f"the driver was not done after {DRIVER_DEADLINE_S:.0f} s"
    said = {cell.feature: cell for cell in _cells(output)}
    cells = tuple(_judge(cluster, client, said.get(name) or Cell(name, "FAILED", ending)) for name in NAMES)
    return Row(client, client.version(), cells, time.monotonic() - began, errors)


def _text(output: bytes | str | None) -> str:
    return output.decode(errors="replace") if isinstance(output, bytes) else output or ""


def _cells(output: str) -> Iterator[Cell]:
    for line in output.splitlines():
        if line.startswith("{"):
            said = json.loads(line)
            yield Cell(said["feature"], said["cell"], said.get("why", ""))


def _judge(cluster: Cluster, client: Client, cell: Cell) -> Cell:
    """A driver's yes is believed when the batches on a broker's disk say so too."""
    topic = f"{client.prefix}.{cell.feature}"
    if cell.cell != "yes":
        return cell
    if cell.feature in CODECS:
        found = {Codec(header.codec).name.lower() for header in disk_batches(cluster, topic)}
        if found != {cell.feature}:
            return Cell(cell.feature, "FAILED", f"its batches are written with {', '.join(sorted(found))}")
    if cell.feature in ("idempotence", "transactions"):
        without = [header for header in disk_batches(cluster, topic) if header.producer_id < 0]
        if without:
            return Cell(cell.feature, "FAILED", "it wrote batches without a producer id")
    return cell


def disk_batches(cluster: Cluster, topic: str) -> list[BatchHeader]:
    """The headers of all batches of the topic, control batches left out, from any broker's disk."""
    found = []
    for broker in cluster.brokers:
        for directory in broker.log_dir.glob(f"{topic}-*"):
            data = b"".join(path.read_bytes() for path in sorted(directory.glob("*.log")))
            found += [header for _, header in iterate_headers(data) if not header.is_control]
    return found


def run_clients(cluster: Cluster, clients: Sequence[Client]) -> list[Row]:
    """A row per client, in their order; a few drivers run at a time."""
    with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
        return list(pool.map(lambda client: run_client(cluster, client), clients))


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.clients.matrix")
    parser.add_argument("--write", type=Path, metavar="FILE", help="write the table to FILE")
    parser.add_argument("client", nargs="*", help="only these (default: all)")
    arguments = parser.parse_args()
    if unknown := set(arguments.client) - {client.name for client in ROSTER}:
        parser.error(
            f"no client is called {', '.join(unknown)}; there are {', '.join(c.name for c in ROSTER)}"
        )
    clients = []
    for client in ROSTER:
        if not arguments.client or client.name in arguments.client:
            if reason := client.missing():
                print(f"SKIPPED: {client.name}: {reason}")
            else:
                clients.append(client)
    with tempfile.TemporaryDirectory() as name:
        zookeeper = real_zookeeper.ZooKeeperProcess(Path(name))
        try:
            with prepared_cluster(Path(name), zookeeper) as cluster:
                rows = run_clients(cluster, clients)
        finally:
            zookeeper.stop()
    failed = [line for row in rows for line in row.failed()]
    for row in rows:
        print(f"{row.client.name} {row.version}: {row.seconds:.0f} s")
        if row.failed():
            print(row.errors[-int(os.environ.get("DRIVER_ERRORS", "3000")) :], file=sys.stderr)
    print("\n".join(failed) or "No feature failed.")
    if arguments.write:
        arguments.write.write_text(as_markdown(rows))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
