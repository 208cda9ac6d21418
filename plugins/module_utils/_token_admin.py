# -*- coding: utf-8 -*-
# Copyright: Contributors to the commitlog.kafka collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Delegation tokens over the wire: kafka-python 3 knows neither the messages nor methods for them."""

from __future__ import annotations

import base64
import contextlib
import dataclasses
import functools
import typing as t

from ansible_collections.commitlog.kafka.plugins.module_utils._admin import Admin, one_line, raise_for

with contextlib.suppress(ImportError):  # said by require_libraries() before any of this is used
    from kafka.protocol.api_message import ApiMessage

PRINCIPAL = [("PrincipalType", "string", "0+"), ("PrincipalName", "string", "0+")]
REQUESTER = [("TokenRequesterPrincipalType", "string", "3+"), ("TokenRequesterPrincipalName", "string", "3+")]
THROTTLE = ("ThrottleTimeMs", "int32", "0+")
# Kafka's schemas: api key, newest version, then the fields of the request and of the response.
SCHEMAS: dict[str, tuple[int, int, list[t.Any], list[t.Any]]] = {
    "CreateDelegationToken": (
        38,
        3,
        [
            ("OwnerPrincipalType", "string", "3+"),
            ("OwnerPrincipalName", "string", "3+"),
            ("Renewers", "[]CreatableRenewers", "0+", PRINCIPAL),
            ("MaxLifetimeMs", "int64", "0+"),
        ],
        [
            ("ErrorCode", "int16", "0+"),
            *PRINCIPAL,
            *REQUESTER,
            ("IssueTimestampMs", "int64", "0+"),
            ("ExpiryTimestampMs", "int64", "0+"),
            ("MaxTimestampMs", "int64", "0+"),
            ("TokenId", "string", "0+"),
            ("Hmac", "bytes", "0+"),
            THROTTLE,
        ],
    ),
    "RenewDelegationToken": (
        39,
        2,
        [("Hmac", "bytes", "0+"), ("RenewPeriodMs", "int64", "0+")],
        [("ErrorCode", "int16", "0+"), ("ExpiryTimestampMs", "int64", "0+"), THROTTLE],
    ),
    "ExpireDelegationToken": (
        40,
        2,
        [("Hmac", "bytes", "0+"), ("ExpiryTimePeriodMs", "int64", "0+")],
        [("ErrorCode", "int16", "0+"), ("ExpiryTimestampMs", "int64", "0+"), THROTTLE],
    ),
    "DescribeDelegationToken": (
        41,
        3,
        [("Owners", "[]DescribeDelegationTokenOwner", "0+", PRINCIPAL)],
        [
            ("ErrorCode", "int16", "0+"),
            (
                "Tokens",
                "[]DescribedDelegationToken",
                "0+",
                [
                    *PRINCIPAL,
                    *REQUESTER,
                    ("IssueTimestamp", "int64", "0+"),
                    ("ExpiryTimestamp", "int64", "0+"),
                    ("MaxTimestamp", "int64", "0+"),
                    ("TokenId", "string", "0+"),
                    ("Hmac", "bytes", "0+"),
                    ("Renewers", "[]DescribedDelegationTokenRenewer", "0+", PRINCIPAL),
                ],
            ),
            THROTTLE,
        ],
    ),
}
NULLABLE = ("OwnerPrincipalType", "OwnerPrincipalName", "Owners")


@dataclasses.dataclass
class Token:
    """A delegation token. `hmac` is its secret, in base64, and is None where only what may be shown was kept."""

    token_id: str
    owner: str
    renewers: list[str]
    issued_ms: int
    expires_ms: int
    expires_at_latest_ms: int
    hmac: t.Optional[str]


