# -*- coding: utf-8 -*-
# Copyright: Contributors to the commitlog.kafka collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The difference between dynamic settings as they are and as they are wanted. Secrets are neither compared nor shown."""

from __future__ import annotations

import dataclasses
import typing as t

from ansible_collections.commitlog.kafka.plugins.module_utils._topic_plan import Setting, same_value

HIDDEN = "(secret)"


@dataclasses.dataclass
class SettingsPlan:
    """What to set and to reset, and the settings before and after as the module may show them."""

    set_config: dict[str, str]
    reset_config: list[str]
    shown: dict[str, str]
    before: dict[str, t.Optional[str]]
    after: dict[str, t.Optional[str]]

    @property
    def empty(self) -> bool:
        """Whether the settings already are as wanted."""
        return not self.set_config and not self.reset_config


def plan_settings(
    current: dict[str, t.Optional[str]],
    wanted: dict[str, t.Optional[str]],
    types: dict[str, t.Optional[str]],
    secret: t.Collection[str],
    update_secrets: bool,
) -> SettingsPlan:
    """How `current` (None for a secret) becomes `wanted` (None for a setting to reset).

    Kafka does not tell a secret, so one that is set already cannot be compared: it is set again with update_secrets, and
    otherwise left alone.
    """
    to_set, to_reset = {}, []
    for name, text in sorted(wanted.items()):
        if text is None:
            if name in current:
                to_reset.append(name)
        elif name in secret:
            if name not in current or update_secrets:
                to_set[name] = text
        elif name not in current or not same_value(Setting(current[name], types.get(name), True), text):
            to_set[name] = text
    before = {name: HIDDEN if name in secret else value for name, value in sorted(current.items())}
    shown = {name: HIDDEN if name in secret else text for name, text in to_set.items()}
    after = {name: value for name, value in before.items() if name not in to_reset}
    after.update({name: HIDDEN + ", set anew" if text == HIDDEN and name in before else text for name, text in shown.items()})
    return SettingsPlan(to_set, to_reset, shown, before, dict(sorted(after.items())))
