# -*- coding: utf-8 -*-
# Copyright: Contributors to the commitlog.kafka collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Errors that more than one module_utils file raises. Their text is what the module says: one line, with the way out."""

from __future__ import annotations


class ModuleFailure(Exception):
    """What ends a module; its text is what the module says."""


class ClusterUnreachable(ModuleFailure):
    """Neither the brokers nor ZooKeeper could be reached, or none of the brokers fits; the text says which."""
