# SPDX-License-Identifier: Apache-2.0
"""Who this broker is: the cluster's id and its own (KafkaServer.getOrGenerateClusterId and generateBrokerId).

The cluster id is made by the first broker that finds none, and kept in /cluster/id. The broker id is
configured, or found in meta.properties, or generated from the version counter of /brokers/seqid.
meta.properties of all log directories must agree with both, else the data belongs to another cluster or
another broker.
"""

from __future__ import annotations

import logging
import posixpath
import random
from typing import TYPE_CHECKING

from commitlog.config import properties
from commitlog.coordination import paths
from commitlog.coordination.client import Coordination, NodeExists, NoNode, ensure_path
from commitlog.coordination.documents import (
    decode_cluster_id,
    encode_cluster_id,
    is_reserved_uuid,
    random_uuid,
    uuid_to_text,
)
from commitlog.server.errors import StartupError

if TYPE_CHECKING:
    from commitlog.config.broker import BrokerConfig
    from commitlog.storage.disk import Disk

log = logging.getLogger("commitlog.server.identity")

META_PROPERTIES = "meta.properties"


async def make_permanent_paths(coordination: Coordination) -> None:
    for path in paths.PERSISTENT_PATHS:
        await ensure_path(coordination, path)


async def cluster_id(coordination: Coordination, rng: random.Random) -> str:
    """The id at /cluster/id, made now when there is none."""
    try:
        data, _ = await coordination.get(paths.CLUSTER_ID)
        return decode_cluster_id(data)
    except NoNode:
        pass
    value = random_uuid(rng.randbytes(16))
    while is_reserved_uuid(value):
        value = random_uuid(rng.randbytes(16))
    proposed = uuid_to_text(value)
    try:
        await coordination.create(paths.CLUSTER_ID, encode_cluster_id(proposed), make_parents=True)
    except NodeExists:
        data, _ = await coordination.get(paths.CLUSTER_ID)
        return decode_cluster_id(data)
    return proposed


async def broker_id(config: BrokerConfig, stored: int | None, coordination: Coordination) -> int:
    """The configured id, else the stored one, else a generated one above reserved.broker.max.id."""
    if config.broker_id >= 0:
        if stored is not None and stored != config.broker_id:
            raise StartupError(
                f"Configured broker.id {config.broker_id} doesn't match stored broker.id {stored} in "
                f"{META_PROPERTIES}. If you moved your data, make sure your configured broker.id matches. "
                "If you intend to create a new broker, you should remove all data in your data directories "
                "(log.dirs)."
            )
        return config.broker_id
    if stored is not None:
        return stored
    if not config.broker_id_generation_enable:
        raise StartupError(
            "broker.id is not set and broker.id.generation.enable is false: set broker.id in "
            "server.properties"
        )
    stat = await coordination.set(paths.BROKER_SEQUENCE_ID, b"")
    generated = stat.version + config.reserved_broker_max_id
    log.info("Generated broker.id %d", generated)
    return generated


def stored_identity(disk: Disk, log_dirs: list[str]) -> tuple[str | None, int | None]:
    """Cluster id and broker id of meta.properties, None where there is none; they must agree between
    directories."""
    clusters: dict[str, str] = {}
    brokers: dict[int, str] = {}
    for log_dir in log_dirs:
        path = posixpath.join(log_dir, META_PROPERTIES)
        try:
            stored = properties.parse(disk.read_bytes(path).decode("latin-1"))
        except OSError:
            continue
        if "cluster.id" in stored:
            clusters.setdefault(stored["cluster.id"], path)
        try:
            if "broker.id" in stored:
                brokers.setdefault(int(stored["broker.id"]), path)
        except ValueError:
            raise StartupError(f"{path}: broker.id {stored['broker.id']!r} is not a number") from None
    if len(brokers) > 1:
        found = ", ".join(f"{broker} in {path}" for broker, path in brokers.items())
        raise StartupError(
            f"BrokerId is not consistent across log.dirs: {found}. This could happen if multiple brokers "
            "shared a log directory or partial data was manually copied from another broker."
        )
    if len(clusters) > 1:
        found = ", ".join(f"{cluster} in {path}" for cluster, path in clusters.items())
        raise StartupError(f"cluster.id is not consistent across log.dirs: {found}")
    return next(iter(clusters), None), next(iter(brokers), None)


def check_cluster_id(actual: str, stored: str | None) -> None:
    if stored is not None and stored != actual:
        raise StartupError(
            f"The Cluster ID {actual} doesn't match stored clusterId {stored} in {META_PROPERTIES}. The "
            "broker is trying to join the wrong cluster. Configured zookeeper.connect may be wrong."
        )
