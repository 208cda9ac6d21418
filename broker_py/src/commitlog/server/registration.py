# SPDX-License-Identifier: Apache-2.0
"""A broker's registration in ZooKeeper and its epoch (KafkaZkClient.registerBroker and its CheckedEphemeral).

One multi creates the ephemeral /brokers/ids/<id> and writes the document with expected version 0; the
stat's czxid is the broker epoch. A registration that is there already is taken over when it is of this
session (the answer of our multi was lost), deleted when it is of this client's previous, expired session
(ZOOKEEPER-2985), and otherwise belongs to someone else. Kafka gives up at once in that last case. We wait
one session timeout first: it is nearly always this broker's own registration from before a crash, which
ends with its session.
"""

from __future__ import annotations

import asyncio
import logging

from commitlog.coordination import paths
from commitlog.coordination.client import (
    BadVersion,
    Coordination,
    Create,
    NodeExists,
    NoNode,
    Op,
    SetData,
    Stat,
    WatchEvent,
    retry_until_connected,
)
from commitlog.coordination.documents import BrokerRegistration, DocumentError
from commitlog.server.errors import StartupError

log = logging.getLogger("commitlog.server.registration")


class BrokerRegistrar:
    """Registers one broker, again after every session expiry."""

    def __init__(self, coordination: Coordination, session_timeout_ms: int) -> None:
        self._coordination = coordination
        self._patience = session_timeout_ms / 1000 + 2.0
        self._last_session: int | None = None
        self._registered: BrokerRegistration | None = None

    async def register(self, registration: BrokerRegistration) -> int:
        """Register and return the broker epoch. Raises StartupError when the id or an endpoint is
        another's."""
        await self._check_endpoints(registration)
        path = paths.broker_id(registration.broker_id)
        deadline = asyncio.get_running_loop().time() + self._patience
        while True:
            stat = await self._try_to_register(path, registration.encode())
            if stat is not None:
                break
            left = deadline - asyncio.get_running_loop().time()
            if left <= 0 or not await self._wait_for_removal(path, left):
                raise StartupError(
                    f"A broker is already registered on the path {path}. This probably indicates that you "
                    "either have configured a broker.id that is already in use, or else you have shutdown "
                    "this broker and restarted it faster than the zookeeper timeout so it appears to be "
                    "re-registering."
                )
        self._last_session = self._coordination.session_id
        self._registered = registration
        log.info(
            "Registered broker %d at path %s with addresses: %s, czxid (broker epoch): %d",
            registration.broker_id,
            path,
            ",".join(endpoint.connection_string() for endpoint in registration.endpoints),
            stat.czxid,
        )
        return stat.czxid

    async def update(self, registration: BrokerRegistration) -> None:
        """Write other endpoints into the registration there is (KafkaZkClient.updateBrokerInfo); the broker
        epoch stays. After the end of a session there is none: registering again writes these."""
        before = self._registered
        if before is None or registration.endpoints == before.endpoints:
            return
        path = paths.broker_id(registration.broker_id)
        document = registration.encode()
        try:
            await retry_until_connected(self._coordination, lambda: self._coordination.set(path, document))
        except NoNode:
            return
        self._registered = registration
        log.info(
            "Updated broker %d at path %s with addresses: %s",
            registration.broker_id,
            path,
            ",".join(endpoint.connection_string() for endpoint in registration.endpoints),
        )

    async def _check_endpoints(self, registration: BrokerRegistration) -> None:
        """KafkaServer.validateAdvertisedEndpoints: two brokers must not advertise one address."""
        mine = {(endpoint.host, endpoint.port) for endpoint in registration.endpoints}
        for name in await self._coordination.children(paths.BROKER_IDS):
            if name == str(registration.broker_id) or not name.isdigit():
                continue
            try:
                data, _ = await self._coordination.get(paths.broker_id(int(name)))
                other = BrokerRegistration.decode(int(name), data)
            except (NoNode, DocumentError):
                continue
            for endpoint in other.endpoints:
                if (endpoint.host, endpoint.port) in mine:
                    raise StartupError(
                        f"Configured end points {endpoint.host}:{endpoint.port} in advertised listeners are "
                        f"already registered by broker {name}"
                    )

    async def _try_to_register(self, path: str, document: bytes) -> Stat | None:
        """The registration's stat, None while it is someone else's."""
        ops: list[Op] = [Create(path, None, ephemeral=True), SetData(path, document, version=0)]
        coordination = self._coordination
        while True:
            try:
                results = await retry_until_connected(coordination, lambda: coordination.multi(ops))
            except NodeExists:
                pass
            else:
                made = results[1]
                assert isinstance(made, Stat)
                return made
            try:
                _, stat = await retry_until_connected(coordination, lambda: coordination.get(path))
            except NoNode:
                continue
            if stat.ephemeral_owner == coordination.session_id:
                return stat
            if stat.ephemeral_owner != self._last_session:
                return None
            log.info("Deleting %s, which is of this broker's expired session", path)
            try:
                await coordination.delete(path, stat.version)
            except (NoNode, BadVersion):
                continue

    async def _wait_for_removal(self, path: str, seconds: float) -> bool:
        """Wait until the registration at path goes."""
        gone = asyncio.Event()

        def changed(event: WatchEvent) -> None:
            gone.set()

        stat = await self._coordination.exists(path, watch=changed)
        if stat is None:
            return True
        log.warning(
            "A broker is registered on %s by session 0x%x, not by this one (0x%x); waiting up to %.0f s for "
            "that session to expire",
            path,
            stat.ephemeral_owner,
            self._coordination.session_id,
            seconds,
        )
        try:
            await asyncio.wait_for(gone.wait(), seconds)
        except TimeoutError:
            return False
        return True
