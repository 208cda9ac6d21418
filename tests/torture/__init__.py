# SPDX-License-Identifier: Apache-2.0
"""A cluster on hosts, a workload that writes down what it was promised, faults by a seed, and a judge (docs/durability.md)."""
