# SPDX-License-Identifier: Apache-2.0
"""Runs one role on hosts that are directories of this machine, and says what changed."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Outcome:
    status: int
    output: str

    @property
    def changed(self) -> int:
        """Changed tasks of all hosts."""
        return sum(int(number) for number in re.findall(r"changed=(\d+)", self.output))


def apply_role(
    role: str, tmp_path: Path, hosts: dict[str, dict[str, Any]], *flags: str, tasks_from: str = "main", **variables: Any
) -> Outcome:
    """Apply a role to hosts (name to variables), all connected to locally."""
    tmp_path.joinpath("hosts.yml").write_text(
        json.dumps({"all": {"children": {"kafka": {"hosts": hosts}, "zookeeper": {"hosts": hosts}}}})
    )
    tasks = [{"ansible.builtin.include_role": {"name": f"commitlog.kafka.{role}", "tasks_from": tasks_from}}]
    play = {"hosts": "all", "gather_facts": True, "gather_subset": ["!all", "min"], "tasks": tasks}
    tmp_path.joinpath("play.yml").write_text(json.dumps([play]))
    connection = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
    command = [
        str(Path(sys.executable).parent / "ansible-playbook"),
        "-i",
        str(tmp_path / "hosts.yml"),
        str(tmp_path / "play.yml"),
    ]
    environment = {**os.environ, "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), "ANSIBLE_NOCOLOR": "1"}
    command += ["--extra-vars", json.dumps({**connection, **variables}), *flags]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False, timeout=100)
    return Outcome(done.returncode, done.stdout + done.stderr)
