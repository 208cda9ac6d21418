# SPDX-License-Identifier: Apache-2.0
"""Listeners, connections, dispatch, and the broker's life from start to controlled shutdown."""
