# SPDX-License-Identifier: Apache-2.0
"""Command lines as Kafka's tools read them (jopt-simple and CommandLineUtils), so that scripts find their
words again.

`--name value` and `--name=value`; an unambiguous beginning of a name stands for the name; what is missing or
unknown is said in jopt-simple's sentences.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from commitlog.cli.jopt_help import table


class ArgumentError(Exception):
    """The command line cannot be used; the text is the one line to show."""


class ConversionError(ArgumentError):
    """A value is not of its option's type."""


class UsageError(ArgumentError):
    """The same, but Kafka's tool shows its table of options below that line (printUsageAndExit)."""


@dataclass(frozen=True, slots=True)
class Option:
    """`argument` is what help shows for the value; None for a flag. `whole_number` checks the value's
    form; `optional` lets the value be left out, which gives "". `separator` parts one value into several;
    `available_if` names options of which one must be there too (jopt's availableIf)."""

    doc: str
    argument: str | None = None
    whole_number: bool = False
    optional: bool = False
    default: str | None = None
    separator: str | None = None
    available_if: tuple[str, ...] = ()
    required: bool = False


@dataclass(frozen=True, slots=True)
class Parsed:
    """What was given: every value of every option, in order; flags have the value ""."""

    values: Mapping[str, Sequence[str]]
    options: Mapping[str, Option] = field(default_factory=dict)
    given: Sequence[str] = ()
    """Names of the options in the order of the command line (OptionSet.specs)."""

    def has(self, name: str) -> bool:
        return name in self.values

    def value(self, name: str) -> str | None:
        """The last value, None when the option was not given."""
        found = self.values.get(name)
        return found[-1] if found else None

    def only(self, name: str) -> str | None:
        """The value where there may be one; else the default (OptionSet.valueOf)."""
        found = self.values.get(name)
        if not found:
            option = self.options.get(name)
            return None if option is None else option.default
        if len(found) > 1:
            raise ArgumentError(f"Found multiple arguments for option {name}, but you asked for only one")
        return found[0]

    def only_number(self, name: str) -> int:
        """The same of a number; whoever asks knows that it is there, or has a default."""
        return int(self.only(name) or 0)

    def all(self, name: str) -> Sequence[str]:
        return self.values.get(name, ())

    def number(self, name: str) -> int | None:
        found = self.value(name)
        return None if found is None else int(found)


def parse(arguments: Sequence[str], options: Mapping[str, Option]) -> Parsed:
    """Raises ArgumentError. Options may stand in any order; what is no option is passed over, since Kafka's
    tools never look at OptionSet.nonOptionArguments."""
    found: dict[str, list[str]] = {}
    given_names: list[str] = []
    rest = list(arguments)
    while rest:
        word = rest.pop(0)
        if word == "--":
            break
        if not word.startswith("-") or word == "-":
            continue
        given, has_value, value = word.lstrip("-").partition("=")
        name = _resolve(given, options)
        option = options[name]
        given_names.append(name)
        if option.argument is None:
            if has_value:
                raise ArgumentError(f"Option {name} takes no argument")
            found.setdefault(name, []).append("")
            continue
        if not has_value and option.optional and (not rest or _looks_like_option(rest[0], option)):
            found.setdefault(name, []).append("")
            continue
        if not has_value:
            if not rest or rest[0].startswith("--"):
                raise ArgumentError(f"Option {name} requires an argument")
            value = rest.pop(0)
        if option.whole_number and not value.removeprefix("-").isdecimal():
            raise ConversionError(f"Cannot parse argument '{value}' of option {name}")
        found.setdefault(name, []).append(value)
    for name, option in options.items():
        if option.separator is not None and name in found:
            found[name] = [part for value in found[name] for part in value.split(option.separator)]
    _check_presence(found, options)
    return Parsed(found, options, given_names)


def _looks_like_option(word: str, option: Option) -> bool:
    """Whether the word is no value of an option that may go without one; -1 is one where numbers are due."""
    return word.startswith("-") and not (option.whole_number and word[1:].isdecimal())


def _check_presence(found: Mapping[str, Sequence[str]], options: Mapping[str, Option]) -> None:
    if "help" in found:
        return
    missing = [name for name, option in options.items() if option.required and name not in found]
    if missing:
        raise ArgumentError(f"Missing required option(s) [{', '.join(missing)}]")
    for name in found:
        conditions = options[name].available_if
        if conditions and not any(condition in found for condition in conditions):
            raise ArgumentError(f"Option(s) [{name}] are unavailable given other options on the command line")


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
            raise UsageError(f'Missing required argument "[{name}]"')


def check_invalid(parsed: Parsed, used: str, *forbidden: str) -> None:
    """CommandLineUtils.checkInvalidArgs: `forbidden` cannot stand beside `used`."""
    if not parsed.has(used):
        return
    for name in forbidden:
        if parsed.has(name):
            raise UsageError(f'Option "[{used}]" can\'t be used with option "[{name}]"')


def help_text(summary: str, options: Mapping[str, Option]) -> str:
    """The summary and the table of options, by name (OptionParser.printHelpOn)."""
    head = "Option (* = required)" if any(option.required for option in options.values()) else "Option"
    rows = [(head, "Description"), ("-" * len(head), "-" * len("Description"))]
    for name in sorted(options):
        rows.append(_row(name, options[name]))
    return "\n".join([summary, *table(rows)] if summary else table(rows))


def _row(name: str, option: Option) -> tuple[str, str]:
    shown = f"* --{name}" if option.required else f"--{name}"
    if option.argument is not None:
        before, after = "[]" if option.optional else "<>"
        shown += f" {before}{option.argument}{after}"
    doc = option.doc if option.default is None else f"{option.doc} (default: {option.default})"
    return shown, doc.strip()
