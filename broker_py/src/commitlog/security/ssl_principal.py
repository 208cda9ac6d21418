# SPDX-License-Identifier: Apache-2.0
"""From a client's certificate to its principal (DefaultKafkaPrincipalBuilder, SslPrincipalMapper).

The distinguished name is written as Java's X500Principal.getName does (RFC 2253: last attribute first, names
of RFC 2253 only, anything else as its object identifier and `#` with the value's DER in hex); rules of
ssl.principal.mapping.rules are tried in order, and a name that no rule fits is refused.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from commitlog.security.principal import ANONYMOUS, USER_TYPE, KafkaPrincipal

_SPLIT = re.compile(r"\s*(?P<rule>DEFAULT|RULE:(?:\\.|[^\\/])*/(?:\\.|[^\\/])*/[LU]?)\s*(?:,|$)", re.DOTALL)
_REFERENCE = re.compile(r"\$(\d)")

# java's AVA.hasRFC2253Keyword
_KEYWORDS = {
    "2.5.4.3": "CN",
    "2.5.4.6": "C",
    "2.5.4.7": "L",
    "2.5.4.8": "ST",
    "2.5.4.9": "STREET",
    "2.5.4.10": "O",
    "2.5.4.11": "OU",
    "0.9.2342.19200300.100.1.1": "UID",
    "0.9.2342.19200300.100.1.25": "DC",
}
_UTF8_STRING = 12


class MappingError(ValueError):
    """ssl.principal.mapping.rules cannot be read, or no rule fits a name."""


@dataclass(frozen=True, slots=True)
class _Rule:
    """None as pattern: DEFAULT, the name as it is."""

    pattern: re.Pattern[str] | None
    replacement: str = ""
    case: str = ""

    def apply(self, name: str) -> str | None:
        if self.pattern is None:
            return name
        found = self.pattern.fullmatch(name)
        if found is None:
            return None
        result = _REFERENCE.sub(lambda ref: found[int(ref[1])] or "", self.replacement)
        if self.case == "L":
            return result.lower()
        return result.upper() if self.case == "U" else result


class SslPrincipalMapper:
    """The rules of one listener."""

    def __init__(self, rules: str) -> None:
        self._rules = _parse(rules)

    def name(self, distinguished_name: str) -> str:
        for rule in self._rules:
            mapped = rule.apply(distinguished_name)
            if mapped is not None:
                return mapped
        raise MappingError(f"No rules apply to {distinguished_name}, rules of ssl.principal.mapping.rules")


def _parse(text: str) -> Sequence[_Rule]:
    rules: list[_Rule] = []
    position = 0
    text = text.strip() or "DEFAULT"
    while position < len(text):
        match = _SPLIT.match(text, position)
        if match is None:
            raise MappingError(
                f"Invalid rule: `{text[position:]}`; allowed are DEFAULT and RULE:pattern/replacement/[LU]"
            )
        position = match.end()
        rules.append(_rule(match["rule"]))
    return rules


def _rule(text: str) -> _Rule:
    if text == "DEFAULT":
        return _Rule(None)
    parts = re.split(r"(?<!\\)/", text.removeprefix("RULE:"))
    pattern, replacement, case = (part.replace("\\/", "/") for part in (parts[0], parts[1], parts[-1]))
    try:
        compiled = re.compile(pattern)
    except re.error as error:
        raise MappingError(f"Invalid rule: `{text}`: the pattern cannot be read: {error}") from None
    if any(int(number) > compiled.groups for number in _REFERENCE.findall(replacement)):
        raise MappingError(f"Invalid rule: `{text}`: the pattern has {compiled.groups} groups")
    return _Rule(compiled, replacement, case)


def distinguished_name(certificate: bytes) -> str:
    """The subject of a certificate (DER) as X500Principal.getName writes it."""
    from cryptography import x509

    subject = x509.load_der_x509_certificate(certificate).subject
    return ",".join(
        "+".join(_attribute(one.oid.dotted_string, one) for one in relative)
        for relative in reversed(subject.rdns)
    )


def _attribute(oid: str, attribute: object) -> str:
    keyword = _KEYWORDS.get(oid)
    value = getattr(attribute, "value", "")
    if keyword is None:
        tag = getattr(attribute, "_type", None)
        encoded = value if isinstance(value, bytes) else value.encode()
        return f"{oid}=#{_der(getattr(tag, 'value', _UTF8_STRING), encoded).hex()}"
    return f"{keyword}={_escape(value)}"


def _der(tag: int, value: bytes) -> bytes:
    if len(value) < 128:
        return bytes((tag, len(value))) + value
    size = len(value).to_bytes((len(value).bit_length() + 7) // 8, "big")
    return bytes((tag, 0x80 | len(size))) + size + value


def _escape(value: str) -> str:
    """RFC 2253's special characters, and blanks at either end."""
    shown = re.sub(r'([,+"\\<>;=])', r"\\\1", value)
    if shown.startswith("#"):
        shown = "\\" + shown
    core = shown.strip(" ")
    if not core:
        return "\\ " * len(shown)
    lead = len(shown) - len(shown.lstrip(" "))
    trail = len(shown) - len(shown.rstrip(" "))
    return "\\ " * lead + core + "\\ " * trail


def ssl_principal(certificate: bytes | None, mapper: SslPrincipalMapper) -> KafkaPrincipal:
    """ANONYMOUS without a certificate; raises MappingError."""
    if certificate is None:
        return ANONYMOUS
    return KafkaPrincipal(USER_TYPE, mapper.name(distinguished_name(certificate)))
