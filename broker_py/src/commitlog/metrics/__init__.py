# SPDX-License-Identifier: Apache-2.0
"""Kafka's metrics by Kafka's names, the arithmetic of rates and quotas, the Prometheus endpoint."""
