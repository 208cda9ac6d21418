# SPDX-License-Identifier: Apache-2.0
"""One file per Kafka API, named by its key; the served table is made from these files."""
