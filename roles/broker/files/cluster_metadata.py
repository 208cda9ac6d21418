# SPDX-License-Identifier: Apache-2.0
"""Read from ZooKeeper what a cluster was told to be, and write back what no Kafka request of every version can: quotas and ACLs.

    dump                   prints one JSON object: topics, assignment, brokers, quotas, acls, users
    restore [--check]      reads {"quotas": ..., "acls": ...} from standard input, adds and changes what differs, and prints what
                           that was

No secret is printed: of a user's SCRAM credentials only the mechanism and its iterations, of a broker's passwords nothing.
Writes as Kafka's own tools do with --zookeeper: the entity's znode, then a notification that makes every broker read it again.
What the cluster has and the backup has not is left alone. Runs with the Python of the broker's virtual environment, and reaches a
ZooKeeper that is secured as the broker does: what it reads and writes there belongs to the brokers.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path

from commitlog.config import properties
from commitlog.config.properties import ConfigError
from commitlog.coordination.client import CoordinationError, NodeExists, NoNode
from commitlog.coordination.kazoo_client import KazooCoordination
from commitlog.coordination.zookeeper_security import ZooKeeperSecurity
from commitlog.security.zookeeper import zookeeper_security

TIMEOUT_MS = 20_000
QUOTA_KEYS = (
    "producer_byte_rate",
    "consumer_byte_rate",
    "request_percentage",
    "controller_mutation_rate",
    "connection_creation_rate",
)
SECRET = re.compile(r"password|secret|sasl\.jaas\.config|\.key$")
# How the znodes of ACLs are called, by kind of pattern, and where their changes are announced.
ACL_ROOTS = {
    "literal": ("/kafka-acl", "/kafka-acl-changes"),
    "prefixed": ("/kafka-acl-extended/prefixed", "/kafka-acl-extended-changes"),
}


class ZooKeeper:
    """One question after the other."""

    def __init__(self, connect: str, security: ZooKeeperSecurity) -> None:
        self._runner = asyncio.Runner()
        self._runner.run(self._start(connect, security))

    async def _start(self, connect: str, security: ZooKeeperSecurity) -> None:
        self._coordination = KazooCoordination(connect, session_timeout_ms=TIMEOUT_MS, create_chroot=False, security=security)
        await self._coordination.start()

    def close(self) -> None:
        self._runner.run(self._coordination.close())
        self._runner.close()

    def get(self, path: str) -> bytes:
        return self._runner.run(self._coordination.get(path))[0]

    def children(self, path: str) -> list[str]:
        return self._runner.run(self._coordination.children(path))

    def put(self, path: str, data: bytes) -> None:
        """Write a znode, or make it."""
        try:
            self._runner.run(self._coordination.create(path, data, make_parents=True))
        except NodeExists:
            self._runner.run(self._coordination.set(path, data))

    def announce(self, prefix: str, data: bytes) -> None:
        """Make the next one of the znodes that begin so."""
        self._runner.run(self._coordination.create(prefix, data, sequential=True, make_parents=True))


def security_of(directory: Path | None) -> ZooKeeperSecurity:
    """TLS and login by the broker's files, where there are any."""
    if directory is None:
        return ZooKeeperSecurity()
    os.environ["KAFKA_OPTS"] = f"-Djava.security.auth.login.config={directory}/broker.jaas"
    source = str(directory / "zookeeper-tls.properties")
    return zookeeper_security({**properties.load(source), "zookeeper.set.acl": "true"}.get, source)


def children(zookeeper: ZooKeeper, path: str) -> list[str]:
    try:
        return sorted(zookeeper.children(path))
    except NoNode:
        return []


def read(zookeeper: ZooKeeper, path: str) -> dict:
    """The JSON document at a path; {} where there is none."""
    try:
        data = zookeeper.get(path)
    except NoNode:
        return {}
    return json.loads(data) if data else {}


def config(zookeeper: ZooKeeper, entity: str) -> dict[str, str]:
    return read(zookeeper, f"/config/{entity}").get("config") or {}


def open_settings(settings: dict[str, str]) -> dict[str, str]:
    return {name: value for name, value in settings.items() if not SECRET.search(name)}


def dump_topics(zookeeper: ZooKeeper) -> tuple[list[dict], dict[str, dict[str, list[int]]]]:
    """(topics as the module `topics` takes them, where their replicas are)."""
    topics, assignment = [], {}
    for name in children(zookeeper, "/brokers/topics"):
        partitions = read(zookeeper, f"/brokers/topics/{name}").get("partitions")
        if not partitions:
            continue  # deleted meanwhile
        assignment[name] = dict(sorted(partitions.items(), key=lambda item: int(item[0])))
        if not name.startswith("__"):
            topic = {"name": name, "partitions": len(partitions), "replication_factor": len(partitions["0"])}
            topics.append({**topic, "config": config(zookeeper, f"topics/{name}")})
    return topics, assignment


def quota_entities(zookeeper: ZooKeeper) -> Iterator[str]:
    """Everything that may have quotas, as it is called below /config."""
    for kind in ("clients", "ips"):
        yield from (f"{kind}/{name}" for name in children(zookeeper, f"/config/{kind}"))
    for user in children(zookeeper, "/config/users"):
        yield f"users/{user}"
        yield from (f"users/{user}/clients/{client}" for client in children(zookeeper, f"/config/users/{user}/clients"))


