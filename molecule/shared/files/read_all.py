# SPDX-License-Identifier: Apache-2.0
"""Read a topic from its beginning to its end and compare it with what steady_producer.py says was acknowledged.

read_all.py BOOTSTRAP TOPIC OUTPUT_OF_THE_PRODUCER        exit status 1 with what is missing or came twice
"""

from __future__ import annotations

import collections
import json
import pathlib
import sys

from confluent_kafka import Consumer, TopicPartition


def main() -> None:
    bootstrap, topic, output = sys.argv[1:]
    result = json.loads(pathlib.Path(output).read_text())
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "read-all", "enable.auto.commit": False})
    partitions = [TopicPartition(topic, number, 0) for number in consumer.list_topics(topic, 30).topics[topic].partitions]
    ends = {part.partition: consumer.get_watermark_offsets(part, 30)[1] for part in partitions}
    consumer.assign(partitions)
    found: collections.Counter[int] = collections.Counter()
    open_partitions = {number for number, end in ends.items() if end > 0}
    while open_partitions:
        message = consumer.poll(30)
        if message is None:
            sys.exit(
                f"nothing more after {sum(found.values())} records; partitions {sorted(open_partitions)} are not at their end"
            )
        if message.error() is None:
            found[int(message.value())] += 1
            if message.offset() + 1 >= ends[message.partition()]:
                open_partitions.discard(message.partition())
    consumer.close()
    missing = sorted(set(result["acknowledged"]) - set(found))
    twice = [number for number, times in found.items() if times > 1]
    complaints = [
        f"{len(missing)} of {len(result['acknowledged'])} acknowledged records are lost: {missing[:10]}" if missing else "",
        f"{len(twice)} records came twice: {twice[:10]}" if twice else "",
        f"the producer was told: {result['errors'][:3]}" if result["errors"] else "",
        "the producer could not go on" if result["fatal"] else "",
        "nothing was acknowledged" if not result["acknowledged"] else "",
    ]
    if any(complaints):
        sys.exit("; ".join(filter(None, complaints)))
    print(f"{len(result['acknowledged'])} records were acknowledged, and all are there once")


main()
