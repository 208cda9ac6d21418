# SPDX-License-Identifier: Apache-2.0
"""SCRAM-SHA-256 and SCRAM-SHA-512 (RFC 5802; ScramFormatter, ScramMessages, ScramCredentialUtils).

A credential is kept, as Kafka keeps it, in the text
`salt=<base64>,stored_key=<base64>,server_key=<base64>,iterations=<n>`. Names are case-sensitive and not
normalized, as in Kafka. Both sides of the exchange are here: messages in, messages out, no I/O.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

MIN_ITERATIONS = 4096
MAX_ITERATIONS = 16384
DEFAULT_ITERATIONS = 4096
MECHANISMS = {"SCRAM-SHA-256": "sha256", "SCRAM-SHA-512": "sha512"}
TOKEN_AUTH = "tokenauth"

_BASE64 = r"(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{4}|[A-Za-z0-9+/]{3}=|[A-Za-z0-9+/]{2}==)"
_VALUE_CHAR = r"[^,\0]"
_SASL_NAME = r"(?:[^=,\0]|=2C|=3D)+"
_EXTENSIONS = rf"(?:,[A-Za-z]+={_VALUE_CHAR}+)*"
_CLIENT_FIRST = re.compile(
    rf"n,(?:a=(?P<authzid>{_SASL_NAME}))?,(?P<bare>(?:m={_VALUE_CHAR}+,)?n=(?P<name>{_SASL_NAME}),"
    rf"r=(?P<nonce>[\x21-\x2b\x2d-\x7e]+)(?P<extensions>{_EXTENSIONS}))"
)
_SERVER_FIRST = re.compile(
    rf"(?:m={_VALUE_CHAR}+,)?r=(?P<nonce>[\x21-\x2b\x2d-\x7e]+),s=(?P<salt>{_BASE64}),i=(?P<iterations>[0-9]{{1,9}})"
    rf"{_EXTENSIONS}"
)
_CLIENT_FINAL = re.compile(
    rf"(?P<bare>c=(?P<channel>{_BASE64}),r=(?P<nonce>[\x21-\x2b\x2d-\x7e]+){_EXTENSIONS}),p=(?P<proof>{_BASE64})"
)
_SERVER_FINAL = re.compile(rf"(?:e=(?P<error>{_VALUE_CHAR}+)|v=(?P<signature>{_BASE64})){_EXTENSIONS}")
_CHANNEL_BINDING = base64.b64encode(b"n,,").decode()


class ScramError(ValueError):
    """The exchange cannot go on; the text is for the log, never for the other side."""


class AuthorizationIdError(ScramError):
    """The client asks to act as another; this text the client may see."""


@dataclass(frozen=True, slots=True)
class ScramCredential:
    salt: bytes = field(repr=False)
    stored_key: bytes = field(repr=False)
    server_key: bytes = field(repr=False)
    iterations: int

    def encode(self) -> str:
        """ScramCredentialUtils.credentialToString."""

        def text(value: bytes) -> str:
            return base64.b64encode(value).decode()

        return (
            f"salt={text(self.salt)},stored_key={text(self.stored_key)},"
            f"server_key={text(self.server_key)},iterations={self.iterations}"
        )

    @classmethod
    def decode(cls, text: str) -> ScramCredential:
        """ScramCredentialUtils.credentialFromString; ScramError without a word of the text."""
        fields = dict(part.split("=", 1) for part in text.split(",") if "=" in part)
        if set(fields) != {"salt", "stored_key", "server_key", "iterations"}:
            raise ScramError("Credentials not valid")
        try:
            salt, stored, server = (
                base64.b64decode(fields[name], validate=True) for name in ("salt", "stored_key", "server_key")
            )
            return cls(salt, stored, server, int(fields["iterations"]))
        except (ValueError, binascii.Error):
            raise ScramError("Credentials not valid") from None


def _hmac(digest: str, key: bytes, data: bytes) -> bytes:
    return hmac.digest(key, data, digest)


def _xor(left: bytes, right: bytes) -> bytes:
    return bytes(one ^ other for one, other in zip(left, right, strict=True))


def salted_password(mechanism: str, password: str, salt: bytes, iterations: int) -> bytes:
    return hashlib.pbkdf2_hmac(MECHANISMS[mechanism], password.encode(), salt, iterations)


def credential_of(mechanism: str, salt: bytes, salted: bytes, iterations: int) -> ScramCredential:
    """What is stored of a password that was salted already, as AlterUserScramCredentials brings it."""
    digest = MECHANISMS[mechanism]
    client_key = _hmac(digest, salted, b"Client Key")
    stored_key = hashlib.new(digest, client_key).digest()
    return ScramCredential(salt, stored_key, _hmac(digest, salted, b"Server Key"), iterations)


def make_credential(
    mechanism: str, password: str, iterations: int = DEFAULT_ITERATIONS, salt: bytes | None = None
) -> ScramCredential:
    """ScramFormatter.generateCredential."""
    salt = secrets.token_bytes(20) if salt is None else salt
    return credential_of(mechanism, salt, salted_password(mechanism, password, salt, iterations), iterations)


def new_nonce() -> str:
    """As ScramFormatter.secureRandomString: 130 bits in base 36's alphabet."""
    return "".join(secrets.choice("0123456789abcdefghijklmnopqrstuvwxyz") for _ in range(26))


