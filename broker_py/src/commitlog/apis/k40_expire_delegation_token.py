# SPDX-License-Identifier: Apache-2.0
"""ExpireDelegationToken (40), versions 0-2.

Behaviour (KafkaApis.handleExpireTokenRequest): the token is named by its HMAC; owner, requester and renewers
may (DELEGATION_TOKEN_OWNER_MISMATCH), over an authenticated connection only, not with a token; what is not
there is DELEGATION_TOKEN_NOT_FOUND, what is over DELEGATION_TOKEN_EXPIRED.

Versions: 1 throttled clients wait themselves; 2 flexible.
"""

from __future__ import annotations

from commitlog.apis.delegation_tokens import ERROR_TIMESTAMP, require_token_requests_allowed
from commitlog.apis.registry import Api
from commitlog.apis.services import RequestContext, Services
from commitlog.wire.api_keys import ApiKey
from commitlog.wire.errors import KafkaError
from commitlog.wire.messages.expire_delegation_token_request import ExpireDelegationTokenRequest
from commitlog.wire.messages.expire_delegation_token_response import ExpireDelegationTokenResponse


async def handle(
    services: Services, context: RequestContext, request: ExpireDelegationTokenRequest
) -> ExpireDelegationTokenResponse:
    try:
        require_token_requests_allowed(services, context)
        until_ms = await services.tokens.expire(
            context.principal, bytes(request.hmac), request.expiry_time_period_ms
        )
    except KafkaError as error:
        return ExpireDelegationTokenResponse(error_code=error.code, expiry_timestamp_ms=ERROR_TIMESTAMP)
    return ExpireDelegationTokenResponse(expiry_timestamp_ms=until_ms)


API = Api(ApiKey.EXPIRE_DELEGATION_TOKEN, 0, 2, handle)
