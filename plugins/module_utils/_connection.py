# -*- coding: utf-8 -*-
# Copyright: Contributors to the commitlog.kafka collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How the modules reach a cluster: one argument spec, brokers found in ZooKeeper, and the admin client."""

from __future__ import annotations

import json
import re
import traceback
import typing as t

from ansible.module_utils.basic import missing_required_lib

KAFKA_PYTHON_IMPORT_ERROR: t.Optional[str] = None
try:
    from kafka.admin import KafkaAdminClient
    from kafka.errors import KafkaError
    from kafka.version import __version__ as KAFKA_PYTHON_VERSION
except ImportError:
    KAFKA_PYTHON_IMPORT_ERROR = traceback.format_exc()
    KAFKA_PYTHON_VERSION = "0"

    class KafkaError(Exception):  # type: ignore[no-redef]
        """Stands in for kafka-python's base class, so that modules can name it before the check below."""


# Older ones cannot ask for more partitions and leave their place to the brokers.
KAFKA_PYTHON_OLDEST = "3.0.10"

KAZOO_IMPORT_ERROR: t.Optional[str] = None
try:
    from kazoo.client import KazooClient
    from kazoo.exceptions import KazooException, NoNodeError
    from kazoo.handlers.threading import KazooTimeoutError
except ImportError:
    KAZOO_IMPORT_ERROR = traceback.format_exc()


class ClusterUnreachable(Exception):
    """Neither the brokers nor ZooKeeper could be reached, or none of the brokers fits; the text says which."""


