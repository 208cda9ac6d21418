# SPDX-License-Identifier: Apache-2.0
"""Say as JSON what wheels fit this Python: version, implementation, machine, C library.

Runs on the managed host, with nothing but the standard library.
"""

import json
import platform
import sys


def libc():
    """('glibc', '2.36') by the C library itself; ('musl', '') where it does not say."""
    name, version = platform.libc_ver()
    return (name, version) if name == "glibc" else ("musl", "")


name, version = libc()
python = "%d.%d" % sys.version_info[:2]
machine = platform.machine()
print(
    json.dumps(
        {
            "python": python,
            "implementation": {"cpython": "cp"}.get(sys.implementation.name, sys.implementation.name),
            "machine": machine,
            "libc": name,
            "libc_version": version,
            "tag": "-".join(["cp" + python.replace(".", ""), name + version, machine]),
        },
        sort_keys=True,
    )
)