def _decode(message: bytes, pattern: re.Pattern[str], what: str) -> re.Match[str]:
    try:
        match = pattern.fullmatch(message.decode())
    except UnicodeDecodeError:
        match = None
    if match is None:
        raise ScramError(f"Invalid SCRAM {what} message format")
    return match


def _unescape(name: str) -> str:
    return name.replace("=2C", ",").replace("=3D", "=")


def _escape(name: str) -> str:
    return name.replace("=", "=3D").replace(",", "=2C")


@dataclass(frozen=True, slots=True)
class Account:
    """Whose credential it is: the owner for a delegation token, whose name is the token's id."""

    credential: ScramCredential
    principal_name: str
    expires_ms: int | None = None
    """When a delegation token expires."""


Lookup = Callable[[str, bool], Account | None]
"""lookup(name, by_token): the account; None when there is none."""


class ScramServer:
    """One exchange, seen by the broker (Kafka's ScramSaslServer)."""

    def __init__(self, mechanism: str, lookup: Lookup, nonce: Callable[[], str] = new_nonce) -> None:
        self._mechanism = mechanism
        self._digest = MECHANISMS[mechanism]
        self._lookup = lookup
        self._new_nonce = nonce
        self._step = self._client_first
        self._account: Account | None = None
        self._first_bare = self._server_first = self._nonce = ""
        self.complete = False
        self.by_token = False
        self.name = ""
        self.expires_ms: int | None = None

    def evaluate(self, message: bytes) -> bytes:
        """The answer to a client's message; ScramError ends the exchange for good."""
        step, self._step = self._step, self._over
        return step(message)

    def _over(self, message: bytes) -> bytes:
        raise ScramError("Illegal state: the exchange is over")

    def _client_first(self, message: bytes) -> bytes:
        first = _decode(message, _CLIENT_FIRST, "client first")
        name = _unescape(first["name"])
        self.by_token = _extensions(first["extensions"]).get(TOKEN_AUTH, "").lower() == "true"
        account = self._lookup(name, self.by_token)
        if account is None:
            raise ScramError("Authentication failed: Invalid user credentials")
        if first["authzid"] is not None and _unescape(first["authzid"]) != name:
            raise AuthorizationIdError(
                "Authentication failed: Client requested an authorization id that is different from username"
            )
        credential = account.credential
        if credential.iterations < MIN_ITERATIONS:
            raise ScramError(
                f"Iterations {credential.iterations} is less than the minimum {MIN_ITERATIONS} for "
                f"{self._mechanism}"
            )
        self._account, self.name, self.expires_ms = account, account.principal_name, account.expires_ms
        self._first_bare = first["bare"]
        self._nonce = first["nonce"] + self._new_nonce()
        salt = base64.b64encode(credential.salt).decode()
        self._server_first = f"r={self._nonce},s={salt},i={credential.iterations}"
        self._step = self._client_final
        return self._server_first.encode()

    def _client_final(self, message: bytes) -> bytes:
        final = _decode(message, _CLIENT_FINAL, "client final")
        if final["nonce"] != self._nonce:
            raise ScramError("Invalid client nonce in the final client message.")
        if final["channel"] != _CHANNEL_BINDING and not base64.b64decode(final["channel"]).startswith(b"n,"):
            raise ScramError("Invalid channel binding in the final client message.")
        assert self._account is not None
        credential = self._account.credential
        said = f"{self._first_bare},{self._server_first},{final['bare']}".encode()
        signature = _hmac(self._digest, credential.stored_key, said)
        proof = base64.b64decode(final["proof"])
        if len(proof) != len(signature):
            raise ScramError("Invalid client credentials")
        client_key = _xor(signature, proof)
        if not hmac.compare_digest(hashlib.new(self._digest, client_key).digest(), credential.stored_key):
            raise ScramError("Invalid client credentials")
        self.complete = True
        server_signature = _hmac(self._digest, credential.server_key, said)
        return b"v=" + base64.b64encode(server_signature)


