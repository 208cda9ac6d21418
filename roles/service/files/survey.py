# SPDX-License-Identifier: Apache-2.0
"""Say as JSON what there is of a service on this host, in one go, so that a run that finds nothing to do asks nothing more.

    survey.py '{"home": ..., "service": ..., "manager": "systemd"|"process",
                "files": [PATH...], "texts": [PATH...], "lines": {PATH: [BEGINNING...]...}, "links": [PATH...],
                "directories": {PATH: [OWNER, GROUP, MODE]...}, "owners": {PATH: [OWNER, GROUP, MODE]...},
                "ask": {"address": ..., "port": ..., "word": ..., "tls": DIRECTORY or ""}, "distribution": "commitlog"|"apache"}'

Everything but the first line may be left out. Of `lines` those that begin so are told, and no other, since files may hold
secrets. An owner or group is a name, a number, or empty where any will do. Runs on the managed host with nothing but the standard
library. Changes nothing.
"""

import grp
import hashlib
import importlib.util
import json
import os
import platform
import pwd
import socket
import ssl
import stat
import subprocess
import sys


def libc():
    """('glibc', '2.36') by the C library itself; ('musl', '') where it does not say."""
    name, version = platform.libc_ver()
    return (name, version) if name == "glibc" else ("musl", "")


def target():
    """What wheels fit: version, implementation, machine, C library."""
    name, version = libc()
    python = "%d.%d" % sys.version_info[:2]
    machine = platform.machine()
    return {
        "python": python,
        "implementation": {"cpython": "cp"}.get(sys.implementation.name, sys.implementation.name),
        "machine": machine,
        "libc": name,
        "libc_version": version,
        "tag": "-".join(["cp" + python.replace(".", ""), name + version, machine]),
    }


def is_as_wanted(path, kind, owner, group, mode):
    """Whether there is such a file or directory, by the test `kind` of the module stat."""
    try:
        found = os.stat(path)
    except OSError:
        return False
    owners, groups = ["", str(found.st_uid)], ["", str(found.st_gid)]
    try:
        owners.append(pwd.getpwuid(found.st_uid).pw_name)
        groups.append(grp.getgrgid(found.st_gid).gr_name)
    except KeyError:
        pass
    return kind(found.st_mode) and "%04o" % stat.S_IMODE(found.st_mode) == mode and owner in owners and group in groups


def wrong(places, kind):
    """The paths of which it is not so."""
    return [path for path, how in places.items() if not is_as_wanted(path, kind, *how)]


def digest(path):
    """SHA-1 of a file, which tells a changed one as Ansible does; '' where it cannot be read."""
    try:
        with open(path, "rb") as file:
            return hashlib.sha1(file.read()).hexdigest()  # nosec B324
    except OSError:
        return ""


def text(path):
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read().strip()
    except OSError:
        return ""


def lines(path, beginnings):
    return [line for line in text(path).splitlines() if line.startswith(tuple(beginnings))]


def link(path):
    try:
        return os.readlink(path)
    except OSError:
        return ""


def state(wanted):
    """systemd's words for how the service is and whether it starts at boot, or that of the control script."""
    if wanted["manager"] == "systemd":
        command = ["systemctl", "show", "--property=ActiveState,UnitFileState", wanted["service"] + ".service"]
    else:
        command = [os.path.join(wanted["home"], "run", wanted["service"] + ".sh"), "status"]
    try:
        said = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    except OSError:
        said = ""
    words = dict(line.split("=", 1) for line in said.splitlines() if "=" in line)
    enabled = wanted["manager"] != "systemd" or words.get("UnitFileState") == "enabled"
    return {"state": words.get("ActiveState", "inactive"), "enabled": enabled}


def answer(address, port, word, tls):
    """What a ZooKeeper server says to a four-letter word, with the host's own key where there is TLS; '' when nothing answers."""
    try:
        connection = socket.create_connection((address, port), timeout=5)
        if tls:
            context = ssl.create_default_context(cafile=os.path.join(tls, "ca.pem"))
            context.load_cert_chain(os.path.join(tls, "zookeeper.pem"))
            connection = context.wrap_socket(connection, server_hostname=address)
        with connection:
            connection.sendall(word.encode())
            return b"".join(iter(lambda: connection.recv(4096), b"")).decode(errors="replace")
    except OSError:
        return ""


def installed(home):
    """The programs that are wholly there."""
    found = []
    for place in ("libs", "apache"):
        above = os.path.join(home, place)
        for name in os.listdir(above) if os.path.isdir(above) else []:
            if os.path.exists(os.path.join(above, name, "installed.json")):
                found.append(name)
    return sorted(found)


def wrong_tools(home, distribution):
    """The names in bin/ that do not lead to the program of that name, as link_tools.sh would have them."""
    programs = {"commitlog": "libs/venv/bin", "apache": "apache/current/bin"}[distribution]
    places = {"commitlog": "../libs/venv/bin/%s", "apache": "../apache/run-tool.sh"}
    try:
        wanted = [name for name in os.listdir(os.path.join(home, programs)) if name.endswith(".sh")]
        present = os.listdir(os.path.join(home, "bin"))
    except OSError:
        return ["all"]
    wrong = [name for name in wanted if link(os.path.join(home, "bin", name)) != places[distribution].replace("%s", name)]
    return sorted(wrong + [name for name in present if name.endswith(".sh") and name not in wanted])


def main():
    wanted = json.loads(sys.argv[1])
    home = wanted["home"]
    found = {
        "wrong_directories": wrong(wanted.get("directories", {}), stat.S_ISDIR),
        "wrong_files": wrong(wanted.get("owners", {}), stat.S_ISREG),
        "files": {path: digest(path) for path in wanted.get("files", [])},
        "texts": {path: text(path) for path in wanted.get("texts", [])},
        "lines": {path: lines(path, beginnings) for path, beginnings in wanted.get("lines", {}).items()},
        "links": {path: link(path) for path in wanted.get("links", [])},
        "applied": text(os.path.join(home, "run", wanted["service"] + ".applied")),
        # The name that it has now, and the one that it will have when it starts.
        "hostname": socket.gethostname(),
        "static_hostname": text("/etc/hostname"),
        **state(wanted),
    }
    if "ask" in wanted:
        found["answer"] = answer(**wanted["ask"])
    if "distribution" in wanted:
        found["target"] = target()
        found["can_make_environments"] = bool(importlib.util.find_spec("ensurepip") and importlib.util.find_spec("venv"))
        found["installed"] = installed(home)
        found["wrong_tools"] = wrong_tools(home, wanted["distribution"])
    print(json.dumps(found, sort_keys=True))


if __name__ == "__main__":
    main()
