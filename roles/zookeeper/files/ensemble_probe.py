# SPDX-License-Identifier: Apache-2.0
"""Ask every member of a ZooKeeper ensemble whether it serves: before one is stopped, and after it was started.

usage: ensemble_probe.py SECONDS HOST:PORT...       asks again for so many seconds; exit status 1 with the reason

An ensemble is whole when one member leads and every other one follows; a single server, when it stands alone.
Nothing but the standard library, since it runs on the managed host.
"""

from __future__ import annotations

import re
import socket
import sys
import time

TIMEOUT_S = 5


def mode(member: str) -> str:
    """leader, follower, observer or standalone; what is wrong otherwise."""
    host, _, port = member.rpartition(":")
    try:
        with socket.create_connection((host.strip("[]"), int(port)), timeout=TIMEOUT_S) as connection:
            connection.sendall(b"srvr")
            answer = b""
            while True:
                chunk = connection.recv(4096)
                if not chunk:
                    break
                answer += chunk
    except OSError as error:
        return f"does not answer ({error})"
    found = re.search(r"^Mode: (\w+)$", answer.decode(errors="replace"), re.MULTILINE)
    return found.group(1) if found else f"does not serve ({answer.decode(errors='replace').strip() or 'no answer'})"


def trouble(modes: dict[str, str]) -> str:
    """Why the ensemble is not whole; nothing when it is."""
    if len(modes) == 1:
        return (
            ""
            if set(modes.values()) <= {"standalone", "leader"}
            else "; ".join(f"{member} {said}" for member, said in modes.items())
        )
    wrong = [f"{member} {said}" for member, said in modes.items() if said not in ("leader", "follower", "observer")]
    if not wrong and list(modes.values()).count("leader") != 1:
        wrong = [f"{member} is {said}" for member, said in modes.items()]
    return "; ".join(wrong)


def main() -> None:
    deadline = time.monotonic() + int(sys.argv[1])
    while True:
        modes = {member: mode(member) for member in sys.argv[2:]}
        reason = trouble(modes)
        if not reason:
            print(*(f"{member} {said}" for member, said in modes.items()), sep="\n")
            return
        if time.monotonic() >= deadline:
            sys.exit(f"the ensemble is not whole: {reason}")
        time.sleep(1)


if __name__ == "__main__":
    main()
