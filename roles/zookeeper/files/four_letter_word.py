# SPDX-License-Identifier: Apache-2.0
"""Ask a ZooKeeper server one of its four-letter words and print the answer: an open port is not yet a server that serves.

usage: four_letter_word.py ADDRESS PORT WORD        exit status 1 when nothing answers
"""

from __future__ import annotations

import socket
import sys


def ask(address: str, port: int, word: str) -> str:
    with socket.create_connection((address, port), timeout=5) as connection:
        connection.sendall(word.encode())
        answer = b""
        while chunk := connection.recv(4096):
            answer += chunk
    return answer.decode(errors="replace")


if __name__ == "__main__":
    try:
        text = ask(sys.argv[1], int(sys.argv[2]), sys.argv[3])
    except OSError as error:
        sys.exit(f"{sys.argv[1]}:{sys.argv[2]}: {error}")
    print(text)
    sys.exit(0 if text.strip() else 1)
