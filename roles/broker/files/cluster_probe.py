# SPDX-License-Identifier: Apache-2.0
"""Ask the cluster, from one of its hosts, what a play must know before it goes on.

Exit status 0 is yes; 1 is not yet, with the reason.

    ready ID      the broker answers ApiVersions and Metadata at the address that it registered in ZooKeeper, and lists itself
    may-stop ID   every other replica of the broker's replicated partitions is in sync, so that stopping it loses nothing
    in-sync ID    the broker is in sync in all of its partitions
    controller    prints the id of the controller

Runs with the Python of the broker's virtual environment, whose kazoo and wire client it uses.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass

from commitlog.wire.client import BrokerConnection
from commitlog.wire.messages.metadata_request import MetadataRequest
from kazoo.client import KazooClient
from kazoo.exceptions import KazooException, NoNodeError
from kazoo.handlers.threading import KazooTimeoutError

TIMEOUT_S = 10


class NotYetError(Exception):
    """The answer is no, and why."""


@dataclass(frozen=True)
class Partition:
    name: str
    replicas: list[int]
    isr: list[int]


def read(zookeeper: KazooClient, path: str) -> dict:
    data, _ = zookeeper.get(path)
    return json.loads(data)


def partitions(zookeeper: KazooClient) -> Iterator[Partition]:
    for topic in zookeeper.get_children("/brokers/topics"):
        try:
            assignment = read(zookeeper, f"/brokers/topics/{topic}")["partitions"]
        except NoNodeError:
            continue  # deleted meanwhile
        for number, replicas in assignment.items():
            try:
                isr = read(zookeeper, f"/brokers/topics/{topic}/partitions/{number}/state")["isr"]
            except NoNodeError:
                isr = []  # being created
            yield Partition(f"{topic}-{number}", replicas, isr)


def registered_address(zookeeper: KazooClient, broker: int) -> tuple[str, int]:
    try:
        registration = read(zookeeper, f"/brokers/ids/{broker}")
    except NoNodeError:
        raise NotYetError(f"broker {broker} is not registered in ZooKeeper") from None
    endpoint = registration["endpoints"][0].partition("://")[2]
    host, _, port = endpoint.rpartition(":")
    return host.strip("[]"), int(port)


async def brokers_known_to(host: str, port: int) -> set[int]:
    limit = TIMEOUT_S * 1000
    connection = await BrokerConnection.open(host, port, "cluster-probe", connect_timeout_ms=limit, request_timeout_ms=limit)
    try:
        metadata = await connection.send(MetadataRequest(topics=[]))
        return {broker.node_id for broker in metadata.brokers}
    finally:
        connection.close()


def ready(zookeeper: KazooClient, broker: int) -> None:
    host, port = registered_address(zookeeper, broker)
    try:
        known = asyncio.run(brokers_known_to(host, port))
    except (OSError, TimeoutError) as error:
        raise NotYetError(f"broker {broker} is registered but does not answer at {host}:{port}: {error}") from None
    if broker not in known:
        raise NotYetError(f"broker {broker} answers but has no metadata of itself yet: it knows {sorted(known)}")


def may_stop(zookeeper: KazooClient, broker: int) -> None:
    risky = [
        f"{partition.name} (replicas {partition.replicas}, in sync {partition.isr})"
        for partition in partitions(zookeeper)
        if broker in partition.replicas and set(partition.replicas) - set(partition.isr) - {broker}
    ]
    if risky:
        raise NotYetError(f"broker {broker} cannot be spared, since other replicas are not in sync: {', '.join(risky[:5])}")


def in_sync(zookeeper: KazooClient, broker: int) -> None:
    behind = [part.name for part in partitions(zookeeper) if broker in part.replicas and broker not in part.isr]
    if behind:
        raise NotYetError(f"broker {broker} is not in sync in {len(behind)} partitions: {', '.join(sorted(behind)[:5])}")


def controller(zookeeper: KazooClient) -> None:
    try:
        print(read(zookeeper, "/controller")["brokerid"])
    except NoNodeError:
        raise NotYetError("there is no controller") from None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--zookeeper", required=True, metavar="CONNECT", help="zookeeper.connect of the cluster")
    questions = parser.add_subparsers(dest="question", required=True)
    for question in ("ready", "may-stop", "in-sync"):
        questions.add_parser(question).add_argument("broker", type=int)
    questions.add_parser("controller")
    arguments = parser.parse_args()
    zookeeper = KazooClient(arguments.zookeeper, timeout=TIMEOUT_S, read_only=True)
    try:
        zookeeper.start(TIMEOUT_S)
        if arguments.question == "controller":
            controller(zookeeper)
        else:
            {"ready": ready, "may-stop": may_stop, "in-sync": in_sync}[arguments.question](zookeeper, arguments.broker)
    except (NotYetError, KazooException, KazooTimeoutError) as error:
        sys.exit(f"{arguments.zookeeper}: {error or type(error).__name__}")
    finally:
        zookeeper.stop()
        zookeeper.close()


if __name__ == "__main__":
    main()
