# SPDX-License-Identifier: Apache-2.0
"""UpdateFeatures (57), versions 0-1.

Behaviour (KafkaApis.handleUpdateFeatures): Alter on the cluster; only the active controller answers. A
ZooKeeper-mode broker supports no features, so an update is refused feature by feature; validate_only is not
looked at, as in Kafka.

Versions: 1 (KIP-584, KIP-778) upgrade types instead of allow_downgrade, validate_only.
"""

from __future__ import annotations

from commitlog.apis.registry import Api
from commitlog.apis.services import RequestContext, Services
from commitlog.controller.features import FeatureUpdate, UpgradeType
from commitlog.security.acl import AclOperation
from commitlog.wire.api_keys import ApiKey
from commitlog.wire.errors import ErrorCode, KafkaError
from commitlog.wire.messages.update_features_request import FeatureUpdateKey, UpdateFeaturesRequest
from commitlog.wire.messages.update_features_response import UpdatableFeatureResult, UpdateFeaturesResponse

UPGRADE_TYPE_VERSION = 1
FIRST_INTER_BROKER_PROTOCOL = "2.7-IV0"


async def handle(
    services: Services, context: RequestContext, request: UpdateFeaturesRequest
) -> UpdateFeaturesResponse:
    if not context.authorize_cluster(AclOperation.ALTER):
        return _failed(ErrorCode.CLUSTER_AUTHORIZATION_FAILED)
    if not services.controller.is_active:
        return _failed(ErrorCode.NOT_CONTROLLER)
    if not services.config.ibp_at_least(FIRST_INTER_BROKER_PROTOCOL):
        return _failed(ErrorCode.INVALID_REQUEST, "Feature versioning system is disabled.")
    updates = [_update(one, context.api_version) for one in request.feature_updates]
    try:
        results = await services.controller.update_features(updates)
    except KafkaError as error:
        return _failed(error.code)
    return UpdateFeaturesResponse(
        error_message=None,
        results=[
            UpdatableFeatureResult(feature=feature, error_code=code, error_message=message or code.name)
            for feature, (code, message) in results.items()
        ],
    )


def _update(one: FeatureUpdateKey, version: int) -> FeatureUpdate:
    if version >= UPGRADE_TYPE_VERSION:
        kind = UpgradeType.from_code(one.upgrade_type)
    else:
        kind = UpgradeType.SAFE_DOWNGRADE if one.allow_downgrade else UpgradeType.UPGRADE
    return FeatureUpdate(one.feature, one.max_version_level, kind)


def _failed(code: ErrorCode, message: str | None = None) -> UpdateFeaturesResponse:
    return UpdateFeaturesResponse(error_code=code, error_message=message or code.message)


API = Api(ApiKey.UPDATE_FEATURES, 0, 1, handle)
