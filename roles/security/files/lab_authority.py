# SPDX-License-Identifier: Apache-2.0
"""Make, on the controller, an authority, the certificates that it signs, and passwords, where they are missing or not as wanted.

The order is JSON on standard input:

    {"directory": ..., "days": N, "renew_days": N, "passwords": [NAME...],
     "certificates": [{"file": NAME, "common_name": ..., "unit": ..., "names": [NAME or ADDRESS...]}...],
     "not_before": SECONDS, "secrets": "renew" or "done", "renew": [NAME...], "subjects_of": [FILE...]}

In the directory, which only its owner can read: ca.pem, ca.key; NAME.pem with a key and its certificate; passwords/NAME. Each
file is replaced as a whole. Prints as JSON what was made, whether all is there, and the names in the certificates of
`subjects_of`, as brokers see them. With --dry-run makes nothing. Needs the package cryptography, which ansible-core brings. Any
number of these may run at once.

Certificates that were made before `not_before`, in seconds of the epoch, are made again; 0 or no such key makes none again.

Brokers have two users; broker_user names the one that they log in as. `renew` makes the passwords of `renew` again, where
"broker" is the user that they do not log in as so far, and then puts that user first in broker_user and the former one behind
it. As long as one stands there `renew` does nothing: a run that was interrupted goes on with the passwords that it has made.
`done` takes the former user out.
"""

from __future__ import annotations

import datetime
import fcntl
import ipaddress
import json
import os
import re
import secrets
import string
import sys
import tempfile
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key

ORGANIZATION = "commitlog.kafka"
CA_DAYS = 3650
# A clock that is behind does not refuse what was just made.
EARLIER = datetime.timedelta(hours=1)
FILE_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")
HOST_NAME = re.compile(r"(?!-)[A-Za-z0-9_-]{1,63}(\.(?!-)[A-Za-z0-9_-]{1,63})*")
PASSWORD_LENGTH = 32
BROKER_USERS = ("broker", "broker2")
# The attributes that Java's X500Principal.getName spells out, and characters that it escapes.
SPELLED = {
    "2.5.4.3": "CN",
    "2.5.4.6": "C",
    "2.5.4.7": "L",
    "2.5.4.8": "ST",
    "2.5.4.9": "STREET",
    "2.5.4.10": "O",
    "2.5.4.11": "OU",
    "0.9.2342.19200300.100.1.1": "UID",
    "0.9.2342.19200300.100.1.25": "DC",
}
ESCAPED = re.compile(r"[,=+<>#;\"\\]|^ | $")


class OrderError(Exception):
    """The order cannot be carried out; one line."""


class Directory:
    """The files, and what was made of them."""

    def __init__(self, path: Path, dry_run: bool) -> None:
        self.path = path
        self.dry_run = dry_run
        self.made: list[str] = []

    def read(self, name: str) -> bytes | None:
        try:
            return (self.path / name).read_bytes()
        except FileNotFoundError:
            return None

    def write(self, name: str, data: bytes) -> None:
        self.made.append(name)
        if self.dry_run:
            return
        target = self.path / name
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")  # readable by its owner only
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, target)
        except BaseException:
            os.unlink(temporary)
            raise


def key_text(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def subject_of(common_name: str, unit: str) -> x509.Name:
    pairs = ((x509.NameOID.ORGANIZATION_NAME, ORGANIZATION), (x509.NameOID.ORGANIZATIONAL_UNIT_NAME, unit))
    try:
        return x509.Name([x509.NameAttribute(oid, text) for oid, text in (*pairs, (x509.NameOID.COMMON_NAME, common_name))])
    except ValueError as error:
        raise OrderError(f"{common_name!r} cannot be the name in a certificate: {error}") from None


def alternative(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        if HOST_NAME.fullmatch(name) is None or len(name) > 253:
            raise OrderError(f"{name!r} is neither a host name nor an address, and cannot be in a certificate") from None
        return x509.DNSName(name)


def builder(subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, days: int) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.timezone.utc)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - EARLIER)
        .not_valid_after(now + datetime.timedelta(days=days))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )


def usage(**allowed: bool) -> x509.KeyUsage:
    names = (
        "digital_signature",
        "content_commitment",
        "key_encipherment",
        "data_encipherment",
        "key_agreement",
        "key_cert_sign",
        "crl_sign",
        "encipher_only",
        "decipher_only",
    )
    return x509.KeyUsage(**{name: allowed.get(name, False) for name in names})


def make_authority(directory: Directory) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = subject_of("Lab authority of a Kafka cluster", "authority")
    certificate = (
        builder(subject, subject, key.public_key(), CA_DAYS)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage(key_cert_sign=True, crl_sign=True), critical=True)
        .sign(key, hashes.SHA256())
    )
    directory.write("ca.key", key_text(key))
    directory.write("ca.pem", certificate.public_bytes(Encoding.PEM))
    return certificate, key


def authority(directory: Directory, days: int) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    text, key = directory.read("ca.pem"), directory.read("ca.key")
    if text is None and key is None:
        return make_authority(directory)
    if text is None or key is None:
        raise OrderError(
            f"{directory.path}: {'ca.key' if key is None else 'ca.pem'} is missing beside the other; bring it back, or remove "
            "both, and all certificates will be made again by a new authority"
        )
    certificate, private = x509.load_pem_x509_certificate(text), load_pem_private_key(key, None)
    if not isinstance(private, ec.EllipticCurvePrivateKey) or private.public_key() != certificate.public_key():
        raise OrderError(f"{directory.path}: ca.key is not the key of ca.pem")
    end = certificate.not_valid_after_utc
    if end < datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days=days):
        raise OrderError(
            f"{directory.path}/ca.pem: the authority ends on {end:%Y-%m-%d}, before a certificate of {days} days would; "
            "set security_days lower, or bring a new authority in by security_ca_pem"
        )
    return certificate, private


