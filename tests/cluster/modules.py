# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs a module in this process, as Ansible would: arguments in, one JSON document out."""

from __future__ import annotations

import contextlib
import importlib
import io
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from unittest import mock

try:
    from ansible.module_utils.testing import patch_module_args
except ImportError:  # ansible-core before 2.19
    from ansible.module_utils import basic

    @contextlib.contextmanager
    def patch_module_args(arguments: dict[str, Any]) -> Iterator[None]:
        """The same, in the way in which those modules read them."""
        with mock.patch.object(basic, "_ANSIBLE_ARGS", json.dumps({"ANSIBLE_MODULE_ARGS": arguments}).encode()):
            yield


PLACES = "ansible_collections.commitlog.kafka.plugins.modules."
PREDICTED = ("changed", "before", "after", "requests", "diff")


def run_module(name: str, arguments: dict[str, Any], *, check: bool = False) -> dict[str, Any]:
    """What the module returns, also when it fails."""
    out = io.StringIO()
    module_arguments = {**arguments, "_ansible_check_mode": check, "_ansible_diff": True}
    with patch_module_args(module_arguments), contextlib.redirect_stdout(out), contextlib.suppress(SystemExit):
        importlib.import_module(PLACES + name).main()
    result: dict[str, Any] = json.loads(out.getvalue())
    return result


@dataclass
class Modules:
    """The modules with a connection."""

    bootstrap: list[str]
    zookeeper: str
    sasl: str
    kind: str

    def __call__(self, module: str, /, *, check: bool = False, **arguments: Any) -> dict[str, Any]:
        """Run a module that must not fail."""
        result = self.attempt(module, check=check, **arguments)
        assert not result.get("failed"), result["msg"]
        return result

    def attempt(self, module: str, /, *, check: bool = False, **arguments: Any) -> dict[str, Any]:
        """Run a module that may fail."""
        where = (
            {} if "bootstrap_servers" in arguments or "zookeeper_connect" in arguments else {"bootstrap_servers": self.bootstrap}
        )
        return run_module(module, {**where, **arguments}, check=check)

    def fails(self, module: str, /, **arguments: Any) -> str:
        """The one line with which a module fails, in check mode as well as without."""
        texts = [self.attempt(module, check=check, **arguments) for check in (True, False)]
        assert all(result.get("failed") for result in texts), texts
        assert texts[0]["msg"] == texts[1]["msg"]
        assert "\n" not in texts[0]["msg"]
        return str(texts[0]["msg"])

    def changes(self, module: str, /, *, placed: bool = True, **arguments: Any) -> dict[str, Any]:
        """Run a module that changes something: check mode predicts it to the letter, and a second run finds nothing to do.

        Where the cluster chooses the brokers (placed=False), check mode cannot know them, and they are not compared.
        """
        foreseen = self(module, check=True, **arguments)
        done = self(module, **arguments)
        assert done["changed"]
        for key in PREDICTED:
            assert comparable(foreseen[key], placed) == comparable(done[key], placed), key
        again = self(module, **arguments)
        assert not again["changed"], again
        assert again["requests"] == []
        return done


def comparable(value: Any, placed: bool) -> Any:
    """A result without the brokers of partitions, unless they are to be compared."""
    if placed or not isinstance(value, dict):
        return value
    return {key: comparable(item, placed) for key, item in value.items() if key != "replica_assignment"}