def connection_argument_spec() -> dict[str, t.Any]:
    """The options of doc_fragments/connection.py."""
    return dict(
        bootstrap_servers=dict(type="list", elements="str"),
        zookeeper_connect=dict(type="str"),
        security_protocol=dict(type="str", choices=["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"], default="PLAINTEXT"),
        ssl_cafile=dict(type="path"),
        ssl_certfile=dict(type="path"),
        ssl_keyfile=dict(type="path", no_log=False),
        ssl_password=dict(type="str", no_log=True),
        ssl_check_hostname=dict(type="bool", default=True),
        sasl_mechanism=dict(type="str", choices=["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "GSSAPI"]),
        sasl_username=dict(type="str"),
        sasl_password=dict(type="str", no_log=True),
        client_id=dict(type="str", default="ansible-commitlog-kafka"),
        timeout=dict(type="int", default=30),
    )


def connection_rules() -> dict[str, t.Any]:
    """Keyword arguments for AnsibleModule that go with connection_argument_spec()."""
    return dict(
        mutually_exclusive=[("bootstrap_servers", "zookeeper_connect")],
        required_one_of=[("bootstrap_servers", "zookeeper_connect")],
        required_if=[
            ("security_protocol", "SASL_PLAINTEXT", ("sasl_mechanism",)),
            ("security_protocol", "SASL_SSL", ("sasl_mechanism",)),
            ("sasl_mechanism", "PLAIN", ("sasl_username", "sasl_password")),
            ("sasl_mechanism", "SCRAM-SHA-256", ("sasl_username", "sasl_password")),
            ("sasl_mechanism", "SCRAM-SHA-512", ("sasl_username", "sasl_password")),
        ],
        required_together=[("sasl_username", "sasl_password")],
        required_by={"ssl_certfile": ("ssl_keyfile",), "ssl_password": ("ssl_keyfile",)},
    )


def endpoints_of_registration(document: dict[str, t.Any], security_protocol: str) -> list[str]:
    """The host:port pairs of one /brokers/ids document whose listener speaks security_protocol.

    Version 1 documents (Kafka 0.8) have only host and port, which are of a PLAINTEXT listener. Without
    a protocol map (before Kafka 0.10.2) a listener is named after its protocol.
    """
    found = []
    protocols = document.get("listener_security_protocol_map") or {}
    for endpoint in document.get("endpoints") or []:
        listener, separator, address = endpoint.partition("://")
        if separator and protocols.get(listener, listener) == security_protocol:
            found.append(address)
    if not document.get("endpoints") and security_protocol == "PLAINTEXT" and document.get("host"):
        found.append("{0}:{1}".format(document["host"], document.get("port", 9092)))
    return found


def brokers_from_zookeeper(zookeeper_connect: str, security_protocol: str, timeout_s: float) -> list[str]:
    """Ask ZooKeeper for the brokers of the cluster.

    Raises ClusterUnreachable when ZooKeeper does not answer in time, or no registered broker has such a listener.
    """
    client = KazooClient(hosts=zookeeper_connect, timeout=timeout_s, read_only=True)
    try:
        client.start(timeout=timeout_s)
        brokers = []
        for broker_id in sorted(client.get_children("/brokers/ids"), key=int):
            try:
                data, _stat = client.get("/brokers/ids/" + broker_id)
            except NoNodeError:  # it left between the two questions
                continue
            brokers.extend(endpoints_of_registration(json.loads(data), security_protocol))
    except NoNodeError as error:
        raise ClusterUnreachable(
            "zookeeper_connect: ZooKeeper at {0} has no /brokers/ids: no Kafka cluster is registered there, "
            "or its chroot is missing".format(zookeeper_connect)
        ) from error
    except (KazooTimeoutError, KazooException, OSError) as error:
        raise ClusterUnreachable(
            "zookeeper_connect: no answer from ZooKeeper at {0} within {1} s: {2}".format(zookeeper_connect, timeout_s, error)
        ) from error
    finally:
        client.stop()
        client.close()
    if not brokers:
        raise ClusterUnreachable(
            "zookeeper_connect: no broker registered at {0} has a listener with security_protocol {1}".format(
                zookeeper_connect, security_protocol
            )
        )
    return brokers


def version_numbers(version: str) -> tuple[int, ...]:
    """The leading numbers of a version, to be compared: 3.0.10rc1 is (3, 0, 10)."""
    return tuple(int(number) for number in re.findall(r"\d+", version)[:3])


def require_libraries(module: t.Any) -> None:
    """End the module with one clear line when a library that it needs is missing or too old."""
    if KAFKA_PYTHON_IMPORT_ERROR is not None:
        module.fail_json(msg=missing_required_lib("kafka-python>=" + KAFKA_PYTHON_OLDEST), exception=KAFKA_PYTHON_IMPORT_ERROR)
    if version_numbers(KAFKA_PYTHON_VERSION) < version_numbers(KAFKA_PYTHON_OLDEST):
        module.fail_json(
            msg="kafka-python {0} is too old: this module needs kafka-python>={1}".format(
                KAFKA_PYTHON_VERSION, KAFKA_PYTHON_OLDEST
            )
        )
    if module.params["zookeeper_connect"] and KAZOO_IMPORT_ERROR is not None:
        module.fail_json(msg=missing_required_lib("kazoo", reason="for zookeeper_connect"), exception=KAZOO_IMPORT_ERROR)


def connect(params: dict[str, t.Any]) -> t.Any:
    """A KafkaAdminClient for the module's connection options. Raises ClusterUnreachable."""
    timeout_ms = params["timeout"] * 1000
    servers = params["bootstrap_servers"]
    if params["zookeeper_connect"]:
        servers = brokers_from_zookeeper(params["zookeeper_connect"], params["security_protocol"], params["timeout"])
    options = dict(
        bootstrap_servers=servers,
        bootstrap_timeout_ms=timeout_ms,
        request_timeout_ms=timeout_ms,
        client_id=params["client_id"],
        security_protocol=params["security_protocol"],
        ssl_check_hostname=params["ssl_check_hostname"],
        ssl_cafile=params["ssl_cafile"],
        ssl_certfile=params["ssl_certfile"],
        ssl_keyfile=params["ssl_keyfile"],
        ssl_password=params["ssl_password"],
        sasl_mechanism=params["sasl_mechanism"],
        sasl_plain_username=params["sasl_username"],
        sasl_plain_password=params["sasl_password"],
    )
    try:
        return KafkaAdminClient(**options)
    except (KafkaError, OSError, ValueError) as error:
        raise ClusterUnreachable(
            "no broker of {0} answered over {1} within {2} s: {3}".format(
                ", ".join(servers), params["security_protocol"], params["timeout"], error
            )
        ) from error
