# SPDX-License-Identifier: Apache-2.0
"""What the documents say is so: tests that they name are there, versions are those that are installed."""

from __future__ import annotations

import ast
import re
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
TABLES = ("docs/feature-table.md", "docs/complaints.md")
NO_PROOF = "no test"


def rows(name: str) -> list[list[str]]:
    """The cells of a document's table, without its head."""
    lines = [line for line in (ROOT / name).read_text().splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines[1:]]


def proofs(name: str) -> list[str]:
    return sorted({proof for row in rows(name) for proof in re.findall(r"`([^`]+)`", row[-1])})


@pytest.mark.parametrize("table", TABLES)
def test_every_line_names_its_test_or_says_that_there_is_none(table: str) -> None:
    assert [row for row in rows(table) if "`" not in row[-1] and row[-1] != NO_PROOF] == []


@pytest.mark.parametrize("proof", [proof for table in TABLES for proof in proofs(table)])
def test_the_tests_named_are_there(proof: str) -> None:
    path, _, function = proof.partition("::")
    assert (ROOT / path).is_file(), path
    if function:
        tree = ast.parse((ROOT / path).read_text())
        assert function in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}, proof


def test_all_complaints_are_answered_in_their_order() -> None:
    assert [row[0] for row in rows("docs/complaints.md")] == [str(number) for number in range(1, 44)]


def pins() -> dict[str, str]:
    lines = (ROOT / "requirements-dev.txt").read_text().splitlines()
    return dict(line.split("==", 1) for line in lines if "==" in line)


def numbers(text: str) -> list[str]:
    return re.findall(r"\d+(?:\.\d+)*", text)


def test_the_support_matrix_is_what_is_installed() -> None:
    table = {row[0]: row[1:] for row in rows("docs/support-matrix.md")}
    ansible_core = table["ansible-core"]
    lines = re.findall(r"^ansible-core==(\S+)$", (ROOT / "requirements-core.txt").read_text(), re.MULTILINE)
    assert numbers(ansible_core[0]) == lines
    assert pins()["ansible-core"] in lines
    assert f"ansible-core=={pins()['ansible-core']}" in (ROOT / "requirements-sanity.txt").read_text()
    runtime = yaml.safe_load((ROOT / "meta/runtime.yml").read_text())
    assert runtime["requires_ansible"] == f">={numbers(ansible_core[1])[0]}.0"
    assert table["the `ansible` package"][0] == pins()["ansible"]
    assert table["kafka-python, where modules run"][0] == pins()["kafka-python"]
    assert table["kazoo, for `zookeeper_connect`"][0] == pins()["kazoo"]
    jars = (ROOT / "broker_py/tests/jvm/pom.xml").read_text()
    assert f"<version>{table['Apache Kafka, beside this broker'][0]}</version>" in jars
    python = table["Python of the controller and of the hosts"]
    assert f'requires-python = ">={numbers(python[1])[0]}"' in (ROOT / "broker_py/pyproject.toml").read_text()
    assert f"debian:{numbers(table['hosts'][0])[0]}-slim" in (ROOT / "vms/image/Dockerfile").read_text()


def imported(tree: ast.AST) -> set[str]:
    """The top names of everything that is imported, also within functions."""
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            found.add(str(node.module).partition(".")[0])
    return found


def requirements(name: str) -> dict[str, str]:
    """A requirements file: what follows each name."""
    lines = [line for line in (ROOT / name).read_text().splitlines() if line and not line.startswith("#")]
    matches = [re.match(r"([\w-]+)(.*)", line) for line in lines]
    return {match[1]: match[2] for match in matches if match}


def test_an_execution_environment_has_what_modules_need(modules_import: set[str]) -> None:
    environment: dict[str, Any] = yaml.safe_load((ROOT / "meta/execution-environment.yml").read_text())
    assert environment["version"] == 3
    needed = requirements(environment["dependencies"]["python"])
    assert set(needed) == modules_import
    assert (ROOT / environment["dependencies"]["system"]).is_file()
    oldest = re.search(r'KAFKA_PYTHON_OLDEST = "([\d.]+)"', (ROOT / "plugins/module_utils/_connection.py").read_text())
    assert oldest
    assert needed["kafka-python"].startswith(f">={oldest[1]},")


@pytest.fixture(scope="module")
def modules_import() -> set[str]:
    """The packages that plugins import and that come neither with Python nor with Ansible."""
    files = (ROOT / "plugins").rglob("*.py")
    found = set().union(*(imported(ast.parse(path.read_text())) for path in files))
    distributions = {"kafka": "kafka-python"}
    others = found - set(sys.stdlib_module_names) - {"ansible", "ansible_collections", "commitlog"}
    return {distributions.get(name, name) for name in others}
