# SPDX-License-Identifier: Apache-2.0
"""Envelope (58), version 0.

Behaviour (KafkaApis.handleEnvelope): it is listed, but a broker in ZooKeeper mode takes no forwarded
requests: whoever sends one is disconnected, whatever its rights. What is inside is not looked at.
"""

from __future__ import annotations

import logging

from commitlog.apis.registry import Api
from commitlog.apis.services import RequestContext, Services
from commitlog.wire.api_keys import ApiKey
from commitlog.wire.messages.envelope_request import EnvelopeRequest

log = logging.getLogger("commitlog.apis.k58_envelope")


def handle(services: Services, context: RequestContext, request: EnvelopeRequest) -> None:
    log.info(
        "Closing connection %s because it sent an `Envelope` request even though forwarding has not been "
        "enabled",
        context.connection_id,
    )
    context.close()


API = Api(ApiKey.ENVELOPE, 0, 0, handle)
