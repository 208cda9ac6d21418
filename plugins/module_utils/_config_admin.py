# -*- coding: utf-8 -*-
# Copyright: Contributors to the commitlog.kafka collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Dynamic settings of topics and brokers through kafka-python's admin client, one setting at a time: others are left alone."""

from __future__ import annotations

import contextlib
import dataclasses
import typing as t

from ansible_collections.commitlog.kafka.plugins.module_utils._admin import Admin, RequestFailed, one_line, raise_for

with contextlib.suppress(ImportError):  # said by require_libraries() before any of this is used
    from kafka.admin import AlterConfigOp, ConfigResource, ConfigResourceType
    from kafka.protocol.admin import DescribeConfigsRequest, IncrementalAlterConfigsRequest


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


@dataclasses.dataclass
class ConfigChange:
    """Settings to set and to reset of one "topic" or "broker"; `shown` is what may be told of them, where values are secret."""

    kind: str
    name: str
    set_config: dict[str, str]
    reset_config: list[str]
    shown: t.Optional[dict[str, str]] = None


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

    def alter_configs(self, changes: list[ConfigChange]) -> None:
        """Set and reset settings: one request for all topics and one for each broker; in check mode they are only judged."""
        resources = []
        for change in changes:
            shown = change.set_config if change.shown is None else change.shown
            name = {change.kind: change.name}
            self.note("IncrementalAlterConfigs", **name, set=shown, delete=change.reset_config)
            entries: dict[str, t.Any] = {key: (AlterConfigOp.SET, text) for key, text in change.set_config.items()}
            entries.update((key, (AlterConfigOp.DELETE, None)) for key in change.reset_config)
            resources.append(ConfigResource(ConfigResourceType[change.kind.upper()], change.name, entries))
        if not resources:
            return
        with one_line("IncrementalAlterConfigs"):
            answer = self.client.alter_configs(resources, validate_only=self.check_mode, raise_on_unknown=False)
        for change in changes:
            outcome = answer[change.kind][change.name]
            if outcome != "OK":
                raise RequestFailed("IncrementalAlterConfigs for {0} {1}: {2}".format(change.kind, change.name, outcome))

    # -- the settings of all brokers together: kafka-python has the messages, and no method that takes a broker without an id

    def default_broker_settings(self) -> dict[str, t.Optional[str]]:
        """The dynamic settings of all brokers together; None for a secret."""
        with one_line("DescribeConfigs"):
            answer = self.send(
                DescribeConfigsRequest(resources=[(int(ConfigResourceType.BROKER), "", None)], include_synonyms=False)
            )
        for result in answer.results:
            raise_for("DescribeConfigs for the brokers' defaults", result.error_code, result.error_message)
            return {entry.name: entry.value for entry in result.configs}
        return {}

    def alter_default_broker_settings(self, set_config: dict[str, str], reset_config: list[str], shown: dict[str, str]) -> None:
        """Set and reset settings of all brokers together; in check mode the request is only judged."""
        self.note("IncrementalAlterConfigs", broker="all", set=shown, delete=reset_config)
        entries: list[tuple[str, int, t.Optional[str]]] = [
            (key, int(AlterConfigOp.SET), text) for key, text in set_config.items()
        ]
        entries += [(key, int(AlterConfigOp.DELETE), None) for key in reset_config]
        request = IncrementalAlterConfigsRequest(
            resources=[(int(ConfigResourceType.BROKER), "", entries)], validate_only=self.check_mode
        )
        with one_line("IncrementalAlterConfigs"):
            answer = self.send(request)
        for result in answer.responses:
            raise_for("IncrementalAlterConfigs for all brokers", result.error_code, result.error_message)
