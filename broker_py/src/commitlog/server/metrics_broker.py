# SPDX-License-Identifier: Apache-2.0
"""What the broker around its replicas reports: requests, connections, controller, groups, quotas,
ZooKeeper."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable
from typing import TYPE_CHECKING

from prometheus_client.core import Metric

from commitlog.coordination.client import SessionState
from commitlog.coordination.paths import desanitize
from commitlog.groups.group import GroupState
from commitlog.metrics.families import Labels, Sources, counter, counters, gauge, gauges, summaries, untyped
from commitlog.metrics.rate import Rate
from commitlog.metrics.requests import RequestStats
from commitlog.wire.api_keys import ApiKey
from commitlog.wire.messages import api_name

if TYPE_CHECKING:
    from commitlog.apis.services import Services
    from commitlog.security.client_quotas import ClientQuotaManager, Sensor
    from commitlog.server.connection_quotas import ConnectionQuotas
    from commitlog.server.dispatch import Dispatcher
    from commitlog.server.listener import SocketListener
    from commitlog.server.metrics_replicas import ReplicaMetrics

RUNNING = 3
"""BrokerState.RUNNING: the endpoint is there only as long as the broker runs."""
MAX_QUOTA_SERIES = 1000
"""Clients whose quotas are shown; client ids are free to invent."""


class BrokerMetrics:
    """Reads the objects of one broker; nothing here is asked for but by a scrape."""

    def __init__(
        self,
        services: Services,
        dispatcher: Dispatcher,
        connections: ConnectionQuotas,
        listeners: list[SocketListener],
    ) -> None:
        self._services = services
        self._dispatcher = dispatcher
        self._connections = connections
        self._listeners = listeners
        self._session: Counter[SessionState] = Counter()
        self._wall_s, self._busy_s = time.monotonic(), time.thread_time()
        self._idle = 1.0

    def session_changed(self, state: SessionState) -> None:
        """Told of by the ZooKeeper client."""
        self._session[state] += 1

    def requests(self) -> Iterable[Metric]:
        stats = self._dispatcher.stats
        named = {api_name(key): one for key, one in stats.items() if key != ApiKey.FETCH}
        consumers = stats.get(ApiKey.FETCH)
        if consumers is not None:
            named |= {"FetchConsumer": consumers, "FetchFollower": self._dispatcher.follower_fetches}
        prefix = "kafka_network_requestmetrics"
        yield counters(
            f"{prefix}_requests",
            "Requests, by API and version.",
            [
                ({"request": name, "version": str(version)}, count)
                for name, one in named.items()
                for version, count in enumerate(one.by_version)
                if count
            ],
        )
        used: list[tuple[Labels, RequestStats]] = [
            ({"request": name}, one) for name, one in named.items() if one.total.count
        ]
        yield summaries(
            f"{prefix}_totaltimems",
            "Milliseconds from a request to its answer.",
            [(labels, one.total) for labels, one in used],
        )
        yield summaries(
            f"{prefix}_localtimems",
            "Milliseconds that a request was worked on.",
            [(labels, one.local) for labels, one in used],
        )

    def network(self) -> Iterable[Metric]:
        """One event loop is network threads and request handlers in one: what it idles, both idle."""
        wall, busy = time.monotonic(), time.thread_time()
        if wall - self._wall_s >= 1:
            self._idle = max(0.0, 1 - (busy - self._busy_s) / (wall - self._wall_s))
            self._wall_s, self._busy_s = wall, busy
        idle = "Share of its time that the event loop had nothing to do."
        yield gauge("kafka_network_socketserver_networkprocessoravgidle_percent", idle, self._idle)
        yield gauge("kafka_server_kafkarequesthandlerpool_requesthandleravgidle_percent", idle, self._idle)
        memory = self._connections.memory
        yield gauge("kafka_network_socketserver_memorypoolused", "Bytes of requests in flight.", memory.used)
        yield gauge(
            "kafka_network_socketserver_memorypoolavailable",
            "Bytes that requests may still take; -1 without a limit.",
            memory.limit - memory.used if memory.limit > 0 else -1,
        )
        yield counter(
            "kafka_network_acceptor_rejectedconnections",
            "Connections that a limit refused.",
            self._connections.rejected,
        )
        prefix = "kafka_server_socket_server_metrics"
        labelled = [({"listener": one.name, "networkProcessor": "0"}, one) for one in self._listeners]
        yield gauges(
            f"{prefix}_connection_count",
            "Connections.",
            [(labels, self._connections.count(one.name)) for labels, one in labelled],
        )
        yield counters(
            f"{prefix}_connection_creation",
            "Connections that were made.",
            [(labels, one.accepted) for labels, one in labelled],
        )

    def controller(self) -> Iterable[Metric]:
        figures = self._services.controller.figures()
        prefix = "kafka_controller_kafkacontroller"
        for name, text, value in (
            ("activecontrollercount", "Whether this broker is the controller.", figures.is_active),
            ("activebrokercount", "Brokers that are registered.", figures.active_brokers),
            ("globaltopiccount", "Topics.", figures.topics),
            ("globalpartitioncount", "Partitions.", figures.partitions),
            ("offlinepartitionscount", "Partitions without a leader.", figures.offline_partitions),
            (
                "preferredreplicaimbalancecount",
                "Partitions that are not led by their preferred replica.",
                figures.preferred_replica_imbalance,
            ),
            ("topicstodeletecount", "Topics that are to be deleted.", figures.topics_to_delete),
            (
                "topicsineligibletodeletecount",
                "Topics that cannot be deleted now.",
                figures.ineligible_topics_to_delete,
            ),
        ):
            yield gauge(f"{prefix}_{name}", text, value)
        prefix = "kafka_controller_controllerstats"
        yield untyped(f"{prefix}_leaderelectionrateandtimems_count", "Leaders elected.", figures.elections)
        yield counter(
            f"{prefix}_uncleanleaderelections",
            "Leaders elected that were not in sync: records were lost.",
            figures.unclean_elections,
        )

    def groups(self) -> Iterable[Metric]:
        states: Counter[GroupState] = Counter()
        offsets = 0
        for group in self._services.groups.groups():
            states[group.state] += 1
            offsets += len(group.offsets)
        prefix = "kafka_coordinator_group_groupmetadatamanager"
        yield gauge(f"{prefix}_numgroups", "Groups coordinated here.", states.total())
        yield gauge(f"{prefix}_numoffsets", "Offsets that groups have committed.", offsets)
        for state in GroupState:
            name = state.value.lower()
            yield gauge(f"{prefix}_numgroups{name}", f"Groups in state {state.value}.", states[state])

    def server(self) -> Iterable[Metric]:
        yield gauge("kafka_server_kafkaserver_brokerstate", "3: the broker runs.", RUNNING)
        yield gauge(
            "kafka_server_fetchsessioncache_numincrementalfetchsessions",
            "Fetch sessions.",
            len(self._services.fetch_sessions),
        )
        for state, name in (
            (SessionState.EXPIRED, "zookeeperexpires"),
            (SessionState.SUSPENDED, "zookeeperdisconnects"),
            (SessionState.CONNECTED, "zookeepersyncconnects"),
        ):
            yield counter(
                f"kafka_server_sessionexpirelistener_{name}",
                f"Times that the ZooKeeper session became {state.name.lower()}.",
                self._session[state],
            )

    def quotas(self) -> Iterable[Metric]:
        """Who is measured, since a quota holds for them."""
        rates: list[tuple[Labels, float]] = []
        times: list[tuple[Labels, float]] = []
        tokens: list[tuple[Labels, float]] = []
        throttled: list[tuple[Labels, float]] = []
        for manager in self._services.quotas.managers():
            for labels, sensor in _sensors(manager):
                now = manager.now_ms()
                measured = sensor.meter.measure(now)
                if not isinstance(sensor.meter, Rate):
                    tokens.append((labels, measured))
                elif manager.kind == "Request":
                    times.append((labels, measured))
                else:
                    rates.append((labels, measured))
                average = sensor.throttled_ms / sensor.throttles if sensor.throttles else 0
                throttled.append((labels, average))
        prefix = "kafka_server_quota"
        yield gauges(f"{prefix}_byte_rate", "Bytes per second of who has a quota.", rates)
        yield gauges(f"{prefix}_request_time", "Share of the broker's time, in percent.", times)
        yield gauges(f"{prefix}_tokens", "Mutations of topics that may still be made.", tokens)
        yield gauges(
            f"{prefix}_throttle_time", "Milliseconds that a client had to wait, on average.", throttled
        )


def metric_sources(broker: BrokerMetrics, replicas: ReplicaMetrics) -> Sources:
    """All of it, in the order in which it is shown."""
    sources = Sources()
    for source in (
        broker.server,
        broker.controller,
        replicas.manager,
        replicas.topics,
        replicas.partitions,
        replicas.logs,
        replicas.fetchers,
        broker.network,
        broker.requests,
        broker.groups,
        broker.quotas,
    ):
        sources.add(source)
    return sources


def _sensors(manager: ClientQuotaManager) -> Iterable[tuple[Labels, Sensor]]:
    for number, ((user, client_id), sensor) in enumerate(manager.sensors()):
        if number >= MAX_QUOTA_SERIES:
            return
        yield {"resource": manager.kind, "user": desanitize(user), "clientId": desanitize(client_id)}, sensor
