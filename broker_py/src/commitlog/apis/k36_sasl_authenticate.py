# SPDX-License-Identifier: Apache-2.0
"""SaslAuthenticate (36), versions 0-2.

Behaviour: answered by `server/sasl.py` after a SaslHandshake v1. A request that comes here follows none:
ILLEGAL_SASL_STATE (KafkaApis).

Versions: 1 session lifetime (KIP-368); 2 flexible.
"""

from __future__ import annotations

from commitlog.apis.registry import Api
from commitlog.apis.services import RequestContext, Services
from commitlog.wire.api_keys import ApiKey
from commitlog.wire.errors import ErrorCode
from commitlog.wire.messages.sasl_authenticate_request import SaslAuthenticateRequest
from commitlog.wire.messages.sasl_authenticate_response import SaslAuthenticateResponse


def handle(
    services: Services, context: RequestContext, request: SaslAuthenticateRequest
) -> SaslAuthenticateResponse:
    return SaslAuthenticateResponse(
        error_code=ErrorCode.ILLEGAL_SASL_STATE,
        error_message="SaslAuthenticate request received after successful authentication",
    )


API = Api(ApiKey.SASL_AUTHENTICATE, 0, 2, handle)
