# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs a command beside a cluster of two brokers, told to it in a file of variables, as ansible-test integration reads one.

serve.py FILE COMMAND...
"""

from __future__ import annotations

import pathlib
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "broker_py"))  # its tests have the harness that starts brokers

from tests.jvm.cluster import PYTHON, MixedCluster

from tests import real_zookeeper


def main() -> int:
    variables, command = pathlib.Path(sys.argv[1]), sys.argv[2:]
    reason = real_zookeeper.missing()
    if reason is not None:
        sys.exit(f"no real ZooKeeper here: {reason}")
    with tempfile.TemporaryDirectory() as name:
        zookeeper = real_zookeeper.ZooKeeperProcess(pathlib.Path(name))
        try:
            cluster = MixedCluster(pathlib.Path(name), zookeeper, [PYTHON, PYTHON], {})
            try:
                cluster.start()
                variables.write_text(
                    f"kafka_bootstrap_servers: [{cluster.bootstrap.replace(',', ', ')}]\n"
                    f"kafka_zookeeper_connect: {cluster.connect_string}\n"
                    # The Python that has the modules' libraries.
                    f"ansible_python_interpreter: {sys.executable}\n"
                )
                return subprocess.run(command, check=False).returncode
            finally:
                cluster.close()
        finally:
            zookeeper.stop()


if __name__ == "__main__":
    sys.exit(main())
