# SPDX-License-Identifier: Apache-2.0
"""AlterClientQuotas (49), versions 0-1.

Behaviour (KIP-546, ZkAdminManager.alterClientQuotas): any broker writes the new quotas to ZooKeeper, entity
by entity, and a notification tells the others. An error is of one entity, which is not changed then.

Versions: 1 flexible.
"""

from __future__ import annotations

import logging

from commitlog.apis.client_quotas import config_path, edited
from commitlog.apis.registry import Api
from commitlog.apis.services import RequestContext, Services
from commitlog.coordination.client import CoordinationError
from commitlog.security.acl import AclOperation
from commitlog.wire.api_keys import ApiKey
from commitlog.wire.errors import ErrorCode, KafkaError
from commitlog.wire.messages.alter_client_quotas_request import AlterClientQuotasRequest
from commitlog.wire.messages.alter_client_quotas_request import EntryData as Alteration
from commitlog.wire.messages.alter_client_quotas_response import (
    AlterClientQuotasResponse,
    EntityData,
    EntryData,
)

log = logging.getLogger("commitlog.apis.client_quotas")


async def handle(
    services: Services, context: RequestContext, request: AlterClientQuotasRequest
) -> AlterClientQuotasResponse:
    if not context.authorize_cluster(AclOperation.ALTER_CONFIGS):
        code = ErrorCode.CLUSTER_AUTHORIZATION_FAILED
        return error_response(request, code, code.message)
    once = {tuple(_names(entry).items()): entry for entry in request.entries}  # of one named twice the last
    return AlterClientQuotasResponse(
        entries=[await _alter(services, entry, request.validate_only) for entry in once.values()]
    )


async def _alter(services: Services, entry: Alteration, validate_only: bool) -> EntryData:
    configs = services.topic_admin.entity_configs
    try:
        kind, path = await config_path(_names(entry))
        wanted = edited(kind, await configs.read(kind, path), entry.ops)
        if not validate_only:
            await configs.change_quotas(kind, path, wanted)
    except KafkaError as error:
        log.info("Error encountered while updating client quotas: %s", error)
        return _entry(entry, error.code, error.message)
    except CoordinationError as error:
        return _entry(entry, ErrorCode.UNKNOWN_SERVER_ERROR, str(error))
    return _entry(entry, ErrorCode.NONE, None)


def _names(entry: Alteration) -> dict[str, str | None]:
    return {one.entity_type: one.entity_name for one in entry.entity}


def _entry(entry: Alteration, code: ErrorCode, message: str | None) -> EntryData:
    return EntryData(
        error_code=code,
        error_message=message,
        entity=[EntityData(entity_type=kind, entity_name=name) for kind, name in _names(entry).items()],
    )


def error_response(
    request: AlterClientQuotasRequest, code: ErrorCode, message: str | None
) -> AlterClientQuotasResponse:
    return AlterClientQuotasResponse(entries=[_entry(entry, code, message) for entry in request.entries])


API = Api(ApiKey.ALTER_CLIENT_QUOTAS, 0, 1, handle, error_response=error_response)
