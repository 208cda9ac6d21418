# SPDX-License-Identifier: Apache-2.0
"""Compares the kernel's settings with wanted ones, or sets them. Python is enough: a host without sysctl(8) will do.

kernel.py show '{"vm.swappiness": 1}'   prints which differ, which are read-only here and differ, and which there are not
kernel.py set '{"vm.swappiness": 1}'    sets them
"""

import json
import os
import sys


def path_of(name):
    """The file of a setting. As for sysctl(8), the separator that comes first stands for the other one after it."""
    first = min(name.find(mark) % 1000 for mark in "./")
    return "/proc/sys/" + (name if name[first : first + 1] == "/" else name.translate(str.maketrans("./", "/.")))


def current(name):
    """What is in force; None when the kernel has no such setting."""
    try:
        with open(path_of(name), encoding="ascii") as file:
            return " ".join(file.read().split())
    except FileNotFoundError:
        return None


def show(wanted):
    """Sort the wanted settings by what there is to do."""
    found = {"different": {}, "fixed": [], "unknown": []}
    for name, value in sorted(wanted.items()):
        text = current(name)
        if text is None:
            found["unknown"].append(name)
        elif not os.access(path_of(name), os.W_OK):
            found["fixed"].append(name)
        elif text != " ".join(str(value).split()):
            found["different"][name] = value
    return found


def put(wanted):
    """Set them all; the first that the kernel refuses ends it with one line."""
    for name, value in sorted(wanted.items()):
        try:
            with open(path_of(name), "w", encoding="ascii") as file:
                file.write(str(value))
        except OSError as error:
            sys.exit("system_sysctl: {0}: {1} was refused by the kernel: {2}".format(name, value, error.strerror))


def main():
    verb, wanted = sys.argv[1], json.loads(sys.argv[2])
    if verb == "set":
        put(wanted)
    print(json.dumps(show(wanted)))


if __name__ == "__main__":
    main()
