# SPDX-License-Identifier: Apache-2.0
"""Kafka clients for the console tools: librdkafka, told in the names of the Java client's settings.

The tools read the Java clients' properties (--producer-property, --consumer.config, ...), so their names and
values are translated here; what librdkafka has no counterpart for is left out, with Kafka's warning if it is
no setting of the Java clients at all.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from commitlog.cli.terminal import log
from commitlog.cli.topics_errors import ToolError
from commitlog.security.client_security import (
    ClientSecurityError,
    client_login_module,
    security_protocol,
)
from commitlog.security.keystores import StoreError, key_material, trusted_certificates
from commitlog.security.sasl_client import LoginError, SaslLogin
from commitlog.security.tls import openssl_name

if TYPE_CHECKING:
    import confluent_kafka

C = TypeVar("C")

_RENAMED = {
    "send.buffer.bytes": "socket.send.buffer.bytes",
    "receive.buffer.bytes": "socket.receive.buffer.bytes",
    "max.request.size": "message.max.bytes",
    "fetch.max.wait.ms": "fetch.wait.max.ms",
    "ssl.protocol": None,
}
_WITHOUT_COUNTERPART = frozenset(
    (
        "auto.include.jmx.reporter",
        "default.api.timeout.ms",
        "enable.metrics.push",
        "exclude.internal.topics",
        "interceptor.classes",
        "key.deserializer",
        "key.serializer",
        "max.block.ms",
        "max.poll.records",
        "metadata.max.idle.ms",
        "metadata.recovery.strategy",
        "metric.reporters",
        "metrics.num.samples",
        "metrics.recording.level",
        "metrics.sample.window.ms",
        "partitioner.adaptive.partitioning.enable",
        "partitioner.availability.timeout.ms",
        "partitioner.class",
        "partitioner.ignore.keys",
        "value.deserializer",
        "value.serializer",
    )
)
_ASSIGNORS = {
    "RangeAssignor": "range",
    "RoundRobinAssignor": "roundrobin",
    "CooperativeStickyAssignor": "cooperative-sticky",
}
_SECURITY = ("ssl.", "sasl.", "security.protocol")
_OFFSET_RESETS = {"none": "error"}
_LIBRDKAFKA_LINE = re.compile(r"\w+ \[[^]]*\](?: \[thrd:[^]]*\])?: (.*?)(?: \(after .*)?$")
SAID_MAX = 1000
_NO_SUCH = re.compile(r'No such configuration property: "([^"]+)"')


class _LogHandler(logging.Handler):
    """librdkafka's own log, each thing said once: a broker that is away is tried ten times a second. What it
    retries of its own accord, such as asking for a producer id, the Java client does not mention either.

    What it calls errors are mostly connections that it will try again.
    """

    def __init__(self) -> None:
        super().__init__()
        self._said: set[str] = set()

    def emit(self, record: logging.LogRecord) -> None:
        found = _LIBRDKAFKA_LINE.match(record.getMessage())
        text = record.getMessage() if found is None else found[1]
        if text not in self._said and len(self._said) < SAID_MAX and not text.endswith("retrying"):
            self._said.add(text)
            log("WARN" if record.levelno <= logging.ERROR else "ERROR", text, "librdkafka")


def _library() -> Any:
    try:
        import confluent_kafka
    except ImportError:
        raise ToolError(
            "the console tools need the Python package confluent-kafka (the extra `tools` of commitlog)"
        ) from None
    return confluent_kafka


def make_producer(settings: Mapping[str, str], **callbacks: Callable[..., None]) -> confluent_kafka.Producer:
    """Keys go to the partitions to which the Java client's default sends them."""
    chosen = {"partitioner": "murmur2_random", **settings}
    producer: confluent_kafka.Producer = _make(_library().Producer, chosen, callbacks)
    return producer


