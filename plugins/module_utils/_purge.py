# -*- coding: utf-8 -*-
# Copyright: Contributors to the commitlog.kafka collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What may be deleted because it is not listed, and how much at once. No I/O."""

from __future__ import annotations

import fnmatch
import typing as t

from ansible_collections.commitlog.kafka.plugins.module_utils._errors import ModuleFailure


class PurgeRefused(ModuleFailure):
    """Something would be deleted that must not be; the text says what and why. Nothing has been changed."""


def is_protected(name: str, patterns: t.Iterable[str]) -> bool:
    """Whether a name fits a pattern that protects it, or begins with two underscores, as Kafka's own do."""
    return name.startswith("__") or any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)


def to_purge(existing: t.Iterable[str], listed: t.Collection[str], patterns: t.Collection[str]) -> list[str]:
    """What exists, is not listed, and is not protected."""
    return sorted(name for name in existing if name not in listed and not is_protected(name, patterns))


def refuse_protected(names: t.Iterable[str], patterns: t.Collection[str]) -> None:
    """Raise PurgeRefused for names that are to be deleted and are protected."""
    held = sorted(name for name in names if is_protected(name, patterns))
    if held:
        raise PurgeRefused("protected: {0} may not be deleted".format(", ".join(held)))


def refuse_too_many(names: t.Collection[str], limit: int) -> None:
    """Raise PurgeRefused when more would be deleted than the limit allows."""
    if len(names) > limit:
        shown = ", ".join(sorted(names)[:10])
        more = " and {0} more".format(len(names) - 10) if len(names) > 10 else ""
        raise PurgeRefused(
            "max_deletions: {0} would be deleted and the limit is {1}; nothing was changed. It would be {2}{3}".format(
                len(names), limit, shown, more
            )
        )
