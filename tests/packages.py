# SPDX-License-Identifier: Apache-2.0
"""Debian's packages that the tests use: ZooKeeper with a Java runtime, and kcat. Installed when root, else named in one line."""

from __future__ import annotations

import os
import pathlib
import shutil
import sys

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "vms"))

from progress import StepFailedError, Steps

ZOOKEEPER_JAR = pathlib.Path("/usr/share/java/zookeeper.jar")


def missing() -> list[str]:
    """The packages that are not here."""
    found = {
        "default-jre-headless": shutil.which("java") is not None,
        "libzookeeper-java": ZOOKEEPER_JAR.exists(),
        "kcat": shutil.which("kcat") is not None,
    }
    return [package for package, here in found.items() if not here]


def main() -> None:
    packages = missing()
    if not packages:
        return
    install = f"apt-get install --no-install-recommends {' '.join(packages)}"
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        print(f"Tests that need them will be skipped, since some packages are missing: {install}")
        return
    steps = Steps(1, ROOT / ".cache" / "logs" / "packages")
    command = f"apt-get update -qq && DEBIAN_FRONTEND=noninteractive {install} -y -qq"
    steps.run(f"Installing {', '.join(packages)} for the tests", ["sh", "-c", command])


if __name__ == "__main__":
    try:
        main()
    except StepFailedError:
        sys.exit(1)
