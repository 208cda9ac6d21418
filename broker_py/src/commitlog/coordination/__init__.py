# SPDX-License-Identifier: Apache-2.0
"""The few operations needed of ZooKeeper, with two makers: kazoo and an in-memory one."""
