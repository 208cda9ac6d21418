# SPDX-License-Identifier: Apache-2.0
"""Why a broker could not start."""

from __future__ import annotations


class StartupError(Exception):
    """One line that names the thing and the way out; the command prints it and exits with status 1."""
