# SPDX-License-Identifier: Apache-2.0
"""Print the high watermark of a topic's partition 0: high_watermark.py TOPIC BOOTSTRAP"""

from __future__ import annotations

import sys

from confluent_kafka import Consumer, TopicPartition

consumer = Consumer({"bootstrap.servers": sys.argv[2], "group.id": "high-watermark"})
print(consumer.get_watermark_offsets(TopicPartition(sys.argv[1], 0), timeout=30)[1])
consumer.close()
