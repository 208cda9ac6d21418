# SPDX-License-Identifier: Apache-2.0
"""SCRAM credentials by user, as /config/users holds them (Kafka's CredentialCache and CredentialProvider).

The cache is filled at start and follows /config/changes: a user who was removed cannot authenticate again,
and a connection that is open lives on until it has to authenticate anew, as in Kafka.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping

from commitlog.coordination import paths
from commitlog.coordination.client import Coordination, NoAuth, NoNode
from commitlog.coordination.documents import ConfigEntity, DocumentError
from commitlog.security.scram import MECHANISMS, ScramCredential, ScramError

log = logging.getLogger("commitlog.security.credentials")

USERS = "users"


class CredentialCache:
    """One broker's view of all SCRAM credentials."""

    def __init__(self, coordination: Coordination) -> None:
        self._coordination = coordination
        self._users: dict[str, dict[str, ScramCredential]] = {}

    def get(self, mechanism: str, user: str) -> ScramCredential | None:
        return self._users.get(user, {}).get(mechanism)

    async def load_all(self) -> None:
        try:
            names = await self._coordination.children(paths.config_type(USERS))
        except NoNode:
            return
        for name in names:
            if name != paths.DEFAULT_ENTITY:
                await self.reload(paths.desanitize(name))

    async def reload(self, user: str) -> Mapping[str, str]:
        """Read one user afresh; the whole of the user's settings, quotas among them."""
        path = paths.config_entity(USERS, paths.sanitize(user))
        try:
            data, _ = await self._coordination.get(path)
            settings = dict(ConfigEntity.decode(data).config)
        except NoNode:
            settings = {}
        except NoAuth:
            # While security is turned on, those who are not restarted yet have no login.
            log.error("%s is not for this broker to read; the user has no credentials and quotas here", path)
            settings = {}
        except DocumentError:
            log.error("%s is no configuration document, the user has no credentials", path)
            settings = {}
        found: dict[str, ScramCredential] = {}
        for mechanism in MECHANISMS:
            if mechanism in settings:
                try:
                    found[mechanism] = ScramCredential.decode(settings[mechanism])
                except ScramError as error:
                    log.error("The %s credential of user %s is left out: %s", mechanism, user, error)
        if found:
            self._users[user] = found
        else:
            self._users.pop(user, None)
        return settings
