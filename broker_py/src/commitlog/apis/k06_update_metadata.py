# SPDX-License-Identifier: Apache-2.0
"""UpdateMetadata (6), versions 0-8: the controller tells what every broker's cache should know.

Behaviour (KafkaApis.handleUpdateMetadataRequest): partition states are merged, the list of live brokers
replaces the old one. Whoever waits for the cache to show something (CreateTopics, DeleteTopics, ElectLeaders)
is woken.

Versions: 0 one host and port per broker; 1 endpoints; 2 rack; 3 listener names; 4 offline replicas; 5 grouped
by topic, broker epoch; 6 flexible; 7 topic ids; 8 isKRaftController and type.
"""

from __future__ import annotations

from commitlog.apis.registry import Api
from commitlog.apis.services import RequestContext, Services
from commitlog.wire.api_keys import ApiKey
from commitlog.wire.messages.update_metadata_request import UpdateMetadataRequest
from commitlog.wire.messages.update_metadata_response import UpdateMetadataResponse


def handle(
    services: Services, context: RequestContext, request: UpdateMetadataRequest
) -> UpdateMetadataResponse:
    return services.replicas.update_metadata(request)


API = Api(ApiKey.UPDATE_METADATA, 0, 8, handle, cluster_action=True)
