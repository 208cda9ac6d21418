# SPDX-License-Identifier: Apache-2.0
"""Build the broker's wheel and gather the wheels it depends on for one kind of host, on the controller.

Brokers' hosts are often without a package index, so what they install comes from here. Prints one JSON object: `version`,
`archive` (the wheels to ship, in one file), `changed`. What was made is kept in the cache under a name made of all that went
into it, so a second run, or the second of a hundred hosts of one kind, does nothing; a lock keeps two runs from making the
same thing.

The version carries a digest of the source as its local part (0.1.0+1a2b3c4d5e6f): changed source is another version, to pip
as well. In the built collection there is no source, and the wheel is the one beside this file.
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

KEPT = 6  # of each kind, the newest, stay in the cache
NOT_SOURCE = ("__pycache__", "*.pyc", "*.egg-info", "build", "dist", "tests", ".*")
VERSION_LINE = re.compile(r'^version = "([^"+]+)"$', re.MULTILINE)


class WheelhouseError(Exception):
    """Says in one line what is wrong."""


def source_files(source: Path) -> list[Path]:
    """The files that make the wheel, in a stable order."""
    files = [source / "pyproject.toml"]
    for path in (source / "src").rglob("*"):
        parts = path.relative_to(source).parts
        if path.is_file() and "__pycache__" not in parts and not any(part.endswith(".egg-info") for part in parts):
            files.append(path)
    return sorted(files)


def source_version(source: Path) -> str:
    found = VERSION_LINE.search((source / "pyproject.toml").read_text())
    if not found:
        raise WheelhouseError(f'{source / "pyproject.toml"}: no line of the form version = "0.1.0"')
    digest = hashlib.sha256()
    for path in source_files(source):
        content = path.read_bytes()
        digest.update(f"{path.relative_to(source)}\0{len(content)}\0".encode() + content)
    return f"{found.group(1)}+{digest.hexdigest()[:12]}"


def run(command: list[str], what: str) -> None:
    environment = {**os.environ, "SOURCE_DATE_EPOCH": "1577836800", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    if done.returncode != 0:
        lines = (done.stderr or done.stdout).strip().splitlines()
        errors = [line for line in lines if line.startswith("ERROR")] or lines[-3:]
        raise WheelhouseError(f"{what} failed: {' | '.join(errors)}")


def build_wheel(source: Path, version: str, into: Path) -> None:
    """Build from a copy, so that nothing is left in the source tree."""
    with tempfile.TemporaryDirectory() as scratch:
        copy = Path(scratch) / "source"
        shutil.copytree(source, copy, ignore=shutil.ignore_patterns(*NOT_SOURCE))
        project = copy / "pyproject.toml"
        project.write_text(VERSION_LINE.sub(f'version = "{version}"', project.read_text(), count=1))
        pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", f"--wheel-dir={into}", str(copy)]
        run(pip, f"building the wheel from {source}")


def platforms(target: dict[str, str]) -> list[str]:
    """The platform tags that the host accepts, the newest first (PEP 600, PEP 656)."""
    machine = target["machine"]
    if target["libc"] != "glibc":
        return [f"musllinux_1_{minor}_{machine}" for minor in (2, 1)]
    minor = int(target["libc_version"].split(".")[1])
    tags = [f"manylinux_2_{number}_{machine}" for number in range(minor, 4, -1)]
    return [*tags, f"manylinux2014_{machine}", f"manylinux2010_{machine}", f"manylinux1_{machine}"]


def download(wheel: Path, arguments: argparse.Namespace, target: dict[str, str], into: Path) -> None:
    abi = target["implementation"] + target["python"].replace(".", "")
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--only-binary=:all:", f"--dest={into}"]
    command += [f"--python-version={target['python']}", f"--implementation={target['implementation']}"]
    command += [f"--abi={name}" for name in (abi, "abi3", "none")]
    command += [f"--platform={tag}" for tag in platforms(target)]
    command += [f"--constraint={arguments.constraints}"]
    extras = f"[{arguments.extras}]" if arguments.extras else ""
    command += [f"{wheel}{extras}"]
    run(command, f"gathering wheels for {target['tag']}")


def known_hashes(path: Path) -> set[str]:
    """The digests in a requirements file of pip."""
    return set(re.findall(r"--hash=sha256:([0-9a-f]{64})", path.read_text()))


def check_hashes(wheels: Path, broker: Path, hashes: Path) -> None:
    """Whatever index the wheels came from, they must be those that this release was tested with. pip's own check
    wants every requirement in one file, and what is asked for here is a wheel made a moment ago."""
    known = known_hashes(hashes)
    for wheel in sorted(wheels.iterdir()):
        digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
        if digest not in known and wheel.name != broker.name:
            raise WheelhouseError(
                f"{wheel.name}: its SHA-256 {digest} is not in {hashes}. The index gave another file than this release was "
                f"tested with; take another index, or add the hash after you have made sure of the file"
            )


@contextlib.contextmanager
def locked(cache: Path) -> Iterator[None]:
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@contextlib.contextmanager
def made_whole(directory: Path) -> Iterator[Path]:
    """A directory to fill, which gets its name only when it is complete; the oldest of its kind make room."""
    directory.parent.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(dir=directory.parent))
    try:
        yield scratch
        scratch.chmod(0o755)
        scratch.rename(directory)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    for old in sorted(directory.parent.iterdir(), key=lambda path: path.stat().st_mtime)[:-KEPT]:
        shutil.rmtree(old)


def bundled_wheel(directory: Path) -> Path:
    wheels = sorted(directory.glob("commitlog-*.whl"))
    if len(wheels) != 1:
        raise WheelhouseError(f"{directory}: {len(wheels)} wheels of the broker, and no source of it; one is wanted")
    return wheels[0]


def broker_wheel(source: Path, bundled: Path, cache: Path, dry_run: bool) -> tuple[str, Path | None, bool]:
    """Version and file of the broker's wheel, and whether it was built now; no file in a dry run that would build it."""
    if not (source / "pyproject.toml").is_file():
        wheel = bundled_wheel(bundled)
        return wheel.name.split("-")[1], wheel, False
    version = source_version(source)
    wheels = cache / "wheels" / version
    build = not dry_run and not wheels.is_dir()
    if build:
        with made_whole(wheels) as scratch:
            build_wheel(source, version, scratch)
    return version, next(wheels.glob("*.whl"), None), build


