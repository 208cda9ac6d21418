# SPDX-License-Identifier: Apache-2.0
"""Delegation tokens (DelegationTokenManagerZk, DelegationTokenCache; KIP-48, KIP-373).

A token is an id and its HMAC under delegation.token.secret.key; whoever has both authenticates by SCRAM with
tokenauth=true, the id as name and the HMAC in base64 as password. ZooKeeper keeps everything but the HMAC, in
`/delegation_token/tokens/<id>`:
`{"version":3,"owner":...,"tokenRequester":...,"renewers":[...],"issueTimestamp":...,"maxTimestamp":...,
"expiryTimestamp":...,"tokenId":...}`, principals sanitized; a change is followed by a notification whose data
is the id. Brokers share the key, so that each can compute every HMAC.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import hmac
import logging
import uuid
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace

from commitlog.coordination import paths
from commitlog.coordination.change_notifications import ChangeNotifications
from commitlog.coordination.client import (
    Coordination,
    CoordinationError,
    NodeExists,
    NoNode,
    delete_recursively,
    ensure_path,
    retry_until_connected,
)
from commitlog.coordination.json_fields import DocumentError, dump, integer, load
from commitlog.security.principal import KafkaPrincipal
from commitlog.security.scram import Account, ScramCredential, make_credential
from commitlog.wire.errors import ErrorCode, KafkaError

log = logging.getLogger("commitlog.security.delegation_tokens")

TOKENS = "/delegation_token/tokens"
TOKEN_CHANGES = "/delegation_token/token_changes"
TOKEN_CHANGE_PREFIX = "token_change_"
DOCUMENT_VERSION = 3
_WHAT = "delegation token"


@dataclass(frozen=True, slots=True)
class TokenInformation:
    """What everybody may know who may know of the token."""

    token_id: str
    owner: KafkaPrincipal
    requester: KafkaPrincipal
    renewers: Sequence[KafkaPrincipal]
    issue_ms: int
    max_ms: int
    expiry_ms: int

    def owner_or_renewer(self, principal: KafkaPrincipal) -> bool:
        return principal in (self.owner, self.requester) or principal in self.renewers

    def expired(self, now_ms: int) -> bool:
        return self.max_ms < now_ms or self.expiry_ms < now_ms

    def encode(self) -> bytes:
        return dump(
            {
                "version": DOCUMENT_VERSION,
                "owner": paths.sanitize(str(self.owner)),
                "tokenRequester": paths.sanitize(str(self.requester)),
                "renewers": [paths.sanitize(str(one)) for one in self.renewers],
                "issueTimestamp": self.issue_ms,
                "maxTimestamp": self.max_ms,
                "expiryTimestamp": self.expiry_ms,
                "tokenId": self.token_id,
            }
        )

    @classmethod
    def decode(cls, data: bytes) -> TokenInformation:
        """Versions before 3 have no requester: it was the owner."""
        value = load(_WHAT, data)
        owner = _principal(value.get("owner"))
        requester = value.get("tokenRequester")
        renewers = value.get("renewers")
        token_id = value.get("tokenId")
        if not isinstance(token_id, str) or not isinstance(renewers, list):
            raise DocumentError(f"{_WHAT}: tokenId or renewers are missing")
        return cls(
            token_id,
            owner,
            owner if requester is None else _principal(requester),
            tuple(_principal(one) for one in renewers),
            integer(_WHAT, value, "issueTimestamp"),
            integer(_WHAT, value, "maxTimestamp"),
            integer(_WHAT, value, "expiryTimestamp"),
        )


def _principal(text: object) -> KafkaPrincipal:
    try:
        return KafkaPrincipal.parse(paths.desanitize(str(text)))
    except ValueError as error:
        raise DocumentError(f"{_WHAT}: {error}") from None


@dataclass(slots=True)
class DelegationToken:
    """A token with its secret."""

    info: TokenInformation
    hmac: bytes = field(repr=False)
    credentials: dict[str, ScramCredential] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class TokenSettings:
    """delegation.token.*; no secret: delegation tokens are off."""

    secret: str | None = field(repr=False)
    max_lifetime_ms: int
    expiry_time_ms: int
    check_interval_ms: int


class DelegationTokens:
    """All tokens of the cluster, as one broker knows them."""

    def __init__(
        self,
        coordination: Coordination,
        settings: TokenSettings,
        *,
        now_ms: Callable[[], int],
    ) -> None:
        self._coordination = coordination
        self._settings = settings
        self._now_ms = now_ms
        self._tokens: dict[str, DelegationToken] = {}
        self._changes = ChangeNotifications(
            coordination, TOKEN_CHANGES, TOKEN_CHANGE_PREFIX, self._changed, now_ms
        )
        self._expiry: asyncio.Task[None] | None = None

    @property
    def enabled(self) -> bool:
        return self._settings.secret is not None

    async def start(self, expires_here: Callable[[], bool]) -> None:
        """``expires_here``: whether this broker is the one (the controller) that removes expired tokens."""
        if not self.enabled:
            return
        for path in (TOKENS, TOKEN_CHANGES):
            await ensure_path(self._coordination, path)
        for token_id in await self._coordination.children(TOKENS):
            await self._reload(token_id)
        await self._changes.start()
        self._expiry = asyncio.get_running_loop().create_task(self._expire_for_ever(expires_here))

    async def stop(self) -> None:
        if self._expiry is not None:
            self._expiry.cancel()
            await asyncio.gather(self._expiry, return_exceptions=True)
            await self._changes.stop()

    # what authentication asks

    def account(self, mechanism: str, token_id: str) -> Account | None:
        """Credential and owner of a token, for SCRAM."""
        token = self._tokens.get(token_id)
        if token is None:
            return None
        if mechanism not in token.credentials:
            password = base64.b64encode(token.hmac).decode()
            token.credentials[mechanism] = make_credential(mechanism, password)
        return Account(token.credentials[mechanism], token.info.owner.name, token.info.expiry_ms)

    # what the APIs ask; each raises KafkaError

    async def create(
        self,
        owner: KafkaPrincipal,
        requester: KafkaPrincipal,
        renewers: Iterable[KafkaPrincipal],
        max_lifetime_ms: int,
    ) -> DelegationToken:
        self._require_enabled()
        longest = self._settings.max_lifetime_ms
        lifetime = longest if max_lifetime_ms <= 0 else min(max_lifetime_ms, longest)
        now = self._now_ms()
        token_id = base64.urlsafe_b64encode(uuid.uuid4().bytes).rstrip(b"=").decode()
        expiry = min(now + lifetime, now + self._settings.expiry_time_ms)
        info = TokenInformation(token_id, owner, requester, tuple(renewers), now, now + lifetime, expiry)
        await self._write(info)
        log.info("Created a delegation token: %s for owner: %s", token_id, owner)
        return self._remember(info)

    async def renew(self, principal: KafkaPrincipal, secret: bytes, period_ms: int) -> int:
        """The new expiry timestamp."""
        info = self._own(principal, secret)
        now = self._now_ms()
        period = self._settings.expiry_time_ms if period_ms < 0 else period_ms
        info = replace(info, expiry_ms=min(info.max_ms, now + period))
        await self._write(info)
        self._remember(info)
        log.info("Delegation token renewed for token: %s for owner: %s", info.token_id, info.owner)
        return info.expiry_ms

    async def expire(self, principal: KafkaPrincipal, secret: bytes, period_ms: int) -> int:
        """The new expiry timestamp; a negative period ends the token at once."""
        info = self._own(principal, secret)
        now = self._now_ms()
        if period_ms < 0:
            await self._remove(info.token_id)
            log.info("Token expired for token: %s for owner: %s", info.token_id, info.owner)
            return now
        info = replace(info, expiry_ms=min(info.max_ms, now + period_ms))
        await self._write(info)
        self._remember(info)
        log.info("Updated expiry time for token: %s for owner: %s", info.token_id, info.owner)
        return info.expiry_ms

    def tokens(self) -> Collection[DelegationToken]:
        self._require_enabled()
        return tuple(self._tokens.values())

    def _require_enabled(self) -> None:
        if not self.enabled:
            raise KafkaError(ErrorCode.DELEGATION_TOKEN_AUTH_DISABLED)

    def _own(self, principal: KafkaPrincipal, secret: bytes) -> TokenInformation:
        """The live token with this HMAC, which the principal may renew."""
        self._require_enabled()
        for token in self._tokens.values():
            if hmac.compare_digest(token.hmac, secret):
                break
        else:
            raise KafkaError(ErrorCode.DELEGATION_TOKEN_NOT_FOUND)
        if not token.info.owner_or_renewer(principal):
            raise KafkaError(ErrorCode.DELEGATION_TOKEN_OWNER_MISMATCH)
        if token.info.expired(self._now_ms()):
            raise KafkaError(ErrorCode.DELEGATION_TOKEN_EXPIRED)
        return token.info

    # ZooKeeper

    def _remember(self, info: TokenInformation) -> DelegationToken:
        known = self._tokens.get(info.token_id)
        if known is None:
            assert self._settings.secret is not None
            key = self._settings.secret.encode()
            secret = hmac.digest(key, info.token_id.encode(), hashlib.sha512)
            known = self._tokens[info.token_id] = DelegationToken(info, secret)
        known.info = info
        return known

    async def _write(self, info: TokenInformation) -> None:
        path = f"{TOKENS}/{info.token_id}"
        data = info.encode()
        coordination = self._coordination

        async def once() -> None:
            try:
                await coordination.set(path, data)
            except NoNode:
                with contextlib.suppress(NodeExists):
                    await coordination.create(path, data)

        await retry_until_connected(coordination, once)
        await self._notify(info.token_id)

    async def _remove(self, token_id: str) -> None:
        coordination = self._coordination
        await retry_until_connected(
            coordination, lambda: delete_recursively(coordination, f"{TOKENS}/{token_id}")
        )
        self._tokens.pop(token_id, None)
        await self._notify(token_id)

    async def _notify(self, token_id: str) -> None:
        coordination = self._coordination
        await retry_until_connected(
            coordination,
            lambda: coordination.create(
                f"{TOKEN_CHANGES}/{TOKEN_CHANGE_PREFIX}", token_id.encode(), sequential=True
            ),
        )

    async def _changed(self, data: bytes) -> None:
        await self._reload(data.decode("utf-8", "replace"))

    async def _reload(self, token_id: str) -> None:
        try:
            data, _ = await self._coordination.get(f"{TOKENS}/{token_id}")
            self._remember(TokenInformation.decode(data))
        except NoNode:
            self._tokens.pop(token_id, None)
        except DocumentError as error:
            log.error("Delegation token %s is left out: %s", token_id, error)

    async def _expire_for_ever(self, expires_here: Callable[[], bool]) -> None:
        while True:
            await asyncio.sleep(self._settings.check_interval_ms / 1000)
            if not expires_here():
                continue
            now = self._now_ms()
            for token in tuple(self._tokens.values()):
                if token.info.expired(now):
                    log.info("Delegation token expired for token: %s", token.info.token_id)
                    try:
                        await self._remove(token.info.token_id)
                    except CoordinationError as error:
                        log.warning("A delegation token could not be removed: %s", error)
