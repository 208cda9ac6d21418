# SPDX-License-Identifier: Apache-2.0
"""CreateDelegationToken (38), versions 0-3.

Behaviour (KafkaApis.handleCreateTokenRequest): over an authenticated connection only, and not with a token;
for another owner with CreateTokens on that user (DELEGATION_TOKEN_AUTHORIZATION_FAILED); renewers are users
(INVALID_PRINCIPAL_TYPE); without delegation.token.secret.key DELEGATION_TOKEN_AUTH_DISABLED.

Versions: 1 throttled clients wait themselves; 2 flexible; 3 an owner that is not who asks (KIP-373).
"""

from __future__ import annotations

from commitlog.apis.delegation_tokens import ERROR_TIMESTAMP, require_token_requests_allowed
from commitlog.apis.registry import Api
from commitlog.apis.services import RequestContext, Services
from commitlog.security.acl import AclOperation, ResourceType
from commitlog.security.principal import USER_TYPE, KafkaPrincipal
from commitlog.wire.api_keys import ApiKey
from commitlog.wire.errors import ErrorCode, KafkaError
from commitlog.wire.messages.create_delegation_token_request import CreateDelegationTokenRequest
from commitlog.wire.messages.create_delegation_token_response import CreateDelegationTokenResponse

REQUESTER_VERSION = 3
"""From here on an answer names who asked for the token."""


async def handle(
    services: Services, context: RequestContext, request: CreateDelegationTokenRequest
) -> CreateDelegationTokenResponse:
    requester = context.principal
    owner = requester
    if request.owner_principal_name:
        owner = KafkaPrincipal(request.owner_principal_type or "", request.owner_principal_name)
    response = CreateDelegationTokenResponse(
        principal_type=owner.principal_type,
        principal_name=owner.name,
        issue_timestamp_ms=ERROR_TIMESTAMP,
        expiry_timestamp_ms=ERROR_TIMESTAMP,
        max_timestamp_ms=ERROR_TIMESTAMP,
    )
    if context.api_version >= REQUESTER_VERSION:
        response.token_requester_principal_type = requester.principal_type
        response.token_requester_principal_name = requester.name
    renewers = [KafkaPrincipal(one.principal_type, one.principal_name) for one in request.renewers]
    try:
        require_token_requests_allowed(services, context)
        if owner != requester and not context.authorize(
            AclOperation.CREATE_TOKENS, ResourceType.USER, str(owner)
        ):
            raise KafkaError(ErrorCode.DELEGATION_TOKEN_AUTHORIZATION_FAILED)
        if any(one.principal_type != USER_TYPE for one in renewers):
            raise KafkaError(ErrorCode.INVALID_PRINCIPAL_TYPE)
        token = await services.tokens.create(owner, requester, renewers, request.max_lifetime_ms)
    except KafkaError as error:
        response.error_code = error.code
        return response
    response.issue_timestamp_ms = token.info.issue_ms
    response.expiry_timestamp_ms = token.info.expiry_ms
    response.max_timestamp_ms = token.info.max_ms
    response.token_id = token.info.token_id
    response.hmac = token.hmac
    return response


API = Api(ApiKey.CREATE_DELEGATION_TOKEN, 0, 3, handle)
