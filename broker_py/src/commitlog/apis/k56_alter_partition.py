# SPDX-License-Identifier: Apache-2.0
"""AlterPartition (56), versions 0-3 (KIP-497): a leader asks the controller to change its partitions' ISR.

Behaviour (KafkaController.processAlterPartition): see controller.isr_changes.

Versions: 1 leader recovery state (KIP-704); 2 topics by id, INELIGIBLE_REPLICA; 3 broker epochs of the ISR
(KIP-903).
"""

from __future__ import annotations

from commitlog.apis.registry import Api
from commitlog.apis.services import RequestContext, Services
from commitlog.wire.api_keys import ApiKey
from commitlog.wire.messages.alter_partition_request import AlterPartitionRequest
from commitlog.wire.messages.alter_partition_response import AlterPartitionResponse


async def handle(
    services: Services, context: RequestContext, request: AlterPartitionRequest
) -> AlterPartitionResponse:
    return await services.controller.alter_partition(request, context.api_version)


API = Api(ApiKey.ALTER_PARTITION, 0, 3, handle, cluster_action=True)
