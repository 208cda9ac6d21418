# -*- coding: utf-8 -*-
# Copyright: Contributors to the commitlog.kafka collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Judge settings of server.properties on the controller, before any host is touched."""

from __future__ import annotations

DOCUMENTATION = r"""
name: property_errors
short_description: What is wrong with settings of server.properties
version_added: 0.1.0
author:
  - The commitlog.kafka contributors (!UNKNOWN)
description:
  - Checks names, types, limits and the rules between settings with the broker's own table of definitions.
  - The words for a refused value are those of Apache Kafka. The value of a password is not shown.
positional: _input, distribution, unchecked, kind
options:
  _input:
    description: The settings by Kafka's names, all or some. Rules between settings are checked when each is right by itself.
    type: dict
    required: true
  distribution:
    description: Who will read them. V(apache) has what this collection's broker refuses, and lacks names of Kafka 0.8.
    type: str
    choices: [commitlog, apache]
    default: commitlog
  unchecked:
    description: Names, or beginnings of names that end in an asterisk, that are taken as they are, such as those of a plug-in.
    type: list
    elements: str
    default: []
  kind:
    description: Whose settings they are. Those of a topic may be V(null), which is the default of the brokers.
    type: str
    choices: [broker, topic]
    default: broker
"""

EXAMPLES = r"""
---
- name: Stop at settings that a broker would refuse
  ansible.builtin.assert:
    that: broker_properties | commitlog.kafka.property_errors | length == 0
"""

RETURN = r"""
_value:
  description: One line for each setting that will not do, with its name, its value and what is allowed; empty when all is well.
  type: list
  elements: str
"""

import fnmatch
import importlib
import pathlib
import sys
import typing as t

from ansible.errors import AnsibleFilterError
from ansible.module_utils.common.text.converters import to_text

COLLECTION = pathlib.Path(__file__).resolve().parents[2]
# What no broker can do without; it stands in where only some settings are checked.
STANDING_IN = {"zookeeper.connect": "zookeeper:2181", "broker.id": "0"}


def broker_program() -> pathlib.Path:
    """The broker's Python package, which holds the definitions: its source in a checkout, else the wheel that the role ships."""
    source = COLLECTION / "broker_py" / "src"
    if source.is_dir():
        return source
    wheels = sorted((COLLECTION / "roles" / "broker" / "files").glob("commitlog-*.whl"))
    if not wheels:
        raise AnsibleFilterError("property_errors: neither {0} nor a wheel of the broker in the role is there".format(source))
    return wheels[0]


def broker_config() -> t.Any:
    """The package commitlog.config of that program."""
    if sys.version_info < (3, 11):
        raise AnsibleFilterError(
            "property_errors: the controller's Python is {0}.{1}; 3.11 or newer is needed".format(*sys.version_info)
        )
    place = to_text(str(broker_program()))
    if place not in sys.path:
        sys.path.append(place)
    return importlib.import_module("commitlog.config.broker")


def property_text(value: t.Any) -> str:
    """A value of YAML as server.properties.j2 writes it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (list, tuple)):
        return ",".join(property_text(item) for item in value)
    return to_text(value)


def why_no_text(value: t.Any) -> str:
    """Why a value of YAML cannot stand in server.properties, '' when it can."""
    if value is None:
        return "has no value; give it one, or leave the name out"
    if isinstance(value, t.Mapping):
        return "'{0}' is a map; allowed is a value, or a list of them".format(value)
    return ""


def one_setting(config: t.Any, name: str, text: str, distribution: str, kind: str) -> str:
    """What is wrong with this one, '' when nothing is."""
    definitions = importlib.import_module("commitlog.config.definitions")
    legacy = importlib.import_module("commitlog.config.legacy")
    known = definitions.broker_definitions() if kind == "broker" else definitions.topic_definitions()
    row = known.get(name)
    if row is None:
        is_free = name.startswith(config.FREE_PREFIXES) or (name in legacy.NAMES and distribution == "commitlog")
        if kind == "broker" and is_free:
            return ""
        what = "setting" if kind == "broker" else "setting of topics"
        return "{0}: '{1}': Kafka 3.9 has no {2} of this name{3}".format(name, text, what, config.nearest_names(name, known))
    try:
        row.parse(text)
    except definitions.InvalidValue as error:
        return "{0}: '{1}': {2}".format(name, "hidden" if row.sensitive else text, error.reason)
    return ""


def property_errors(
    properties: t.Any, distribution: str = "commitlog", unchecked: t.Sequence[str] = (), kind: str = "broker"
) -> list[str]:
    """The filter."""
    if not isinstance(properties, t.Mapping):
        raise AnsibleFilterError("property_errors: a dictionary of settings is wanted, not {0}".format(type(properties).__name__))
    config = broker_config()
    if kind == "topic":
        properties = {name: value for name, value in properties.items() if value is not None}
    shapeless = sorted("{0}: {1}".format(name, why_no_text(value)) for name, value in properties.items() if why_no_text(value))
    if shapeless:
        return shapeless
    texts = {to_text(name): property_text(value) for name, value in properties.items()}
    checked = {name: text for name, text in texts.items() if not any(fnmatch.fnmatchcase(name, form) for form in unchecked)}
    errors = [
        error
        for name, text in sorted(checked.items())
        for error in [one_setting(config, name, text, distribution, kind)]
        if error
    ]
    if errors or distribution != "commitlog" or kind != "broker":
        return errors
    try:
        config.BrokerConfig.from_properties({**STANDING_IN, **checked}, "server.properties")
    except config.ConfigError as error:
        return [error.message]
    return []


class FilterModule:
    """The collection's filters."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """By name."""
        return {"property_errors": property_errors}
