# -*- coding: utf-8 -*-
# Copyright: Contributors to the commitlog.kafka collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How the modules reach a cluster: one argument spec, brokers found in ZooKeeper, and the admin client."""

from __future__ import annotations

import contextlib
import json
import logging
import re
import socket
import traceback
import typing as t

from ansible.module_utils.basic import missing_required_lib

from ansible_collections.commitlog.kafka.plugins.module_utils._errors import ClusterUnreachable
from ansible_collections.commitlog.kafka.plugins.module_utils._tls import tls_context

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


def connection_argument_spec() -> dict[str, t.Any]:
    """The options of doc_fragments/connection.py."""
    return dict(
        bootstrap_servers=dict(type="list", elements="str"),
        zookeeper_connect=dict(type="str"),
        zookeeper_ssl=dict(type="bool", default=False),
        zookeeper_ssl_cafile=dict(type="path"),
        zookeeper_ssl_certfile=dict(type="path"),
        zookeeper_ssl_keyfile=dict(type="path", no_log=False),
        zookeeper_username=dict(type="str"),
        zookeeper_password=dict(type="str", no_log=True),
        security_protocol=dict(type="str", choices=["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"], default="PLAINTEXT"),
        ssl_cafile=dict(type="path"),
        ssl_ca_pem=dict(type="str"),
        ssl_certfile=dict(type="path"),
        ssl_certificate_pem=dict(type="str"),
        ssl_keyfile=dict(type="path", no_log=False),
        ssl_key_pem=dict(type="str", no_log=True),
        ssl_password=dict(type="str", no_log=True),
        ssl_check_hostname=dict(type="bool", default=True),
        sasl_mechanism=dict(type="str", choices=["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER", "GSSAPI"]),
        sasl_username=dict(type="str"),
        sasl_password=dict(type="str", no_log=True),
        sasl_oauth_token=dict(type="str", no_log=True),
        sasl_kerberos_service_name=dict(type="str", default="kafka"),
        client_id=dict(type="str", default="ansible-commitlog-kafka"),
        timeout=dict(type="int", default=30),
    )


