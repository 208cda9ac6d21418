# SPDX-License-Identifier: Apache-2.0
"""Kafka's configuration: one table of definitions, the properties file, broker and topic views."""
