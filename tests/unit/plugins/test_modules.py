# SPDX-License-Identifier: GPL-3.0-or-later
"""What holds of every module: its place in the action group, its documentation, and that only secrets are hidden."""

from __future__ import annotations

import importlib
import pathlib
import sys
from typing import Any

import pytest
import yaml

ROOT = pathlib.Path(__file__).resolve().parents[3]
MODULES = sorted(path.stem for path in (ROOT / "plugins" / "modules").glob("*.py"))
SECRETS = {"password", "sasl_password", "sasl_oauth_token", "ssl_password", "ssl_key_pem", "zookeeper_password"}


class Stopped(Exception):
    """Instead of running."""


def arguments_of(name: str, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What the module makes AnsibleModule with."""
    module = importlib.import_module(f"ansible_collections.commitlog.kafka.plugins.modules.{name}")
    seen: dict[str, Any] = {}

    def stop(**arguments: Any) -> None:
        seen.update(arguments)
        raise Stopped

    beginning = importlib.import_module("ansible_collections.commitlog.kafka.plugins.module_utils._module")
    monkeypatch.setattr(beginning, "AnsibleModule", stop)
    with pytest.raises(Stopped):
        module.main()
    return seen


def documented(name: str) -> dict[str, Any]:
    module = importlib.import_module(f"ansible_collections.commitlog.kafka.plugins.modules.{name}")
    found: dict[str, Any] = yaml.safe_load(module.DOCUMENTATION)
    return found


def test_every_module_is_in_the_action_group() -> None:
    runtime = yaml.safe_load((ROOT / "meta" / "runtime.yml").read_text())
    assert runtime["action_groups"]["kafka"] == MODULES


@pytest.mark.parametrize("name", MODULES)
def test_check_mode_and_one_connection(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    arguments = arguments_of(name, monkeypatch)
    assert arguments["supports_check_mode"] is True
    assert "bootstrap_servers" in arguments["argument_spec"]
    assert {"commitlog.kafka.connection", "commitlog.kafka.attributes.actiongroup_kafka"} <= set(
        documented(name)["extends_documentation_fragment"]
    )


@pytest.mark.parametrize("name", MODULES)
def test_secrets_are_hidden_and_nothing_else(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = arguments_of(name, monkeypatch)["argument_spec"]
    hidden = {option for option, entry in spec.items() if entry.get("no_log")}
    assert hidden == SECRETS & set(spec)


def test_settings_that_may_be_secrets_are_not_told_to_the_system_log(monkeypatch: pytest.MonkeyPatch) -> None:
    assert arguments_of("broker_config", monkeypatch)["no_log"] is True
    assert arguments_of("topic", monkeypatch)["no_log"] is False


@pytest.mark.parametrize("name", [name for name in MODULES if not name.endswith("_info")])
def test_what_changes_something_returns_before_after_and_the_requests(name: str) -> None:
    module = importlib.import_module(f"ansible_collections.commitlog.kafka.plugins.modules.{name}")
    assert {"before", "after", "requests"} <= set(yaml.safe_load(module.RETURN))
    assert documented(name)["attributes"]["diff_mode"]["support"] == "full"


@pytest.mark.parametrize("name", MODULES)
def test_examples_are_tasks_with_names_of_this_module(name: str) -> None:
    module = importlib.import_module(f"ansible_collections.commitlog.kafka.plugins.modules.{name}")
    tasks = yaml.safe_load(module.EXAMPLES)
    assert all(task["name"] for task in tasks)
    assert any(f"commitlog.kafka.{name}" in task for task in tasks)


# Keys of a task's result that Ansible uses itself, and that a module of another purpose may not return.
ANSIBLES_KEYS = {"results", "failed", "skipped", "invocation", "stdout", "stderr", "rc", "exception", "warnings", "deprecations"}


@pytest.mark.parametrize("name", MODULES)
def test_returned_keys_do_not_clash_with_ansibles(name: str) -> None:
    module = importlib.import_module(f"ansible_collections.commitlog.kafka.plugins.modules.{name}")
    assert not ANSIBLES_KEYS & set(yaml.safe_load(module.RETURN))


@pytest.mark.parametrize("name", MODULES)
def test_options_are_states_and_no_verbs(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = arguments_of(name, monkeypatch)["argument_spec"]
    assert "action" not in spec
    assert not {"list", "query", "info", "create", "delete", "update"} & set(spec.get("state", {}).get("choices", ()))


def test_a_missing_library_is_named_with_the_python_that_lacks_it(monkeypatch: pytest.MonkeyPatch) -> None:
    connection = importlib.import_module("ansible_collections.commitlog.kafka.plugins.module_utils._connection")
    monkeypatch.setattr(connection, "KAFKA_PYTHON_IMPORT_ERROR", "ModuleNotFoundError")
    told = connection.missing_library({"zookeeper_connect": None})
    assert "kafka-python>=" in told
    assert sys.executable in told