def connection_rules() -> dict[str, t.Any]:
    """Keyword arguments for AnsibleModule that go with connection_argument_spec()."""
    return dict(
        mutually_exclusive=[
            ("bootstrap_servers", "zookeeper_connect"),
            ("ssl_cafile", "ssl_ca_pem"),
            ("ssl_certfile", "ssl_certificate_pem"),
            ("ssl_keyfile", "ssl_key_pem"),
        ],
        required_one_of=[("bootstrap_servers", "zookeeper_connect")],
        required_if=[
            ("security_protocol", "SASL_PLAINTEXT", ("sasl_mechanism",)),
            ("security_protocol", "SASL_SSL", ("sasl_mechanism",)),
            ("sasl_mechanism", "PLAIN", ("sasl_username", "sasl_password")),
            ("sasl_mechanism", "SCRAM-SHA-256", ("sasl_username", "sasl_password")),
            ("sasl_mechanism", "SCRAM-SHA-512", ("sasl_username", "sasl_password")),
            ("sasl_mechanism", "OAUTHBEARER", ("sasl_oauth_token",)),
        ],
        required_together=[
            ("sasl_username", "sasl_password"),
            ("zookeeper_username", "zookeeper_password"),
            ("zookeeper_ssl_certfile", "zookeeper_ssl_keyfile"),
        ],
        required_by={"ssl_certfile": ("ssl_keyfile",), "ssl_certificate_pem": ("ssl_key_pem",)},
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


def zookeeper_client(params: dict[str, t.Any]) -> t.Any:
    """A KazooClient for the connection options, not yet started."""
    hosts = params["zookeeper_connect"]
    # kazoo waits so long for each host: one that is lost may be the first that it tries.
    options: dict[str, t.Any] = dict(hosts=hosts, timeout=params["timeout"] / len(hosts.split(",")), read_only=True)
    if params.get("zookeeper_ssl"):
        options.update(
            use_ssl=True,
            ca=params["zookeeper_ssl_cafile"],
            certfile=params["zookeeper_ssl_certfile"],
            keyfile=params["zookeeper_ssl_keyfile"],
        )
    if params.get("zookeeper_username"):
        options["auth_data"] = [("digest", "{0}:{1}".format(params["zookeeper_username"], params["zookeeper_password"]))]
    return KazooClient(**options)


def brokers_from_zookeeper(params: dict[str, t.Any]) -> list[str]:
    """Ask ZooKeeper for the brokers of the cluster.

    Raises ClusterUnreachable when ZooKeeper does not answer in time, or no registered broker has such a listener.
    """
    zookeeper_connect, security_protocol = params["zookeeper_connect"], params["security_protocol"]
    timeout_s = params["timeout"]
    client = zookeeper_client(params)
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


def missing_library(params: dict[str, t.Any]) -> t.Optional[str]:
    """One line about a library that is missing or too old; None when all is there."""
    if KAFKA_PYTHON_IMPORT_ERROR is not None:
        return str(missing_required_lib("kafka-python>=" + KAFKA_PYTHON_OLDEST))
    if version_numbers(KAFKA_PYTHON_VERSION) < version_numbers(KAFKA_PYTHON_OLDEST):
        return "kafka-python {0} is too old: kafka-python>={1} is needed".format(KAFKA_PYTHON_VERSION, KAFKA_PYTHON_OLDEST)
    if params["zookeeper_connect"] and KAZOO_IMPORT_ERROR is not None:
        return str(missing_required_lib("kazoo", reason="for zookeeper_connect"))
    return None


def require_libraries(module: t.Any) -> None:
    """End the module with one clear line when a library that it needs is missing or too old."""
    missing = missing_library(module.params)
    if missing is not None:
        module.fail_json(msg=missing, exception=KAFKA_PYTHON_IMPORT_ERROR or KAZOO_IMPORT_ERROR)


class StaticToken:
    """An OAuth token that was given, for kafka-python, which asks for it at each connection."""

    def __init__(self, token: str) -> None:
        self._token = token

    def token(self) -> str:
        """The token."""
        return self._token

    def extensions(self) -> dict[str, str]:
        """Nothing is sent beside the token."""
        return {}


def client_options(params: dict[str, t.Any]) -> dict[str, t.Any]:
    """What any of kafka-python's clients is made with. Raises ClusterUnreachable when none is found or a file is no good."""
    servers = params["bootstrap_servers"] or brokers_from_zookeeper(params)
    secured = params["security_protocol"] in ("SSL", "SASL_SSL")
    options = dict(
        bootstrap_servers=servers,
        bootstrap_timeout_ms=params["timeout"] * 1000,
        request_timeout_ms=params["timeout"] * 1000,
        client_id=params["client_id"],
        security_protocol=params["security_protocol"],
        ssl_context=tls_context(params) if secured else None,
        sasl_mechanism=params["sasl_mechanism"],
        sasl_plain_username=params["sasl_username"],
        sasl_plain_password=params["sasl_password"],
        sasl_kerberos_service_name=params["sasl_kerberos_service_name"],
    )
    if params["sasl_mechanism"] == "OAUTHBEARER":
        options["sasl_oauth_token_provider"] = oauth_provider(params["sasl_oauth_token"])
    return options


def oauth_provider(token: str) -> t.Any:
    """A token provider of the class that this kafka-python asks for."""
    from kafka.net.sasl.oauth import AbstractTokenProvider

    return type("TokenProvider", (StaticToken, AbstractTokenProvider), {})(token)


class BootstrapWatcher(logging.Handler):
    """Knows why no broker could be talked to: kafka-python says so in its log only, tries again, and ends with a bare timeout.

    What no further attempt can mend ends the attempts: a handler that raises breaks out of the loop that logs.
    """

    HOPELESS = ("SaslAuthenticationFailedError", "UnsupportedSaslMechanismError", "AuthorizationError")

    def __init__(self, servers: int) -> None:
        super().__init__(logging.WARNING)
        self.last: t.Optional[BaseException] = None
        self._servers = servers
        self._untrusted: set[t.Any] = set()

    def emit(self, record: logging.LogRecord) -> None:
        """Look at one line of kafka-python's log."""
        reasons = [arg for arg in record.args or () if isinstance(arg, Exception)] if isinstance(record.args, tuple) else []
        if not reasons or record.msg.startswith("Bootstrap failed"):  # that is the bare timeout
            return
        self.last = reasons[0]
        if not record.msg.startswith("Bootstrap connection"):  # only that loop may be broken out of
            return
        kinds = {kind.__name__ for kind in type(self.last).__mro__}
        if kinds & set(self.HOPELESS):
            raise self.last
        if "CERTIFICATE_VERIFY_FAILED" in str(self.last) and record.args:
            self._untrusted.add(record.args[0])
            if len(self._untrusted) >= self._servers:
                raise self.last

    @contextlib.contextmanager
    def listening(self) -> t.Iterator[None]:
        """Listen to the part of kafka-python that connects."""
        logger = logging.getLogger("kafka.net")
        logger.addHandler(self)
        try:
            yield
        finally:
            logger.removeHandler(self)


def tcp_trouble(servers: list[str]) -> t.Optional[OSError]:
    """Why the first of the servers that cannot be reached cannot: kafka-python does not say. None when all can."""
    for server in servers:
        host, _colon, port = server.rpartition(":")
        try:
            socket.create_connection((host.strip("[]") or server, int(port) if host else 9092), timeout=2).close()
        except (OSError, ValueError) as error:
            return OSError("{0}: {1}".format(server, error))
    return None


def open_client(options: dict[str, t.Any]) -> t.Any:
    """A KafkaAdminClient with these options, or the error that says why there is none."""
    watcher = BootstrapWatcher(len(options["bootstrap_servers"]))
    try:
        with watcher.listening():
            return KafkaAdminClient(**options)
    except KafkaError as error:
        raise watcher.last or tcp_trouble(options["bootstrap_servers"]) or error from error


def connect(params: dict[str, t.Any]) -> t.Any:
    """A KafkaAdminClient for the module's connection options. Raises ClusterUnreachable."""
    options = client_options(params)
    try:
        return open_client(options)
    except (KafkaError, OSError, ValueError) as error:
        text = " ".join(str(error).split()) or type(error).__name__
        if params["security_protocol"].startswith("SASL") and "disconnected" in text:
            text += "; Apache Kafka may end a connection so when it refuses the login"
        raise ClusterUnreachable(
            "no broker of {0} could be used over {1} within {2} s: {3}".format(
                ", ".join(options["bootstrap_servers"]), params["security_protocol"], params["timeout"], text
            )
        ) from error
