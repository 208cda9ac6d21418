# SPDX-License-Identifier: Apache-2.0
"""The table of options as jopt-simple's BuiltinHelpFormatter prints it: two columns, 80 characters.

Lines break where Java's BreakIterator lets them (after blanks, hyphens and punctuation, before an opening
bracket), so that the text is Kafka's to the character; blanks at the ends of lines are left out.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

OVERALL_WIDTH = 80
SEPARATOR_WIDTH = 2
INDENT = "  "

_PIECE = re.compile(
    r"""
    [(\[{"']*                                   # what opens
    (?:
        (?<![^\s(\[{"])-(?=\d)                  # a sign
    )?
    (?:
        (?!(?<=\d)>)[^\s()\[\]{}":;.,\-]        # a word; a number keeps its comma and its point
      | (?<=\d)[.,](?=\d)
      | [:;.,\-]+(?=')
      | [:;.,](?=-\d)
      | (?<=[:;.,])-(?=\d)
    )*
    [)\]}":;.,!?%']*                            # what closes, or ends a sentence
    (?:(?<!\))-)*
    \s*
    """,
    re.VERBOSE,
)


def table(rows: Sequence[tuple[str, str]]) -> list[str]:
    """The rows (option, description) laid out; the first two are the heads."""
    option_width = min((OVERALL_WIDTH - SEPARATOR_WIDTH) // 2, max(len(left) for left, _ in rows))
    longest = max(len(right) for _, right in rows)
    description_width = min(OVERALL_WIDTH - option_width - SEPARATOR_WIDTH, longest)
    fitted: list[tuple[str, str]] = []
    for left, right in rows:
        lefts, rights = _pieces(left, option_width), _pieces(right, description_width)
        for index in range(max(len(lefts), len(rights))):
            fitted.append((_at(lefts, index), _at(rights, index)))
    width = min(option_width, max(len(left) for left, _ in fitted))
    return [f"{left:<{width}}{' ' * SEPARATOR_WIDTH}{right}".rstrip() for left, right in fitted]


def _at(pieces: Sequence[str], index: int) -> str:
    return pieces[index] if index < len(pieces) else ""


def _pieces(text: str, width: int) -> list[str]:
    return [piece for line in text.strip().split("\n") for piece in _line_pieces(line, width)]


def _line_pieces(line: str, width: int) -> list[str]:
    pieces: list[str] = []
    current = ""
    for word in break_line(line):
        if len(current) + len(word) > width:
            pieces.append(current.rstrip())
            current = INDENT + word
        else:
            current += word
    if current:
        pieces.append(current)
    return pieces


def break_line(line: str) -> list[str]:
    """The line in pieces between which it may be broken (BreakIterator.getLineInstance)."""
    leading = line[: len(line) - len(line.lstrip())]
    pieces = [leading] if leading else []
    position = len(leading)
    while position < len(line):
        found = _PIECE.match(line, position)
        end = position + 1 if found is None or found.end() == position else found.end()
        pieces.append(line[position:end])
        position = end
    return pieces
