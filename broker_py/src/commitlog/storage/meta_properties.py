# SPDX-License-Identifier: Apache-2.0
"""`meta.properties`: whose log directory this is (MetaProperties, version 0 as ZooKeeper mode needs it).

Java properties: broker.id, version=0, cluster.id; other keys are kept. Written once, when a broker first
uses the directory. A directory of another broker or cluster is refused before anything in it is touched.
"""

from __future__ import annotations

import posixpath
import re
import time

from commitlog.storage.disk import Disk

FILE_NAME = "meta.properties"


class StorageError(Exception):
    """The data directory cannot be used: one line that names the file and why. Fatal at start."""


def read_meta_properties(disk: Disk, log_dir: str) -> dict[str, str] | None:
    """The keys and values; None when there is no file."""
    path = posixpath.join(log_dir, FILE_NAME)
    try:
        text = disk.read_bytes(path).decode("latin-1")
    except FileNotFoundError:
        return None
    properties: dict[str, str] = {}
    for line in text.splitlines():
        line = line.strip()
        if line and line[0] not in "#!":
            key, _, value = line.partition("=")
            properties[key.strip()] = re.sub(r"\\(.)", r"\1", value.strip())
    return properties


def stored_broker_id(disk: Disk, log_dirs: list[str]) -> int | None:
    """The broker id that the directories name, for a broker whose configuration has none (broker.id=-1)."""
    found: dict[int, str] = {}
    for log_dir in log_dirs:
        properties = read_meta_properties(disk, log_dir) or {}
        if "broker.id" in properties:
            found.setdefault(_broker_id(properties["broker.id"], log_dir), log_dir)
    if len(found) > 1:
        raise StorageError(f"broker.id differs between log.dirs: {found}")
    return next(iter(found), None)


def check_meta_properties(disk: Disk, log_dir: str, broker_id: int, cluster_id: str) -> bool:
    """Is the directory this broker's? False when it has no file yet. Raises StorageError."""
    properties = read_meta_properties(disk, log_dir)
    if properties is None:
        return False
    path = posixpath.join(log_dir, FILE_NAME)
    version = properties.get("version", "")
    if version != "0":
        raise StorageError(f"{path}: version is {version or 'missing'}, ZooKeeper mode needs version=0")
    stored = properties.get("broker.id")
    if stored is not None and _broker_id(stored, log_dir) != broker_id:
        raise StorageError(
            f"{path}: broker.id={stored} is stored, but the configuration has broker.id={broker_id}; if the "
            "data was moved, configure its broker.id, for a new broker use an empty directory"
        )
    if properties.get("cluster.id", cluster_id) != cluster_id:
        raise StorageError(
            f"{path}: cluster.id={properties['cluster.id']} is stored, but the cluster at zookeeper.connect "
            f"has cluster.id={cluster_id}; the broker is trying to join the wrong cluster"
        )
    return "broker.id" in properties and "cluster.id" in properties


def write_meta_properties(disk: Disk, log_dir: str, broker_id: int, cluster_id: str, now_ms: int) -> None:
    """Make the directory this broker's, keeping keys that are not ours."""
    properties = read_meta_properties(disk, log_dir) or {}
    properties |= {"broker.id": str(broker_id), "version": "0", "cluster.id": cluster_id}
    date = time.strftime("%a %b %d %H:%M:%S UTC %Y", time.gmtime(now_ms / 1000))
    lines = ["#", f"#{date}", *(f"{key}={_escape(value)}" for key, value in properties.items())]
    disk.write_atomic(posixpath.join(log_dir, FILE_NAME), ("\n".join(lines) + "\n").encode("latin-1"))


def _broker_id(text: str, log_dir: str) -> int:
    try:
        return int(text)
    except ValueError:
        path = posixpath.join(log_dir, FILE_NAME)
        raise StorageError(f"{path}: broker.id={text} is not a number") from None


def _escape(value: str) -> str:
    return re.sub(r"([\\:=#!])", r"\\\1", value)
