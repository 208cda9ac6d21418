# SPDX-License-Identifier: Apache-2.0
"""What the operating system says of processes, and the page cache made ready.

CPU times come from /proc: user and system time of the whole process, in ticks of 10 ms, so what is measured
must take much longer than that.
"""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Iterable
from pathlib import Path

_TICK_S = 1 / os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")
_CHUNK = bytes(8 << 20)


def cpu_seconds(pids: Iterable[int]) -> float:
    """User and system time that the processes have used so far."""
    total = 0
    for pid in pids:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        total += int(fields[11]) + int(fields[12])
    return total * _TICK_S


def resident_mb(pids: Iterable[int]) -> float:
    """Resident memory of the processes, files that they have mapped included."""
    pages = sum(int(Path(f"/proc/{pid}/statm").read_text().split()[1]) for pid in pids)
    return pages * _PAGE / 1e6


def settled_cpu_seconds(pids: list[int], quiet_s: float = 0.2, most_s: float = 5.0) -> float:
    """CPU time once the processes have finished what they still do after the last answer."""
    deadline = time.monotonic() + most_s
    before = cpu_seconds(pids)
    while time.monotonic() < deadline:
        time.sleep(quiet_s)
        now = cpu_seconds(pids)
        if now - before <= quiet_s * 0.1:
            return now
        before = now
    return before


def touch_page_cache(directory: Path, size: int) -> None:
    """Write and drop a file: memory that a virtual machine has never touched is ten times slower at first."""
    path = directory / "touched"
    with path.open("wb", buffering=0) as file:
        for _ in range(size // len(_CHUNK)):
            file.write(_CHUNK)
    path.unlink()


def describe() -> dict[str, str]:
    """The machine that figures are from."""
    model = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if line.startswith("model name")
        ),
        platform.processor(),
    )
    memory_kb = int(Path("/proc/meminfo").read_text().split()[1])
    return {
        "processor": model,
        "cores": str(os.cpu_count()),
        "memory": f"{memory_kb / 1e6:.0f} GB",
        "kernel": platform.release(),
        "python": platform.python_version(),
        "load before": f"{os.getloadavg()[0]:.2f}",
    }
