# SPDX-License-Identifier: Apache-2.0
"""Apache Kafka's own command line tools, by the names of their scripts, run in one JVM (KafkaTools.java)."""

from __future__ import annotations

import contextlib
import signal
import struct
import subprocess
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from tests import kafka_jars

HERE = Path(__file__).parent
TOOL_TIMEOUT_S = 60.0

# bin/kafka-*.sh of Apache Kafka 3.9 run these.
MAIN_CLASSES = {
    "kafka-acls": "kafka.admin.AclCommand",
    "kafka-broker-api-versions": "kafka.admin.BrokerApiVersionsCommand",
    "kafka-cluster": "org.apache.kafka.tools.ClusterTool",
    "kafka-configs": "kafka.admin.ConfigCommand",
    "kafka-console-consumer": "org.apache.kafka.tools.consumer.ConsoleConsumer",
    "kafka-console-producer": "kafka.tools.ConsoleProducer",
    "kafka-consumer-groups": "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand",
    "kafka-consumer-perf-test": "org.apache.kafka.tools.ConsumerPerformance",
    "kafka-delegation-tokens": "org.apache.kafka.tools.DelegationTokenCommand",
    "kafka-delete-records": "org.apache.kafka.tools.DeleteRecordsCommand",
    "kafka-dump-log": "kafka.tools.DumpLogSegments",
    "kafka-e2e-latency": "org.apache.kafka.tools.EndToEndLatency",
    "kafka-features": "org.apache.kafka.tools.FeatureCommand",
    "kafka-get-offsets": "org.apache.kafka.tools.GetOffsetShell",
    "kafka-leader-election": "org.apache.kafka.tools.LeaderElectionCommand",
    "kafka-log-dirs": "org.apache.kafka.tools.LogDirsCommand",
    "kafka-metadata-quorum": "org.apache.kafka.tools.MetadataQuorumCommand",
    "kafka-producer-perf-test": "org.apache.kafka.tools.ProducerPerformance",
    "kafka-reassign-partitions": "org.apache.kafka.tools.reassign.ReassignPartitionsCommand",
    "kafka-replica-verification": "org.apache.kafka.tools.ReplicaVerificationTool",
    "kafka-streams-application-reset": "org.apache.kafka.tools.StreamsResetter",
    "kafka-topics": "org.apache.kafka.tools.TopicCommand",
    "kafka-transactions": "org.apache.kafka.tools.TransactionsCommand",
    "kafka-verifiable-consumer": "org.apache.kafka.tools.VerifiableConsumer",
    "kafka-verifiable-producer": "org.apache.kafka.tools.VerifiableProducer",
}

MAIN_CLASSES_2_1 = {
    "kafka-broker-api-versions": "kafka.admin.BrokerApiVersionsCommand",
    "kafka-configs": "kafka.admin.ConfigCommand",
    "kafka-console-consumer": "kafka.tools.ConsoleConsumer",
    "kafka-console-producer": "kafka.tools.ConsoleProducer",
    "kafka-consumer-groups": "kafka.admin.ConsumerGroupCommand",
    "kafka-consumer-perf-test": "kafka.tools.ConsumerPerformance",
    "kafka-delete-records": "kafka.admin.DeleteRecordsCommand",
    "kafka-get-offsets": "kafka.tools.GetOffsetShell",  # kafka-run-class.sh, until 3.0
    "kafka-log-dirs": "kafka.admin.LogDirsCommand",
    "kafka-preferred-replica-election": "kafka.admin.PreferredReplicaLeaderElectionCommand",
    "kafka-producer-perf-test": "org.apache.kafka.tools.ProducerPerformance",
    "kafka-reassign-partitions": "kafka.admin.ReassignPartitionsCommand",
    "kafka-topics": "kafka.admin.TopicCommand",
    "kafka-verifiable-consumer": "org.apache.kafka.tools.VerifiableConsumer",
    "kafka-verifiable-producer": "org.apache.kafka.tools.VerifiableProducer",
}
MAIN_CLASSES_4 = {
    **{name: main for name, main in MAIN_CLASSES.items() if main.startswith("org.apache.kafka.tools.")},
    "kafka-acls": "org.apache.kafka.tools.AclCommand",
    "kafka-broker-api-versions": "org.apache.kafka.tools.BrokerApiVersionsCommand",
    "kafka-configs": "org.apache.kafka.tools.ConfigCommand",
    "kafka-console-producer": "org.apache.kafka.tools.ConsoleProducer",
    "kafka-groups": "org.apache.kafka.tools.GroupsCommand",
}


@dataclass(frozen=True)
class Run:
    """How one run of a tool ended."""

    status: int
    out: str
    err: str


class ToolError(AssertionError):
    """A tool failed that should not have."""


class KafkaTools:
    """The JVM in which the tools run, one after the other; ``main_classes`` are those of the release in
    ``libs``."""

    def __init__(self, libs: Path = kafka_jars.LIBS, main_classes: Mapping[str, str] = MAIN_CLASSES) -> None:
        log4j = f"-Dlog4j.configuration=file:{HERE / 'tools-log4j.properties'}"
        options = (log4j, "-Djava.security.manager=allow")
        command = [*kafka_jars.java(256, libs=libs, options=options), str(HERE / "KafkaTools.java")]
        self._main_classes = main_classes
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def run(self, tool: str, *arguments: str, stdin: str = "", check: bool = True) -> Run:
        """Run a tool to its end; ``check`` raises ToolError when it failed."""
        request = [self._main_classes[tool], stdin, *arguments]
        with _deadline(self._process, TOOL_TIMEOUT_S):
            self._write(request)
            try:
                status, out, err = self._read()
            except (struct.error, ValueError) as error:
                raise ToolError(f"{tool} {' '.join(arguments)} did not end in {TOOL_TIMEOUT_S} s") from error
        done = Run(int(status), out, err)
        if check and done.status:
            raise ToolError(f"{tool} {' '.join(arguments)} ended with {done.status}:\n{out}\n{err}")
        return done

    def close(self) -> None:
        if self._process.stdin is not None:
            with contextlib.suppress(OSError):
                self._process.stdin.close()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _write(self, strings: list[str]) -> None:
        assert self._process.stdin is not None
        parts = [struct.pack(">i", len(strings))]
        for text in strings:
            encoded = text.encode()
            parts += [struct.pack(">i", len(encoded)), encoded]
        self._process.stdin.write(b"".join(parts))
        self._process.stdin.flush()

    def _read(self) -> list[str]:
        assert self._process.stdout is not None
        source = self._process.stdout

        def number() -> int:
            (value,) = struct.unpack(">i", source.read(4))
            return int(value)

        return [source.read(number()).decode() for _ in range(number())]


@contextlib.contextmanager
def _deadline(process: subprocess.Popen[bytes], seconds: float) -> Iterator[None]:
    timer = threading.Timer(seconds, process.send_signal, (signal.SIGKILL,))
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
