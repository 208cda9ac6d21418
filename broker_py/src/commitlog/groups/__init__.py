# SPDX-License-Identifier: Apache-2.0
"""The group coordinator over __consumer_offsets."""