def make_consumer(settings: Mapping[str, str], **callbacks: Callable[..., None]) -> confluent_kafka.Consumer:
    consumer: confluent_kafka.Consumer = _make(_library().Consumer, settings, callbacks)
    return consumer


def _make(client: Callable[..., C], settings: Mapping[str, str], callbacks: Mapping[str, Any]) -> C:
    """Make the client; a setting that librdkafka does not know is left out with a warning."""
    logger = logging.Logger("librdkafka", logging.WARNING)
    logger.addHandler(_LogHandler())
    translated: dict[str, Any] = {**translate(settings), **callbacks}
    failure = _library().KafkaException
    while True:
        try:
            return client(translated, logger=logger)
        except failure as error:
            text = error.args[0].str()
            unknown = _NO_SUCH.search(text)
            if unknown is None or unknown[1] not in translated:
                raise ToolError(text) from None
            log("WARN", f"The configuration '{unknown[1]}' was supplied but isn't a known config.", "config")
            del translated[unknown[1]]


def translate(settings: Mapping[str, str]) -> dict[str, Any]:
    """librdkafka's name and value for each setting of the Java clients."""
    found: dict[str, Any] = {}
    for name, value in settings.items():
        if name in _WITHOUT_COUNTERPART:
            continue
        if name == "buffer.memory":
            found["queue.buffering.max.kbytes"] = str(max(1, int(value) // 1024))
        elif name == "auto.offset.reset":
            found[name] = _OFFSET_RESETS.get(value, value)
        elif name == "partition.assignment.strategy":
            names = (each.strip().rpartition(".")[2] for each in value.split(","))
            found[name] = ",".join(_ASSIGNORS.get(each, each) for each in names)
        elif not name.startswith(_SECURITY):
            renamed = _RENAMED.get(name, name)
            if renamed is not None:
                found[renamed] = value
    return {**found, **_security(settings)}


def _security(settings: Mapping[str, str]) -> dict[str, Any]:
    """Stores, JAAS entry and mechanism in librdkafka's words; keys pass in memory."""
    try:
        protocol = security_protocol(settings)
        if protocol == "PLAINTEXT":
            return {}
        found: dict[str, Any] = {"security.protocol": protocol}
        if protocol.endswith("SSL"):
            found.update(_tls(settings))
        if protocol.startswith("SASL_"):
            found.update(_login(settings))
    except (ClientSecurityError, StoreError, LoginError) as error:
        raise ToolError(str(error)) from None
    return found


def _tls(settings: Mapping[str, str]) -> dict[str, str]:
    algorithm = settings.get("ssl.endpoint.identification.algorithm", "https")
    found = {"ssl.endpoint.identification.algorithm": algorithm.lower() or "none"}
    trusted = trusted_certificates(settings.get)
    if trusted is not None:
        found["ssl.ca.pem"] = trusted
    material = key_material(settings.get)
    if material is not None:
        found.update({"ssl.key.pem": material.key, "ssl.certificate.pem": material.chain})
        if material.password is not None:
            found["ssl.key.password"] = material.password
    if "ssl.cipher.suites" in settings:
        suites = settings["ssl.cipher.suites"].split(",")
        found["ssl.cipher.suites"] = ":".join(openssl_name(suite.strip()) for suite in suites)
    return found


def _login(settings: Mapping[str, str]) -> dict[str, Any]:
    mechanism = settings.get("sasl.mechanism", "GSSAPI")
    module = client_login_module(settings)
    login = SaslLogin(mechanism, module, settings.get("sasl.oauthbearer.token.endpoint.url"))
    if mechanism == "OAUTHBEARER":
        return {"sasl.mechanism": mechanism, "oauth_cb": lambda config: login.fresh_token()}
    if module.options.get("tokenauth", "").lower() == "true":
        raise ToolError("librdkafka, which the console tools use, cannot log in with a delegation token")
    return {
        "sasl.mechanism": mechanism,
        "sasl.username": module.options["username"],
        "sasl.password": module.options["password"],
    }
