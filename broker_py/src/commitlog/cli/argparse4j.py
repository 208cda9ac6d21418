# SPDX-License-Identifier: Apache-2.0
"""Command lines of those of Kafka's tools that read theirs with argparse4j: Python's argparse, of which
that is a port, with argparse4j's texts and its justified columns."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NoReturn

from commitlog.cli.jopt_help import break_line

WIDTH = 75
HELP_POSITION = 25
_SIZES = {"Integer": 32, "Long": 64, "Short": 16}


class Ended(SystemExit):
    """The parser has said all there is to say; the exit status."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


def whole_number(kind: str) -> Callable[[str], int]:
    """A converter for Java's Integer, Long or Short."""
    bits = _SIZES[kind]

    def convert(text: str) -> int:
        try:
            number = int(text)
        except ValueError:
            number = 1 << bits
        if not -(1 << bits - 1) <= number < 1 << bits - 1:
            raise argparse.ArgumentTypeError(
                f"could not convert '{text}' to {kind} (For input string: \"{text}\")"
            )
        return number

    return convert


class Formatter(argparse.HelpFormatter):
    """Lines filled to their whole width, but the last of a paragraph."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, max_help_position=HELP_POSITION, width=WIDTH)

    def _split_lines(self, text: str, width: int) -> list[str]:
        return _justified(text, width)

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        return "\n".join(indent + line for line in _justified(text, width))


def _justified(text: str, width: int) -> list[str]:
    lines: list[list[str]] = [[]]
    filled = 0
    for piece in break_line(text.strip()):
        if filled + len(piece) > width and lines[-1]:
            lines.append([])
            filled = 0
        lines[-1].append(piece)
        filled += len(piece)
    return [*(_stretched(pieces, width) for pieces in lines[:-1]), "".join(lines[-1]).rstrip()]


def _stretched(pieces: Sequence[str], width: int) -> str:
    """Blanks are added evenly; what is left over of them, in the middle."""
    words = [*pieces[:-1], pieces[-1].rstrip()]
    gaps = [index for index, word in enumerate(words[:-1]) if word.endswith(" ")]
    missing = width - sum(map(len, words))
    if not gaps:
        return "".join(words)
    each, rest = divmod(missing, len(gaps))
    first = (len(gaps) - rest + 1) // 2
    for order, index in enumerate(gaps):
        words[index] += " " * (each + (first <= order < first + rest))
    return "".join(words)


class Parser(argparse.ArgumentParser):
    """ArgumentParsers.newArgumentParser(prog).defaultHelp() and the like."""

    def __init__(self, *, prog: str, description: str | None = None, **settings: Any) -> None:
        settings.setdefault("formatter_class", Formatter)
        super().__init__(prog=prog, description=description, **settings)
        self._optionals.title = "optional arguments"

    def version_option(self, *names: str, text: str) -> None:
        self.add_argument(*names, action=_Version, nargs=0, help=text)

    def read(self, words: Sequence[str]) -> argparse.Namespace:
        """Raises Ended after help, version or a complaint."""
        self._refuse_unknown(words)
        return self.parse_args(list(words))

    def _refuse_unknown(self, words: Sequence[str]) -> None:
        """argparse4j goes from word to word, and complains of one that it does not know before it misses an
        option; help and version end the way before that."""
        rest = list(words)
        while rest:
            word = rest.pop(0)
            if not word.startswith("-"):
                if self._subparsers is None:
                    self.error(f"unrecognized arguments: {word}")
                return  # a command, whose words come after it
            name = word.partition("=")[0]
            action = next(
                (each for each in self._actions if any(one.startswith(name) for one in each.option_strings)),
                None,
            )
            if action is None:
                self.error(f"unrecognized arguments: {name}")
            if isinstance(action, argparse._HelpAction | _Version):
                action(self, argparse.Namespace(), None)
            while "=" not in word and action.nargs != 0 and rest:
                rest.pop(0)
                if action.nargs != "+" or (rest and rest[0].startswith("-")):
                    break

    def error(self, message: str) -> NoReturn:
        self.print_usage(sys.stderr)
        for line in _justified(f"{self.prog.split()[0]}: error: {_in_its_words(message)}", WIDTH):
            print(line, file=sys.stderr)
        raise Ended(1)

    def format_usage(self) -> str:
        """argparse4j breaks usage between options only, below the first of them."""
        indent = " " * len(f"usage: {self.prog.split()[0]} ")
        lines = [f"usage: {self.prog}"]
        for part in self._usage_parts():
            if len(lines[-1]) + 1 + len(part) > WIDTH:
                lines.append(indent + part)
            else:
                lines[-1] += f" {part}"
        return "\n".join(lines) + "\n"

    def _usage_parts(self) -> list[str]:
        exclusive = [action for group in self._mutually_exclusive_groups for action in group._group_actions]
        options = [action for action in self._actions if action.option_strings and action not in exclusive]
        parts = [_usage(action) for action in options]
        for group in self._mutually_exclusive_groups:
            alternatives = [_option_usage(action) for action in group._group_actions]
            for index, text in enumerate(alternatives):
                parts += ["|"] if index else []
                parts.append(f"{'' if index else '('}{text}{')' if index == len(alternatives) - 1 else ''}")
        parts += [_usage(action) for action in self._actions if not action.option_strings]
        return [word for part in parts for word in ([part] if part != "COMMAND ..." else part.split())]

    def format_help(self) -> str:
        usage, whole = self.format_usage(), super().format_help()
        return usage + whole[whole.index("\n\n") + 1 :]

    def exit(self, status: int = 0, message: str | None = None) -> NoReturn:
        """After help. Kafka's tools take it for a mistake."""
        raise Ended(1)

    def print_help(self, file: Any = None) -> None:
        print(self.format_help(), end="", file=file)


