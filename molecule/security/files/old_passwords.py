# SPDX-License-Identifier: Apache-2.0
"""The users of a cluster whose passwords were changed: the new one is good, the old one is refused with Kafka's error.

    old_passwords.py BOOTSTRAP DIRECTORY OLD FORMER NOW

DIRECTORY is that of the role security, OLD has the passwords as they were; brokers logged in as FORMER, and do as NOW.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

from confluent_kafka.admin import AdminClient

WAIT_S = 30
REFUSED = "due to invalid credentials with SASL mechanism SCRAM-SHA-512"


def login(bootstrap: str, ca: Path, user: str, password: str) -> str:
    """'' when the cluster answers, else why it does not."""
    said: list[str] = []
    client = AdminClient(
        {
            "bootstrap.servers": bootstrap,
            "security.protocol": "SASL_SSL",
            "ssl.ca.location": str(ca),
            "sasl.mechanism": "SCRAM-SHA-512",
            "sasl.username": user,
            "sasl.password": password,
            "log_level": 0,
            "error_cb": lambda error: said.append(str(error)),
        }
    )
    answer = client.describe_cluster(request_timeout=WAIT_S)
    end = time.monotonic() + WAIT_S
    while not answer.done() and not said and time.monotonic() < end:
        client.poll(0.1)
    return said[0] if said else "" if answer.done() else "no answer"


def main() -> None:
    bootstrap, directory, old, former, now = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]), *sys.argv[4:]
    ca = directory / "ca.pem"
    for user in ("admin", now):
        said = login(bootstrap, ca, user, (directory / "passwords" / user).read_text())
        assert said == "", f"{user}, new password: {said}"
        print(f"{user}, new password: is let in")
    for user in ("admin", former):
        said = login(bootstrap, ca, user, (old / user).read_text())
        assert REFUSED in said, f"{user}, old password: {said or 'is let in'}"
        print(f"{user}, old password: {said}")


main()
