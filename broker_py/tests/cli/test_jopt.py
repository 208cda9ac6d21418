# SPDX-License-Identifier: Apache-2.0
"""Command lines as jopt-simple reads them."""

from __future__ import annotations

import pytest

from commitlog.cli.jopt import ArgumentError, Option, check_invalid, check_required, help_text, parse

OPTIONS = {
    "topic": Option("The topic.", "String: topic"),
    "topic-id": Option("Its id.", "String: id"),
    "partitions": Option("How many.", "Integer: number", whole_number=True),
    "list": Option("List."),
}


def test_values_flags_and_repetition() -> None:
    parsed = parse(["--topic", "a", "--list", "--topic=b", "--partitions", "3"], OPTIONS)
    assert (parsed.value("topic"), list(parsed.all("topic"))) == ("b", ["a", "b"])
    assert (parsed.has("list"), parsed.has("topic-id")) == (True, False)
    assert parsed.number("partitions") == 3
    assert parsed.number("topic-id") is None


def test_an_unambiguous_beginning_stands_for_the_name() -> None:
    assert parse(["--part", "3"], OPTIONS).number("partitions") == 3
    assert parse(["--topic", "x"], OPTIONS).value("topic") == "x"
    with pytest.raises(ArgumentError, match="top is ambiguous"):
        parse(["--top", "x"], OPTIONS)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--frob"], "frob is not a recognized option"),
        (["--topic"], "Option topic requires an argument"),
        (["--topic", "--list"], "Option topic requires an argument"),
        (["--partitions", "x"], "Cannot parse argument 'x' of option partitions"),
        (["--list=yes"], "Option list takes no argument"),
    ],
)
def test_refusals_in_jopts_words(arguments: list[str], message: str) -> None:
    with pytest.raises(ArgumentError) as caught:
        parse(arguments, OPTIONS)
    assert str(caught.value) == message


def test_what_is_no_option_is_passed_over() -> None:
    parsed = parse(["stray", "--topic", "a", "-", "--", "--list"], OPTIONS)
    assert (parsed.value("topic"), parsed.has("list")) == ("a", False)


def test_required_and_forbidden() -> None:
    parsed = parse(["--list", "--topic", "a"], OPTIONS)
    check_required(parsed, "topic", "list")
    with pytest.raises(ArgumentError, match=r'Missing required argument "\[partitions\]"'):
        check_required(parsed, "partitions")
    with pytest.raises(ArgumentError, match=r'Option "\[list\]" can\'t be used with option "\[topic\]"'):
        check_invalid(parsed, "list", "topic")
    check_invalid(parsed, "partitions", "topic")


def test_help_has_two_columns() -> None:
    lines = help_text("What it does.", OPTIONS).splitlines()
    assert lines[:3] == [
        "What it does.",
        "Option                          Description",
        "------                          -----------",
    ]
    assert "--topic <String: topic>         The topic." in lines
    assert all(len(line) <= 80 for line in lines)


def test_a_value_that_may_be_left_out_can_be_negative() -> None:
    options = {"period": Option("Time.", "Long", whole_number=True, optional=True), "list": Option("List.")}
    assert parse(["--period", "-1", "--list"], options).only_number("period") == -1
    assert parse(["--period", "--list"], options).value("period") == ""


def test_conditions_and_repetition() -> None:
    options = {
        "list": Option("List."),
        "state": Option("State.", "String", optional=True, available_if=("list",)),
        "names": Option("Names.", "String", separator=",", default="none"),
    }
    assert list(parse(["--names", "a,b", "--names", "c"], options).all("names")) == ["a", "b", "c"]
    assert parse(["--list"], options).only("names") == "none"
    with pytest.raises(ArgumentError, match=r"Option\(s\) \[state\] are unavailable"):
        parse(["--state"], options)
    with pytest.raises(
        ArgumentError, match="Found multiple arguments for option names, but you asked for only one"
    ):
        parse(["--names", "a", "--names", "b"], options).only("names")
