# SPDX-License-Identifier: Apache-2.0
"""Give brokers and administrator their SCRAM-SHA-512 passwords in ZooKeeper, before the first broker starts; as
kafka-configs.sh --zookeeper does, whose arguments every user of the host could read.

    scram_users.py CONNECT DIRECTORY [--dry-run]

Who they are is read from the files that they log in with, broker.jaas and client.properties in the directory. Prints the names
of those whose credential was not that of the password. Runs with the Python of the broker's virtual environment.
"""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

from commitlog.config import properties
from commitlog.config.properties import ConfigError
from commitlog.controller.entity_configs import EntityConfigs
from commitlog.coordination import paths
from commitlog.coordination.client import CoordinationError
from commitlog.coordination.kazoo_client import KazooCoordination
from commitlog.security.jaas import JaasError, LoginModule, login_section, parse_jaas
from commitlog.security.scram import ScramCredential, ScramError, make_credential
from commitlog.security.zookeeper import zookeeper_security

MECHANISM = "SCRAM-SHA-512"
TIMEOUT_MS = 30_000


def fits(text: str | None, password: str) -> bool:
    """Whether a stored credential is that of the password."""
    if text is None:
        return False
    try:
        stored = ScramCredential.decode(text)
    except ScramError:
        return False
    return make_credential(MECHANISM, password, stored.iterations, stored.salt) == stored


def logins(directory: Path) -> dict[str, str]:
    """The users and their passwords."""
    client = properties.load(str(directory / "client.properties")).get("sasl.jaas.config", "")
    modules: list[LoginModule | None] = [login_section("KafkaServer"), parse_jaas(client)]
    return {module.options["username"]: module.options["password"] for module in modules if module is not None}


async def give(connect: str, directory: Path, dry_run: bool) -> list[str]:
    source = str(directory / "zookeeper-tls.properties")
    settings = {**properties.load(source), "zookeeper.set.acl": "true"}
    security = zookeeper_security(settings.get, source)
    coordination = KazooCoordination(connect, session_timeout_ms=TIMEOUT_MS, create_chroot=not dry_run, security=security)
    await coordination.start()
    try:
        configs = EntityConfigs(coordination, guarded=False)
        changed = []
        for user, password in logins(directory).items():
            name = paths.sanitize(user)
            found = await configs.read("users", name)
            if not fits(found.get(MECHANISM), password):
                changed.append(user)
                if not dry_run:
                    await configs.change("users", name, {**found, MECHANISM: make_credential(MECHANISM, password).encode()})
        return changed
    finally:
        await coordination.close()


def main() -> None:
    connect, directory = sys.argv[1], Path(sys.argv[2])
    os.environ["KAFKA_OPTS"] = f"-Djava.security.auth.login.config={directory}/broker.jaas"
    try:
        changed = asyncio.run(give(connect, directory, "--dry-run" in sys.argv[3:]))
    except (ConfigError, CoordinationError, JaasError, OSError) as error:
        sys.exit(f"{connect}: {error}")
    print("\n".join(changed))


if __name__ == "__main__":
    main()
