# SPDX-License-Identifier: Apache-2.0
"""Command lines as Kafka's tools read them (jopt-simple and CommandLineUtils), so that scripts find their
words again.

`--name value` and `--name=value`; an unambiguous beginning of a name stands for the name; what is missing or
unknown is said in jopt-simple's sentences.
"""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

HELP_WIDTH = 80


class ArgumentError(Exception):
    """The command line cannot be used; the text is the one line to show."""


@dataclass(frozen=True, slots=True)
class Option:
    """`argument` is what help shows for the value; None for a flag. `whole_number` checks the value's
    form; `optional` lets the value be left out, which gives ""."""

    doc: str
    argument: str | None = None
    whole_number: bool = False
    optional: bool = False


@dataclass(frozen=True, slots=True)
class Parsed:
    """What was given: every value of every option, in order; flags have the value ""."""

    values: Mapping[str, Sequence[str]]

    def has(self, name: str) -> bool:
        return name in self.values

    def value(self, name: str) -> str | None:
        """The last value, None when the option was not given."""
        found = self.values.get(name)
        return found[-1] if found else None

    def all(self, name: str) -> Sequence[str]:
        return self.values.get(name, ())

    def number(self, name: str) -> int | None:
        found = self.value(name)
        return None if found is None else int(found)


def parse(arguments: Sequence[str], options: Mapping[str, Option]) -> Parsed:
    """Raises ArgumentError. Options may stand in any order; everything that is no option is refused."""
    found: dict[str, list[str]] = {}
    rest = list(arguments)
    while rest:
        word = rest.pop(0)
        if not word.startswith("-") or word in ("-", "--"):
            raise ArgumentError(f"Found non argument parameters: {word}")
        given, has_value, value = word.lstrip("-").partition("=")
        name = _resolve(given, options)
        option = options[name]
        if option.argument is None:
            if has_value:
                raise ArgumentError(f"Option {name} takes no argument")
            found.setdefault(name, []).append("")
            continue
        if not has_value and option.optional and (not rest or rest[0].startswith("-")):
            found.setdefault(name, []).append("")
            continue
        if not has_value:
            if not rest or rest[0].startswith("--"):
                raise ArgumentError(f"Option {name} requires an argument")
            value = rest.pop(0)
        if option.whole_number and not value.removeprefix("-").isdecimal():
            raise ArgumentError(f"Cannot parse argument '{value}' of option {name}")
        found.setdefault(name, []).append(value)
    return Parsed(found)


def _resolve(given: str, options: Mapping[str, Option]) -> str:
    if given in options:
        return given
    matches = [name for name in options if given and name.startswith(given)]
    if len(matches) == 1:
        return matches[0]
    if matches:
        raise ArgumentError(f"{given} is ambiguous: it may stand for {', '.join(sorted(matches))}")
    raise ArgumentError(f"{given} is not a recognized option")


def check_required(parsed: Parsed, *names: str) -> None:
    """CommandLineUtils.checkRequiredArgs."""
    for name in names:
        if not parsed.has(name):
            raise ArgumentError(f'Missing required argument "[{name}]"')


def check_invalid(parsed: Parsed, used: str, *forbidden: str) -> None:
    """CommandLineUtils.checkInvalidArgs: `forbidden` cannot stand beside `used`."""
    if not parsed.has(used):
        return
    for name in forbidden:
        if parsed.has(name):
            raise ArgumentError(f'Option "[{used}]" can\'t be used with option "[{name}]"')


def help_text(summary: str, options: Mapping[str, Option]) -> str:
    """The two columns of jopt-simple's BuiltinHelpFormatter, 80 wide, options by name."""
    left_width = 39
    right_width = HELP_WIDTH - left_width - 2
    lines = [summary, *_columns("Option", "Description", left_width, right_width)]
    lines += _columns("------", "-----------", left_width, right_width)
    for name in sorted(options):
        option = options[name]
        before, after = "[]" if option.optional else "<>"
        shown = f"--{name}" + (f" {before}{option.argument}{after}" if option.argument is not None else "")
        lines += _columns(shown, option.doc, left_width, right_width)
    return "\n".join(line.rstrip() for line in lines)


def _columns(left: str, right: str, left_width: int, right_width: int) -> list[str]:
    left_lines = textwrap.wrap(left, left_width, subsequent_indent="  ")
    right_lines: list[str] = []
    for paragraph in right.split("\n"):
        indent = paragraph[: len(paragraph) - len(paragraph.lstrip())]
        right_lines += textwrap.wrap(
            paragraph.strip(),
            right_width,
            initial_indent=(indent or "  ") if right_lines else indent,
            subsequent_indent=indent + "  ",
            break_long_words=False,
        )
    count = max(len(left_lines), len(right_lines))
    left_lines += [""] * (count - len(left_lines))
    right_lines += [""] * (count - len(right_lines))
    return [f"{one:<{left_width}}  {two}" for one, two in zip(left_lines, right_lines, strict=True)]
