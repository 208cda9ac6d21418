# SPDX-License-Identifier: Apache-2.0
"""kafka-delegation-tokens.sh: create, renew, expire and describe delegation tokens (Kafka's
`DelegationTokenCommand`)."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from commitlog.cli import terminal
from commitlog.cli.delegation_tokens_options import OPTIONS, SUMMARY
from commitlog.cli.java_order import hash_order, names_hash
from commitlog.cli.jopt import Parsed, UsageError, check_invalid, check_required

if TYPE_CHECKING:
    from commitlog.cli.admin import Admin
    from commitlog.security.principal import KafkaPrincipal

ACTIONS = ("create", "renew", "expire", "describe")
_REQUIRED = {
    "create": ("max-life-time-period",),
    "renew": ("hmac", "renew-time-period"),
    "expire": ("hmac", "expiry-time-period"),
    "describe": (),
}
_FORBIDDEN = {
    "create": ("hmac", "renew-time-period", "expiry-time-period"),
    "renew": ("renewer-principal", "max-life-time-period", "expiry-time-period", "owner-principal"),
    "expire": ("renew", "max-life-time-period", "renew-time-period", "owner-principal"),
    "describe": ("renew-time-period", "max-life-time-period", "hmac", "expiry-time-period"),
}
HEADS = ("TOKENID", "HMAC", "OWNER", "REQUESTER", "RENEWERS", "ISSUEDATE", "EXPIRYDATE", "MAXDATE")
WIDTHS = (15, 30, 15, 15, 25, 15, 15, 15)

Row = tuple[str, bytes, str, str, str, int, int, int]


def main(arguments: Sequence[str] | None = None) -> int:
    return terminal.run_tool(
        _main, arguments, summary=SUMMARY, options=OPTIONS, failed=terminal.say_as_java()
    )


def _main(parsed: Parsed) -> int:
    import asyncio

    actions = [action for action in ACTIONS if parsed.has(action)]
    if len(actions) != 1:
        raise UsageError("Command must include exactly one action: --create, --renew, --expire or --describe")
    check_required(parsed, "bootstrap-server", "command-config", *_REQUIRED[actions[0]])
    check_invalid(parsed, actions[0], *hash_order(_FORBIDDEN[actions[0]], names_hash))
    asyncio.run(_run(parsed, actions[0]))
    return 0


async def _run(parsed: Parsed, action: str) -> None:
    from commitlog.cli.admin import connected

    steps = {"create": _create, "renew": _renew, "expire": _expire, "describe": _describe}
    async with connected(parsed.only("bootstrap-server") or "", parsed.only("command-config")) as admin:
        await steps[action](admin, parsed)


def _principals(parsed: Parsed, option: str) -> list[KafkaPrincipal]:
    from commitlog.cli.topics_errors import ToolError
    from commitlog.security.principal import KafkaPrincipal

    try:
        return [KafkaPrincipal.parse(text.strip()) for text in parsed.all(option)]
    except ValueError as error:
        raise ToolError(str(error)) from None


def _shown(principals: Sequence[KafkaPrincipal]) -> str:
    return f"[{', '.join(map(str, principals))}]"


async def _create(admin: Admin, parsed: Parsed) -> None:
    from commitlog.cli.admin import check
    from commitlog.wire.messages.create_delegation_token_request import (
        CreatableRenewers,
        CreateDelegationTokenRequest,
    )

    renewers, owners = _principals(parsed, "renewer-principal"), _principals(parsed, "owner-principal")
    lifetime = parsed.only_number("max-life-time-period")
    print(
        f"Calling create token operation with renewers :{_shown(renewers)} , max-life-time-period :{lifetime}"
    )
    request = CreateDelegationTokenRequest(
        owner_principal_type=owners[0].principal_type if owners else "",
        owner_principal_name=owners[0].name if owners else "",
        renewers=[CreatableRenewers(one.principal_type, one.name) for one in renewers],
        max_lifetime_ms=lifetime,
    )
    made = await admin.ask_controller(request, lambda answer: [answer.error_code])
    check(made.error_code)
    print(f"Created delegation token with tokenId : {made.token_id}")
    row: Row = (
        made.token_id,
        made.hmac,
        f"{made.principal_type}:{made.principal_name}",
        f"{made.token_requester_principal_type}:{made.token_requester_principal_name}",
        _shown(renewers),
        made.issue_timestamp_ms,
        made.expiry_timestamp_ms,
        made.max_timestamp_ms,
    )
    _print([row])


def _hmac(parsed: Parsed) -> bytes:
    import base64
    import binascii

    from commitlog.cli.topics_errors import ToolError

    try:
        return base64.b64decode(parsed.only("hmac") or "", validate=True)
    except binascii.Error as error:
        raise ToolError(f"--hmac is not in Base64: {error}") from None


async def _renew(admin: Admin, parsed: Parsed) -> None:
    from commitlog.cli.admin import check
    from commitlog.wire.messages.renew_delegation_token_request import RenewDelegationTokenRequest

    period = parsed.only_number("renew-time-period")
    print(f"Calling renew token operation with hmac :{parsed.only('hmac')} , renew-time-period :{period}")
    request = RenewDelegationTokenRequest(hmac=_hmac(parsed), renew_period_ms=period)
    done = await admin.ask_controller(request, lambda answer: [answer.error_code])
    check(done.error_code)
    print(f"Completed renew operation. New expiry date : {_date(done.expiry_timestamp_ms)}", end="")


async def _expire(admin: Admin, parsed: Parsed) -> None:
    from commitlog.cli.admin import check
    from commitlog.wire.messages.expire_delegation_token_request import ExpireDelegationTokenRequest

    period = parsed.only_number("expiry-time-period")
    print(f"Calling expire token operation with hmac :{parsed.only('hmac')} , expire-time-period :{period}")
    request = ExpireDelegationTokenRequest(hmac=_hmac(parsed), expiry_time_period_ms=period)
    done = await admin.ask_controller(request, lambda answer: [answer.error_code])
    check(done.error_code)
    print(f"Completed expire operation. New expiry date : {_date(done.expiry_timestamp_ms)}", end="")


async def _describe(admin: Admin, parsed: Parsed) -> None:
    from commitlog.cli.admin import check
    from commitlog.wire.messages.describe_delegation_token_request import (
        DescribeDelegationTokenOwner,
        DescribeDelegationTokenRequest,
    )

    owners = _principals(parsed, "owner-principal")
    if owners:
        print(f"Calling describe token operation for owners: {_shown(owners)}")
    else:
        print("Calling describe token operation for current user.")
    wanted = [DescribeDelegationTokenOwner(one.principal_type, one.name) for one in owners]
    found = await admin.ask(DescribeDelegationTokenRequest(owners=wanted or None))
    check(found.error_code)
    rows: list[Row] = [
        (
            token.token_id,
            token.hmac,
            f"{token.principal_type}:{token.principal_name}",
            f"{token.token_requester_principal_type}:{token.token_requester_principal_name}",
            "[" + ", ".join(f"{one.principal_type}:{one.principal_name}" for one in token.renewers) + "]",
            token.issue_timestamp,
            token.expiry_timestamp,
            token.max_timestamp,
        )
        for token in found.tokens
    ]
    print(f"Total number of tokens : {len(rows)}", end="")
    _print(rows)


def _date(at_ms: int) -> str:
    import time

    return time.strftime("%Y-%m-%dT%H:%M", time.localtime(at_ms / 1000))


def _print(rows: Sequence[Row]) -> None:
    import base64

    print("\n" + " ".join(f"{head:<{width}}" for head, width in zip(HEADS, WIDTHS, strict=True)))
    for row in rows:
        dates = [_date(at_ms) for at_ms in row[5:]]
        cells = [row[0], base64.b64encode(row[1]).decode(), *row[2:5], *dates]
        print("\n" + " ".join(f"{cell:<{width}}" for cell, width in zip(cells, WIDTHS, strict=True)))


if __name__ == "__main__":
    sys.exit(main())
