# SPDX-License-Identifier: Apache-2.0
"""Give the znodes of a cluster that was started without security the ACLs that its brokers give new ones, as Kafka's
zookeeper-security-migration.sh --zookeeper.acl=secure does.

    znode_owners.py CONNECT DIRECTORY [--dry-run]

The directory has broker.jaas and zookeeper-tls.properties. Prints how many znodes had another ACL; with --dry-run it only logs
in. Ends with the status 0 when all are owned. Runs with the Python of the broker's virtual environment.
"""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

from commitlog.config import properties
from commitlog.config.properties import ConfigError
from commitlog.coordination.client import CoordinationError, NoNode
from commitlog.coordination.kazoo_client import KazooCoordination
from commitlog.security.zookeeper import zookeeper_security

TIMEOUT_MS = 30_000
# ZkData.SecureRootPaths, without /consumers, which stays open. The root itself is owned, too: nobody else removes what is below.
ROOTS = (
    "/admin",
    "/brokers",
    "/cluster",
    "/config",
    "/controller",
    "/controller_epoch",
    "/delegation_token",
    "/feature",
    "/isr_change_notification",
    "/kafka-acl",
    "/kafka-acl-changes",
    "/kafka-acl-extended",
    "/kafka-acl-extended-changes",
    "/latest_producer_id_block",
    "/log_dir_event_notification",
)


async def take_over(coordination: KazooCoordination, path: str) -> int:
    """Of a znode and all below it, how many were not owned."""
    try:
        changed = int(await coordination.take_over(path))
        names = await coordination.children(path)
    except NoNode:
        return 0
    for name in names:
        changed += await take_over(coordination, f"{path}/{name}")
    return changed


async def take_over_all(connect: str, directory: Path, dry_run: bool) -> int:
    source = str(directory / "zookeeper-tls.properties")
    settings = {**properties.load(source), "zookeeper.set.acl": "true"}
    security = zookeeper_security(settings.get, source)
    coordination = KazooCoordination(connect, session_timeout_ms=TIMEOUT_MS, create_chroot=False, security=security)
    await coordination.start()
    try:
        if dry_run:
            return 0
        return int(await coordination.take_over("/")) + sum([await take_over(coordination, root) for root in ROOTS])
    finally:
        await coordination.close()


def main() -> None:
    connect, directory = sys.argv[1], Path(sys.argv[2])
    os.environ["KAFKA_OPTS"] = f"-Djava.security.auth.login.config={directory}/broker.jaas"
    try:
        print(asyncio.run(take_over_all(connect, directory, "--dry-run" in sys.argv[3:])))
    except (ConfigError, CoordinationError, OSError) as error:
        sys.exit(f"{connect}: {error}")


if __name__ == "__main__":
    main()
