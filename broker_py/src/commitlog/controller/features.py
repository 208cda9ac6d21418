# SPDX-License-Identifier: Apache-2.0
"""The /feature znode at the begin of a term (KIP-584, Kafka: KafkaController.maybeSetupFeatureVersioning).

A ZooKeeper-mode cluster finalizes no features; the znode only says whether the feature is known (status
enabled) to brokers of this inter.broker.protocol.version. What an earlier controller wrote there is kept.
"""

from __future__ import annotations

import logging

from commitlog.controller.core import ControllerCore
from commitlog.coordination import paths
from commitlog.coordination.client import NoNode
from commitlog.coordination.documents import FEATURE_DISABLED, FEATURE_ENABLED, DocumentError, FeatureDocument

log = logging.getLogger("commitlog.controller.controller")


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
