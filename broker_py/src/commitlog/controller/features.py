# SPDX-License-Identifier: Apache-2.0
"""The /feature znode at the begin of a term, and changes of it (KIP-584, Kafka:
KafkaController.maybeSetupFeatureVersioning and processFeatureUpdates).

A ZooKeeper-mode broker supports no features, so a cluster of them finalizes none; the znode only says whether
the feature is known (status enabled) to brokers of this inter.broker.protocol.version. What an earlier
controller wrote there is kept, and can be deleted.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from commitlog.controller.core import ControllerCore
from commitlog.coordination import paths
from commitlog.coordination.client import NoNode
from commitlog.coordination.documents import FEATURE_DISABLED, FEATURE_ENABLED, DocumentError, FeatureDocument
from commitlog.wire.errors import ErrorCode

log = logging.getLogger("commitlog.controller.controller")


class UpgradeType(IntEnum):
    """FeatureUpdate.UpgradeType."""

    UNKNOWN = 0
    UPGRADE = 1
    SAFE_DOWNGRADE = 2
    UNSAFE_DOWNGRADE = 3

    @classmethod
    def from_code(cls, code: int) -> UpgradeType:
        return cls(code) if code in list(cls) else cls.UNKNOWN


@dataclass(frozen=True, slots=True)
class FeatureUpdate:
    feature: str
    level: int
    upgrade_type: UpgradeType

    @property
    def is_deletion(self) -> bool:
        return self.level < 1 and self.upgrade_type is not UpgradeType.UPGRADE


async def set_up_feature_znode(core: ControllerCore) -> None:
    """Create it, or bring its version and status up to date."""
    enabled = core.versions.feature_versioning
    status, version = FEATURE_ENABLED if enabled else FEATURE_DISABLED, core.versions.feature_document_version
    try:
        data, _ = await core.fence.read(lambda: core.coordination.get(paths.FEATURE))
        found = FeatureDocument.decode(data)
    except NoNode:
        await core.fence.create(paths.FEATURE, FeatureDocument(status, {}, version).encode())
        return
    except DocumentError as error:
        log.error("Overwriting %s: %s", paths.FEATURE, error)
        found = FeatureDocument(status, {}, version)
        data = b""
    wanted = FeatureDocument(status, found.features if enabled else {}, version)
    if wanted.encode() != data:
        await core.fence.set(paths.FEATURE, wanted.encode())


async def update_features(
    core: ControllerCore, updates: Sequence[FeatureUpdate]
) -> dict[str, tuple[ErrorCode, str | None]]:
    """Delete what may be deleted, and say of everything else why it cannot be."""
    data, _ = await core.fence.read(lambda: core.coordination.get(paths.FEATURE))
    document = FeatureDocument.decode(data)
    results: dict[str, tuple[ErrorCode, str | None]] = {}
    features = dict(document.features)
    for update in updates:
        reason = _refusal(update, document.features)
        if reason is None:
            features.pop(update.feature, None)
            results[update.feature] = (ErrorCode.NONE, None)
        else:
            results[update.feature] = (ErrorCode.INVALID_REQUEST, reason)
    if features != document.features:
        changed = FeatureDocument(document.status, features, document.version)
        await core.fence.set(paths.FEATURE, changed.encode())
    return results


def _refusal(update: FeatureUpdate, existing: Mapping[str, Any]) -> str | None:
    """validateFeatureUpdate, for a broker that supports no feature at all."""
    level, downgrade = update.level, update.upgrade_type is UpgradeType.SAFE_DOWNGRADE
    if not update.feature:
        return "Feature name can not be empty."
    if update.upgrade_type is UpgradeType.UNKNOWN:
        return "Received unknown upgrade type."
    if update.is_deletion:
        found = update.feature in existing
        return None if found else "Can not delete non-existing finalized feature."
    if level < 1:
        return (
            f"Can not provide versionLevel: {level} less than 1 without setting the SAFE downgradeType in "
            "the request."
        )
    now = existing.get(update.feature)
    if isinstance(now, int):
        if level == now:
            verb = "downgrade" if downgrade else "upgrade"
            return f"Can not {verb} a finalized feature from existing versionLevel:{now} to the same value."
        if level < now and not downgrade:
            return (
                f"Can not downgrade finalized feature from existing versionLevel:{now} to provided "
                f"versionLevel:{level} without setting the downgradeType to SAFE in the request."
            )
        if level > now and update.upgrade_type is not UpgradeType.UPGRADE:
            return (
                "When the downgradeType is set to SAFE in the request, the provided "
                f"versionLevel:{level} can not be greater than existing versionLevel:{now}."
            )
    return "Could not apply finalized feature update because the provided feature is not supported."