class TokenAdmin(Admin):
    """Creates, renews, expires and lists delegation tokens. Notes of requests never have the secret."""

    def tokens(self, owner: t.Optional[str] = None) -> list[Token]:
        """The tokens that the connection's user may see; of one owner, where it is named."""
        owners = None if owner is None else [split_principal(owner)]
        answer = self._ask("DescribeDelegationToken", owners=owners)
        return [
            Token(
                token_id=entry.token_id,
                owner="{0}:{1}".format(entry.principal_type, entry.principal_name),
                renewers=sorted("{0}:{1}".format(r.principal_type, r.principal_name) for r in entry.renewers),
                issued_ms=entry.issue_timestamp,
                expires_ms=entry.expiry_timestamp,
                expires_at_latest_ms=entry.max_timestamp,
                hmac=base64.b64encode(entry.hmac).decode(),
            )
            for entry in answer.tokens
        ]

    def create(self, owner: t.Optional[str], renewers: list[str], lifetime_ms: int) -> t.Optional[Token]:
        """Create a token; None in check mode, where this is only noted."""
        self.note("CreateDelegationToken", owner=owner, renewers=renewers, max_lifetime_ms=lifetime_ms)
        if self.check_mode:
            return None
        kind, name = (None, None) if owner is None else split_principal(owner)
        answer = self._ask(
            "CreateDelegationToken",
            owner_principal_type=kind,
            owner_principal_name=name,
            renewers=[split_principal(renewer) for renewer in renewers],
            max_lifetime_ms=lifetime_ms,
        )
        return Token(
            token_id=answer.token_id,
            owner="{0}:{1}".format(answer.principal_type, answer.principal_name),
            renewers=sorted(renewers),
            issued_ms=answer.issue_timestamp_ms,
            expires_ms=answer.expiry_timestamp_ms,
            expires_at_latest_ms=answer.max_timestamp_ms,
            hmac=base64.b64encode(answer.hmac).decode(),
        )

    def renew(self, token: Token) -> None:
        """Put a token's expiry off by the brokers' delegation.token.expiry.time.ms."""
        self.note("RenewDelegationToken", token_id=token.token_id)
        if not self.check_mode:
            answer = self._ask("RenewDelegationToken", hmac=base64.b64decode(token.hmac or ""), renew_period_ms=-1)
            token.expires_ms = answer.expiry_timestamp_ms

    def expire(self, token: Token) -> None:
        """End a token at once."""
        self.note("ExpireDelegationToken", token_id=token.token_id)
        if not self.check_mode:
            self._ask("ExpireDelegationToken", hmac=base64.b64decode(token.hmac or ""), expiry_time_period_ms=-1)

    def _ask(self, name: str, **fields: t.Any) -> t.Any:
        request, _response = messages(name)
        with one_line(name):
            answer = self.send(request(**fields))
        raise_for(name, answer.error_code)
        return answer


def split_principal(text: str) -> tuple[str, str]:
    """User:name as its two parts; a name alone is a user's."""
    kind, colon, name = text.partition(":")
    return (kind, name) if colon else ("User", text)


@functools.lru_cache(maxsize=None)
def messages(name: str) -> tuple[t.Any, t.Any]:
    """kafka-python's classes for a request and its response, made from the schemas above."""
    key, newest, request, response = SCHEMAS[name]
    return (
        _message(name + "Request", "request", key, newest, request),
        _message(name + "Response", "response", key, newest, response),
    )


def _message(name: str, kind: str, key: int, newest: int, fields: list[t.Any]) -> t.Any:
    schema = {
        "apiKey": key,
        "type": kind,
        "name": name,
        "validVersions": "0-{0}".format(newest),
        "flexibleVersions": "2+",
        "fields": [_field(field) for field in fields],
    }
    # A class is made from the schema file of its name, which may be exchanged as it is read: there is none for tokens, so it
    # goes by the name of one that there is.
    patch = classmethod(lambda _cls, _json: schema)
    base = "ApiVersions" + kind.capitalize()
    return type(ApiMessage)(base, (ApiMessage,), {"json_patch": patch})


def _field(field: t.Any) -> dict[str, t.Any]:
    schema = {"name": field[0], "type": field[1], "versions": field[2]}
    if field[0] in NULLABLE:
        schema["nullableVersions"] = field[2]
    if len(field) > 3:
        schema["fields"] = [_field(inner) for inner in field[3]]
    return schema
