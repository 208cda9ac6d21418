# SPDX-License-Identifier: Apache-2.0
"""SaslHandshake (17), versions 0-1.

Behaviour: answered by `server/sasl.py` as long as it is in place. A request that comes here comes over a
listener without SASL, or too soon after the last authentication: ILLEGAL_SASL_STATE (KafkaApis).

Versions: 0 is followed by bare tokens; 1 by SaslAuthenticate requests (KIP-152).
"""

from __future__ import annotations

from commitlog.apis.registry import Api
from commitlog.apis.services import RequestContext, Services
from commitlog.wire.api_keys import ApiKey
from commitlog.wire.errors import ErrorCode
from commitlog.wire.messages.sasl_handshake_request import SaslHandshakeRequest
from commitlog.wire.messages.sasl_handshake_response import SaslHandshakeResponse


def handle(
    services: Services, context: RequestContext, request: SaslHandshakeRequest
) -> SaslHandshakeResponse:
    return SaslHandshakeResponse(error_code=ErrorCode.ILLEGAL_SASL_STATE)


API = Api(ApiKey.SASL_HANDSHAKE, 0, 1, handle)
