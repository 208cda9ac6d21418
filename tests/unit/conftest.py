# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes this checkout importable as ansible_collections.commitlog.kafka, whatever its folder is called."""

from __future__ import annotations

import pathlib
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
NAMESPACE = ROOT / ".cache" / "collections" / "ansible_collections" / "commitlog"

NAMESPACE.mkdir(parents=True, exist_ok=True)
if not (NAMESPACE / "kafka").exists():
    (NAMESPACE / "kafka").symlink_to(ROOT)
sys.path.insert(0, str(NAMESPACE.parents[1]))