def is_good(text: bytes, ca: x509.Certificate, wanted: dict[str, Any], order: dict[str, Any]) -> bool:
    """Whether a file holds a key and its certificate, by this authority, for these names, valid long enough, new enough."""
    try:
        certificate, key = x509.load_pem_x509_certificate(text), load_pem_private_key(text, None)
        certificate.verify_directly_issued_by(ca)
    except (ValueError, TypeError, InvalidSignature):
        return False
    try:
        extension = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
        names = set(extension.value)
    except x509.ExtensionNotFound:
        names = set()
    soon = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days=order["renew_days"])
    oldest = datetime.datetime.fromtimestamp(order.get("not_before") or 0, datetime.timezone.utc)
    return (
        key.public_key() == certificate.public_key()
        and certificate.subject == subject_of(wanted["common_name"], wanted["unit"])
        and names == {alternative(name) for name in wanted["names"]}
        and certificate.not_valid_after_utc > soon
        and certificate.not_valid_before_utc + EARLIER >= oldest
    )


def issue(ca: x509.Certificate, ca_key: ec.EllipticCurvePrivateKey, wanted: dict[str, Any], days: int) -> bytes:
    key = ec.generate_private_key(ec.SECP256R1())
    purposes = [x509.ExtendedKeyUsageOID.CLIENT_AUTH] + ([x509.ExtendedKeyUsageOID.SERVER_AUTH] if wanted["names"] else [])
    made = (
        builder(subject_of(wanted["common_name"], wanted["unit"]), ca.subject, key.public_key(), days)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(usage(digital_signature=True), critical=True)
        .add_extension(x509.ExtendedKeyUsage(purposes), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_key.public_key()), critical=False)
    )
    if wanted["names"]:
        names = [alternative(name) for name in wanted["names"]]
        made = made.add_extension(x509.SubjectAlternativeName(names), critical=False)
    return key_text(key) + made.sign(ca_key, hashes.SHA256()).public_bytes(Encoding.PEM)


def subject_in(file: str) -> str:
    """The name in a certificate that was not made here, for lists of those who may do what brokers do."""
    try:
        subject = x509.load_pem_x509_certificate(Path(file).read_bytes()).subject
    except ValueError as error:
        raise OrderError(f"{file}: has no certificate, as PEM, that can be read: {error}") from None
    pairs = [(SPELLED.get(one.oid.dotted_string), str(one.value)) for one in subject]
    strange = [text for name, text in pairs if name is None or ESCAPED.search(text)]
    if strange or not pairs:
        raise OrderError(
            f"{file}: the name in the certificate, {subject.rfc4514_string() or 'which is empty'}, is too unusual to be put into "
            "super.users here; set security_own_brokers to [], and broker_super_users to the names of brokers and administrator"
        )
    return ",".join("+".join(f"{SPELLED[one.oid.dotted_string]}={one.value}" for one in rdn) for rdn in reversed(subject.rdns))


def new_password() -> bytes:
    return "".join(secrets.choice(string.ascii_letters + string.digits) for _letter in range(PASSWORD_LENGTH)).encode()


def renew_secrets(directory: Directory, step: str, names: list[str]) -> None:
    """From one of the brokers' users to the other; see above."""
    now, *former = (directory.read("broker_user") or BROKER_USERS[0].encode()).decode().split() or [""]
    if now not in BROKER_USERS:
        allowed = " and ".join(BROKER_USERS)
        raise OrderError(f"{directory.path}/broker_user: '{now}' is no user of the brokers; allowed are {allowed}")
    if step == "done" and former:
        directory.write("broker_user", now.encode())
    elif step == "renew" and not former:
        other = BROKER_USERS[1 - BROKER_USERS.index(now)]
        for name in names:
            directory.write(f"passwords/{other if name == 'broker' else name}", new_password())
        directory.write("broker_user", f"{other} {now}".encode())


def carry_out(order: dict[str, Any], directory: Directory) -> None:
    for wanted in order["certificates"]:
        if FILE_NAME.fullmatch(wanted["file"]) is None:
            raise OrderError(
                f"{wanted['file']!r} cannot be the name of a certificate's file; allowed are letters, digits, '.', '_' and '-'"
            )
    if order.get("secrets"):
        renew_secrets(directory, order["secrets"], order.get("renew", []))
    if order["certificates"]:
        ca, ca_key = authority(directory, order["days"])
        for wanted in order["certificates"]:
            text = directory.read(f"{wanted['file']}.pem")
            if text is None or not is_good(text, ca, wanted, order):
                directory.write(f"{wanted['file']}.pem", issue(ca, ca_key, wanted, order["days"]))
    for name in order["passwords"]:
        if not directory.read(f"passwords/{name}"):
            directory.write(f"passwords/{name}", new_password())


def main() -> None:
    order = json.load(sys.stdin)
    # Ansible before 2.19 makes texts of the numbers that templates give.
    order.update({name: int(order[name]) for name in ("days", "renew_days", "not_before") if name in order})
    dry_run = "--dry-run" in sys.argv[1:]
    directory = Directory(Path(order["directory"]), dry_run)
    try:
        if dry_run:
            carry_out(order, directory)
        else:
            directory.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            lock = os.open(directory.path, os.O_RDONLY)
            fcntl.flock(lock, fcntl.LOCK_EX)
            carry_out(order, directory)
        subjects = [subject_in(file) for file in order.get("subjects_of", [])]
    except (OrderError, OSError) as error:
        sys.exit(str(error))
    print(json.dumps({"made": directory.made, "complete": not (dry_run and directory.made), "subjects": subjects}))


if __name__ == "__main__":
    main()
