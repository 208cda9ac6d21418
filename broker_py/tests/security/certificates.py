# SPDX-License-Identifier: Apache-2.0
"""A lab CA for tests: certificates good and bad, as PEM and PKCS12, all on small elliptic curve keys."""

from __future__ import annotations

import datetime
import ipaddress
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    pkcs12,
)

DAY = datetime.timedelta(days=1)


@dataclass(frozen=True)
class Identity:
    """A certificate with its key, in the files that settings name."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey
    directory: Path
    name: str
    ca: x509.Certificate

    @property
    def pem(self) -> Path:
        """Key and chain in one file, as ssl.keystore.type=PEM wants it."""
        return self._file("pem", self.key_text() + self.chain_text())

    @property
    def key_file(self) -> Path:
        return self._file("key", self.key_text())

    @property
    def chain_file(self) -> Path:
        return self._file("crt", self.chain_text())

    def pkcs12(self, password: str) -> Path:
        data = pkcs12.serialize_key_and_certificates(
            self.name.encode(),
            self.key,
            self.certificate,
            [self.ca],
            BestAvailableEncryption(password.encode()),
        )
        path = self.directory / f"{self.name}.p12"
        path.write_bytes(data)
        return path

    def key_text(self, password: str | None = None) -> str:
        encryption = NoEncryption() if password is None else BestAvailableEncryption(password.encode())
        return self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption).decode()

    def chain_text(self) -> str:
        return self.certificate.public_bytes(Encoding.PEM).decode()

    def _file(self, suffix: str, text: str) -> Path:
        path = self.directory / f"{self.name}.{suffix}"
        path.write_text(text)
        return path


class LabCa:
    """Signs what a test asks for."""

    def __init__(self, directory: Path, name: str = "Lab CA") -> None:
        self.directory = directory
        self._name = name
        self._key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
        self.certificate = (
            _builder(subject, subject, self._key)
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(self._key.public_key()), critical=False)
            .sign(self._key, hashes.SHA256())
        )

    @property
    def text(self) -> str:
        return self.certificate.public_bytes(Encoding.PEM).decode()

    @property
    def file(self) -> Path:
        path = self.directory / f"{self._name.replace(' ', '-')}.crt"
        path.write_text(self.text)
        return path

    def pkcs12(self, password: str) -> Path:
        """A truststore as keytool makes it."""
        path = self.directory / f"{self._name.replace(' ', '-')}.p12"
        path.write_bytes(
            pkcs12.serialize_java_truststore(
                [pkcs12.PKCS12Certificate(self.certificate, b"ca")],
                BestAvailableEncryption(password.encode()),
            )
        )
        return path

    def issue(
        self, name: str, *hosts: str, expired: bool = False, subject: x509.Name | None = None
    ) -> Identity:
        """A certificate with CN=name for these hosts and addresses."""
        key = ec.generate_private_key(ec.SECP256R1())
        if subject is None:
            subject = x509.Name(
                [
                    x509.NameAttribute(x509.NameOID.ORGANIZATION_NAME, "Lab"),
                    x509.NameAttribute(x509.NameOID.COMMON_NAME, name),
                ]
            )
        builder = _builder(subject, self.certificate.subject, key, expired=expired).add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False
        )
        if hosts:
            builder = builder.add_extension(
                x509.SubjectAlternativeName([_general_name(host) for host in hosts]), critical=False
            )
        certificate = builder.sign(self._key, hashes.SHA256())
        return Identity(certificate, key, self.directory, name, self.certificate)


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, *, expired: bool = False
) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.UTC)
    until = now - DAY if expired else now + 30 * DAY
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - 10 * DAY)
        .not_valid_after(until)
    )


def _general_name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)
