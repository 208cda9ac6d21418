# SPDX-License-Identifier: Apache-2.0
"""AlterUserScramCredentials (51), version 0.

Behaviour (ZkAdminManager.alterUserScramCredentials): the client salts the password, the broker keeps what is
needed to check it, in /config/users/<user> with a notification. Only the controller answers
(NOT_CONTROLLER). All changes of one user are made together or not at all: RESOURCE_NOT_FOUND for a credential
to delete that is not there, UNSUPPORTED_SASL_MECHANISM, UNACCEPTABLE_CREDENTIAL for an empty name and
iterations out of bounds, DUPLICATE_RESOURCE for the same user and mechanism twice.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from commitlog.apis.k50_describe_user_scram_credentials import MECHANISM_TYPES
from commitlog.apis.registry import Api
from commitlog.apis.services import RequestContext, Services
from commitlog.coordination import paths
from commitlog.security.acl import AclOperation
from commitlog.security.scram import MAX_ITERATIONS, MIN_ITERATIONS, credential_of
from commitlog.wire.api_keys import ApiKey
from commitlog.wire.errors import ErrorCode, KafkaError
from commitlog.wire.messages.alter_user_scram_credentials_request import (
    AlterUserScramCredentialsRequest,
    ScramCredentialDeletion,
    ScramCredentialUpsertion,
)
from commitlog.wire.messages.alter_user_scram_credentials_response import (
    AlterUserScramCredentialsResponse,
    AlterUserScramCredentialsResult,
)

Change = ScramCredentialDeletion | ScramCredentialUpsertion


async def handle(
    services: Services, context: RequestContext, request: AlterUserScramCredentialsRequest
) -> AlterUserScramCredentialsResponse:
    changes: list[Change] = [*request.deletions, *request.upsertions]
    users = list(dict.fromkeys(change.name for change in changes))
    if not services.controller.is_active:
        return _all_fail(users, ErrorCode.NOT_CONTROLLER, None)
    if not context.authorize_cluster(AclOperation.ALTER):
        return _all_fail(users, ErrorCode.CLUSTER_AUTHORIZATION_FAILED, None)
    results = []
    for user in users:
        mine = [change for change in changes if change.name == user]
        result = AlterUserScramCredentialsResult(user=user, error_message="")
        try:
            _check(user, mine)
            await _change(services, user, mine)
        except KafkaError as error:
            result.error_code, result.error_message = error.code, error.message
        results.append(result)
    return AlterUserScramCredentialsResponse(results=results)


def _check(user: str, changes: Sequence[Change]) -> None:
    if not user:
        raise KafkaError(ErrorCode.UNACCEPTABLE_CREDENTIAL, "Username must not be empty")
    for change in changes:
        if change.mechanism not in MECHANISM_TYPES:
            raise KafkaError(ErrorCode.UNSUPPORTED_SASL_MECHANISM, "Unknown SCRAM mechanism")
    if max(Counter(change.mechanism for change in changes).values()) > 1:
        raise KafkaError(
            ErrorCode.DUPLICATE_RESOURCE,
            "A user credential cannot be altered twice in the same request",
        )
    for change in changes:
        if isinstance(change, ScramCredentialUpsertion):
            _check_upsertion(change)


def _check_upsertion(change: ScramCredentialUpsertion) -> None:
    if change.iterations < MIN_ITERATIONS:
        raise KafkaError(ErrorCode.UNACCEPTABLE_CREDENTIAL, "Too few iterations")
    if change.iterations > MAX_ITERATIONS:
        raise KafkaError(ErrorCode.UNACCEPTABLE_CREDENTIAL, "Too many iterations")
    if not change.salted_password:
        raise KafkaError(ErrorCode.UNACCEPTABLE_CREDENTIAL, "Empty salted password")


async def _change(services: Services, user: str, changes: Sequence[Change]) -> None:
    name = paths.sanitize(user)
    configs = services.topic_admin.entity_configs
    settings = await configs.read("users", name)
    for change in changes:
        mechanism = MECHANISM_TYPES[change.mechanism]
        if isinstance(change, ScramCredentialUpsertion):
            credential = credential_of(
                mechanism, bytes(change.salt), bytes(change.salted_password), change.iterations
            )
            settings[mechanism] = credential.encode()
        elif settings.pop(mechanism, None) is None:
            raise KafkaError(
                ErrorCode.RESOURCE_NOT_FOUND, "Attempt to delete a user credential that does not exist"
            )
    await configs.change("users", name, settings)


def _all_fail(users: Sequence[str], code: ErrorCode, text: str | None) -> AlterUserScramCredentialsResponse:
    return AlterUserScramCredentialsResponse(
        results=[
            AlterUserScramCredentialsResult(user=user, error_code=code, error_message=text) for user in users
        ]
    )


def error_response(
    request: AlterUserScramCredentialsRequest, code: ErrorCode, message: str | None
) -> AlterUserScramCredentialsResponse:
    changes: list[Change] = [*request.deletions, *request.upsertions]
    return _all_fail(list(dict.fromkeys(change.name for change in changes)), code, message)


API = Api(ApiKey.ALTER_USER_SCRAM_CREDENTIALS, 0, 0, handle, error_response=error_response)
