# SPDX-License-Identifier: Apache-2.0
"""What the replicas of this broker report: BrokerTopicMetrics, ReplicaManager, Partition, Log, the fetchers.

Names are those of Kafka's MBeans as the rules of the JMX exporter's example show them, in lower case.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import TYPE_CHECKING

from prometheus_client.core import Metric

from commitlog.metrics.families import Labels, counter, counters, gauge, gauges
from commitlog.replication.traffic import Traffic

if TYPE_CHECKING:
    from commitlog.replication.partition import Partition
    from commitlog.replication.replica_manager import ReplicaManager
    from commitlog.storage.log_manager import LogManager

# Attribute of Traffic → MBean of kafka.server:type=BrokerTopicMetrics (PerSec), help, whether by topic too.
_TRAFFIC = (
    ("messages_in", "messagesin", "Records produced to this broker.", True),
    ("bytes_in", "bytesin", "Bytes produced to this broker.", True),
    ("bytes_out", "bytesout", "Bytes given to consumers.", True),
    ("produces", "totalproducerequests", "Record sets that producers sent, by partition.", True),
    ("failed_produces", "failedproducerequests", "Record sets that could not be appended.", True),
    ("fetches", "totalfetchrequests", "Partitions that were read for consumers and followers.", True),
    ("failed_fetches", "failedfetchrequests", "Partitions that could not be read.", True),
    ("replication_bytes_in", "replicationbytesin", "Bytes copied from leaders.", False),
    ("replication_bytes_out", "replicationbytesout", "Bytes given to followers.", False),
)


class ReplicaMetrics:
    """Reads the replica manager's and the log manager's objects."""

    def __init__(self, replicas: ReplicaManager, logs: LogManager) -> None:
        self._replicas = replicas
        self._logs = logs

    def topics(self) -> Iterable[Metric]:
        by_topic: dict[str, Traffic] = defaultdict(Traffic)
        for partition in self._replicas.partitions():
            by_topic[partition.topic].add(partition.traffic)
        total = Traffic.sum([self._replicas.traffic_of_gone, *by_topic.values()])
        for attribute, name, text, is_by_topic in _TRAFFIC:
            values: list[tuple[Labels, float]] = [({}, getattr(total, attribute))]
            if is_by_topic:
                values += [({"topic": topic}, getattr(one, attribute)) for topic, one in by_topic.items()]
            yield counters(f"kafka_server_brokertopicmetrics_{name}", text, values)

    def manager(self) -> Iterable[Metric]:
        replicas = self._replicas
        partitions = list(replicas.partitions())
        led = [one for one in partitions if one.is_leader]
        prefix = "kafka_server_replicamanager"
        yield gauge(f"{prefix}_leadercount", "Partitions that this broker leads.", len(led))
        yield gauge(f"{prefix}_partitioncount", "Replicas on this broker.", len(partitions))
        offline = replicas.offline_count
        yield gauge(f"{prefix}_offlinereplicacount", "Replicas in directories that failed.", offline)
        yield gauge(
            f"{prefix}_underreplicatedpartitions",
            "Partitions led here whose ISR is not all of their replicas.",
            sum(map(is_under_replicated, led)),
        )
        yield gauge(
            f"{prefix}_underminisrpartitioncount",
            "Partitions led here whose ISR is smaller than min.insync.replicas.",
            sum(map(is_under_min_isr, led)),
        )
        yield gauge(
            f"{prefix}_atminisrpartitioncount",
            "Partitions led here whose ISR is just min.insync.replicas.",
            sum(len(one.isr) == one.effective_min_isr for one in led if one.log is not None),
        )
        yield gauge(
            f"{prefix}_reassigningpartitions",
            "Partitions led here that are being reassigned.",
            sum(bool(one.adding_replicas or one.removing_replicas) for one in led),
        )
        host = replicas.host
        yield counter(f"{prefix}_isrshrinks", "ISRs that lost a replica.", host.isr_shrinks)
        yield counter(f"{prefix}_isrexpands", "ISRs that won a replica.", host.isr_expands)
        yield counter(
            f"{prefix}_failedisrupdates", "ISR changes that were not made.", host.failed_isr_updates
        )
        waiting = {
            "Produce": {one for p in partitions for one in p.waiting.produces},
            "Fetch": {one for p in partitions for one in p.waiting.all_fetches()},
            "DeleteRecords": {one for p in partitions for one in p.waiting.deletes},
        }
        yield gauges(
            "kafka_server_delayedoperationpurgatory_numdelayedoperations",
            "Requests that wait for records or for followers.",
            [({"delayedOperation": kind}, len(requests)) for kind, requests in waiting.items()],
        )

    def partitions(self) -> Iterable[Metric]:
        """One value for each replica here: as many series as Kafka has."""
        led = [(_labels(one), one) for one in self._replicas.partitions() if one.is_leader]
        prefix = "kafka_cluster_partition"
        yield gauges(
            f"{prefix}_underreplicated",
            "Whether the ISR is not all replicas.",
            [(labels, is_under_replicated(one)) for labels, one in led],
        )
        yield gauges(
            f"{prefix}_underminisr",
            "Whether the ISR is smaller than min.insync.replicas.",
            [(labels, is_under_min_isr(one)) for labels, one in led],
        )
        yield gauges(
            f"{prefix}_insyncreplicascount", "Replicas in sync.", [(one[0], len(one[1].isr)) for one in led]
        )
        yield gauges(
            f"{prefix}_replicascount", "Replicas.", [(one[0], len(one[1].assignment)) for one in led]
        )
        yield gauges(
            f"{prefix}_laststableoffsetlag",
            "Records that are held back by a transaction.",
            [
                (labels, max(0, one.log.high_watermark - one.log.last_stable_offset))
                for labels, one in led
                if one.log is not None
            ],
        )

    def logs(self) -> Iterable[Metric]:
        logs = [({"topic": one.topic, "partition": str(one.partition)}, one) for one in self._logs.all_logs()]
        prefix = "kafka_log_log"
        yield gauges(f"{prefix}_size", "Bytes in the log.", [(labels, one.size) for labels, one in logs])
        yield gauges(
            f"{prefix}_logstartoffset",
            "The first offset.",
            [(labels, one.log_start_offset) for labels, one in logs],
        )
        yield gauges(
            f"{prefix}_logendoffset",
            "The next offset.",
            [(labels, one.log_end_offset) for labels, one in logs],
        )
        yield gauges(
            f"{prefix}_numlogsegments", "Segments.", [(labels, len(one.segments())) for labels, one in logs]
        )
        offline = self._logs.offline_log_dirs
        yield gauge(
            "kafka_log_logmanager_offlinelogdirectorycount", "Log directories that failed.", len(offline)
        )
        yield gauges(
            "kafka_log_logmanager_logdirectoryoffline",
            "Whether a log directory has failed.",
            [({"logDirectory": path}, 0) for path in self._logs.online_log_dirs]
            + [({"logDirectory": path}, 1) for path in offline],
        )

    def fetchers(self) -> Iterable[Metric]:
        fetchers = self._replicas.fetchers.fetchers()
        lags = [(key, lag, one) for one in fetchers for key, lag in one.lags()]
        replica = {"clientId": "Replica"}
        prefix = "kafka_server_replicafetchermanager"
        yield gauges(
            f"{prefix}_maxlag",
            "Records by which the latest replica is behind its leader.",
            [(replica, max((lag for _, lag, _ in lags), default=0))],
        )
        yield gauges(
            f"{prefix}_failedpartitionscount",
            "Partitions that were given up until their next leader epoch.",
            [(replica, sum(one.failed for one in fetchers))],
        )
        moves, mover = self._replicas.alter_log_dirs, {"clientId": "ReplicaAlterLogDirs"}
        prefix = "kafka_server_replicaalterlogdirsmanager"
        yield gauges(
            f"{prefix}_maxlag",
            "Records that the latest replica on its way to another log directory still lacks there.",
            [(mover, max(moves.lags(), default=0))],
        )
        yield gauges(
            f"{prefix}_failedpartitionscount",
            "Moves to another log directory that were given up.",
            [(mover, moves.failed)],
        )
        yield gauges(
            "kafka_server_fetcherlagmetrics_consumerlag",
            "Records by which a replica is behind its leader.",
            [
                ({"clientId": one.client_id, "topic": key[0], "partition": str(key[1])}, lag)
                for key, lag, one in lags
            ],
        )
        for name, text, attribute in (
            ("bytes", "Bytes copied.", "bytes_fetched"),
            ("requests", "Fetches sent to leaders.", "requests_sent"),
        ):
            yield counters(
                f"kafka_server_fetcherstats_{name}",
                text,
                [
                    (
                        {
                            "clientId": one.client_id,
                            "brokerHost": one.leader.endpoint.host,
                            "brokerPort": str(one.leader.endpoint.port),
                        },
                        getattr(one, attribute),
                    )
                    for one in fetchers
                ],
            )


def is_under_replicated(partition: Partition) -> bool:
    """Replicas that a reassignment is adding do not count as missing (Partition.isUnderReplicated)."""
    wanted = len(partition.assignment) - len(partition.adding_replicas)
    return partition.is_leader and len(partition.isr) < wanted


def is_under_min_isr(partition: Partition) -> bool:
    return partition.log is not None and len(partition.isr) < partition.effective_min_isr


def _labels(partition: Partition) -> Labels:
    return {"topic": partition.topic, "partition": str(partition.partition)}