def quotas_of(settings: dict[str, str]) -> dict[str, str]:
    return {name: value for name, value in settings.items() if name in QUOTA_KEYS}


def dump_acls(zookeeper: ZooKeeper) -> list[dict]:
    found = []
    for pattern, (root, _changes) in ACL_ROOTS.items():
        for kind in children(zookeeper, root):
            for name in children(zookeeper, f"{root}/{kind}"):
                entries = read(zookeeper, f"{root}/{kind}/{name}").get("acls", [])
                found.append({"pattern": pattern, "resource": kind, "name": name, "entries": sorted(entries, key=json.dumps)})
    return [acl for acl in found if acl["entries"]]


def dump_users(zookeeper: ZooKeeper) -> dict[str, dict[str, int]]:
    """Users with SCRAM credentials: mechanism to iterations, and none of the keys."""
    users = {}
    for user in children(zookeeper, "/config/users"):
        mechanisms = {
            name: int(dict(part.split("=", 1) for part in value.split(",")).get("iterations", 0))
            for name, value in config(zookeeper, f"users/{user}").items()
            if name.startswith("SCRAM-")
        }
        if mechanisms:
            users[user] = mechanisms
    return users


def dump(zookeeper: ZooKeeper) -> dict[str, object]:
    topics, assignment = dump_topics(zookeeper)
    brokers = {name: open_settings(config(zookeeper, f"brokers/{name}")) for name in children(zookeeper, "/config/brokers")}
    quotas = {entity: quotas_of(config(zookeeper, entity)) for entity in quota_entities(zookeeper)}
    return {
        "cluster_id": read(zookeeper, "/cluster/id").get("id"),
        "topics": topics,
        "assignment": assignment,
        "brokers": {name: settings for name, settings in brokers.items() if settings},
        "quotas": {entity: settings for entity, settings in quotas.items() if settings},
        "acls": dump_acls(zookeeper),
        "users": dump_users(zookeeper),
    }


def write(zookeeper: ZooKeeper, path: str, document: dict) -> None:
    zookeeper.put(path, json.dumps(document, separators=(",", ":")).encode())


def restore_quotas(zookeeper: ZooKeeper, quotas: dict[str, dict[str, str]], check: bool) -> list[str]:
    changed = []
    for entity, wanted in sorted(quotas.items()):
        settings = config(zookeeper, entity)
        if all(settings.get(name) == value for name, value in wanted.items()):
            continue
        changed.append(f"quotas of {entity}")
        if not check:
            write(zookeeper, f"/config/{entity}", {"version": 1, "config": {**settings, **wanted}})
            notice = json.dumps({"version": 2, "entity_path": entity}, separators=(",", ":"))
            zookeeper.announce("/config/changes/config_change_", notice.encode())
    return changed


def acl_notice(acl: dict) -> bytes:
    if acl["pattern"] == "literal":
        return f"{acl['resource']}:{acl['name']}".encode()
    kind = re.sub(r"(?<!^)([A-Z])", r"_\1", acl["resource"]).upper()
    notice = {"version": 1, "resourceType": kind, "name": acl["name"], "patternType": acl["pattern"].upper()}
    return json.dumps(notice, separators=(",", ":")).encode()


def restore_acls(zookeeper: ZooKeeper, acls: list[dict], check: bool) -> list[str]:
    changed = []
    for acl in acls:
        root, changes = ACL_ROOTS[acl["pattern"]]
        path = f"{root}/{acl['resource']}/{acl['name']}"
        entries = read(zookeeper, path).get("acls", [])
        missing = [entry for entry in acl["entries"] if entry not in entries]
        if not missing:
            continue
        changed.append(f"{len(missing)} ACLs of {acl['pattern']} {acl['resource']} {acl['name']}")
        if not check:
            write(zookeeper, path, {"version": 1, "acls": entries + missing})
            zookeeper.announce(f"{changes}/acl_changes_", acl_notice(acl))
    return changed


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--zookeeper", required=True, metavar="CONNECT", help="zookeeper.connect of the cluster")
    parser.add_argument(
        "--security",
        type=Path,
        metavar="DIRECTORY",
        help="where a secured cluster has broker.jaas and zookeeper-tls.properties",
    )
    actions = parser.add_subparsers(dest="action", required=True)
    actions.add_parser("dump")
    actions.add_parser("restore").add_argument("--check", action="store_true", help="only say what would change")
    arguments = parser.parse_args()
    try:
        zookeeper = ZooKeeper(arguments.zookeeper, security_of(arguments.security))
        if arguments.action == "dump":
            print(json.dumps(dump(zookeeper), sort_keys=True))
        else:
            backup = json.load(sys.stdin)
            changed = restore_quotas(zookeeper, backup.get("quotas") or {}, arguments.check)
            changed += restore_acls(zookeeper, backup.get("acls") or [], arguments.check)
            print(*changed, sep="\n")
        zookeeper.close()
    except (ConfigError, CoordinationError, OSError) as error:
        sys.exit(f"ZooKeeper at {arguments.zookeeper}: {error or type(error).__name__}")


if __name__ == "__main__":
    main()