def gather(arguments: argparse.Namespace) -> dict[str, object]:
    cache = Path(arguments.cache)
    version, wheel, changed = broker_wheel(Path(arguments.source), Path(arguments.bundled), cache, arguments.dry_run)
    if arguments.dry_run or wheel is None:
        return {"version": version, "archive": "", "changed": False}
    target = json.loads(arguments.target)
    files = [wheel.read_bytes(), Path(arguments.constraints).read_bytes(), Path(arguments.hashes).read_bytes()]
    name = hashlib.sha256(repr([*files, arguments.extras, arguments.target]).encode()).hexdigest()[:12]
    directory = cache / "wheelhouses" / f"{target['tag']}-{name}"
    if not directory.is_dir():
        with made_whole(directory) as scratch, tempfile.TemporaryDirectory() as wheels:
            download(wheel.resolve(), arguments, target, Path(wheels))
            check_hashes(Path(wheels), wheel, Path(arguments.hashes))
            # One file to ship. Wheels are compressed already.
            with zipfile.ZipFile(scratch / "wheels.zip", "w", zipfile.ZIP_STORED) as archive:
                for path in sorted(Path(wheels).iterdir()):
                    archive.write(path, path.name)
        changed = True
    return {"version": version, "archive": str(directory / "wheels.zip"), "changed": changed}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--source", default="/nonexistent", help="directory of the broker's source, used when it is there")
    parser.add_argument("--bundled", required=True, help="directory of the wheel to use where there is no source")
    parser.add_argument("--cache", help="where to keep what was made")
    parser.add_argument("--constraints", help="pip constraints: the tested versions")
    parser.add_argument("--hashes", help="digests of the files of those versions")
    parser.add_argument("--extras", default="", help="extras of the package, joined by commas")
    parser.add_argument("--target", help="what survey.py said of the host's Python")
    parser.add_argument("--dry-run", action="store_true", help="only say which version it would be")
    parser.add_argument("--build-into", metavar="DIRECTORY", help="only build the wheel, here, in place of an earlier one")
    arguments = parser.parse_args()
    try:
        if arguments.build_into:
            into = Path(arguments.build_into)
            for old in into.glob("commitlog-*.whl"):
                old.unlink()
            build_wheel(Path(arguments.source), source_version(Path(arguments.source)), into)
            result: dict[str, object] = {"version": bundled_wheel(into).name.split("-")[1], "changed": True}
        else:
            with locked(Path(arguments.cache)) if not arguments.dry_run else contextlib.nullcontext():
                result = gather(arguments)
    except (WheelhouseError, OSError) as error:
        sys.exit(f"wheelhouse: {error}")
    print(json.dumps(result))


if __name__ == "__main__":
    main()
