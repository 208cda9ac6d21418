# SPDX-License-Identifier: Apache-2.0
"""Listener settings: where a broker listens, what it tells others, and what is spoken there.

Rules and words are those of CoreUtils.listenerListToEndPoints and KafkaConfig.
"""

from __future__ import annotations

import ipaddress
import re
import socket
from collections.abc import Mapping, Sequence

from commitlog.config.properties import ConfigError
from commitlog.config.settings import Listener

SECURITY_PROTOCOLS = ("PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL")

_ENDPOINT = re.compile(r"^(.*)://\[?([0-9a-zA-Z\-%._:]*)\]?:(-?[0-9]+)$")


def parse_protocol_map(text: str) -> dict[str, str]:
    """listener.security.protocol.map: listener name (upper case) to security protocol."""
    found: dict[str, str] = {}
    for item in (part.strip() for part in text.split(",")):
        if not item:
            continue
        name, separator, protocol = item.rpartition(":")
        if not separator:
            raise ConfigError(
                "Error parsing configuration property 'listener.security.protocol.map': "
                f"{item} must be LISTENER_NAME:PROTOCOL",
                name="listener.security.protocol.map",
            )
        if protocol.strip().upper() not in SECURITY_PROTOCOLS:
            raise ConfigError(
                f"Invalid security protocol `{protocol.strip()}` defined in listener.security.protocol.map; "
                f"it must be one of: {', '.join(SECURITY_PROTOCOLS)}",
                name="listener.security.protocol.map",
            )
        found[name.strip().upper()] = protocol.strip().upper()
    return found


def parse_listeners(
    text: str, protocols: Mapping[str, str], *, setting: str, distinct_ports: bool
) -> list[Listener]:
    """The entries of listeners or advertised.listeners; `distinct_ports` holds for listeners only."""
    found = [_parse_listener(item, text, protocols, setting) for item in _items(text)]
    names = [listener.name for listener in found]
    if len(set(names)) != len(names):
        raise ConfigError(f"Each listener must have a different name, listeners: {text}", name=setting)
    if distinct_ports:
        _check_ports(found, text, setting)
    return found


def _items(text: str) -> list[str]:
    return [item.strip() for item in text.split(",") if item.strip()]


def _parse_listener(item: str, text: str, protocols: Mapping[str, str], setting: str) -> Listener:
    where = f"Error creating broker listeners from '{text}'"
    match = _ENDPOINT.match(item)
    if match is None:
        raise ConfigError(
            f"{where}: Unable to parse {item} to a broker endpoint, it must be NAME://host:port", name=setting
        )
    name, host, port = match[1].upper(), match[2], int(match[3])
    if name not in protocols:
        raise ConfigError(
            f"{where}: No security protocol defined for listener {name}, "
            f"listener.security.protocol.map has {', '.join(sorted(protocols))}",
            name=setting,
        )
    if not 0 <= port <= 65535:
        raise ConfigError(f"{where}: port {port} must be between 0 and 65535", name=setting)
    return Listener(name, host, port, protocols[name])


def _check_ports(listeners: Sequence[Listener], text: str, setting: str) -> None:
    """Two listeners may share a port only as one IPv4 and one IPv6 address; port 0 is chosen by the
    system."""
    by_port: dict[int, list[Listener]] = {}
    for listener in listeners:
        if listener.port:
            by_port.setdefault(listener.port, []).append(listener)
    for port, sharing in by_port.items():
        if len(sharing) == 1:
            continue
        versions = [_ip_version(listener.host) for listener in sharing]
        if sorted(versions) == [4, 6]:
            continue
        if any(versions):
            raise ConfigError(
                "Each listener must have a different port unless exactly one listener has an IPv4 address "
                f"and the other IPv6 address, listeners: {text}, port: {port}",
                name=setting,
            )
        raise ConfigError(f"Each listener must have a different port, listeners: {text}", name=setting)


def _ip_version(host: str) -> int:
    """4, 6, or 0 for what is no address."""
    try:
        return ipaddress.ip_address(host).version
    except ValueError:
        return 0


def with_host(listener: Listener) -> Listener:
    """An advertised listener without a host is known by this machine's canonical name, as Kafka does."""
    if listener.host:
        return listener
    return Listener(listener.name, socket.getfqdn(), listener.port, listener.protocol)
