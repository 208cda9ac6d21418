# SPDX-License-Identifier: Apache-2.0
"""What is done to the hosts, and what undoes it. Healing is safe also where nothing was broken."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from torture.hosts import Cluster, Host

MAIN_PID = "$(systemctl show --property=MainPID --value {unit})"
BALLAST = "ballast"


@dataclass(frozen=True)
class Kind:
    """A kind of fault. `hold_s`: for how long it is held; kinds that act on sessions outlast them."""

    name: str
    choose: Callable[[Cluster, random.Random], Host | None]
    strike: Callable[[Host, Cluster], None]
    heal: Callable[[Host, Cluster], None]
    hold_s: tuple[float, float]
    downtime: bool = False
    """Whether leaders go, so that the time until the next acknowledged write says something."""


# -- who


def leader(cluster: Cluster, rng: random.Random) -> Host | None:
    """The host that leads most partitions; chance among equals."""
    return _by_leaderships(cluster, rng)[-1]


def follower(cluster: Cluster, rng: random.Random) -> Host | None:
    return _by_leaderships(cluster, rng)[0]


def _by_leaderships(cluster: Cluster, rng: random.Random) -> list[Host]:
    leaders = [state["leader"] for state in cluster.states("torture").values()]
    return sorted(rng.sample(cluster.hosts, len(cluster.hosts)), key=lambda host: leaders.count(host.broker_id))


def controller(cluster: Cluster, rng: random.Random) -> Host | None:
    return cluster.controller()


def anyone(cluster: Cluster, rng: random.Random) -> Host | None:
    return rng.choice(cluster.hosts)


def zookeeper_leader(cluster: Cluster, rng: random.Random) -> Host | None:
    return cluster.zookeeper_leader()


def small(cluster: Cluster, rng: random.Random) -> Host | None:
    return next((host for host in cluster.hosts if host.small), None)


def restartable(cluster: Cluster, rng: random.Random) -> Host | None:
    """Not one whose data are in memory: it would come back without them, and in the ISR (KIP-966)."""
    return rng.choice([host for host in cluster.hosts if not host.small])


# -- what


def kill_and_hold(host: Host, cluster: Cluster) -> None:
    host.run(f"kill -KILL {MAIN_PID.format(unit='kafka')}; systemctl stop kafka")


def kill(host: Host, cluster: Cluster) -> None:
    host.run(f"kill -KILL {MAIN_PID.format(unit='kafka')}")


def stop(host: Host, cluster: Cluster) -> None:
    host.run("systemctl stop kafka")


def start(host: Host, cluster: Cluster) -> None:
    host.run("systemctl start --no-block kafka")


def freeze(host: Host, cluster: Cluster) -> None:
    host.run("systemctl kill --signal=STOP kafka")


def thaw(host: Host, cluster: Cluster) -> None:
    host.run("systemctl kill --signal=CONT kafka", check=False)


def pause(host: Host, cluster: Cluster) -> None:
    host.docker("pause")


def unpause(host: Host, cluster: Cluster) -> None:
    host.docker("unpause")


def kill_zookeeper(host: Host, cluster: Cluster) -> None:
    host.run(f"kill -KILL {MAIN_PID.format(unit='zookeeper')}")


def nothing(host: Host, cluster: Cluster) -> None:
    """The service manager heals this."""


def _drop(host: Host, *rules: str) -> None:
    host.run("; ".join(f"iptables -A {rule} -j DROP" for rule in rules))


def _others(host: Host, cluster: Cluster) -> list[Host]:
    return [other for other in cluster.hosts if other is not host]


def isolate(host: Host, cluster: Cluster) -> None:
    """From the other members, in both directions; clients still reach it."""
    _drop(
        host, *(rule for other in _others(host, cluster) for rule in (f"INPUT -s {other.address}", f"OUTPUT -d {other.address}"))
    )


def unplug(host: Host, cluster: Cluster) -> None:
    """From everybody, clients too."""
    _drop(host, "INPUT ! -i lo", "OUTPUT ! -o lo")


def deafen(host: Host, cluster: Cluster) -> None:
    """It hears nothing of the others, and they hear it."""
    _drop(host, *(f"INPUT -s {other.address}" for other in _others(host, cluster)))


def mute(host: Host, cluster: Cluster) -> None:
    """It hears the others, and they hear nothing of it."""
    _drop(host, *(f"OUTPUT -d {other.address}" for other in _others(host, cluster)))


def cut_from_zookeeper(host: Host, cluster: Cluster) -> None:
    """Its broker's session ends; brokers and clients still reach it."""
    _drop(host, "OUTPUT -p tcp --dport 2181")


