# SPDX-License-Identifier: Apache-2.0
"""/brokers/ids/<id>: how a broker makes itself known (Kafka's `BrokerIdZNode`).

Version 5 (from inter.broker.protocol.version 2.7-IV0) adds features, version 4 the protocol of each listener,
version 3 the rack, version 2 the endpoints; version 1 has one host and port. Readers of 0.8 take only host
and port, which are those of the first PLAINTEXT listener.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self

from commitlog.coordination.json_fields import DocumentError, dump, integer, load


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One advertised listener of a broker."""

    listener_name: str
    host: str
    port: int
    security_protocol: str

    def connection_string(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.listener_name}://{host}:{self.port}"


def _parse_endpoint(text: str, protocols: Mapping[str, str]) -> Endpoint:
    name, separator, address = text.partition("://")
    host, colon, port = address.rpartition(":")
    if not separator or not colon:
        raise DocumentError(f"broker registration: endpoint {text!r} is not LISTENER://host:port")
    try:
        number = int(port)
    except ValueError as error:
        raise DocumentError(f"broker registration: endpoint {text!r} has no port number") from error
    return Endpoint(name, host.removeprefix("[").removesuffix("]"), number, protocols.get(name, name))


@dataclass(frozen=True, slots=True)
class BrokerRegistration:
    """/brokers/ids/<id>, version 5 as written by 2.7-IV0 and later; versions 1 to 5 are read."""

    broker_id: int
    endpoints: tuple[Endpoint, ...]
    jmx_port: int = -1
    timestamp_ms: int = 0
    rack: str | None = None
    features: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    version: int = 5

    def endpoint(self, listener_name: str) -> Endpoint | None:
        return next((point for point in self.endpoints if point.listener_name == listener_name), None)

    def encode(self) -> bytes:
        plaintext = next((point for point in self.endpoints if point.security_protocol == "PLAINTEXT"), None)
        value: dict[str, object] = {}
        if self.version >= 5:
            value["features"] = {name: dict(levels) for name, levels in self.features.items()}
        if self.version >= 4:
            value["listener_security_protocol_map"] = {
                point.listener_name: point.security_protocol for point in self.endpoints
            }
        value["endpoints"] = [point.connection_string() for point in self.endpoints]
        if self.version >= 3 and self.rack is not None:
            value["rack"] = self.rack
        value["jmx_port"] = self.jmx_port
        value["port"] = plaintext.port if plaintext is not None else -1
        value["host"] = plaintext.host if plaintext is not None else None
        value["version"] = self.version
        value["timestamp"] = str(self.timestamp_ms)
        return dump(value)

    @classmethod
    def decode(cls, broker_id: int, data: bytes) -> Self:
        what = f"registration of broker {broker_id}"
        value = load(what, data)
        version = integer(what, value, "version", 1)
        if version < 1:
            raise DocumentError(f"{what}: unsupported version {version}")
        if version == 1:
            host = value.get("host")
            if not isinstance(host, str):
                raise DocumentError(f"{what}: no host")
            endpoints = [Endpoint("PLAINTEXT", host, integer(what, value, "port"), "PLAINTEXT")]
        else:
            protocols = value.get("listener_security_protocol_map") or {}
            endpoints = [_parse_endpoint(str(text), protocols) for text in value.get("endpoints") or ()]
        rack = value.get("rack")
        return cls(
            broker_id=broker_id,
            endpoints=tuple(endpoints),
            jmx_port=integer(what, value, "jmx_port", -1),
            timestamp_ms=integer(what, value, "timestamp", -1),
            rack=rack if isinstance(rack, str) else None,
            features=value.get("features") or {},
            version=version,
        )
