# SPDX-License-Identifier: Apache-2.0
"""TLS contexts from ssl.* settings (SslFactory and DefaultSslEngineFactory).

A context is made anew whenever the settings or the files behind them may have changed, and serves the
connections made from then on. Private keys pass to OpenSSL through memory, not through a file on disk.
"""

from __future__ import annotations

import contextlib
import os
import ssl
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

from commitlog.security.keystores import (
    KeyMaterial,
    Settings,
    StoreError,
    key_material,
    trusted_certificates,
)

VERSIONS = {"TLSv1.2": ssl.TLSVersion.TLSv1_2, "TLSv1.3": ssl.TLSVersion.TLSv1_3}
CLIENT_AUTH = {
    "none": ssl.CERT_NONE,
    "requested": ssl.CERT_OPTIONAL,
    "required": ssl.CERT_REQUIRED,
}
MOST_FLIGHTS = 10
"""More than a handshake of any version needs."""
_TLS_1_3 = "TLS_AES_", "TLS_CHACHA20_POLY1305_SHA256"


def listener_material(get: Settings) -> KeyMaterial:
    """The keystore that a listener cannot do without."""
    material = key_material(get)
    if material is None:
        raise StoreError(
            "ssl.keystore.location",
            "a listener with TLS needs a keystore, or ssl.keystore.key with ssl.keystore.certificate.chain",
        )
    return material


def server_context(
    get: Settings,
    protocols: Sequence[str],
    ciphers: Sequence[str],
    client_auth: str,
    material: KeyMaterial | None = None,
) -> ssl.SSLContext:
    """A listener's context; StoreError names the setting that cannot be used. ``material``: its keystore,
    where that was read already."""
    material = material or listener_material(get)
    if client_auth not in CLIENT_AUTH:
        raise StoreError("ssl.client.auth", f"{client_auth}: must be one of: {', '.join(CLIENT_AUTH)}")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_COMPRESSION
    _limit(context, protocols, ciphers)
    _load_key(context, material)
    context.verify_mode = CLIENT_AUTH[client_auth]
    if context.verify_mode is not ssl.CERT_NONE:
        _trust(context, get, ssl.Purpose.CLIENT_AUTH)
    return context


def client_context(
    get: Settings,
    protocols: Sequence[str],
    ciphers: Sequence[str],
    *,
    check_host: bool,
    prefix: str = "ssl.",
) -> ssl.SSLContext:
    """The context of connections that we open."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    _limit(context, protocols, ciphers)
    context.check_hostname = check_host
    material = key_material(get, prefix)
    if material is not None:
        _load_key(context, material, f"{prefix}keystore.location")
    _trust(context, get, ssl.Purpose.SERVER_AUTH, prefix)
    return context


def _limit(context: ssl.SSLContext, protocols: Sequence[str], ciphers: Sequence[str]) -> None:
    known = [VERSIONS[name] for name in protocols if name in VERSIONS]
    if not known:
        raise StoreError(
            "ssl.enabled.protocols", f"{','.join(protocols)}: must be some of: {', '.join(VERSIONS)}"
        )
    context.minimum_version, context.maximum_version = min(known), max(known)
    if not ciphers:
        return
    older = [openssl_name(name) for name in ciphers if not name.startswith(_TLS_1_3)]
    if not older:
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        return
    if len(older) == len(ciphers):
        context.maximum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.set_ciphers(":".join(older))
    except ssl.SSLError:
        raise StoreError("ssl.cipher.suites", f"{','.join(ciphers)}: OpenSSL knows none of them") from None


def openssl_name(name: str) -> str:
    """TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384 is ECDHE-RSA-AES256-GCM-SHA384; OpenSSL's names pass."""
    if not name.startswith("TLS_"):
        return name
    key, _, cipher = name.removeprefix("TLS_").partition("_WITH_")
    cipher = cipher.replace("AES_", "AES").replace("CHACHA20_POLY1305_SHA256", "CHACHA20_POLY1305")
    cipher = cipher.replace("_CBC_SHA", "_SHA")
    return f"{'' if key == 'RSA' else key + '-'}{cipher}".replace("_", "-")


def _load_key(context: ssl.SSLContext, material: KeyMaterial, setting: str = "ssl.keystore.location") -> None:
    try:
        with _in_memory((material.key, material.chain)) as path:
            # Without a password OpenSSL would ask for it on the terminal.
            context.load_cert_chain(path, password=lambda: material.password or "")
    except ssl.SSLError as error:
        reason = error.reason or "cannot be read"
        if "ENCRYPTED" in material.key or "DEK-Info" in material.key:
            raise StoreError(
                "ssl.key.password", f"the private key cannot be read with this password ({reason})"
            ) from None
        raise StoreError(setting, f"private key and certificate chain cannot be used: {reason}") from None


@contextmanager
def _in_memory(parts: Iterable[str]) -> Iterator[str]:
    """A path that OpenSSL can open, to bytes that are on no disk."""
    descriptor = os.memfd_create("keystore")
    try:
        os.write(descriptor, "".join(parts).encode("latin-1"))
        os.lseek(descriptor, 0, os.SEEK_SET)
        yield f"/proc/self/fd/{descriptor}"
    finally:
        os.close(descriptor)


def _trust(context: ssl.SSLContext, get: Settings, purpose: ssl.Purpose, prefix: str = "ssl.") -> None:
    certificates = trusted_certificates(get, prefix)
    if certificates is None:
        context.load_default_certs(purpose)
        return
    try:
        context.load_verify_locations(cadata=certificates)
    except ssl.SSLError as error:
        raise StoreError(
            f"{prefix}truststore.location", f"certificates cannot be read: {error.reason}"
        ) from None


def shake_hands(client: ssl.SSLContext, server: ssl.SSLContext) -> None:
    """A handshake in memory, whatever host the certificate names; raises ssl.SSLError when one side refuses
    the other (SslEngineValidator.validate)."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    # A context that checks hosts makes no client without one. Nobody else runs meanwhile.
    checks_host, client.check_hostname = client.check_hostname, False
    try:
        sides = [
            client.wrap_bio(to_client, to_server, server_side=False),
            server.wrap_bio(to_server, to_client, server_side=True),
        ]
    finally:
        client.check_hostname = checks_host
    for _ in range(MOST_FLIGHTS):
        for side in tuple(sides):
            with contextlib.suppress(ssl.SSLWantReadError):
                side.do_handshake()
                sides.remove(side)
        if not sides:
            return
    raise ssl.SSLError("the handshake does not end")
