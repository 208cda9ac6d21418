# SPDX-License-Identifier: Apache-2.0
"""Bad requests for a while: `python -m tests.fuzz.run [--minutes 15] [--seed 0]`.

What is found is printed with its seed, and the frame is kept in tests/fuzz/corpus, where the tests replay it
from then on.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import random
import resource
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from commitlog.apis.registry import served_apis
from commitlog.wire.api_keys import ApiKey
from commitlog.wire.messages import request_class
from tests.fuzz.frames import LIES, Drawer
from tests.fuzz.target import running_target

CORPUS = Path(__file__).parent / "corpus"
FRAMES_PER_BROKER = 2_000
BROKERS_ONLY = {
    ApiKey.LEADER_AND_ISR,
    ApiKey.STOP_REPLICA,
    ApiKey.UPDATE_METADATA,
    ApiKey.CONTROLLED_SHUTDOWN,
}
"""They change who leads what, and every later frame is told NOT_LEADER: drawn last."""
MEMORY_BYTES = 3 * 2**30


def frames(seed: int, count: int, topic_ids: list[bytes]) -> Iterator[tuple[bytes, int | None]]:
    """Frames of every API, each with the size that is sent before it when that lies."""
    rng = random.Random(seed)
    drawer = Drawer(rng)
    drawer.topic_ids = topic_ids
    apis = served_apis()
    ordinary = [api for key, api in apis.items() if key not in BROKERS_ONLY]
    last = [api for key, api in apis.items() if key in BROKERS_ONLY]
    for number in range(count):
        choices = last if number > count * 0.9 and rng.random() < 0.5 else ordinary
        api = rng.choice(choices)
        frame = drawer.frame(request_class(int(api.key)).SCHEMA, api.min_version, api.max_version)
        lie = int.from_bytes(rng.choice(LIES[:3]), "big", signed=True) if rng.random() < 0.01 else None
        yield frame, lie


def keep(frame: bytes, why: str) -> Path:
    """The frame as a file of the corpus: why, then its bytes in hexadecimal."""
    key = int.from_bytes(frame[:2], "big")
    name = ApiKey(key).name.lower() if key in set(ApiKey) else f"key{key}"
    path = CORPUS / f"{name}-{hashlib.sha256(frame).hexdigest()[:8]}.hex"
    reason = why.strip().splitlines()
    path.write_text(f"# {reason[-1][:200]}\n{frame.hex(' ', 32).replace(' ', chr(10))}\n")
    return path


def corpus() -> list[Path]:
    return sorted(CORPUS.glob("*.hex"))


def load_frame(path: Path) -> bytes:
    return bytes.fromhex("".join(line for line in path.read_text().splitlines() if not line.startswith("#")))


async def one_broker(seed: int, count: int) -> list[tuple[bytes, str]]:
    """What `count` frames of a seed find in a fresh broker."""
    found: list[tuple[bytes, str]] = []
    # A broker's thread may still create a file of what has just been deleted.
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
        async with running_target(Path(name)) as target:
            for frame, lie in frames(seed, count, target.topic_ids):
                found += [(frame, complaint) for complaint in await target.send(frame, size=lie)]
            if not await target.is_well():
                found.append((b"", "the broker does not serve another client"))
            found += [(b"", complaint) for complaint in target.complaints()]
    return found


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz.run")
    parser.add_argument("--minutes", type=float, default=15)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    end = time.monotonic() + arguments.minutes * 60
    seed = arguments.seed
    known: set[str] = set()
    while time.monotonic() < end:
        for frame, complaint in asyncio.run(one_broker(seed, FRAMES_PER_BROKER)):
            last = complaint.strip().splitlines()
            place = "".join(line for line in last if line.startswith("  File"))[-300:] + last[-1][:60]
            if place not in known:
                known.add(place)
                kept = keep(frame, complaint) if frame else "no frame"
                print(f"--- seed {seed}, {kept}\n{complaint}\n", flush=True)
        print(f"seed {seed}: {FRAMES_PER_BROKER} frames, {len(known)} findings so far", flush=True)
        seed += 1
    return 1 if known else 0


if __name__ == "__main__":
    sys.exit(main())
