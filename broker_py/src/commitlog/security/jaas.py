# SPDX-License-Identifier: Apache-2.0
"""JAAS configuration: the text of sasl.jaas.config and the sections of a JAAS file (JaasConfig, JaasContext).

    org.apache.kafka.common.security.scram.ScramLoginModule required username="a" password="b";

A file has sections `Name { module flag options; ... };`. Values may be quoted; comments are `//`, `/* */` and
`#`. Java names the file by -Djava.security.auth.login.config in KAFKA_OPTS, and so does this broker.
"""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

FLAGS = ("required", "requisite", "sufficient", "optional")
LOGIN_CONFIG_PROPERTY = "java.security.auth.login.config"

_TOKEN = re.compile(
    r"""(?P<blank>\s+|//[^\n]*|\#[^\n]*|/\*.*?\*/)|"(?P<text>(?:\\.|[^"\\])*)"|'(?P<single>(?:\\.|[^'\\])*)'"""
    r"|(?P<mark>[=;{}])|(?P<word>[^\s=;{}\"']+)",
    re.DOTALL,
)
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_CONTROL = {"n": "\n", "r": "\r", "t": "\t"}


class JaasError(ValueError):
    """The text is no JAAS configuration; it never quotes option values, which may be secrets."""


@dataclass(frozen=True, slots=True)
class LoginModule:
    """One entry; options are secrets more often than not, so they are not shown."""

    name: str
    options: Mapping[str, str] = field(repr=False)

    @property
    def simple_name(self) -> str:
        """Without the package: which of Kafka's login modules it is."""
        return self.name.rpartition(".")[2]


@dataclass(slots=True)
class _Token:
    text: str
    mark: bool


def _tokens(text: str) -> list[_Token]:
    found: list[_Token] = []
    position = 0
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None:
            raise JaasError("a quotation mark is not closed")
        position = match.end()
        if match["blank"] is not None:
            continue
        if match["mark"] is not None:
            found.append(_Token(match["mark"], mark=True))
            continue
        quoted = match["text"] if match["text"] is not None else match["single"]
        word = match["word"] if quoted is None else _ESCAPE.sub(lambda m: _CONTROL.get(m[1], m[1]), quoted)
        found.append(_Token(word, mark=False))
    return found


class _Parser:
    def __init__(self, text: str) -> None:
        self._tokens = _tokens(text)
        self._position = 0

    @property
    def at_end(self) -> bool:
        return self._position == len(self._tokens)

    def _next(self, what: str) -> _Token:
        if self.at_end:
            raise JaasError(f"it ends where {what} is expected")
        self._position += 1
        return self._tokens[self._position - 1]

    def word(self, what: str) -> str:
        token = self._next(what)
        if token.mark:
            raise JaasError(f"'{token.text}' stands where {what} is expected")
        return token.text

    def accept(self, mark: str) -> bool:
        if not self.at_end and self._tokens[self._position] == _Token(mark, mark=True):
            self._position += 1
            return True
        return False

    def expect(self, mark: str) -> None:
        if not self.accept(mark):
            raise JaasError(f"'{mark}' is missing")

    def module(self) -> LoginModule:
        name = self.word("a login module's name")
        flag = self.word("a control flag")
        if flag.lower() not in FLAGS:
            raise JaasError(f"Control flag is not one of {', '.join(FLAGS)}")
        options: dict[str, str] = {}
        while not self.accept(";"):
            if self.at_end:
                raise JaasError("JAAS config entry not terminated by semi-colon")
            key = self.word("an option's name")
            self.expect("=")
            options[key] = self.word(f"a value of {key}")
        return LoginModule(name, options)


def parse_jaas(text: str) -> LoginModule:
    """The value of sasl.jaas.config, which holds exactly one login module."""
    parser = _Parser(text)
    module = parser.module()
    if not parser.at_end:
        raise JaasError("JAAS config property contains more than one login module, it must be one")
    return module


def parse_jaas_file(text: str) -> dict[str, list[LoginModule]]:
    """The sections of a JAAS file."""
    parser = _Parser(text)
    sections: dict[str, list[LoginModule]] = {}
    while not parser.at_end:
        name = parser.word("a section's name")
        parser.expect("{")
        modules: list[LoginModule] = []
        while not parser.accept("}"):
            modules.append(parser.module())
        parser.expect(";")
        sections[name] = modules
    return sections


def java_properties(environment: Mapping[str, str]) -> dict[str, str]:
    """The -D options of KAFKA_OPTS."""
    found: dict[str, str] = {}
    for option in shlex.split(environment.get("KAFKA_OPTS", "")):
        if option.startswith("-D"):
            name, _, value = option[2:].partition("=")
            found[name] = value
    return found


def login_section(name: str, environment: Mapping[str, str] | None = None) -> LoginModule | None:
    """The first login module of a section of the JAAS file; None without file or section.

    JaasError, with the file's name, when the file cannot be used.
    """
    path = java_properties(os.environ if environment is None else environment).get(LOGIN_CONFIG_PROPERTY)
    if not path:
        return None
    try:
        sections = parse_jaas_file(Path(path).read_text())
    except OSError as error:
        raise JaasError(f"{path}: cannot be read: {error.strerror}") from None
    except (JaasError, UnicodeDecodeError) as error:
        raise JaasError(f"{path}: {error}") from None
    modules = sections.get(name)
    return modules[0] if modules else None
