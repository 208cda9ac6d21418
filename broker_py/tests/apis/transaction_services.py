# SPDX-License-Identifier: Apache-2.0
"""What the transaction APIs reach: a broker with both coordinators, each over a log in memory."""

from __future__ import annotations

from typing import Any

from tests.apis.group_services import Broker
from tests.transactions.harness import Harness as TransactionHarness


class TransactionBroker(Broker):
    """Broker 1, which coordinates every group and every transactional id."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.transactions = TransactionHarness()
        self.services.transactions = self.transactions.coordinator
        self.services.now_ms = self.transactions.now_ms

    async def started(self) -> TransactionBroker:
        await super().started()
        await self.transactions.started()
        return self
