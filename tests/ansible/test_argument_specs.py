# SPDX-License-Identifier: Apache-2.0
"""Every variable of every role has a sentence and the same default in meta/argument_specs.yml as in defaults/main.yml."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
ROLES = sorted(path.parent.parent.name for path in ROOT.glob("roles/*/meta/argument_specs.yml"))


def load(path: Path) -> Any:
    return yaml.safe_load(path.read_text())


def options_of(role: str) -> dict[str, Any]:
    return load(ROOT / "roles" / role / "meta" / "argument_specs.yml")["argument_specs"]["main"]["options"]


def defaults_of(role: str) -> dict[str, Any]:
    return load(ROOT / "roles" / role / "defaults" / "main.yml")


def test_every_role_has_argument_specs() -> None:
    assert sorted(path.name for path in (ROOT / "roles").iterdir() if path.is_dir()) == ROLES


@pytest.mark.parametrize("role", ROLES)
def test_the_defaults_are_those_of_the_specs(role: str) -> None:
    options = {name: option for name, option in options_of(role).items() if not option.get("required")}
    defaults = defaults_of(role)
    assert defaults.keys() == options.keys()
    for name, option in options.items():
        # A specification cannot give a template as the default of what is no text: there a sentence says it.
        if not is_template_of_no_text(option, defaults[name]):
            assert option["default"] == defaults[name], name
        else:
            assert "default" not in option, name
            assert any("default" in sentence for sentence in option["description"]), f"{name}: what is its default?"


def is_template_of_no_text(option: dict[str, Any], default: Any) -> bool:
    return option["type"] not in {"str", "path"} and isinstance(default, str) and default.startswith("{{")


@pytest.mark.parametrize("role", sorted(path.parent.name for path in ROOT.glob("roles/*/README.md")))
def test_a_page_for_people_names_what_there_is(role: str) -> None:
    """Its README names only variables that there are, and has a play that uses the role."""
    text = (ROOT / "roles" / role / "README.md").read_text()
    named = set(re.findall(rf"`({role}_[a-z_]+)`", text))
    assert named <= options_of(role).keys()
    assert f"commitlog.kafka.{role}" in text
    assert "```yaml" in text


@pytest.mark.parametrize("role", ROLES)
def test_every_option_has_a_sentence(role: str) -> None:
    for name, option in options_of(role).items():
        text = option["description"]
        for sentence in [text] if isinstance(text, str) else text:
            assert sentence.endswith("."), f"{name}: {sentence}"


@pytest.mark.parametrize("role", ROLES)
def test_variables_carry_the_name_of_their_role(role: str) -> None:
    assert all(name.startswith(f"{role}_") for name in options_of(role))
