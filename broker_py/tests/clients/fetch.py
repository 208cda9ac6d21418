# SPDX-License-Identifier: Apache-2.0
"""`make client-libs`: the clients that are not in .venv, at their pinned versions, and their drivers, into
.cache/clients.

Each needs its runtime (node and npm, go, a JDK and mvn); without it the client is left out, aloud. What is
there already, made of the same files, is not made again.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from tests.clients.roster import CACHE, HERE, JAVA_VERSIONS, NODE

Maker = Callable[[], None]


def run(*command: str | Path, cwd: Path, **environment: str) -> None:
    done = subprocess.run(
        [str(each) for each in command],
        cwd=cwd,
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(
            f"{' '.join(map(str, command))} ended with {done.returncode}:\n{done.stdout[-3000:]}"
        )


def make_node() -> None:
    """package-lock.json pins everything; nothing is compiled, since no install script runs (.npmrc)."""
    NODE.mkdir(parents=True, exist_ok=True)
    for path in node_files():
        shutil.copy(path, NODE / path.name)
    run("npm", "ci", "--loglevel", "error", cwd=NODE)


def make_go() -> None:
    """go.sum pins everything."""
    (CACHE / "go").mkdir(parents=True, exist_ok=True)
    for name, package in (("franz-go", "franz"), ("sarama", "sarama")):
        run("go", "build", "-o", CACHE / "go" / name, f"./{package}", cwd=HERE / "go", CGO_ENABLED="0")


def java_maker(version: str, sources: Sequence[Path]) -> Maker:
    libs, classes = CACHE / f"java-{version}", CACHE / f"java-{version}-classes"

    def make() -> None:
        copy = ["dependency:copy-dependencies", "-DincludeScope=runtime", f"-DoutputDirectory={libs}"]
        run("mvn", "-q", "-B", "-f", HERE / "java" / "pom.xml", "-P", version, *copy, cwd=HERE)
        compiler = ["javac", "-nowarn", "-Xlint:none", "-cp", f"{libs}/*", "-d", str(classes)]
        run(*compiler, *sources, cwd=HERE)

    return make


def node_files() -> list[Path]:
    return [
        HERE / "node" / ".npmrc",
        *sorted((HERE / "node").glob("*.json")),
        *sorted((HERE / "node").glob("*.mjs")),
    ]


def java_files(version: str) -> list[Path]:
    java = HERE / "java"
    if version.startswith("0."):
        return [java / "Driving.java", java / "OldDriver.java"]
    folder = "until-2.2" if version < "2.3" else "since-2.4"
    return [java / "Driving.java", java / "Driver.java", java / folder / "Versioned.java"]


def fetch(name: str, programs: Sequence[str], inputs: Sequence[Path], make: Maker) -> None:
    if lacking := [program for program in programs if shutil.which(program) is None]:
        print(f"SKIPPED: {name}: {', '.join(lacking)} not on the path")
        return
    stamp = CACHE / f"{name}.made-of"
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in inputs)).hexdigest()
    if stamp.exists() and stamp.read_text() == digest:
        return
    print(f"Fetching and building {name}", flush=True)
    stamp.unlink(missing_ok=True)
    make()
    stamp.write_text(digest)


def main() -> int:
    CACHE.mkdir(parents=True, exist_ok=True)
    go_files = [
        path for suffix in ("mod", "sum", "go") for path in sorted((HERE / "go").rglob(f"*.{suffix}"))
    ]
    wanted: list[tuple[str, list[str], list[Path], Maker]] = [
        ("node", ["node", "npm"], node_files(), make_node),
        ("go", ["go"], go_files, make_go),
    ]
    for version in JAVA_VERSIONS:
        sources = java_files(version)
        inputs = [HERE / "java" / "pom.xml", *sources]
        wanted.append((f"java-{version}", ["java", "javac", "mvn"], inputs, java_maker(version, sources)))
    failed = False
    for name, programs, inputs, make in wanted:
        try:
            fetch(name, programs, inputs, make)
        except (RuntimeError, OSError) as error:
            failed = True
            print(f"FAILED: {name}: {error}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
