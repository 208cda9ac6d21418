# SPDX-License-Identifier: Apache-2.0
"""Read from ZooKeeper what a cluster was told to be, and write back what no Kafka request of every version can: quotas and ACLs.

    dump                   prints one JSON object: topics, assignment, brokers, quotas, acls, users
    restore [--check]      reads {"quotas": ..., "acls": ...} from standard input, adds and changes what differs, and prints what
                           that was

No secret is printed: of a user's SCRAM credentials only the mechanism and its iterations, of a broker's passwords nothing.
Writes as Kafka's own tools do with --zookeeper: the entity's znode, then a notification that makes every broker read it again.
What the cluster has and the backup has not is left alone. Runs with the Python of the broker's virtual environment.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Iterator

from kazoo.client import KazooClient
from kazoo.exceptions import KazooException, NoNodeError
from kazoo.handlers.threading import KazooTimeoutError

TIMEOUT_S = 20
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


def children(zookeeper: KazooClient, path: str) -> list[str]:
    try:
        return sorted(zookeeper.get_children(path))
    except NoNodeError:
        return []


def read(zookeeper: KazooClient, path: str) -> dict:
    """The JSON document at a path; {} where there is none."""
    try:
        data, _stat = zookeeper.get(path)
    except NoNodeError:
        return {}
    return json.loads(data) if data else {}


def config(zookeeper: KazooClient, entity: str) -> dict[str, str]:
    return read(zookeeper, f"/config/{entity}").get("config") or {}


def open_settings(settings: dict[str, str]) -> dict[str, str]:
    return {name: value for name, value in settings.items() if not SECRET.search(name)}


def dump_topics(zookeeper: KazooClient) -> tuple[list[dict], dict[str, dict[str, list[int]]]]:
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


def quota_entities(zookeeper: KazooClient) -> Iterator[str]:
    """Everything that may have quotas, as it is called below /config."""
    for kind in ("clients", "ips"):
        yield from (f"{kind}/{name}" for name in children(zookeeper, f"/config/{kind}"))
    for user in children(zookeeper, "/config/users"):
        yield f"users/{user}"
        yield from (f"users/{user}/clients/{client}" for client in children(zookeeper, f"/config/users/{user}/clients"))


def quotas_of(settings: dict[str, str]) -> dict[str, str]:
    return {name: value for name, value in settings.items() if name in QUOTA_KEYS}


def dump_acls(zookeeper: KazooClient) -> list[dict]:
    found = []
    for pattern, (root, _changes) in ACL_ROOTS.items():
        for kind in children(zookeeper, root):
            for name in children(zookeeper, f"{root}/{kind}"):
                entries = read(zookeeper, f"{root}/{kind}/{name}").get("acls", [])
                found.append({"pattern": pattern, "resource": kind, "name": name, "entries": sorted(entries, key=json.dumps)})
    return [acl for acl in found if acl["entries"]]


def dump_users(zookeeper: KazooClient) -> dict[str, dict[str, int]]:
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


def dump(zookeeper: KazooClient) -> dict[str, object]:
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


def write(zookeeper: KazooClient, path: str, document: dict) -> None:
    data = json.dumps(document, separators=(",", ":")).encode()
    zookeeper.ensure_path(path)
    zookeeper.set(path, data)


def announce(zookeeper: KazooClient, prefix: str, data: bytes) -> None:
    zookeeper.ensure_path(prefix.rpartition("/")[0])
    zookeeper.create(prefix, data, sequence=True)


def restore_quotas(zookeeper: KazooClient, quotas: dict[str, dict[str, str]], check: bool) -> list[str]:
    changed = []
    for entity, wanted in sorted(quotas.items()):
        settings = config(zookeeper, entity)
        if all(settings.get(name) == value for name, value in wanted.items()):
            continue
        changed.append(f"quotas of {entity}")
        if not check:
            write(zookeeper, f"/config/{entity}", {"version": 1, "config": {**settings, **wanted}})
            notice = json.dumps({"version": 2, "entity_path": entity}, separators=(",", ":"))
            announce(zookeeper, "/config/changes/config_change_", notice.encode())
    return changed


def acl_notice(acl: dict) -> bytes:
    if acl["pattern"] == "literal":
        return f"{acl['resource']}:{acl['name']}".encode()
    kind = re.sub(r"(?<!^)([A-Z])", r"_\1", acl["resource"]).upper()
    notice = {"version": 1, "resourceType": kind, "name": acl["name"], "patternType": acl["pattern"].upper()}
    return json.dumps(notice, separators=(",", ":")).encode()


def restore_acls(zookeeper: KazooClient, acls: list[dict], check: bool) -> list[str]:
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
            announce(zookeeper, f"{changes}/acl_changes_", acl_notice(acl))
    return changed


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--zookeeper", required=True, metavar="CONNECT", help="zookeeper.connect of the cluster")
    actions = parser.add_subparsers(dest="action", required=True)
    actions.add_parser("dump")
    actions.add_parser("restore").add_argument("--check", action="store_true", help="only say what would change")
    arguments = parser.parse_args()
    zookeeper = KazooClient(arguments.zookeeper, timeout=TIMEOUT_S)
    try:
        # kazoo waits so long for each host: one that is lost may be the first that it tries.
        zookeeper.start(TIMEOUT_S * len(zookeeper.hosts))
        if arguments.action == "dump":
            print(json.dumps(dump(zookeeper), sort_keys=True))
            return
        backup = json.load(sys.stdin)
        changed = restore_quotas(zookeeper, backup.get("quotas") or {}, arguments.check)
        changed += restore_acls(zookeeper, backup.get("acls") or [], arguments.check)
        print(*changed, sep="\n")
    except (KazooException, KazooTimeoutError) as error:
        sys.exit(f"ZooKeeper at {arguments.zookeeper}: {error or type(error).__name__}")
    finally:
        zookeeper.stop()
        zookeeper.close()


if __name__ == "__main__":
    main()
