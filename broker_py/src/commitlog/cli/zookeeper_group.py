# SPDX-License-Identifier: Apache-2.0
"""What a 0.8 consumer finds and leaves in ZooKeeper: the brokers, and its group's offsets.

/brokers/ids/<id> has a broker's host and port; /consumers/<group>/offsets/<topic>/<partition> has the next
offset as decimal text (ZkUtils and ZookeeperConsumerConnector of Kafka 0.8). Such a consumer also registers
itself and its partitions there to share them with others of its group; a console consumer reads them all.
"""

from __future__ import annotations

import contextlib
import json
import logging
import warnings
from collections.abc import Mapping
from types import TracebackType
from typing import Self

from kazoo.client import KazooClient
from kazoo.exceptions import KazooException, NoNodeError, NotEmptyError
from kazoo.handlers.threading import KazooTimeoutError

from commitlog.cli.topics_errors import ToolError
from commitlog.coordination import paths
from commitlog.coordination.kazoo_words import unresolvable_hosts

CONNECTION_TIMEOUT_S = 30.0
TopicPartition = tuple[str, int]


def _quiet_logger() -> logging.Logger:
    """kazoo reconnects by itself; what it has to say on the way is not for people at a terminal."""
    logger = logging.Logger("kazoo")
    logger.addHandler(logging.NullHandler())
    return logger


class ZooKeeperGroup:
    """One group's corner of an ensemble. Whatever ZooKeeper refuses is a ToolError."""

    def __init__(self, connect_string: str, group: str, *, is_kept: bool) -> None:
        """`is_kept`: offsets are written; a group that was made up for this once leaves nothing behind."""
        unknown = unresolvable_hosts(connect_string)
        if unknown:
            raise ToolError(
                f"Unable to connect to ZooKeeper at {connect_string}: unknown host {', '.join(unknown)}"
            )
        self._connect_string = connect_string
        self._group = group
        self._is_kept = is_kept
        self._client = KazooClient(connect_string, logger=_quiet_logger())

    def __enter__(self) -> Self:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # a chroot that is not there shows in what is not found
                self._client.start(CONNECTION_TIMEOUT_S)
        except KazooTimeoutError:
            raise ToolError(
                f"Unable to connect to ZooKeeper at {self._connect_string} within "
                f"{CONNECTION_TIMEOUT_S:.0f} s"
            ) from None
        return self

    def __exit__(
        self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None
    ) -> None:
        self._client.stop()
        self._client.close()

    def bootstrap_servers(self) -> str:
        """Host and port of every broker that is registered, as 0.8 reads them."""
        found: list[str] = []
        try:
            ids = self._client.get_children(paths.BROKER_IDS)
        except NoNodeError:
            ids = []
        for broker_id in sorted(ids, key=int):
            with contextlib.suppress(NoNodeError):
                registration = json.loads(self._client.get(f"{paths.BROKER_IDS}/{broker_id}")[0])
                found.append(f"{registration['host']}:{registration['port']}")
        if not found:
            raise ToolError(f"no broker is registered in ZooKeeper at {self._connect_string}")
        return ",".join(found)

    def forget(self) -> None:
        """Delete all that is known of the group: --from-beginning means the beginning."""
        with contextlib.suppress(NoNodeError, NotEmptyError):
            self._client.delete(paths.consumer_group(self._group), recursive=True)

    def offset(self, partition: TopicPartition) -> int | None:
        """Where the group goes on, None where it has not been."""
        path = paths.consumer_offset(self._group, *partition)
        try:
            text = self._client.get(path)[0].decode()
        except NoNodeError:
            return None
        if not text.strip().isdecimal():
            raise ToolError(f"{path} in ZooKeeper should hold an offset, it holds {text!r}")
        return int(text)

    def commit(self, positions: Mapping[TopicPartition, int]) -> None:
        """Write where the group will go on."""
        if not self._is_kept:
            return
        for partition, offset in positions.items():
            path = paths.consumer_offset(self._group, *partition)
            data = str(offset).encode()
            try:
                self._client.ensure_path(path)
                self._client.set(path, data)
            except KazooException as error:
                raise ToolError(f"could not write offset {offset} to {path}: {error}") from None
