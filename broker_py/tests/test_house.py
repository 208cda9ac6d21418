# SPDX-License-Identifier: Apache-2.0
"""The house's rules that no linter knows: which room may use which, and what every file begins with."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import commitlog

ROOT = Path(commitlog.__file__).parent
# From the ground up: a room imports only from itself and from rooms before it.
ROOMS = (
    "wire",
    "records",
    "storage",
    "config",
    "metrics",
    "coordination",
    "security",
    "replication",
    "controller",
    "groups",
    "transactions",
    "apis",
    "server",
    "cli",
)
# What may be reached only through a door: module → the only files that may import it.
DOORS = {
    # zookeeper_group.py is the 0.8 consumer, a client of ZooKeeper that is no part of a broker.
    "kazoo": {
        "coordination/kazoo_client.py",
        "coordination/kazoo_connection.py",
        "coordination/kazoo_multi_read.py",
        "coordination/kazoo_words.py",
        "cli/zookeeper_group.py",
    },
    "uvloop": {"cli/server_start.py"},
}
MAX_LINES = 650
TABLES = {"wire/errors.py"}
"""One row after the other; these may be as long as Kafka's tables are."""


def _files() -> list[Path]:
    return sorted(ROOT.rglob("*.py"))


def _imports(path: Path) -> Iterator[tuple[int, str]]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: relative import"
            yield node.lineno, node.module or ""
            yield from ((node.lineno, f"{node.module}.{alias.name}") for alias in node.names)


def _forbidden(room: str, module: str) -> bool:
    parts = module.split(".")
    if parts[0] != "commitlog" or len(parts) < 2 or parts[1] not in ROOMS:
        return False
    return ROOMS.index(parts[1]) > ROOMS.index(room)


def test_every_directory_is_a_known_room() -> None:
    rooms = {path.name for path in ROOT.iterdir() if path.is_dir() and path.name[0] not in "._"}
    assert rooms <= set(ROOMS)


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_uses_only_rooms_below_it(room: str) -> None:
    wrong = [
        f"{path.relative_to(ROOT)}:{line} imports {module}"
        for path in sorted((ROOT / room).rglob("*.py"))
        for line, module in _imports(path)
        if _forbidden(room, module)
    ]
    assert not wrong, "\n".join(wrong)


def test_the_rule_would_be_noticed() -> None:
    assert _forbidden("storage", "commitlog.replication.partition")
    assert not _forbidden("replication", "commitlog.storage.log")
    assert not _forbidden("wire", "collections.abc")


@pytest.mark.parametrize("library", DOORS)
def test_doors_are_the_only_way_to_a_library(library: str) -> None:
    users = {
        str(path.relative_to(ROOT))
        for path in _files()
        for _, module in _imports(path)
        if module.split(".")[0] == library
    }
    assert users <= DOORS[library]


def test_every_file_says_its_licence_and_its_reason() -> None:
    for path in _files():
        lines = path.read_text().splitlines()
        assert lines[:1] == ["# SPDX-License-Identifier: Apache-2.0"], path
        assert ast.get_docstring(ast.parse("\n".join(lines))), path


def test_no_file_is_a_drawer() -> None:
    long = {
        str(path.relative_to(ROOT)): count
        for path in _files()
        if path.parent.name != "messages"
        and str(path.relative_to(ROOT)) not in TABLES
        and (count := len(path.read_text().splitlines())) > MAX_LINES
    }
    assert not long
