# SPDX-License-Identifier: Apache-2.0
"""Ask a ZooKeeper server one of its four-letter words and print the answer: an open port is not yet a server that serves.

usage: four_letter_word.py PORT [--tls DIRECTORY] ADDRESS WORD        exit status 1 when nothing answers
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


def ask(address: str, port: int, word: str, tls: str) -> str:
    with connect(address, port, tls) as connection:
        connection.sendall(word.encode())
        answer = b""
        while chunk := connection.recv(4096):
            answer += chunk
    return answer.decode(errors="replace")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("port", type=int)
    parser.add_argument("--tls", default="", metavar="DIRECTORY")
    parser.add_argument("address")
    parser.add_argument("word")
    given = parser.parse_args()
    try:
        text = ask(given.address, given.port, given.word, given.tls)
    except OSError as error:
        sys.exit(f"{given.address}:{given.port}: {error}")
    print(text)
    sys.exit(0 if text.strip() else 1)
