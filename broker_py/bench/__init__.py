# SPDX-License-Identifier: Apache-2.0
"""This broker beside Apache Kafka, Tansu, noida-db and the machine's own floor (`make bench`)."""
