# SPDX-License-Identifier: Apache-2.0
"""Ask the cluster, from one of its hosts, what a play must know before it goes on: the gates of every playbook.

Exit status 0 is yes; 1 is not yet, with the reason; 3 is no, with the reason, and waiting will not change it.

    ready ID      the broker answers ApiVersions and Metadata at the address that it registered in ZooKeeper, and lists itself
    may-stop ID   stopping it takes nothing away: there is a controller, no replica moves, nothing else is under-replicated, and
                  each of its partitions keeps min.insync.replicas without it
    in-sync ID    the broker is in sync in all of its partitions
    whole         there is a controller, and every replica that is not being moved is in sync
    settled       there is a controller, every replica is in sync, and none moves
    empty ID      the broker has no replica
    overview      prints as JSON which brokers are registered and which of them is the controller
    brokers       prints the ids of the brokers that are registered

With --wait, what is not yet so is asked again until it is. Works for Apache Kafka's brokers and for ours: all but `ready` is read
from ZooKeeper. Runs with the Python of the broker's virtual environment, whose kazoo and wire client it uses.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from commitlog.config import properties
from commitlog.config.properties import ConfigError
from commitlog.security.client_security import ClientSecurityError, client_security, security_protocol
from commitlog.wire.client import BrokerConnection
from commitlog.wire.messages.metadata_request import MetadataRequest
from kazoo.client import KazooClient
from kazoo.exceptions import KazooException, NoNodeError
from kazoo.handlers.threading import KazooTimeoutError

TIMEOUT_S = 10
POLL_S = 1.0
SHOWN = 5


class NotYetError(Exception):
    """The answer is no, and why."""


class NeverError(Exception):
    """The answer is no, and will stay so; and why."""


@dataclass(frozen=True)
class Partition:
    name: str
    replicas: list[int]
    isr: list[int]
    min_isr: int

    def __str__(self) -> str:
        return f"{self.name} (replicas {self.replicas}, in sync {self.isr})"


@dataclass
class Cluster:
    """What ZooKeeper says of the cluster at one time; topics that are being deleted are left out."""

    brokers: dict[int, dict] = field(default_factory=dict)
    controller: int | None = None
    partitions: list[Partition] = field(default_factory=list)
    moving: list[str] = field(default_factory=list)

    def of(self, broker: int) -> list[Partition]:
        return [partition for partition in self.partitions if broker in partition.replicas]


def read_all(zookeeper: KazooClient, paths: list[str]) -> list[dict | None]:
    """The JSON documents at the paths, None where there is none; asked for all at once."""
    waiting = [zookeeper.get_async(path) for path in paths]
    documents: list[dict | None] = []
    for answer in waiting:
        try:
            data, _stat = answer.get(timeout=TIMEOUT_S)
            documents.append(json.loads(data))
        except NoNodeError:
            documents.append(None)
    return documents


def children(zookeeper: KazooClient, path: str) -> list[str]:
    try:
        return sorted(zookeeper.get_children(path))
    except NoNodeError:
        return []


def least_isr(configs: list[dict | None], default: int) -> int:
    """min.insync.replicas, by the first of the /config documents that sets it."""
    for document in configs:
        value = ((document or {}).get("config") or {}).get("min.insync.replicas")
        if value is not None:
            return int(value)
    return default


def read_cluster(zookeeper: KazooClient, min_isr: int) -> Cluster:
    """Everything that the questions below are about, in a few rounds of requests."""
    cluster = Cluster()
    ids = [int(name) for name in children(zookeeper, "/brokers/ids")]
    registrations = read_all(zookeeper, [f"/brokers/ids/{broker}" for broker in ids])
    cluster.brokers = {broker: document for broker, document in zip(ids, registrations, strict=True) if document is not None}
    controller, reassignment, defaults = read_all(
        zookeeper, ["/controller", "/admin/reassign_partitions", "/config/brokers/<default>"]
    )
    if controller is not None and int(controller["brokerid"]) in cluster.brokers:
        cluster.controller = int(controller["brokerid"])
    cluster.moving = [f"{move['topic']}-{move['partition']}" for move in (reassignment or {}).get("partitions", [])]
    deleted = set(children(zookeeper, "/admin/delete_topics"))
    topics = [topic for topic in children(zookeeper, "/brokers/topics") if topic not in deleted]
    configs = read_all(zookeeper, [f"/config/topics/{topic}" for topic in topics])
    documents = read_all(zookeeper, [f"/brokers/topics/{topic}" for topic in topics])
    for topic, config, document in zip(topics, configs, documents, strict=True):
        if document is not None:  # not deleted meanwhile
            read_topic(zookeeper, cluster, topic, document, least_isr([config, defaults], min_isr))
    return cluster


def read_topic(zookeeper: KazooClient, cluster: Cluster, topic: str, document: dict, min_isr: int) -> None:
    numbers = sorted(document["partitions"], key=int)
    changes = [document.get(key) or {} for key in ("adding_replicas", "removing_replicas")]
    cluster.moving += [f"{topic}-{number}" for number in numbers if any(change.get(number) for change in changes)]
    states = read_all(zookeeper, [f"/brokers/topics/{topic}/partitions/{number}/state" for number in numbers])
    for number, state in zip(numbers, states, strict=True):
        isr = state["isr"] if state else []  # being created
        cluster.partitions.append(Partition(f"{topic}-{number}", document["partitions"][number], isr, min_isr))


def some(items: list) -> str:
    """The first few of them."""
    return ", ".join(str(item) for item in items[:SHOWN]) + (f" and {len(items) - SHOWN} more" if len(items) > SHOWN else "")


def check_controlled(cluster: Cluster) -> None:
    if cluster.controller is None:
        raise NotYetError("the cluster has no controller")


def check_still(cluster: Cluster) -> None:
    """What no broker may be stopped without."""
    check_controlled(cluster)
    if cluster.moving:
        raise NotYetError(f"replicas of {len(cluster.moving)} partitions are being moved: {some(cluster.moving)}")


def why_behind(cluster: Cluster, behind: list[Partition]) -> str:
    """The partitions that miss a replica, and the brokers that are the reason."""
    away = sorted({replica for part in behind for replica in part.replicas} - set(cluster.brokers))
    text = f"{len(behind)} partitions are under-replicated: {some(behind)}"
    return text + (f"; brokers that do not run: {some(away)}" if away else "")


def may_stop(cluster: Cluster, broker: int, allow_unavailable: bool) -> None:
    check_still(cluster)
    behind = [part for part in cluster.partitions if set(part.replicas) - set(part.isr) - {broker}]
    if behind:
        raise NotYetError(f"broker {broker} cannot be spared: {why_behind(cluster, behind)}")
    short = [part for part in cluster.of(broker) if len(part.replicas) - 1 < part.min_isr]
    if short and not allow_unavailable:
        named = [f"{part.name} ({len(part.replicas)} replicas, {part.min_isr} needed)" for part in short]
        raise NeverError(
            f"broker {broker} cannot be spared: without it {len(short)} partitions would have fewer replicas than "
            f"min.insync.replicas and refuse records: {some(named)}. Give them more replicas, or lower min.insync.replicas, "
            "or accept that they are away meanwhile: broker_allow_unavailable=true"
        )


def in_sync(cluster: Cluster, broker: int) -> None:
    if broker not in cluster.brokers:
        raise NotYetError(f"broker {broker} is not registered in ZooKeeper")
    behind = sorted(part.name for part in cluster.of(broker) if broker not in part.isr)
    if behind:
        raise NotYetError(f"broker {broker} is not in sync in {len(behind)} partitions: {some(behind)}")


def whole(cluster: Cluster) -> None:
    check_controlled(cluster)
    behind = [part for part in cluster.partitions if set(part.replicas) - set(part.isr) and part.name not in cluster.moving]
    if behind:
        raise NotYetError(why_behind(cluster, behind))


def settled(cluster: Cluster) -> None:
    check_still(cluster)
    whole(cluster)


def empty(cluster: Cluster, broker: int) -> None:
    check_still(cluster)
    held = cluster.of(broker)
    if held:
        raise NotYetError(f"broker {broker} still has replicas of {len(held)} partitions: {some([part.name for part in held])}")


def registered_address(cluster: Cluster, broker: int, protocol: str) -> tuple[str, int]:
    """Where the listener is that speaks the protocol; else the first one, which will not answer and is named then."""
    if broker not in cluster.brokers:
        raise NotYetError(f"broker {broker} is not registered in ZooKeeper")
    document = cluster.brokers[broker]
    protocols = document.get("listener_security_protocol_map") or {}
    endpoints = [endpoint.partition("://")[::2] for endpoint in document["endpoints"]]
    fitting = [address for name, address in endpoints if protocols.get(name, name) == protocol]
    host, _colon, port = (fitting or [endpoints[0][1]])[0].rpartition(":")
    return host.strip("[]"), int(port)


async def brokers_known_to(host: str, port: int, settings: dict[str, str]) -> set[int]:
    limit = TIMEOUT_S * 1000
    security = client_security(settings)
    connection = await BrokerConnection.open(
        host, port, "cluster-probe", connect_timeout_ms=limit, request_timeout_ms=limit, security=security
    )
    try:
        metadata = await connection.send(MetadataRequest(topics=[]))
        return {broker.node_id for broker in metadata.brokers}
    finally:
        connection.close()


def ready(cluster: Cluster, broker: int, client_properties: str) -> None:
    settings = properties.load(client_properties) if client_properties else {}
    host, port = registered_address(cluster, broker, security_protocol(settings))
    try:
        known = asyncio.run(brokers_known_to(host, port, settings))
    except (OSError, TimeoutError) as error:
        raise NotYetError(f"broker {broker} is registered but does not answer at {host}:{port}: {error}") from None
    if broker not in known:
        raise NotYetError(f"broker {broker} answers but has no metadata of itself yet: it knows {sorted(known)}")


def ask(cluster: Cluster, arguments: argparse.Namespace) -> None:
    """One question about one snapshot. Raises when the answer is no."""
    questions: dict[str, Callable[[], None]] = {
        "ready": lambda: ready(cluster, arguments.broker, arguments.client_properties),
        "may-stop": lambda: may_stop(cluster, arguments.broker, arguments.allow_unavailable),
        "in-sync": lambda: in_sync(cluster, arguments.broker),
        "whole": lambda: whole(cluster),
        "settled": lambda: settled(cluster),
        "empty": lambda: empty(cluster, arguments.broker),
        "overview": lambda: print(json.dumps({"brokers": sorted(cluster.brokers), "controller": cluster.controller})),
        "brokers": lambda: print(*sorted(cluster.brokers), sep="\n"),
    }
    questions[arguments.question]()


def ask_until(zookeeper: KazooClient, arguments: argparse.Namespace) -> None:
    """Ask until the answer is yes or the time is up."""
    deadline = time.monotonic() + arguments.wait
    while True:
        try:
            ask(read_cluster(zookeeper, arguments.min_isr), arguments)
            return
        except NotYetError as error:
            if time.monotonic() >= deadline:
                within = f", after {arguments.wait} s" if arguments.wait else ""
                raise NotYetError(f"{error}{within}") from None
        time.sleep(POLL_S)


def parsed_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--zookeeper", required=True, metavar="CONNECT", help="zookeeper.connect of the cluster")
    parser.add_argument("--wait", type=int, default=0, metavar="SECONDS", help="how long to ask again while the answer is no")
    parser.add_argument(
        "--min-isr", type=int, default=1, metavar="N", help="min.insync.replicas of the brokers' server.properties"
    )
    parser.add_argument(
        "--allow-unavailable", action="store_true", help="whether partitions that cannot spare a broker may be away"
    )
    parser.add_argument("--client-properties", default="", metavar="FILE", help="how a client connects to the brokers")
    parser.add_argument(
        "--zookeeper-tls", default="", metavar="DIRECTORY", help="where ca.pem and broker.pem are, for a ZooKeeper that wants TLS"
    )
    questions = parser.add_subparsers(dest="question", required=True)
    for question in ("ready", "may-stop", "in-sync", "empty"):
        questions.add_parser(question).add_argument("broker", type=int)
    for question in ("whole", "settled", "overview", "brokers"):
        questions.add_parser(question)
    return parser.parse_args()


def zookeeper_tls(directory: str) -> dict[str, Any]:
    if not directory:
        return {}
    own = f"{directory}/broker.pem"
    return {"use_ssl": True, "ca": f"{directory}/ca.pem", "certfile": own, "keyfile": own}


def main() -> None:
    arguments = parsed_arguments()
    zookeeper = KazooClient(arguments.zookeeper, timeout=TIMEOUT_S, read_only=True, **zookeeper_tls(arguments.zookeeper_tls))
    try:
        # kazoo waits so long for each host: one that is lost may be the first that it tries.
        zookeeper.start(max(TIMEOUT_S * len(zookeeper.hosts), arguments.wait))
        ask_until(zookeeper, arguments)
    except NeverError as error:
        print(error, file=sys.stderr)
        sys.exit(3)
    except NotYetError as error:
        sys.exit(str(error))
    except (ConfigError, ClientSecurityError) as error:
        sys.exit(str(error))
    except (KazooException, KazooTimeoutError) as error:
        sys.exit(f"ZooKeeper at {arguments.zookeeper}: {error or type(error).__name__}")
    finally:
        zookeeper.stop()
        zookeeper.close()


if __name__ == "__main__":
    main()
