# SPDX-License-Identifier: Apache-2.0
"""The Prometheus endpoint: GET /metrics on a listener of its own (where Kafka has the JMX exporter's agent).

It speaks as much HTTP/1.1 as a scraper needs: one request a connection, a head of 8 KiB at most, which has to
be here after ten seconds. No more than a few connections are served at once: it cannot be made to cost the
broker much.
"""

from __future__ import annotations

import asyncio
import gzip
import logging

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.gc_collector import GCCollector
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector

from commitlog.metrics.families import Sources

log = logging.getLogger("commitlog.metrics.endpoint")

HEAD_BYTES = 8 * 1024
TIMEOUT_S = 10.0
MAX_CONNECTIONS = 8


class PrometheusEndpoint:
    """Serves what the sources report, and the process's own figures."""

    def __init__(self, host: str, port: int, sources: Sources) -> None:
        self.host = host
        self.port = port
        self._registry = CollectorRegistry()
        self._registry.register(sources)
        ProcessCollector(registry=self._registry)
        PlatformCollector(registry=self._registry)
        GCCollector(registry=self._registry)
        self._server: asyncio.Server | None = None
        self._open = 0

    async def start(self) -> None:
        """Listen; raises OSError. Port 0 becomes the port bound."""
        self._server = await asyncio.start_server(self._serve, self.host or None, self.port, limit=HEAD_BYTES)
        self.port = int(self._server.sockets[0].getsockname()[1])
        log.info("Prometheus metrics at http://%s:%d/metrics", self.host or "0.0.0.0", self.port)

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open += 1
        try:
            if self._open <= MAX_CONNECTIONS:
                async with asyncio.timeout(TIMEOUT_S):
                    head = await reader.readuntil(b"\r\n\r\n")
                    writer.write(self._answer(head))
                    await writer.drain()
        except (TimeoutError, OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            log.debug("A scraper sent no request, or took no answer")
        finally:
            self._open -= 1
            writer.close()

    def _answer(self, head: bytes) -> bytes:
        request, _, fields = head.decode("latin-1").partition("\r\n")
        method, _, rest = request.partition(" ")
        path = rest.partition(" ")[0].partition("?")[0]
        if method not in ("GET", "HEAD"):
            return _response("405 Method Not Allowed", b"GET /metrics\n", {"Allow": "GET, HEAD"})
        if path != "/metrics":
            return _response("404 Not Found", b"The metrics are at /metrics.\n", {})
        body = generate_latest(self._registry)
        headers = {"Content-Type": CONTENT_TYPE_LATEST}
        if _accepts_gzip(fields):
            body = gzip.compress(body, compresslevel=1)
            headers["Content-Encoding"] = "gzip"
        return _response("200 OK", body, headers, with_body=method == "GET")


def _accepts_gzip(fields: str) -> bool:
    for line in fields.splitlines():
        name, _, value = line.partition(":")
        if name.lower() == "accept-encoding":
            return "gzip" in value
    return False


def _response(status: str, body: bytes, headers: dict[str, str], *, with_body: bool = True) -> bytes:
    fields = {
        "Content-Type": "text/plain; charset=utf-8",
        **headers,
        "Content-Length": str(len(body)),
        "Connection": "close",
    }
    lines = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    head = f"HTTP/1.1 {status}\r\n{lines}\r\n".encode("latin-1")
    return head + body if with_body else head
