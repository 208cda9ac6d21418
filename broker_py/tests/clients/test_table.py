# SPDX-License-Identifier: Apache-2.0
"""The table that is made of what came of the matrix."""

from __future__ import annotations

from tests.clients.features import FEATURES, NAMES
from tests.clients.roster import ROSTER
from tests.clients.table import Cell, Row, as_markdown


def test_every_cell_is_there_with_its_reason() -> None:
    cells = [Cell(name, "yes") for name in NAMES]
    cells[1] = Cell("headers", "no", "it has none")
    cells[2] = Cell("gzip", "FAILED", "it said so")
    text = as_markdown([Row(ROSTER[0], "1.2.3", tuple(cells), 4.0, "")])
    assert "| | confluent-kafka 1.2.3 |\n" in text
    assert "| produce, consume | yes |\n| headers | - |\n| gzip | FAILED |\n" in text
    assert "- **confluent-kafka 1.2.3**, headers: it has none.\n" in text
    assert text.endswith("## What failed\n\n- confluent-kafka, gzip: it said so\n")


def test_names_are_said_once() -> None:
    assert len(set(NAMES)) == len(NAMES) == len({feature.title for feature in FEATURES})
    assert len({client.prefix for client in ROSTER}) == len(ROSTER)
