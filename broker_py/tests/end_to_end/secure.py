# SPDX-License-Identifier: Apache-2.0
"""Settings of a broker with a listener of every kind, and of the clients that fit them."""

from __future__ import annotations

import base64
import json
import time
from pathlib import Path
from typing import Any

from tests.real_zookeeper import free_port
from tests.security.certificates import LabCa

USER, PASSWORD = "alice", 'pass "word" \\ ä=,1'
OAUTH = "org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule"
PLAIN = "org.apache.kafka.common.security.plain.PlainLoginModule"
SCRAM = "org.apache.kafka.common.security.scram.ScramLoginModule"


def jaas(module: str, **options: str) -> str:
    """A value of sasl.jaas.config."""

    def quoted(text: str) -> str:
        return text.replace("\\", "\\\\").replace('"', '\\"')

    return " ".join([module, "required", *(f'{key}="{quoted(text)}"' for key, text in options.items())]) + ";"


def unsecured_token(subject: str, *, lifetime_s: float = 3600, **claims: Any) -> str:
    def part(value: object) -> str:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()

    now = time.time()
    return f"{part({'alg': 'none'})}.{part({'sub': subject, 'iat': now, 'exp': now + lifetime_s, **claims})}."


class SecureListeners:
    """Names, ports and settings of the listeners beside PLAINTEXT."""

    def __init__(self, ca: LabCa, directory: Path) -> None:
        self.ca = ca
        self.directory = directory
        self.ports = {name: free_port() for name in ("SSL", "SASL_PLAINTEXT", "SASL_SSL")}
        self.server = ca.issue("broker", "127.0.0.1", "localhost")

    def address(self, name: str) -> str:
        return f"127.0.0.1:{self.ports[name]}"

    def settings(self, plaintext_port: int) -> dict[str, str]:
        listeners = [f"PLAINTEXT://127.0.0.1:{plaintext_port}"]
        listeners += [f"{name}://{self.address(name)}" for name in self.ports]
        found = {
            "listeners": ",".join(listeners),
            "ssl.keystore.type": "PEM",
            "ssl.keystore.location": str(self.server.pem),
            "ssl.truststore.type": "PEM",
            "ssl.truststore.location": str(self.ca.file),
            "listener.name.ssl.ssl.client.auth": "required",
            "ssl.principal.mapping.rules": "RULE:^CN=([a-z]+),O=Lab$/$1/,DEFAULT",
            "sasl.enabled.mechanisms": "PLAIN,SCRAM-SHA-256,SCRAM-SHA-512,OAUTHBEARER",
        }
        for name in ("sasl_plaintext", "sasl_ssl"):
            prefix = f"listener.name.{name}"
            found[f"{prefix}.plain.sasl.jaas.config"] = jaas(PLAIN, **{f"user_{USER}": PASSWORD})
            found[f"{prefix}.oauthbearer.sasl.jaas.config"] = jaas(OAUTH)
        return found
