# SPDX-License-Identifier: Apache-2.0
"""Say as JSON what there is of a broker on this host, in one go: what wheels fit its Python, and what the role would write.

    survey.py '{"home": ..., "service": ..., "manager": "systemd"|"process", "distribution": "commitlog"|"apache",
                "files": [PATH...], "links": [PATH...], "directories": {PATH: [OWNER, GROUP, MODE]...}}'

An owner or group is a name, a number, or empty where any will do. Runs on the managed host with the broker's Python, with nothing
but the standard library. Changes nothing.
"""

import grp
import hashlib
import importlib.util
import json
import os
import platform
import pwd
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


def is_as_wanted(path, owner, group, mode):
    """Whether there is such a directory."""
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
    return stat.S_ISDIR(found.st_mode) and "%04o" % stat.S_IMODE(found.st_mode) == mode and owner in owners and group in groups


def digest(path):
    """SHA-1 of a file, which tells a changed one as Ansible does; '' where it cannot be read."""
    try:
        with open(path, "rb") as file:
            return hashlib.sha1(file.read()).hexdigest()  # nosec B324
    except OSError:
        return ""


def text(path):
    try:
        with open(path) as file:
            return file.read().strip()
    except OSError:
        return ""


def link(path):
    try:
        return os.readlink(path)
    except OSError:
        return ""


def state(wanted):
    """systemd's word for how the service is, or that of the control script."""
    if wanted["manager"] == "systemd":
        command = ["systemctl", "show", "--property=ActiveState", wanted["service"] + ".service"]
    else:
        command = [os.path.join(wanted["home"], "run", wanted["service"] + ".sh"), "status"]
    try:
        said = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    except OSError:
        return "inactive"
    return dict(line.split("=", 1) for line in said.splitlines() if "=" in line).get("ActiveState", "inactive")


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
        "target": target(),
        "can_make_environments": bool(importlib.util.find_spec("ensurepip") and importlib.util.find_spec("venv")),
        "wrong_directories": [path for path, how in wanted["directories"].items() if not is_as_wanted(path, *how)],
        "wrong_tools": wrong_tools(home, wanted["distribution"]),
        "files": {path: digest(path) for path in wanted["files"]},
        "links": {path: link(path) for path in wanted["links"]},
        "installed": installed(home),
        "applied": text(os.path.join(home, "run", wanted["service"] + ".applied")),
        "state": state(wanted),
    }
    print(json.dumps(found, sort_keys=True))


if __name__ == "__main__":
    main()
