# SPDX-License-Identifier: Apache-2.0
"""Names of metadata versions, and their order."""

from __future__ import annotations

import pytest

from commitlog.config.metadata_version import METADATA_VERSIONS, rank


def test_a_release_is_its_last_version() -> None:
    assert rank("3.4") == rank("3.4-IV0")
    assert rank("3.3") == rank("3.3-IV3")
    assert rank("3.9.1") == rank("3.9-IV0") == len(METADATA_VERSIONS) - 1
    assert rank("0.10.2.1") == rank("0.10.2-IV0")


def test_versions_are_in_the_order_of_releases() -> None:
    assert rank("2.8-IV0") < rank("2.8-IV1") < rank("3.0-IV0")
    assert rank("0.8.0") == 0 < rank("0.9.0") < rank("0.10.0-IV0")


@pytest.mark.parametrize("text", ["4.0", "3.4-IV9", "3.9.1-IV0", "x", "", "2", "3.10"])
def test_what_is_unknown_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a valid inter"):
        rank(text)
