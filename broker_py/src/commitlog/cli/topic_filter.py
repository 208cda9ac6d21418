# SPDX-License-Identifier: Apache-2.0
"""Topics by regular expression, as Kafka's TopicFilter.IncludeList has it."""

from __future__ import annotations

import re

from commitlog.cli.topics_errors import ToolError

INTERNAL_TOPICS = frozenset(("__consumer_offsets", "__transaction_state"))


class TopicFilter:
    """Quotes around the expression fall off, blanks too; a comma separates alternatives."""

    def __init__(self, text: str) -> None:
        pattern = text.strip().replace(",", "|").replace(" ", "").strip("\"'")
        try:
            self._pattern = re.compile(pattern)
        except re.error:
            raise ToolError(f"{pattern} is an invalid regex.") from None

    def allows(self, topic: str, *, exclude_internal: bool = False) -> bool:
        if exclude_internal and topic in INTERNAL_TOPICS:
            return False
        return self._pattern.fullmatch(topic) is not None
