# SPDX-License-Identifier: Apache-2.0
"""A znode that is broken may still hold somebody's credential: no error quotes it."""

from __future__ import annotations

import pytest

from commitlog.coordination.documents import ConfigEntity, DocumentError

SECRET = "c2VjcmV0LXNhbHQ"


@pytest.mark.parametrize(
    "document",
    [
        f'{{"version":1,"config":{{"SCRAM-SHA-256":"salt={SECRET}',
        f'"{SECRET}"',
        f'["{SECRET}"]',
        f'{{"version":1,"config":"{SECRET}"}}',
        f"\udcff{SECRET}",
    ],
)
def test_a_broken_document_is_not_quoted(document: str) -> None:
    with pytest.raises(DocumentError) as caught:
        ConfigEntity.decode(document.encode(errors="surrogateescape"))
    error: BaseException | None = caught.value
    while error is not None:
        assert SECRET not in str(error)
        error = error.__cause__
