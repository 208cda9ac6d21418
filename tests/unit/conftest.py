# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes this checkout importable as ansible_collections.commitlog.kafka, whatever its folder is called."""

from __future__ import annotations

import pathlib
import sys

# Holds a link to the checkout under its collection name, for ansible.cfg too.
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / ".collections"))
