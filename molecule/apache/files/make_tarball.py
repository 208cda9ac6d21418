# SPDX-License-Identifier: Apache-2.0
"""Make a tarball in the layout of Apache Kafka's out of the jars that `make jvm-libs` gets from Maven: bin/, config/, libs/.

The scripts are small stand-ins for Kafka's, with the same names, arguments and environment variables as far as the role
uses them.
"""

from __future__ import annotations

import io
import pathlib
import sys
import tarfile

ROOT = pathlib.Path(__file__).resolve().parents[3]
LIBS = ROOT / ".cache" / "kafka-jvm" / "libs"
VERSION = "3.9.1"
OUTPUT = ROOT / ".cache" / f"kafka-apache-{VERSION}.tgz"

RUN_CLASS = """#!/bin/sh
base_dir=$(dirname "$0")/..
mkdir -p "${LOG_DIR:=$base_dir/logs}"
exec java ${KAFKA_HEAP_OPTS:--Xmx256M} -XX:+ExitOnOutOfMemoryError -Djava.awt.headless=true -Dkafka.logs.dir="$LOG_DIR" \\
    -Dlog4j.configuration="file:$base_dir/config/log4j.properties" -cp "$base_dir/libs/*" "$@"
"""
CLASSES = {
    "kafka-server-start.sh": "kafka.Kafka",
    "kafka-topics.sh": "org.apache.kafka.tools.TopicCommand",
    "kafka-configs.sh": "kafka.admin.ConfigCommand",
    "kafka-console-producer.sh": "kafka.tools.ConsoleProducer",
    "kafka-console-consumer.sh": "org.apache.kafka.tools.consumer.ConsoleConsumer",
}
LOG4J = """log4j.rootLogger=INFO, stdout
log4j.appender.stdout=org.apache.log4j.ConsoleAppender
log4j.appender.stdout.layout=org.apache.log4j.PatternLayout
log4j.appender.stdout.layout.ConversionPattern=[%d] %p %m (%c)%n
"""


def main() -> None:
    jars = sorted(LIBS.glob("*.jar"))
    if not jars:
        sys.exit(f"{LIBS}: no jars of Apache Kafka; get them first: make jvm-libs")
    top = f"kafka_2.13-{VERSION}"
    with tarfile.open(OUTPUT, "w:gz", compresslevel=1) as archive:

        def add(name: str, text: str, mode: int) -> None:
            entry = tarfile.TarInfo(f"{top}/{name}")
            entry.size, entry.mode = len(text.encode()), mode
            archive.addfile(entry, io.BytesIO(text.encode()))

        add("bin/kafka-run-class.sh", RUN_CLASS, 0o755)
        for name, main_class in CLASSES.items():
            add(f"bin/{name}", f'#!/bin/sh\nexec "$(dirname "$0")/kafka-run-class.sh" {main_class} "$@"\n', 0o755)
        add("config/log4j.properties", LOG4J, 0o644)
        for jar in jars:
            archive.add(jar, f"{top}/libs/{jar.name}")


main()
