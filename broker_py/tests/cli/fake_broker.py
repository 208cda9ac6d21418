# SPDX-License-Identifier: Apache-2.0
"""A broker that answers from a table: enough of the protocol for the tools, with nothing behind it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Any

from commitlog.wire.api_keys import API_VERSIONS, ApiKey
from commitlog.wire.frames import decode_request, decode_request_header, encode_response
from commitlog.wire.messages.api_versions_response import ApiVersion, ApiVersionsResponse

Handler = Callable[[Any], Any]


class FakeBroker:
    """`handlers` by api key; what they were asked is kept in `requests`."""

    def __init__(self, handlers: dict[int, Handler]) -> None:
        self.handlers = handlers
        self.requests: list[Any] = []
        self.port = 0
        self._server: asyncio.Server | None = None

    async def start(self, port: int = 0) -> FakeBroker:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", port)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()

    def asked(self, api_key: int) -> list[Any]:
        return [request for request in self.requests if api_key == request.API_KEY]

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                size = int.from_bytes(await reader.readexactly(4), "big")
                frame = memoryview(await reader.readexactly(size))
                header = decode_request_header(frame)
                request = decode_request(header, frame)
                self.requests.append(request)
                response = self._answer(header.api_key, request)
                parts = encode_response(response, header.api_version, header.correlation_id)
                writer.writelines(self._bytes(parts))
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    def _answer(self, api_key: int, request: Any) -> Any:
        if api_key != ApiKey.API_VERSIONS:
            return self.handlers[api_key](request)
        served = [
            ApiVersion(api_key=key, min_version=API_VERSIONS[key].low, max_version=API_VERSIONS[key].high)
            for key in (*self.handlers, ApiKey.API_VERSIONS)
        ]
        return ApiVersionsResponse(api_keys=served)

    @staticmethod
    def _bytes(parts: Iterable[Any]) -> list[bytes]:
        return [bytes(part) for part in parts]