def _extensions(text: str) -> Mapping[str, str]:
    return dict(part.split("=", 1) for part in text.split(",") if part)


class ScramClient:
    """One exchange, seen by whoever logs in (Kafka's ScramSaslClient)."""

    def __init__(
        self,
        mechanism: str,
        username: str,
        password: str,
        *,
        token_auth: bool = False,
        nonce: Callable[[], str] = new_nonce,
    ) -> None:
        self._mechanism = mechanism
        self._digest = MECHANISMS[mechanism]
        self._password = password
        extension = f",{TOKEN_AUTH}=true" if token_auth else ""
        self._nonce = nonce()
        self._first_bare = f"n={_escape(username)},r={self._nonce}{extension}"
        self._signature = b""
        self._step = self._server_first

    def first(self) -> bytes:
        return f"n,,{self._first_bare}".encode()

    def evaluate(self, message: bytes) -> bytes | None:
        """The next message to send, None when the server has proved itself; raises ScramError."""
        return self._step(message)

    def _server_first(self, message: bytes) -> bytes | None:
        first = _decode(message, _SERVER_FIRST, "server first")
        if not first["nonce"].startswith(self._nonce) or first["nonce"] == self._nonce:
            raise ScramError("Invalid server nonce: does not start with client nonce")
        iterations = int(first["iterations"])
        if not MIN_ITERATIONS <= iterations <= 1_000_000:
            raise ScramError(f"Requested iterations {iterations} are not within the limits")
        salted = salted_password(self._mechanism, self._password, base64.b64decode(first["salt"]), iterations)
        client_key = _hmac(self._digest, salted, b"Client Key")
        final_bare = f"c={_CHANNEL_BINDING},r={first['nonce']}"
        said = f"{self._first_bare},{message.decode()},{final_bare}".encode()
        stored_key = hashlib.new(self._digest, client_key).digest()
        proof = _xor(client_key, _hmac(self._digest, stored_key, said))
        self._signature = _hmac(self._digest, _hmac(self._digest, salted, b"Server Key"), said)
        self._step = self._server_final
        return f"{final_bare},p={base64.b64encode(proof).decode()}".encode()

    def _server_final(self, message: bytes) -> bytes | None:
        final = _decode(message, _SERVER_FINAL, "server final")
        if final["error"] is not None:
            raise ScramError(f"Sasl authentication using {self._mechanism} failed: {final['error']}")
        if not hmac.compare_digest(base64.b64decode(final["signature"]), self._signature):
            raise ScramError("Invalid server signature in server final message")
        return None
