# SPDX-License-Identifier: Apache-2.0
"""DescribeUserScramCredentials (50), version 0.

Behaviour (ZkAdminManager.describeUserScramCredentials): mechanism and iterations of each user's credentials,
never a key or a salt. No users named: all that have one. A user without is RESOURCE_NOT_FOUND, one who is
named twice DUPLICATE_RESOURCE.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from commitlog.apis.registry import Api
from commitlog.apis.services import RequestContext, Services
from commitlog.coordination import paths
from commitlog.coordination.client import NoNode, retry_until_connected
from commitlog.security.acl import AclOperation
from commitlog.security.scram import ScramCredential, ScramError
from commitlog.wire.api_keys import ApiKey
from commitlog.wire.errors import ErrorCode
from commitlog.wire.messages.describe_user_scram_credentials_request import (
    DescribeUserScramCredentialsRequest,
)
from commitlog.wire.messages.describe_user_scram_credentials_response import (
    CredentialInfo,
    DescribeUserScramCredentialsResponse,
    DescribeUserScramCredentialsResult,
)

MECHANISM_TYPES = {1: "SCRAM-SHA-256", 2: "SCRAM-SHA-512"}
"""ScramMechanism's types in both APIs."""


async def handle(
    services: Services, context: RequestContext, request: DescribeUserScramCredentialsRequest
) -> DescribeUserScramCredentialsResponse:
    if not context.authorize_cluster(AclOperation.DESCRIBE):
        return _denied(request)
    wanted = Counter(user.name for user in request.users or ())
    results = [
        _refused(name, ErrorCode.DUPLICATE_RESOURCE, _duplicate(name))
        for name, times in wanted.items()
        if times > 1
    ]
    names = [name for name, times in wanted.items() if times == 1]
    for name in names if wanted else await _all_users(services):
        if not name:
            text = "Username must not be empty"
            results.append(_refused(name, ErrorCode.RESOURCE_NOT_FOUND, text))
            continue
        settings = await services.topic_admin.entity_configs.read("users", paths.sanitize(name))
        infos = _infos(settings)
        if infos:
            results.append(
                DescribeUserScramCredentialsResult(user=name, error_message="", credential_infos=infos)
            )
        elif wanted:
            text = f"Attempt to describe a user credential that does not exist: {name}"
            results.append(_refused(name, ErrorCode.RESOURCE_NOT_FOUND, text))
    return DescribeUserScramCredentialsResponse(error_message="", results=results)


def _denied(request: DescribeUserScramCredentialsRequest) -> DescribeUserScramCredentialsResponse:
    """DescribeUserScramCredentialsRequest.getErrorResponse: a result per user, without the name."""
    code = ErrorCode.CLUSTER_AUTHORIZATION_FAILED
    return DescribeUserScramCredentialsResponse(
        error_code=code,
        error_message=None,
        results=[
            DescribeUserScramCredentialsResult(error_code=code, error_message=None)
            for _ in request.users or ()
        ],
    )


def _duplicate(name: str) -> str:
    return f"Cannot describe SCRAM credentials for the same user twice in a single request: {name}"


def _refused(name: str, code: ErrorCode, text: str) -> DescribeUserScramCredentialsResult:
    return DescribeUserScramCredentialsResult(user=name, error_code=code, error_message=text)


def _infos(settings: Mapping[str, str]) -> list[CredentialInfo]:
    infos: list[CredentialInfo] = []
    for kind, mechanism in MECHANISM_TYPES.items():
        if mechanism in settings:
            try:
                credential = ScramCredential.decode(settings[mechanism])
            except ScramError:
                continue
            infos.append(CredentialInfo(mechanism=kind, iterations=credential.iterations))
    return infos


async def _all_users(services: Services) -> list[str]:
    coordination = services.coordination
    try:
        names = await retry_until_connected(
            coordination, lambda: coordination.children(paths.config_type("users"))
        )
    except NoNode:
        return []
    return [paths.desanitize(name) for name in names if name != paths.DEFAULT_ENTITY]


API = Api(ApiKey.DESCRIBE_USER_SCRAM_CREDENTIALS, 0, 0, handle)
