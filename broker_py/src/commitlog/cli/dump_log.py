# SPDX-License-Identifier: Apache-2.0
"""kafka-dump-log.sh: what is in the files of a log (Kafka's `DumpLogSegments`). Reads files, asks nobody."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence

from commitlog.cli import terminal
from commitlog.cli.dump_log_options import OPTIONS, SUMMARY
from commitlog.cli.jopt import Parsed, check_required

DECODERS = (
    "offsets-decoder",
    "transaction-log-decoder",
    "cluster-metadata-decoder",
    "remote-log-metadata-decoder",
)
PRINTING = ("print-data-log", *DECODERS, "value-decoder-class", "key-decoder-class")


def main(arguments: Sequence[str] | None = None) -> int:
    return terminal.run_tool(_main, arguments, summary=SUMMARY, options=OPTIONS)


def _main(parsed: Parsed) -> int:
    from commitlog.cli.dump_indexes import IndexDump, dump_snapshot, dump_transactions
    from commitlog.cli.dump_records import RecordDump
    from commitlog.cli.topics_errors import ToolError

    check_required(parsed, "files")
    records, indexes = RecordDump(parsed), IndexDump(parsed)
    dumps: dict[str, Callable[[str], None]] = {
        ".log": records.dump,
        ".checkpoint": records.dump,
        ".index": indexes.dump_offsets,
        ".timeindex": indexes.dump_times,
        ".snapshot": dump_snapshot,
        ".txnindex": dump_transactions,
    }
    for path in (parsed.only("files") or "").split(","):
        print(f"Dumping {path}")
        name = os.path.basename(path)
        dump = dumps.get(name[name.rfind(".") :]) if "." in name else None
        if dump is None:
            sys.stdout.flush()
            print(f"Ignoring unknown file {path}", file=sys.stderr)
            continue
        try:
            dump(path)
        except OSError as error:
            raise ToolError(f"{error.filename} ({error.strerror})") from None
    sys.stdout.flush()
    for line in (*indexes.complaints(), *records.complaints()):
        print(line, file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
