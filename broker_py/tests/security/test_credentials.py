# SPDX-License-Identifier: Apache-2.0
"""Users whom this broker may not read in ZooKeeper, as while security is turned on under it."""

from __future__ import annotations

import asyncio
import logging
from typing import cast

import pytest

from commitlog.coordination.client import Coordination, NoAuth, NoNode, Stat
from commitlog.security.client_quotas import ClientQuotas
from commitlog.security.credentials import CredentialCache
from commitlog.server.connection_quotas import ConnectionQuotas
from commitlog.server.quota_configs import QuotaConfigs


class Guarded:
    """A ZooKeeper with one user, whom only the user's owner may read."""

    async def children(self, path: str) -> list[str]:
        if path == "/config/users":
            return ["broker"]
        raise NoNode(path) if path in ("/config/clients", "/config/ips") else NoAuth(path)

    async def get(self, path: str) -> tuple[bytes, Stat]:
        raise NoAuth(path)


def test_a_user_that_may_not_be_read_has_no_credentials_and_one_line_says_so(
    caplog: pytest.LogCaptureFixture,
) -> None:
    guarded = cast(Coordination, Guarded())
    credentials = CredentialCache(guarded)
    quotas = QuotaConfigs(guarded, cast(ClientQuotas, _Nobody()), cast(ConnectionQuotas, None))

    async def start() -> None:
        await credentials.load_all()
        await quotas.load_all()

    with caplog.at_level(logging.INFO):
        asyncio.run(start())
    assert credentials.get("SCRAM-SHA-512", "broker") is None
    assert [record.getMessage() for record in caplog.records] == [
        "/config/users/broker is not for this broker to read; the user has no credentials and quotas here"
    ]
    assert caplog.records[0].exc_info is None


class _Nobody:
    def apply(self, who: object, configs: dict[str, float]) -> None:
        assert not configs
