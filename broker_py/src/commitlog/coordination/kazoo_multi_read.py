# SPDX-License-Identifier: Apache-2.0
"""The data of many znodes by one request, which kazoo has not (OpCode.multiRead of ZooKeeper 3.6 and later,
ZOOKEEPER-3402): a controller that takes over reads the state of every partition, and kazoo's cost is by
request."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from kazoo.client import KazooClient
from kazoo.exceptions import EXCEPTIONS, MarshallingError
from kazoo.protocol.serialization import GetData, MultiHeader, int_struct, multiheader_struct, stat_struct

READS_PER_REQUEST = 256
"""With the longest paths a tenth of what a server takes as one request."""
_ERROR = -1


class MultiRead:
    """A request as kazoo's connection knows them: its type, how it is written, how its answer is read."""

    type = 22

    def __init__(self, paths: Sequence[str]) -> None:
        self._paths = paths

    def __repr__(self) -> str:
        return f"MultiRead({len(self._paths)} paths from {self._paths[0]})"

    def send(self, client: KazooClient) -> Any:
        """kazoo's result object, for a list of what ``deserialize`` gives."""
        result = client.handler.async_result()
        client._call(self, result)
        return result

    def serialize(self) -> bytes:
        one = multiheader_struct.pack(GetData.type, False, -1)
        reads = [one + GetData(path, None).serialize() for path in self._paths]
        return b"".join([*reads, multiheader_struct.pack(-1, True, -1)])

    @classmethod
    def deserialize(cls, answer: bytes, offset: int) -> list[Any]:
        """For each path, in their order, (data or None, kazoo's stat), or kazoo's exception."""
        results: list[Any] = []
        header, offset = MultiHeader.deserialize(answer, offset)
        while not header.done:
            if header.type == GetData.type:
                results.append(GetData.deserialize(answer, offset))
                offset += (
                    int_struct.size + max(0, int_struct.unpack_from(answer, offset)[0]) + stat_struct.size
                )
            elif header.type == _ERROR:
                results.append(EXCEPTIONS[int_struct.unpack_from(answer, offset)[0]]())
                offset += int_struct.size
            else:
                raise MarshallingError(f"multiRead answers with a result of type {header.type}")
            header, offset = MultiHeader.deserialize(answer, offset)
        return results
