# -*- coding: utf-8 -*-
# Copyright: Contributors to the commitlog.kafka collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Quotas over the wire: kafka-python 3 has the messages and no methods for them."""

from __future__ import annotations

import contextlib
import typing as t

from ansible_collections.commitlog.kafka.plugins.module_utils._admin import Admin, one_line, raise_for
from ansible_collections.commitlog.kafka.plugins.module_utils._quota_plan import Entity, Quotas

with contextlib.suppress(ImportError):  # said by require_libraries() before any of this is used
    from kafka.protocol.admin import AlterClientQuotasRequest, DescribeClientQuotasRequest

EXACT, DEFAULT, ANY = 0, 1, 2


class QuotaAdmin(Admin):
    """Reads and changes quotas."""

    def quotas(self, components: list[tuple[str, int, t.Optional[str]]], strict: bool) -> list[tuple[Entity, Quotas]]:
        """The quotas of the entities that match all components: (entity type, EXACT, DEFAULT or ANY, name)."""
        with one_line("DescribeClientQuotas"):
            answer = self.send(DescribeClientQuotasRequest(components=components, strict=strict))
        raise_for("DescribeClientQuotas", answer.error_code, answer.error_message)
        return [
            (
                {part.entity_type: part.entity_name for part in entry.entity},
                {value.key: value.value for value in sorted(entry.values, key=lambda value: value.key)},
            )
            for entry in answer.entries or []
        ]

    def quotas_of(self, entity: Entity) -> Quotas:
        """The quotas of exactly this entity."""
        components = [(kind, DEFAULT if name is None else EXACT, name) for kind, name in entity.items()]
        found = [quotas for named, quotas in self.quotas(components, strict=True) if named == entity]
        return found[0] if found else {}

    def alter(self, entity: Entity, to_set: Quotas, to_remove: list[str]) -> None:
        """Set and remove quotas; in check mode the cluster judges the request without doing it."""
        self.note("AlterClientQuotas", entity=entity, set=to_set, delete=to_remove)
        operations = [(name, value, False) for name, value in to_set.items()] + [(name, 0.0, True) for name in to_remove]
        request = AlterClientQuotasRequest(entries=[(list(entity.items()), operations)], validate_only=self.check_mode)
        with one_line("AlterClientQuotas"):
            answer = self.send(request)
        for entry in answer.entries:
            raise_for("AlterClientQuotas", entry.error_code, entry.error_message)

    def wait_until_shown(self, entity: Entity, wanted: Quotas) -> None:
        """Wait until the broker that is asked tells the quotas that were just accepted."""

        def state() -> tuple[t.Optional[bool], str]:
            have = self.quotas_of(entity)
            return (True, "") if have == wanted else (None, "the brokers show {0}".format(have))

        if not self.check_mode:
            self.wait("the quotas were accepted but are not shown", state)
