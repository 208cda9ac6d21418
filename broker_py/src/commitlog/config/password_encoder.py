# SPDX-License-Identifier: Apache-2.0
"""Secrets among the dynamic settings, encrypted in ZooKeeper (EncryptingPasswordEncoder).

Text: `keyFactoryAlgorithm:PBKDF2WithHmacSHA512,cipherAlgorithm:AES/CBC/PKCS5Padding,keyLength:128,
salt:<base64>,iterations:4096,encryptedPassword:<base64>,passwordLength:<n>,initializationVector:<base64>`, in
one line. The key comes from password.encoder.secret; password.encoder.old.secret is tried where that does
not fit.
"""

from __future__ import annotations

import base64
import hashlib
import secrets
from collections.abc import Mapping, Sequence
from functools import cache

from commitlog.config.broker import BrokerConfig
from commitlog.config.definitions import Type, broker_definitions
from commitlog.config.properties import ConfigError

SALT_BYTES = 256
IV_BYTES = 16
_BLOCK_BITS = 128
_FACTORY = "PBKDF2WithHmac"


class PasswordError(ValueError):
    """A secret cannot be encoded or decoded; the text never holds it."""


@cache
def _password_names() -> tuple[str, ...]:
    """DynamicBrokerConfig.DynamicPasswordConfigs; a listener's prefix may stand before each."""
    return tuple(
        row.name
        for row in broker_definitions().values()
        if row.type is Type.PASSWORD and row.update != "read-only"
    )


def is_password(name: str) -> bool:
    return name.endswith(_password_names())


class PasswordEncoder:
    """``secret`` is password.encoder.secret, ``old`` what it was before; without one nothing can be kept."""

    def __init__(
        self,
        secret: str | None,
        old: str | None = None,
        *,
        cipher: str = "AES/CBC/PKCS5Padding",
        factory: str | None = None,
        key_length: int = 128,
        iterations: int = 4096,
    ) -> None:
        self._secrets = [one for one in (secret, old) if one]
        self._has_secret = bool(secret)
        self._cipher = cipher
        self._factory = factory or f"{_FACTORY}SHA512"
        self._key_length = key_length
        self._iterations = iterations

    def encode(self, password: str) -> str:
        if not self._has_secret:
            raise PasswordError("Password encoder secret not configured")
        salt, iv, data = secrets.token_bytes(SALT_BYTES), secrets.token_bytes(IV_BYTES), password.encode()
        key = _key(self._factory, self._secrets[0], salt, self._iterations, self._key_length)
        fields = {
            "keyFactoryAlgorithm": self._factory,
            "cipherAlgorithm": _checked_cipher(self._cipher),
            "keyLength": str(self._key_length),
            "salt": base64.b64encode(salt).decode(),
            "iterations": str(self._iterations),
            "encryptedPassword": base64.b64encode(_encrypt(key, iv, data)).decode(),
            "passwordLength": str(len(password)),
            "initializationVector": base64.b64encode(iv).decode(),
        }
        return ",".join(f"{name}:{value}" for name, value in fields.items())

    def decode(self, text: str) -> str:
        try:
            fields = dict(part.split(":", 1) for part in text.split(","))
            salt, iv, data = (
                base64.b64decode(fields[name], validate=True)
                for name in ("salt", "initializationVector", "encryptedPassword")
            )
            iterations, length = int(fields["iterations"]), int(fields["passwordLength"])
            key_length = int(fields["keyLength"])
            _checked_cipher(fields["cipherAlgorithm"])
        except (KeyError, ValueError) as error:
            if isinstance(error, PasswordError):
                raise
            raise PasswordError("it is no encoded password") from None
        for secret in self._secrets:
            key = _key(fields["keyFactoryAlgorithm"], secret, salt, iterations, key_length)
            try:
                password = _decrypt(key, iv, data).decode()
            except ValueError:
                continue
            if len(password) == length:
                return password
        raise PasswordError("it cannot be decoded: password.encoder.secret is not the one it was made with")

    def encode_all(self, settings: Mapping[str, str]) -> dict[str, str]:
        """What goes into ZooKeeper."""
        return {name: self.encode(text) if is_password(name) else text for name, text in settings.items()}

    def decode_all(self, settings: Mapping[str, str], unusable: list[str]) -> dict[str, str]:
        """What is in ZooKeeper, in clear; what cannot be decoded is left out and told."""
        found: dict[str, str] = {}
        for name, text in settings.items():
            try:
                found[name] = self.decode(text) if is_password(name) else text
            except PasswordError as error:
                unusable.append(f"{name}: {error}")
        return found


def _checked_cipher(name: str) -> str:
    if name != "AES/CBC/PKCS5Padding":
        raise PasswordError(f"password.encoder.cipher.algorithm={name}: must be AES/CBC/PKCS5Padding")
    return name


def _key(factory: str, secret: str, salt: bytes, iterations: int, bits: int) -> bytes:
    digest = factory.removeprefix(_FACTORY).lower()
    if not factory.startswith(_FACTORY) or digest not in ("sha1", "sha256", "sha384", "sha512"):
        raise PasswordError(f"password.encoder.keyfactory.algorithm={factory}: must be {_FACTORY}SHA512")
    return hashlib.pbkdf2_hmac(digest, secret.encode(), salt, iterations, bits // 8)


def _encrypt(key: bytes, iv: bytes, data: bytes) -> bytes:
    from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
    from cryptography.hazmat.primitives.padding import PKCS7

    padder = PKCS7(_BLOCK_BITS).padder()
    encryptor = Cipher(algorithms.AES(key), modes.CBC(iv)).encryptor()
    return encryptor.update(padder.update(data) + padder.finalize()) + encryptor.finalize()


def _decrypt(key: bytes, iv: bytes, data: bytes) -> bytes:
    from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
    from cryptography.hazmat.primitives.padding import PKCS7

    unpadder = PKCS7(_BLOCK_BITS).unpadder()
    decryptor = Cipher(algorithms.AES(key), modes.CBC(iv)).decryptor()
    padded = decryptor.update(data) + decryptor.finalize()
    return unpadder.update(padded) + unpadder.finalize()


def password_encoder(config: BrokerConfig) -> PasswordEncoder:
    """From password.encoder.*."""
    return PasswordEncoder(
        config.password_encoder_secret,
        config.password_encoder_old_secret,
        cipher=config.password_encoder_cipher_algorithm,
        factory=config.password_encoder_keyfactory_algorithm,
        key_length=config.password_encoder_key_length,
        iterations=config.password_encoder_iterations,
    )


def refuse_cluster_wide(names: Sequence[str]) -> None:
    """Secrets are each broker's own."""
    if any(map(is_password, names)):
        raise ConfigError("Password config can be defined only at broker level")
