# SPDX-License-Identifier: Apache-2.0
"""What a new certificate must have in common with the one in force (SslFactory.CertificateEntries).

The same distinguished name, so that ACLs and super.users of brokers still fit, and all the names that clients
know the broker by; ssl.allow.dn.changes and ssl.allow.san.changes lift each.
"""

from __future__ import annotations

import ssl
from dataclasses import dataclass

from commitlog.security.ssl_principal import distinguished_name


class IncompatibleError(ValueError):
    """The new certificate is somebody else's; the text is Kafka's."""


@dataclass(frozen=True, slots=True)
class _Entry:
    name: str
    alternatives: frozenset[str]


def ensure_compatible(new: str, old: str, *, allow_dn_changes: bool, allow_san_changes: bool) -> None:
    """Compare the leaves of two chains in PEM; raises IncompatibleError."""
    if new == old:
        return
    now, then = _leaf(old), _leaf(new)
    if not allow_dn_changes and then.name != now.name:
        raise IncompatibleError(
            f"Keystore DistinguishedName does not match:  existing={{alias=kafka, DN={now.name}}}, "
            f"new={{alias=kafka, DN={then.name}}}"
        )
    if not allow_san_changes and not then.alternatives >= now.alternatives:
        raise IncompatibleError(
            f"Keystore SubjectAltNames do not match:  existing={{alias=kafka, SAN={_shown(now)}}}, "
            f"new={{alias=kafka, SAN={_shown(then)}}}"
        )


def _leaf(chain: str) -> _Entry:
    from cryptography import x509

    certificate = x509.load_pem_x509_certificate(chain.encode())
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        names = None
    alternatives = frozenset() if names is None else frozenset(_alternative(one) for one in names)
    return _Entry(distinguished_name(ssl.PEM_cert_to_DER_cert(chain[: _first_end(chain)])), alternatives)


def _first_end(chain: str) -> int:
    end = "-----END CERTIFICATE-----"
    return chain.index(end) + len(end)


def _alternative(name: object) -> str:
    value = getattr(name, "value", name)
    return f"{type(name).__name__}:{value}"


def _shown(entry: _Entry) -> str:
    return f"[{', '.join(sorted(entry.alternatives))}]"
