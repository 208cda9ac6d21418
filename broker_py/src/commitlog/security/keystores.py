# SPDX-License-Identifier: Apache-2.0
"""Keys and certificates from the stores that Kafka's settings name (DefaultSslEngineFactory).

PEM (a file, or inline) and PKCS12. A JKS store is Java's own format: it is refused with the command that
converts it. What is loaded is PEM text in memory; nothing is written to disk, and nothing of it is shown.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

_PRIVATE_KEY = re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?-----END [A-Z ]*PRIVATE KEY-----", re.DOTALL)
_CERTIFICATE = re.compile(r"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", re.DOTALL)
TYPES = ("PEM", "PKCS12", "JKS")
JKS_MAGIC = bytes.fromhex("feedfeed")


class StoreError(ValueError):
    """A store that cannot be used: the setting's name (without prefix) and the reason."""

    def __init__(self, setting: str, reason: str) -> None:
        super().__init__(f"{setting}: {reason}")
        self.setting = setting
        self.reason = reason


@dataclass(frozen=True, slots=True)
class KeyMaterial:
    """A private key and its certificate chain, leaf first."""

    key: str = field(repr=False)
    chain: str
    password: str | None = field(repr=False)


Settings = Callable[[str], str | None]
"""Reads one ssl.* setting."""


def key_material(get: Settings, prefix: str = "ssl.") -> KeyMaterial | None:
    """The keystore that ssl.keystore.* describe; None without one."""
    chain, key = get(f"{prefix}keystore.certificate.chain"), get(f"{prefix}keystore.key")
    location, kind = get(f"{prefix}keystore.location"), _type(get, f"{prefix}keystore.type")
    key_password = get("ssl.key.password") if prefix == "ssl." else None
    if chain is not None or key is not None:
        if kind != "PEM":
            raise StoreError(f"{prefix}keystore.type", f"{kind}: inline certificates and keys need PEM")
        if location is not None:
            raise StoreError(
                f"{prefix}keystore.location", "Both SSL key store location and inline key are specified"
            )
        if not chain or not key:
            raise StoreError(
                f"{prefix}keystore.{'key' if chain else 'certificate.chain'}",
                "SSL certificate chain and private key must be given together",
            )
        return _from_pem(f"{key}\n{chain}", key_password, f"{prefix}keystore.key")
    if not location:
        return None
    setting = f"{prefix}keystore.location"
    if kind == "PEM":
        return _from_pem(_text(setting, location), key_password, setting)
    return _from_pkcs12(setting, location, get(f"{prefix}keystore.password"))


def trusted_certificates(get: Settings, prefix: str = "ssl.") -> str | None:
    """The certificates that ssl.truststore.* describe, as PEM; None: the system's own."""
    inline = get(f"{prefix}truststore.certificates")
    location, kind = get(f"{prefix}truststore.location"), _type(get, f"{prefix}truststore.type")
    if inline is not None:
        if kind != "PEM":
            raise StoreError(f"{prefix}truststore.type", f"{kind}: inline certificates need PEM")
        if location is not None:
            raise StoreError(
                f"{prefix}truststore.location",
                "Both SSL trust store location and inline trust certificates are specified",
            )
        return _certificates(f"{prefix}truststore.certificates", inline)
    if not location:
        return None
    setting = f"{prefix}truststore.location"
    if kind == "PEM":
        return _certificates(setting, _text(setting, location))
    return _trusted_from_pkcs12(setting, location, get(f"{prefix}truststore.password"))


def _type(get: Settings, setting: str) -> str:
    """A store without a type is what its file says; Java's default of JKS reads PKCS12 as well."""
    kind = (get(setting) or "JKS").upper()
    if kind not in TYPES:
        raise StoreError(setting, f"{kind} is not supported; it must be one of: PEM, PKCS12")
    return kind


def _bytes(setting: str, path: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise StoreError(setting, f"{path} cannot be read: {error.strerror}") from None


def _text(setting: str, path: str) -> str:
    return _bytes(setting, path).decode("latin-1")


def _certificates(setting: str, text: str) -> str:
    found = _CERTIFICATE.findall(text)
    if not found:
        raise StoreError(setting, "there is no PEM certificate in it")
    return "\n".join(found) + "\n"


def _from_pem(text: str, password: str | None, setting: str) -> KeyMaterial:
    key = _PRIVATE_KEY.search(text)
    if key is None:
        raise StoreError(setting, "there is no PEM private key in it")
    return KeyMaterial(key[0] + "\n", _certificates(setting, text), password)


def _jks(setting: str, path: str, data: bytes) -> None:
    if data[:4] == JKS_MAGIC:
        raise StoreError(
            setting,
            f"{path} is a JKS store, which only Java reads; convert it: keytool -importkeystore -srckeystore "
            f"{path} -destkeystore {path}.p12 -deststoretype PKCS12, and set "
            f"{setting.rpartition('.')[0]}.type=PKCS12",
        )


def _load_pkcs12(setting: str, path: str, password: str | None) -> object:
    data = _bytes(setting, path)
    _jks(setting, path, data)
    try:
        from cryptography.hazmat.primitives.serialization import pkcs12
    except ImportError:
        raise StoreError(
            setting, "PKCS12 stores need the Python package cryptography; install it or use PEM"
        ) from None
    try:
        return pkcs12.load_pkcs12(data, None if password is None else password.encode())
    except ValueError:
        where = f"{setting.rpartition('.')[0]}.password"
        raise StoreError(setting, f"{path} is no PKCS12 store, or {where} is not its password") from None


def _pem(certificate: object) -> str:
    from cryptography.hazmat.primitives.serialization import Encoding

    text: bytes = certificate.public_bytes(Encoding.PEM)  # type: ignore[attr-defined]
    return text.decode()


def _from_pkcs12(setting: str, path: str, password: str | None) -> KeyMaterial:
    store = _load_pkcs12(setting, path, password)
    key, leaf = store.key, store.cert  # type: ignore[attr-defined]
    if key is None or leaf is None:
        raise StoreError(setting, f"{path} holds no private key with its certificate")
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    text = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    others = store.additional_certs  # type: ignore[attr-defined]
    chain = [_pem(leaf.certificate), *(_pem(one.certificate) for one in others)]
    return KeyMaterial(text, "".join(chain), None)


def _trusted_from_pkcs12(setting: str, path: str, password: str | None) -> str:
    store = _load_pkcs12(setting, path, password)
    certificates = [one.certificate for one in store.additional_certs]  # type: ignore[attr-defined]
    if store.cert is not None:  # type: ignore[attr-defined]
        certificates.append(store.cert.certificate)  # type: ignore[attr-defined]
    if not certificates:
        raise StoreError(setting, f"{path} holds no certificate")
    return "".join(_pem(one) for one in certificates)
