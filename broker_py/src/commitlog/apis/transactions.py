# SPDX-License-Identifier: Apache-2.0
"""What the transaction APIs have in common: answers that may come later, and an error that old clients do
not know (KIP-588)."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from commitlog.wire.errors import ErrorCode

T = TypeVar("T")
R = TypeVar("R")

PRODUCER_FENCED_VERSION = 2
"""From here on AddPartitionsToTxn, AddOffsetsToTxn and EndTxn may answer PRODUCER_FENCED."""


def later(outcome: T | asyncio.Future[T], respond: Callable[[T], R]) -> R | Awaitable[R]:
    """The response to what is done, or will be."""
    if isinstance(outcome, asyncio.Future):
        return _wait(outcome, respond)
    return respond(outcome)


async def _wait(outcome: asyncio.Future[T], respond: Callable[[T], R]) -> R:
    return respond(await outcome)


def known_to(version: int, error: ErrorCode) -> ErrorCode:
    """The error, or what stood for it before that version."""
    if error is ErrorCode.PRODUCER_FENCED and version < PRODUCER_FENCED_VERSION:
        return ErrorCode.INVALID_PRODUCER_EPOCH
    return error
