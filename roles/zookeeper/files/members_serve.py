# SPDX-License-Identifier: Apache-2.0
"""Ask all given members of an ensemble whether they serve, that is follow a leader or lead, or stand alone where one is given.

usage: members_serve.py PORT ADDRESS...        exit status 1, and one line for each that does not, unless all do
"""

from __future__ import annotations

import socket
import sys


def complaint(address: str, port: int, alone: bool) -> str:
    """Why a member does not count, empty when it does."""
    modes = [b"leader", b"follower"] + ([b"standalone"] if alone else [])
    try:
        with socket.create_connection((address, port), timeout=5) as connection:
            connection.sendall(b"srvr")
            answer = b""
            while chunk := connection.recv(4096):
                answer += chunk
    except OSError as error:
        return str(error)
    if any(b"Mode: " + mode in answer for mode in modes):
        return ""
    return answer.decode(errors="replace").strip() or "no answer"


if __name__ == "__main__":
    complaints = {address: complaint(address, int(sys.argv[1]), len(sys.argv) == 3) for address in sys.argv[2:]}
    found = [f"{address}: {text}" for address, text in complaints.items() if text]
    if found:
        sys.exit("\n".join(found))
