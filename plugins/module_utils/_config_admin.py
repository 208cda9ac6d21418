# -*- coding: utf-8 -*-
# Copyright: Contributors to the commitlog.kafka collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Dynamic settings of topics and brokers through kafka-python's admin client, one setting at a time: others are left alone."""

from __future__ import annotations

import contextlib
import dataclasses
import typing as t

from ansible_collections.commitlog.kafka.plugins.module_utils._admin import Admin, RequestFailed, one_line

with contextlib.suppress(ImportError):  # said by require_libraries() before any of this is used
    from kafka.admin import AlterConfigOp, ConfigResource, ConfigResourceType


@dataclasses.dataclass
class BrokerSetting:
    """One setting of a broker: its value (None for a secret), its type by Kafka's name, and where the value comes from."""

    value: t.Optional[str]
    type: t.Optional[str]
    source: str
    read_only: bool
    sensitive: bool
    synonyms: list[dict[str, t.Any]]

    @property
    def dynamic(self) -> bool:
        """Whether this broker's own dynamic configuration sets it."""
        return self.source == "DYNAMIC_BROKER_CONFIG"

    @property
    def dynamic_default(self) -> t.Optional[str]:
        """The value in the dynamic configuration for all brokers; None where there is none."""
        for synonym in self.synonyms:
            if synonym["source"] == "DYNAMIC_DEFAULT_BROKER_CONFIG":
                value: t.Optional[str] = synonym["value"]
                return value
        return None


class ConfigAdmin(Admin):
    """Changes settings by IncrementalAlterConfigs, which touches only the settings that it names."""

    def broker_settings(self, brokers: list[int], only: t.Optional[list[str]] = None) -> dict[int, dict[str, BrokerSetting]]:
        """The settings of brokers, each asked of the broker itself; those named, or all."""
        resources = [ConfigResource(ConfigResourceType.BROKER, str(broker), only) for broker in brokers]
        if not resources:
            return {}
        with one_line("DescribeConfigs"):
            answer = self.client.describe_configs(resources, include_synonyms=True, config_filter="all")
        return {
            int(name): {
                key: BrokerSetting(
                    value=entry["value"],
                    type=entry.get("config_type"),
                    source=entry["config_source"],
                    read_only=bool(entry["read_only"]),
                    sensitive=bool(entry["is_sensitive"]),
                    synonyms=entry.get("synonyms") or [],
                )
                for key, entry in entries.items()
            }
            for name, entries in answer.get("broker", {}).items()
        }

    def alter_configs(
        self,
        kind: str,
        name: str,
        set_config: dict[str, str],
        reset_config: list[str],
        validate_only: bool,
        shown: t.Optional[dict[str, str]] = None,
    ) -> None:
        """Set and reset settings of a topic or a broker; `shown` is what the result may say of them, where values are secret."""
        self.note("IncrementalAlterConfigs", **{kind: name}, set=set_config if shown is None else shown, delete=reset_config)
        changes: dict[str, t.Any] = {key: (AlterConfigOp.SET, text) for key, text in set_config.items()}
        changes.update((key, (AlterConfigOp.DELETE, None)) for key in reset_config)
        what = "IncrementalAlterConfigs for {0} {1}".format(kind, name or "defaults")
        with one_line(what):
            answer = self.client.alter_configs(
                [ConfigResource(ConfigResourceType[kind.upper()], name, changes)],
                validate_only=validate_only,
                raise_on_unknown=False,
            )
        outcome = answer[kind][name]
        if outcome != "OK":
            raise RequestFailed("{0}: {1}".format(what, outcome))
