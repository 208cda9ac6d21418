# SPDX-License-Identifier: Apache-2.0
"""ApiVersions (18), versions 0-4.

Behaviour (ApiVersionManager, ApiVersionsRequest):
- lists every API that is served, with the versions served; a ZooKeeper-mode broker has no features, so the
  feature lists are empty and the finalized features epoch is that of an empty /feature;
- a version that is not known is answered in the form of version 0 with UNSUPPORTED_VERSION and the whole
list,
  so that the client steps down with its next request (KIP-511).

Versions: 1 throttle time; 3 flexible, client software name and version (KIP-511), features (KIP-584);
4 (KIP-1022) only means that the client understands features whose lowest version is 0.
"""

from __future__ import annotations

import re
from functools import cache

from commitlog.apis.registry import Api, served_apis
from commitlog.apis.services import RequestContext, Services
from commitlog.wire.api_keys import ApiKey
from commitlog.wire.errors import ErrorCode
from commitlog.wire.messages.api_versions_request import ApiVersionsRequest
from commitlog.wire.messages.api_versions_response import ApiVersion, ApiVersionsResponse

_SOFTWARE = re.compile(r"[a-zA-Z0-9](?:[a-zA-Z0-9\-.]*[a-zA-Z0-9])?")
FINALIZED_FEATURES_EPOCH = 0
"""The version of /feature as its creator left it; the controller writes it once and a 3.9 cluster never
again.
"""


@cache
def served_versions() -> list[ApiVersion]:
    return [
        ApiVersion(api_key=int(api.key), min_version=api.min_version, max_version=api.max_version)
        for api in served_apis().values()
    ]


def api_versions_answer(version: int, request: ApiVersionsRequest) -> ApiVersionsResponse:
    """The answer to a request of a version that is served; before authentication it is the same one."""
    if version >= 3 and not (
        _SOFTWARE.fullmatch(request.client_software_name)
        and _SOFTWARE.fullmatch(request.client_software_version)
    ):
        return error_response(request, ErrorCode.INVALID_REQUEST, None)
    return ApiVersionsResponse(api_keys=served_versions(), finalized_features_epoch=FINALIZED_FEATURES_EPOCH)


def handle(services: Services, context: RequestContext, request: ApiVersionsRequest) -> ApiVersionsResponse:
    return api_versions_answer(context.api_version, request)


def error_response(
    request: ApiVersionsRequest | None, code: ErrorCode, message: str | None
) -> ApiVersionsResponse:
    """An unknown version is told all that is served, any other error stands alone."""
    listed = served_versions() if code is ErrorCode.UNSUPPORTED_VERSION else []
    return ApiVersionsResponse(error_code=code, api_keys=listed)


API = Api(ApiKey.API_VERSIONS, 0, 4, handle, error_response=error_response)
