# SPDX-License-Identifier: Apache-2.0
"""Partition, ISR, high watermark, leader epochs, follower fetchers, purgatory."""
