# SPDX-License-Identifier: Apache-2.0
"""DescribeDelegationToken (41), versions 0-3.

Behaviour (KafkaApis.handleDescribeTokensRequest, DelegationTokenManager.filterToken): tokens of the named
owners, or all; one's own and those one may renew are shown, others with Describe on the token or
DescribeTokens on its owner. The answer holds the HMACs. An empty list of owners has an empty answer.

Versions: 1 throttled clients wait themselves; 2 flexible; 3 the requester (KIP-373).
"""

from __future__ import annotations

from collections.abc import Sequence

from commitlog.apis.delegation_tokens import require_token_requests_allowed
from commitlog.apis.registry import Api
from commitlog.apis.services import RequestContext, Services
from commitlog.security.acl import AclOperation, ResourceType
from commitlog.security.delegation_tokens import DelegationToken, TokenInformation
from commitlog.security.principal import KafkaPrincipal
from commitlog.wire.api_keys import ApiKey
from commitlog.wire.errors import KafkaError
from commitlog.wire.messages.describe_delegation_token_request import DescribeDelegationTokenRequest
from commitlog.wire.messages.describe_delegation_token_response import (
    DescribedDelegationToken,
    DescribedDelegationTokenRenewer,
    DescribeDelegationTokenResponse,
)

REQUESTER_VERSION = 3
"""From here on an answer names who asked for a token."""


def handle(
    services: Services, context: RequestContext, request: DescribeDelegationTokenRequest
) -> DescribeDelegationTokenResponse:
    owners = None
    if request.owners is not None:
        owners = [KafkaPrincipal(one.principal_type, one.principal_name) for one in request.owners]
    try:
        require_token_requests_allowed(services, context)
        tokens = services.tokens.tokens()
    except KafkaError as error:
        return DescribeDelegationTokenResponse(error_code=error.code)
    shown = [_described(token) for token in tokens if _is_shown(context, token.info, owners)]
    if context.api_version < REQUESTER_VERSION:
        for one in shown:
            one.token_requester_principal_type = one.token_requester_principal_name = ""
    return DescribeDelegationTokenResponse(tokens=shown)


def _is_shown(
    context: RequestContext, info: TokenInformation, owners: Sequence[KafkaPrincipal] | None
) -> bool:
    if owners is not None and not any(info.owner_or_renewer(owner) for owner in owners):
        return False
    return (
        info.owner_or_renewer(context.principal)
        or context.authorize(AclOperation.DESCRIBE, ResourceType.DELEGATION_TOKEN, info.token_id)
        or context.authorize(AclOperation.DESCRIBE_TOKENS, ResourceType.USER, str(info.owner))
    )


def _described(token: DelegationToken) -> DescribedDelegationToken:
    info = token.info
    return DescribedDelegationToken(
        principal_type=info.owner.principal_type,
        principal_name=info.owner.name,
        token_requester_principal_type=info.requester.principal_type,
        token_requester_principal_name=info.requester.name,
        issue_timestamp=info.issue_ms,
        expiry_timestamp=info.expiry_ms,
        max_timestamp=info.max_ms,
        token_id=info.token_id,
        hmac=token.hmac,
        renewers=[
            DescribedDelegationTokenRenewer(principal_type=one.principal_type, principal_name=one.name)
            for one in info.renewers
        ],
    )


API = Api(ApiKey.DESCRIBE_DELEGATION_TOKEN, 0, 3, handle)
