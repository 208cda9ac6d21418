# SPDX-License-Identifier: Apache-2.0
"""No API is without its tests, and the list of them is up to date."""

from __future__ import annotations

from tests.apis.error_matrix_list import DOCUMENT, document, rows


def test_no_api_is_without_tests() -> None:
    found = list(rows())
    assert len(found) == 62
    assert [row for row in found if not all(row)] == []


def test_the_list_is_up_to_date() -> None:
    assert DOCUMENT.read_text() == document()
