# SPDX-License-Identifier: Apache-2.0
"""Make the virtual environment with the pinned tools, from Python alone and, as root on Debian, apt.

Does nothing when it is there.

venv.py DIRECTORY
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

from progress import StepFailedError, Steps

ROOT = Path(__file__).resolve().parent.parent
# What the environment is made of: when one changes, it is brought up to date.
INGREDIENTS = ("requirements-dev.txt", "broker_py/pyproject.toml")
OLDEST = (3, 11)


def can_make_environments() -> bool:
    return subprocess.run([sys.executable, "-c", "import ensurepip, venv"], capture_output=True, check=False).returncode == 0


def ingredients_digest() -> str:
    return hashlib.sha256(b"".join((ROOT / name).read_bytes() for name in INGREDIENTS)).hexdigest()


def main() -> None:
    directory = Path(sys.argv[1])
    stamp = directory / "ingredients.sha256"
    digest = ingredients_digest()
    if stamp.is_file() and stamp.read_text() == digest:
        return
    if sys.version_info < OLDEST:
        sys.exit(f"make: python3 is {sys.version.split()[0]}; 3.11 or newer is needed: make PYTHON=python3.11 ...")
    pip = [str(directory / "bin" / "python"), "-m", "pip", "--disable-pip-version-check", "install"]
    todo = [
        ("Installing the pinned tools", [*pip, "--requirement", str(ROOT / "requirements-dev.txt")]),
        ("Installing the broker's source", [*pip, "--editable", str(ROOT / "broker_py")]),
    ]
    if not (directory / "bin" / "python").exists():
        todo.insert(0, (f"Creating {directory}", [sys.executable, "-m", "venv", str(directory)]))
    if not can_make_environments():
        if os.geteuid() != 0 or shutil.which("apt-get") is None:
            sys.exit("make: Python cannot make virtual environments here; install what is missing: apt-get install python3-venv")
        apt = "apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends python3-venv"
        todo.insert(0, ("Installing python3-venv", ["sh", "-c", apt]))
    steps = Steps(len(todo), ROOT / ".cache" / "logs" / "venv")
    steps.say(f"Bringing the tools in {directory} up to date; later runs find them there.")
    for title, command in todo:
        steps.run(title, command)
    stamp.write_text(digest)


if __name__ == "__main__":
    try:
        main()
    except StepFailedError:
        sys.exit(1)
