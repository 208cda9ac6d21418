# SPDX-License-Identifier: Apache-2.0
"""Someone with a certificate of the cluster's authority and no login, at its ZooKeeper: who owns the znodes, what is refused.

neighbour.py CONNECT DIRECTORY        DIRECTORY is that of the role security
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from kazoo.client import KazooClient
from kazoo.exceptions import NoAuthError

# What secrets lie below, and what everybody may write to, for the consumers of Kafka 0.8; /zookeeper is ZooKeeper's own.
SECRET = ("/config/users", "/config/brokers", "/delegation_token/tokens")
LEFT_OUT = ("/consumers", "/zookeeper")
READ, ALL = 1, 31


def walk(zookeeper: KazooClient, path: str) -> Iterator[str]:
    if path in LEFT_OUT:
        return
    yield path
    try:
        names = zookeeper.get_children(path)
    except NoAuthError:
        assert path.startswith(SECRET), f"{path}: may not be read"
        return
    for name in names:
        yield from walk(zookeeper, f"{path.rstrip('/')}/{name}")


def check_owner(zookeeper: KazooClient, path: str) -> None:
    try:
        acls, _ = zookeeper.get_acls(path)
    except NoAuthError:
        assert path.startswith(SECRET), f"{path}: may not be read"
        return
    assert not path.startswith(SECRET), f"{path}: may be read"
    found = {(one.id.scheme, one.id.id, one.perms) for one in acls if one.id.scheme != "x509"}
    assert found == {("sasl", "kafka", ALL), ("world", "anyone", READ)}, f"{path}: {acls}"
    assert not any("neighbour" in one.id.id for one in acls), f"{path}: {acls}"


def check_refused(what: str, act: Callable[[], object]) -> None:
    try:
        act()
    except NoAuthError:
        print(f"{what}: refused")
    else:
        sys.exit(f"{what}: was let do it")


def main() -> None:
    connect, directory = sys.argv[1], Path(sys.argv[2])
    pem = str(directory / "client-neighbour.pem")
    zookeeper = KazooClient(connect, use_ssl=True, ca=str(directory / "ca.pem"), certfile=pem, keyfile=pem)
    zookeeper.start(30)
    count = 0
    for path in walk(zookeeper, "/"):
        check_owner(zookeeper, path)
        count += 1
    print(f"{count} znodes belong to the brokers")
    assert count > 20
    check_refused("be the controller", lambda: zookeeper.set("/controller", b"{}"))
    check_refused("remove the controller", lambda: zookeeper.delete("/controller"))
    check_refused("make a znode", lambda: zookeeper.create("/neighbour", b""))
    check_refused("give himself a right", lambda: zookeeper.create("/kafka-acl/Topic/neighbour", b"{}"))
    check_refused("read a credential", lambda: zookeeper.get("/config/users/alice"))
    check_refused("list the users", lambda: zookeeper.get_children("/config/users"))
    zookeeper.stop()


main()
