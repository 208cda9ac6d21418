# SPDX-License-Identifier: Apache-2.0
"""Make containers that stand for hosts, and their network, or remove them: one call, where a module for each takes seconds.

    containers.py create|destroy <<'{"network": {"name", "subnet", "gateway"}, "image": NAME,
                                     "hosts": [{"name", "address", "tmpfs": [PATH...]}...]}'

Prints one line for each thing that it made or removed, so nothing when all was as wanted. A container or network of the same name
without our label is left alone, and is an error. Standard library only.
"""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

LABEL = "owner=commitlog.kafka"
# systemd mounts (SYS_ADMIN) and the tests cut networks (NET_ADMIN); nothing needs --privileged.
OPTIONS = [
    *("--detach", "--pull=never", f"--label={LABEL}", "--cgroupns=host", "--volume=/sys/fs/cgroup:/sys/fs/cgroup:rw"),
    *("--cap-add=SYS_ADMIN", "--cap-add=NET_ADMIN", "--security-opt=seccomp=unconfined", "--stop-signal=SIGRTMIN+3"),
]
TMPFS = ["/run", "/run/lock", "/tmp"]  # nosec B108


def docker(*arguments: str) -> str:
    done = subprocess.run(["docker", *arguments], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        sys.exit(f"docker {' '.join(arguments[:2])}: {done.stderr.strip()}")
    return done.stdout


def listed(kind: str, form: str, *options: str) -> dict[str, list[str]]:
    """Name to what else the form says, of all that there are."""
    lines = docker(kind, "ls", *options, "--format", "{{" + form.replace(" ", "}}\t{{") + "}}").splitlines()
    return {line.split("\t")[0]: line.split("\t")[1:] for line in lines}


def check_ours(kind: str, name: str, labels: str) -> None:
    if LABEL not in labels.split(","):
        sys.exit(
            f"{name}: a {kind} of this name exists that this project did not make; rename it or remove it, or use VMS=local."
        )


def containers(hosts: list[dict[str, Any]]) -> dict[str, str]:
    """Name to state of those of the hosts that exist."""
    wanted = {host["name"] for host in hosts}
    found = {name: rest for name, rest in listed("container", ".Names .State .Labels", "--all").items() if name in wanted}
    for name, (_, labels) in found.items():
        check_ours("container", name, labels)
    return {name: state for name, (state, _) in found.items()}


def has_network(name: str) -> bool:
    found = listed("network", ".Name .Labels")
    if name in found:
        check_ours("network", name, found[name][0])
    return name in found


def create(wanted: dict[str, Any]) -> None:
    network = wanted["network"]
    present = containers(wanted["hosts"])
    if not has_network(network["name"]):
        docker(
            *("network", "create", "--driver=bridge", f"--label={LABEL}"),
            *(f"--subnet={network['subnet']}", f"--gateway={network['gateway']}", network["name"]),
        )
        print(f"made the network {network['name']}")
    for host in wanted["hosts"]:
        state = present.get(host["name"])
        if state is None:
            tmpfs = [f"--tmpfs={path}" for path in TMPFS + host["tmpfs"]]
            place = [f"--name={host['name']}", f"--network={network['name']}", f"--ip={host['address']}"]
            docker("run", *OPTIONS, *tmpfs, *place, wanted["image"], "/lib/systemd/systemd")
            print(f"made {host['name']}")
        elif state != "running":
            docker("start", host["name"])
            print(f"started {host['name']}")


def destroy(wanted: dict[str, Any]) -> None:
    if present := containers(wanted["hosts"]):
        docker("container", "rm", "--force", "--volumes", *present)
        print(*(f"removed {name}" for name in present), sep="\n")
    if has_network(wanted["network"]["name"]):
        docker("network", "rm", wanted["network"]["name"])
        print(f"removed the network {wanted['network']['name']}")


if __name__ == "__main__":
    {"create": create, "destroy": destroy}[sys.argv[1]](json.load(sys.stdin))
