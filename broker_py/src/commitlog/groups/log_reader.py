# SPDX-License-Identifier: Apache-2.0
"""Reading a coordinator's partition from its first record to its last, for groups and transactions alike.

The log is read in pieces of the topic's load.buffer.size in a worker thread, and other work of the broker
goes on in between (GroupMetadataManager.doLoadGroupsAndOffsets,
TransactionStateManager.loadTransactionMetadata).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from commitlog.records.batch import (
    BatchHeader,
    CorruptBatch,
    Record,
    check_crc,
    decode_records,
    iterate_headers,
)
from commitlog.storage.log import Log
from commitlog.wire.regions import FileRegion

RECORDS_BETWEEN_YIELDS = 500
"""About 5 ms of work, after which the loop serves others."""


async def read_log(
    log: Log,
    buffer_size: int,
    is_wanted: Callable[[], bool],
    apply: Callable[[BatchHeader, Sequence[Record]], None],
) -> bool:
    """Give every batch to `apply`, up to the log's end, also what is appended meanwhile; False when it is
    no longer wanted.

    Raises CorruptBatch, and OSError when the log cannot be read.
    """
    loop = asyncio.get_running_loop()
    name = f"{log.topic}-{log.partition}"
    offset = log.log_start_offset
    done = 0
    while offset < log.log_end_offset:
        begin = offset
        piece = log.read(offset, buffer_size, upper_offset=log.log_end_offset)
        if not piece.size:
            break
        data = await loop.run_in_executor(None, _read_regions, piece.regions)
        if not is_wanted():
            return False
        for position, header in iterate_headers(data):
            if not check_crc(data, position, header):
                raise CorruptBatch(f"Batch at offset {header.base_offset} of {name} has a wrong CRC")
            if header.next_offset <= offset:
                continue  # the batch that contains the offset asked for may begin before it
            records = decode_records(data, position, header)
            apply(header, records)
            offset = header.next_offset
            done += len(records)
            if done >= RECORDS_BETWEEN_YIELDS:
                done = 0
                await asyncio.sleep(0)
                if not is_wanted():
                    return False
        if offset == begin:
            raise CorruptBatch(f"No whole batch at offset {offset} of {name}")
    return True


def _read_regions(regions: Sequence[FileRegion]) -> bytes:
    return b"".join(region.read() for region in regions)
