# SPDX-License-Identifier: Apache-2.0
"""A Kafka broker in Python: Apache Kafka 3.9 in ZooKeeper mode on every surface."""

__version__ = "0.1.0"
