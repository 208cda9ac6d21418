# SPDX-License-Identifier: Apache-2.0
"""Ask all given members of an ensemble whether they serve, that is follow a leader or lead, or stand alone where one is given.

usage: members_serve.py PORT [--tls DIRECTORY] ADDRESS...        exit status 1, and one line for each that does not, unless all do
"""

from __future__ import annotations

import argparse
import socket
import ssl
import sys


def connect(address: str, port: int, tls: str) -> socket.socket:
    """A connection, with the member's own key where there is TLS."""
    connection = socket.create_connection((address, port), timeout=5)
    if not tls:
        return connection
    context = ssl.create_default_context(cafile=f"{tls}/ca.pem")
    context.load_cert_chain(f"{tls}/zookeeper.pem")
    return context.wrap_socket(connection, server_hostname=address)


def complaint(address: str, port: int, tls: str, alone: bool) -> str:
    """Why a member does not count, empty when it does."""
    modes = [b"leader", b"follower"] + ([b"standalone"] if alone else [])
    try:
        with connect(address, port, tls) as connection:
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
    parser = argparse.ArgumentParser()
    parser.add_argument("port", type=int)
    parser.add_argument("--tls", default="", metavar="DIRECTORY")
    parser.add_argument("addresses", nargs="+")
    given = parser.parse_args()
    alone = len(given.addresses) == 1
    complaints = {address: complaint(address, given.port, given.tls, alone) for address in given.addresses}
    found = [f"{address}: {text}" for address, text in complaints.items() if text]
    if found:
        sys.exit("\n".join(found))
