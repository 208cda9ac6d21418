# SPDX-License-Identifier: Apache-2.0
"""A principal as the rest of the broker compares and prints it."""

import pytest

from commitlog.security.principal import ANONYMOUS, KafkaPrincipal


def test_a_principal_reads_as_kafka_writes_it() -> None:
    assert str(KafkaPrincipal("User", "CN=a,O=b:c")) == "User:CN=a,O=b:c"
    assert KafkaPrincipal.parse("User:CN=a,O=b:c") == KafkaPrincipal("User", "CN=a,O=b:c")
    assert str(ANONYMOUS) == "User:ANONYMOUS"


def test_how_somebody_came_is_not_who_they_are() -> None:
    plain, token = KafkaPrincipal("User", "a"), KafkaPrincipal("User", "a", token_authenticated=True)
    assert plain == token
    assert len({plain, token}) == 1


@pytest.mark.parametrize("text", ["", "alice"])
def test_a_principal_without_a_type_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="principalType:principalName"):
        KafkaPrincipal.parse(text)
