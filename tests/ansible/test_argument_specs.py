# SPDX-License-Identifier: Apache-2.0
"""Every variable of every role has a sentence and the same default in meta/argument_specs.yml as in defaults/main.yml."""

from __future__ import annotations

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
    documented = {name: option["default"] for name, option in options_of(role).items() if not option.get("required")}
    assert defaults_of(role) == documented


@pytest.mark.parametrize("role", ROLES)
def test_every_option_has_a_sentence(role: str) -> None:
    for name, option in options_of(role).items():
        text = option["description"]
        for sentence in [text] if isinstance(text, str) else text:
            assert sentence.endswith("."), f"{name}: {sentence}"


@pytest.mark.parametrize("role", ROLES)
def test_variables_carry_the_name_of_their_role(role: str) -> None:
    assert all(name.startswith(f"{role}_") for name in options_of(role))
