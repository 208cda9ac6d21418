# SPDX-License-Identifier: Apache-2.0
"""Sum up a partition's log below an offset: number of batches and records, bytes, and their SHA-256.

    log_digest.py DIRECTORY OFFSET

Reads record batches v2 by their header alone (base offset, length, ..., count at byte 57),
so that it shares nothing with the broker that wrote them.
"""

import hashlib
import json
import pathlib
import struct
import sys


def main():
    directory, limit = pathlib.Path(sys.argv[1]), int(sys.argv[2])
    digest = hashlib.sha256()
    batches = records = size = 0
    for segment in sorted(directory.glob("*.log")):
        data = segment.read_bytes()
        position = 0
        while position + 61 <= len(data):
            base_offset, length = struct.unpack_from(">qi", data, position)
            if base_offset >= limit:
                break
            (count,) = struct.unpack_from(">i", data, position + 57)
            end = position + 12 + length
            digest.update(data[position:end])
            batches, records, size, position = batches + 1, records + count, size + 12 + length, end
    print(json.dumps({"batches": batches, "records": records, "bytes": size, "sha256": digest.hexdigest()}))


main()
