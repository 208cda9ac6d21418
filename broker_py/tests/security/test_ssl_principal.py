# SPDX-License-Identifier: Apache-2.0
"""Names in certificates as Java writes them, and Kafka's mapping rules."""

from __future__ import annotations

from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from commitlog.security.ssl_principal import MappingError, SslPrincipalMapper, distinguished_name
from tests.security.certificates import LabCa


def test_mapping_rules_of_kafkas_documentation() -> None:
    mapper = SslPrincipalMapper(
        "RULE:^CN=(.*?),OU=ServiceUsers.*$/$1/, "
        "RULE:^CN=(.*?),OU=(.*?),O=(.*?),L=(.*?),ST=(.*?),C=(.*?)$/$1@$2/L, "
        "RULE:^cn=(.*?),ou=(.*?),dc=(.*?),dc=(.*?)$/$1@$2/U, "
        "RULE:^.*[Cc][Nn]=([a-zA-Z0-9.]*).*$/$1/U, "
        "DEFAULT"
    )
    assert mapper.name("CN=Duke,OU=ServiceUsers,O=Org,C=US") == "Duke"
    assert mapper.name("CN=Duke,OU=SME,O=mycp,L=Fulton,ST=MD,C=US") == "duke@sme"
    assert mapper.name("cn=duke,ou=sme,dc=mycp,dc=com") == "DUKE@SME"
    assert mapper.name("cN=duke,OU=JavaSoft,O=Sun Microsystems") == "DUKE"
    assert mapper.name("OU=JavaSoft,O=Sun Microsystems,C=US") == "OU=JavaSoft,O=Sun Microsystems,C=US"


@pytest.mark.parametrize(
    "rules", ["default", "DEFAUL", "RULE:", "RULE:a", "RULE:a/b", "RULE:(/x/", "RULE:a/$1/"]
)
def test_rules_that_are_none(rules: str) -> None:
    with pytest.raises(MappingError, match="Invalid rule"):
        SslPrincipalMapper(rules)


def test_a_name_that_no_rule_fits_is_refused() -> None:
    with pytest.raises(MappingError, match="No rules apply to CN=x"):
        SslPrincipalMapper("RULE:^CN=a$/a/").name("CN=x")


def test_a_slash_in_a_rule_is_escaped() -> None:
    assert (
        SslPrincipalMapper(r"RULE:^CN=(\w+)\/(\w+)$/$1\/$2/L,DEFAULT").name("CN=Kafka/Host") == "kafka/host"
    )


def test_a_name_is_written_as_java_writes_it(tmp_path: Path) -> None:
    attribute = x509.NameAttribute
    oid = x509.NameOID
    subject = x509.Name(
        [
            attribute(oid.COUNTRY_NAME, "DE"),
            attribute(oid.STATE_OR_PROVINCE_NAME, "B"),
            attribute(oid.ORGANIZATION_NAME, 'A, "B" + C'),
            attribute(oid.EMAIL_ADDRESS, "a@b"),
            attribute(oid.COMMON_NAME, " #x"),
        ]
    )
    certificate = LabCa(tmp_path).issue("x", subject=subject).certificate
    assert distinguished_name(certificate.public_bytes(Encoding.DER)) == (
        'CN=\\ #x,1.2.840.113549.1.9.1=#1603614062,O=A\\, \\"B\\" \\+ C,ST=B,C=DE'
    )