def cut_from_brokers(host: Host, cluster: Cluster) -> None:
    """ZooKeeper still thinks well of it."""
    _drop(host, *(f"{chain} -p tcp --dport 9092" for chain in ("INPUT", "OUTPUT")))


def mend_network(host: Host, cluster: Cluster) -> None:
    host.run("iptables -F")


def fill_disk(host: Host, cluster: Cluster) -> None:
    host.run(f"dd if=/dev/zero of={host.log_dir}/{BALLAST} bs=64k 2>/dev/null; true")


def free_disk(host: Host, cluster: Cluster) -> None:
    host.run(f"rm -f {host.log_dir}/{BALLAST}")


def restart_host(host: Host, cluster: Cluster) -> None:
    host.docker("restart", "--time=60")


def cut_power(host: Host, cluster: Cluster) -> None:
    """Of the host, not of its disk: what the page cache has is written (docs/durability.md)."""
    host.docker("kill")


def switch_on(host: Host, cluster: Cluster) -> None:
    host.docker("start")


SHORT, LONG = (3.0, 8.0), (9.0, 20.0)

KINDS = (
    Kind("kill -9 of a leader", leader, kill_and_hold, start, LONG, downtime=True),
    Kind("kill -9 of a leader, restarted by systemd", leader, kill, nothing, SHORT, downtime=True),
    Kind("kill -9 of a follower", follower, kill, nothing, SHORT),
    Kind("kill -9 of the controller", controller, kill_and_hold, start, LONG, downtime=True),
    Kind("controlled stop", leader, stop, start, SHORT, downtime=True),
    Kind("SIGSTOP longer than the session", leader, freeze, thaw, LONG, downtime=True),
    Kind("short SIGSTOP", anyone, freeze, thaw, (1.0, 4.0)),
    Kind("docker pause", anyone, pause, unpause, LONG),
    Kind("cut from the others", leader, isolate, mend_network, LONG),
    Kind("cut from everybody", anyone, unplug, mend_network, LONG),
    Kind("cut one way: hears nobody", anyone, deafen, mend_network, LONG),
    Kind("cut one way: is not heard", anyone, mute, mend_network, LONG),
    Kind("cut from brokers and clients", leader, cut_from_brokers, mend_network, LONG),
    Kind("ZooKeeper session lost", leader, cut_from_zookeeper, mend_network, LONG, downtime=True),
    Kind("kill -9 of ZooKeeper's leader", zookeeper_leader, kill_zookeeper, nothing, SHORT),
    Kind("disk full", small, fill_disk, free_disk, (6.0, 15.0)),
    Kind("host restarted", restartable, restart_host, nothing, SHORT),
    Kind("host off and on", restartable, cut_power, switch_on, LONG),
)


@dataclass(frozen=True)
class Step:
    """One step of a schedule: these faults together, for so long; then wait until all is well, or only so long."""

    kinds: tuple[Kind, ...]
    hold_s: float
    pause_s: float
    recover: bool
    """Whether to wait for a healthy cluster before the next step."""


def schedule(rng: random.Random) -> Iterator[Step]:
    """Every kind once in each round, in an order of its own; now and then two together, or the next before all is well."""
    while True:
        bag = rng.sample(KINDS, len(KINDS))
        while bag:
            kinds = [bag.pop()]
            if bag and rng.random() < 0.2:
                kinds.append(bag.pop())
            hold_s = max(rng.uniform(*kind.hold_s) for kind in kinds)
            yield Step(tuple(kinds), hold_s, rng.uniform(1, 5), rng.random() < 0.85)
