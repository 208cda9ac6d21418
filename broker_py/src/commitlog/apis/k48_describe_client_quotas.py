# SPDX-License-Identifier: Apache-2.0
"""DescribeClientQuotas (48), versions 0-1.

Behaviour (KIP-546, ZkAdminManager.describeClientQuotas): any broker answers what ZooKeeper has. A filter
names for each type of entity a name, the default, or any name; with `strict` an entity must have no other
types.

Versions: 1 flexible.
"""

from __future__ import annotations

from collections.abc import Mapping

from commitlog.apis.client_quotas import (
    CLIENT_ID,
    IP,
    USER,
    Component,
    MatchType,
    Names,
    bad_request,
    from_path,
    to_path,
)
from commitlog.apis.registry import Api
from commitlog.apis.services import RequestContext, Services
from commitlog.controller.entity_configs import EntityConfigs
from commitlog.security.acl import AclOperation
from commitlog.security.client_quotas import CLIENT_QUOTAS, IP_QUOTA
from commitlog.wire.api_keys import ApiKey
from commitlog.wire.errors import ErrorCode, KafkaError
from commitlog.wire.messages.describe_client_quotas_request import (
    ComponentData,
    DescribeClientQuotasRequest,
)
from commitlog.wire.messages.describe_client_quotas_response import (
    DescribeClientQuotasResponse,
    EntityData,
    EntryData,
    ValueData,
)

Found = list[tuple[Names, Mapping[str, str]]]


async def handle(
    services: Services, context: RequestContext, request: DescribeClientQuotasRequest
) -> DescribeClientQuotasResponse:
    if not context.authorize_cluster(AclOperation.DESCRIBE_CONFIGS):
        return error_response(request, ErrorCode.CLUSTER_AUTHORIZATION_FAILED, None)
    components = _components(request)
    configs = services.topic_admin.entity_configs
    found: Found = []
    if IP not in components:
        found += await _users_and_clients(configs, components, strict=request.strict)
    elif len(components) > 1:
        raise bad_request(
            "Invalid entity filter component combination, IP filter component should not be used with user "
            "or clientId filter component."
        )
    if components.keys() <= {IP} and (components or not request.strict):
        found += await _ips(configs, components.get(IP))
    entries = []
    for names, values in found:
        known = (IP_QUOTA,) if IP in names else CLIENT_QUOTAS
        quotas = [ValueData(key=name, value=float(values[name])) for name in known if values.get(name)]
        if quotas:
            entity = [EntityData(entity_type=kind, entity_name=name) for kind, name in names.items()]
            entries.append(EntryData(entity=entity, values=quotas))
    return DescribeClientQuotasResponse(error_message="", entries=entries)


def _components(request: DescribeClientQuotasRequest) -> dict[str, Component]:
    components: dict[str, Component] = {}
    titles = {USER: "user", CLIENT_ID: "client", IP: "ip"}
    for one in request.components:
        if one.entity_type in components:
            raise bad_request(f"Duplicate {titles[one.entity_type]} filter component entity type")
        if not one.entity_type:
            raise bad_request("Unexpected empty filter component entity type")
        if one.entity_type not in titles:
            raise KafkaError(
                ErrorCode.UNSUPPORTED_VERSION, f"Custom entity type '{one.entity_type}' not supported"
            )
        components[one.entity_type] = _component(one)
    return components


def _component(one: ComponentData) -> Component:
    if one.match_type == MatchType.EXACT and one.match is not None:
        return Component(one.match, any_name=False)
    if one.match_type in (MatchType.DEFAULT, MatchType.SPECIFIED):
        return Component(None, any_name=one.match_type == MatchType.SPECIFIED)
    # In Kafka these are exceptions of the parser, which has no code for them.
    raise KafkaError(ErrorCode.UNKNOWN_SERVER_ERROR)


async def _users_and_clients(
    configs: EntityConfigs, components: Mapping[str, Component], *, strict: bool
) -> Found:
    user, client = components.get(USER), components.get(CLIENT_ID)
    found: Found = []
    if client is None or not strict:
        found += [({USER: name}, values) for name, values in await _named(configs, "users", user)]
    if user is None or not strict:
        found += [({CLIENT_ID: name}, values) for name, values in await _named(configs, "clients", client)]
    if not strict or (user is not None and client is not None):
        found += [
            ({USER: from_path(one), CLIENT_ID: from_path(other)}, values)
            for (one, other), values in (await configs.read_all_clients_of_users()).items()
        ]
    return [
        (names, values)
        for names, values in found
        if all(component.matches(names, kind) for kind, component in components.items())
        and (not strict or names.keys() == components.keys())
    ]


async def _ips(configs: EntityConfigs, component: Component | None) -> Found:
    return [({IP: name}, values) for name, values in await _named(configs, "ips", component)]


async def _named(
    configs: EntityConfigs, kind: str, component: Component | None
) -> list[tuple[str | None, Mapping[str, str]]]:
    """All entities of a type, or the one that the filter names."""
    if component is not None and not component.any_name:
        return [(component.name, await configs.read(kind, to_path(component.name)))]
    return [(from_path(name), values) for name, values in (await configs.read_all(kind)).items()]


def error_response(
    request: DescribeClientQuotasRequest, code: ErrorCode, message: str | None
) -> DescribeClientQuotasResponse:
    return DescribeClientQuotasResponse(error_code=code, error_message=message, entries=None)


API = Api(ApiKey.DESCRIBE_CLIENT_QUOTAS, 0, 1, handle, error_response=error_response)
