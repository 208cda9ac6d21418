# SPDX-License-Identifier: Apache-2.0
"""What the four delegation token APIs share (KafkaApis.allowTokenRequests)."""

from __future__ import annotations

from commitlog.apis.services import RequestContext, Services
from commitlog.security.principal import ANONYMOUS
from commitlog.wire.errors import ErrorCode, KafkaError

ERROR_TIMESTAMP = -1


def require_token_requests_allowed(services: Services, context: RequestContext) -> None:
    """Nobody gets a token who is not known by a better proof than a token."""
    protocol = services.config.listener_security_protocol_map.get(context.listener_name, "PLAINTEXT")
    if (
        protocol == "PLAINTEXT"
        or context.principal.token_authenticated
        or (protocol == "SSL" and context.principal == ANONYMOUS)
    ):
        raise KafkaError(ErrorCode.DELEGATION_TOKEN_REQUEST_NOT_ALLOWED)