def _usage(action: argparse.Action) -> str:
    if not action.option_strings:
        metavar = action.metavar or action.dest.upper()
        return f"{metavar} ..." if isinstance(action, argparse._SubParsersAction) else str(metavar)
    text = _option_usage(action)
    return text if action.required else f"[{text}]"


def _option_usage(action: argparse.Action) -> str:
    metavar = action.metavar or action.dest.upper()
    text = action.option_strings[0]
    if action.nargs == "+":
        text += f" {metavar} [{metavar} ...]"
    elif action.nargs != 0:
        text += f" {metavar}"
    return text


def _in_its_words(message: str) -> str:
    """argparse's complaint in argparse4j's words."""
    head, separator, names = message.partition("the following arguments are required: ")
    if separator and not head:
        missing = [name.strip() for name in names.split(",")]
        option = next((name for name in missing if name.startswith("-")), None)
        return (
            "too few arguments"
            if option is None or (len(missing) > 1 and missing[-1].isupper())
            else (f"argument {option} is required")
        )
    if "invalid choice: " in message and not message.startswith("argument --"):
        return message[message.index("invalid choice: ") :]
    if message.startswith("unrecognized arguments: "):
        first = message.split()[2]
        return f"unrecognized arguments: '{first}'"
    return message


class _Version(argparse.Action):
    def __call__(self, *_: object) -> NoReturn:
        from commitlog.cli.terminal import version_text

        print(version_text())
        raise Ended(0)


def call(command: Callable[[list[str]], int]) -> Callable[[list[str]], int]:
    """A command whose parser may end it."""

    def called(words: list[str]) -> int:
        try:
            return command(words)
        except Ended as ended:
            return ended.status

    return called


def run(
    make_parser: Callable[[], Parser],
    work: Callable[[Parser, argparse.Namespace], int],
    arguments: Sequence[str] | None,
) -> int:
    """A tool of this style whole: its help when nothing is asked, its version, or its work; Java's words for
    what fails."""
    from commitlog.cli import terminal

    def command(words: list[str]) -> int:
        parser = make_parser()
        if not words:
            parser.print_help()
            return 0
        return work(parser, parser.read(words))

    guarded = terminal.guarded(command, failed=terminal.say_as_java())
    return terminal.run(call(guarded), arguments, help_text=None)


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """ToolsUtils.prettyPrintTable: columns as wide as their widest cell, each followed by a tab."""
    listed = [heads, *rows]
    widths = [max(len(row[column]) for row in listed) for column in range(len(heads))]
    for row in listed:
        print("".join(f"{cell:<{width}}\t" for cell, width in zip(row, widths, strict=True)))
