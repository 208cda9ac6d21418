# SPDX-License-Identifier: Apache-2.0
"""What a host says of itself in one go, so that a run that finds nothing to do asks nothing more."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

ROLES = Path(__file__).resolve().parents[2] / "roles"


def survey(home: Path, directories: dict[str, list[str]] | None = None, distribution: str = "commitlog") -> dict[str, Any]:
    asked = {
        "home": str(home),
        "service": "kafka",
        "manager": "process",
        "distribution": distribution,
        "files": [str(home / "config" / "server.properties")],
        "links": [str(home / "libs" / "venv")],
        "directories": directories or {},
    }
    command = [sys.executable, str(ROLES / "service" / "files" / "survey.py"), json.dumps(asked)]
    return json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def link_tools(home: Path, distribution: str, mode: str = "link") -> list[str]:
    command = ["sh", str(ROLES / "broker" / "files" / "link_tools.sh"), str(home), distribution, mode]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()


def program(home: Path, place: str, *tools: str) -> None:
    (home / "bin").mkdir(parents=True, exist_ok=True)
    (home / place / "bin").mkdir(parents=True)
    for tool in tools:
        (home / place / "bin" / tool).write_text("#!/bin/sh\n")


def test_a_host_without_anything_says_so(tmp_path: Path) -> None:
    said = survey(tmp_path / "none", {str(tmp_path / "none"): ["", "", "0755"]})
    assert said["state"] == "inactive"
    assert said["installed"] == []
    assert said["wrong_directories"] == [str(tmp_path / "none")]
    assert list(said["files"].values()) == [""]


def test_directories_are_told_by_owner_and_mode(tmp_path: Path) -> None:
    tmp_path.chmod(0o750)
    owner = str(os.stat(tmp_path).st_uid)
    assert survey(tmp_path, {str(tmp_path): [owner, "", "0750"]})["wrong_directories"] == []
    assert survey(tmp_path, {str(tmp_path): [owner, "", "0755"]})["wrong_directories"] == [str(tmp_path)]
    assert survey(tmp_path, {str(tmp_path): ["nobody-of-this-name", "", "0750"]})["wrong_directories"] == [str(tmp_path)]


def test_survey_and_link_tools_agree_on_what_is_wrong(tmp_path: Path) -> None:
    program(tmp_path, "libs/venv", "kafka-topics.sh", "kafka-acls.sh")
    (tmp_path / "bin" / "gone.sh").symlink_to("../libs/venv/bin/gone.sh")
    wrong = ["gone.sh", "kafka-acls.sh", "kafka-topics.sh"]
    assert survey(tmp_path)["wrong_tools"] == sorted(link_tools(tmp_path, "commitlog", "check")) == wrong
    assert sorted(link_tools(tmp_path, "commitlog")) == wrong
    assert survey(tmp_path)["wrong_tools"] == link_tools(tmp_path, "commitlog") == []
    assert (tmp_path / "bin" / "kafka-acls.sh").resolve() == tmp_path / "libs/venv/bin/kafka-acls.sh"


def test_the_names_in_bin_follow_the_distribution(tmp_path: Path) -> None:
    program(tmp_path, "libs/venv", "kafka-topics.sh", "kafka-only-ours.sh")
    link_tools(tmp_path, "commitlog")
    program(tmp_path, "apache/current", "kafka-topics.sh")
    (tmp_path / "apache" / "run-tool.sh").write_text("")
    assert survey(tmp_path, distribution="apache")["wrong_tools"] == ["kafka-only-ours.sh", "kafka-topics.sh"]
    link_tools(tmp_path, "apache")
    assert os.listdir(tmp_path / "bin") == ["kafka-topics.sh"]
    assert survey(tmp_path, distribution="apache")["wrong_tools"] == []
    link_tools(tmp_path, "commitlog")
    assert survey(tmp_path)["wrong_tools"] == []


def test_only_whole_programs_count(tmp_path: Path) -> None:
    for name in ("venv-whole", "venv-half"):
        (tmp_path / "libs" / name).mkdir(parents=True)
    (tmp_path / "libs" / "venv-whole" / "installed.json").write_text("{}")
    assert survey(tmp_path)["installed"] == ["venv-whole"]


def test_of_a_file_with_secrets_only_the_lines_asked_for_are_told(tmp_path: Path) -> None:
    config = tmp_path / "server.properties"
    config.write_text("# cluster_security: mtls, step 2 of 3\nssl.key.password=listeners=secret\nlisteners=SSL://:9093\n")
    lines = {str(config): ["# cluster_security: ", "listeners="]}
    asked = {"home": str(tmp_path), "service": "none", "manager": "process", "lines": lines}
    command = [sys.executable, str(ROLES / "service" / "files" / "survey.py"), json.dumps(asked)]
    said = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    assert said["lines"] == {str(config): ["# cluster_security: mtls, step 2 of 3", "listeners=SSL://:9093"]}
    assert "=secret" not in json.dumps(said)
    assert said["hostname"] == socket.gethostname()
