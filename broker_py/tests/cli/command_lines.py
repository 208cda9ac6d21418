# SPDX-License-Identifier: Apache-2.0
"""Command lines as the tools of topics and of the console read them."""

from __future__ import annotations

import random

from commitlog.cli import console_consumer_options, console_producer_options, topics_options
from commitlog.cli.jopt import parse


def topic_command(words: list[str]) -> topics_options.TopicCommand:
    command = topics_options.parse_command(parse(words, topics_options.OPTIONS))
    topics_options.check_values(command)
    return command


def consumer_command(words: list[str]) -> console_consumer_options.ConsumerCommand:
    parsed = parse(words, console_consumer_options.OPTIONS)
    return console_consumer_options.parse_command(parsed, random.Random(1))


def producer_command(words: list[str]) -> console_producer_options.ProducerCommand:
    return console_producer_options.parse_command(parse(words, console_producer_options.OPTIONS))
