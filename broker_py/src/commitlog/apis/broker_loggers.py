# SPDX-License-Identifier: Apache-2.0
"""Log levels as settings of the resource BROKER_LOGGER (KIP-412): read and changed while the broker runs,
lost when it stops.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Protocol

from commitlog.config.describe import ConfigEntry, ConfigSource
from commitlog.wire.errors import ErrorCode, KafkaError

ROOT = "root"
_SET, _DELETE = 0, 1
_TRACE = 5
# Kafka's names; Python has no TRACE, everything below DEBUG is that.
LEVELS = {
    "FATAL": logging.CRITICAL,
    "ERROR": logging.ERROR,
    "WARN": logging.WARNING,
    "INFO": logging.INFO,
    "DEBUG": logging.DEBUG,
    "TRACE": _TRACE,
}
_OPERATIONS = ("SET", "DELETE", "APPEND", "SUBTRACT")


class LevelChange(Protocol):
    """One operation of IncrementalAlterConfigs on a logger."""

    name: str
    config_operation: int
    value: str | None


def _logger(name: str) -> logging.Logger | None:
    if name == ROOT:
        return logging.getLogger()
    known = logging.root.manager.loggerDict.get(name)
    return known if isinstance(known, logging.Logger) else None


def _level_name(level: int) -> str:
    return next((name for name, value in LEVELS.items() if level >= value), "TRACE")


def describe_loggers() -> list[ConfigEntry]:
    """Every logger that this process has, with the level that is in force for it."""
    names = sorted(name for name in logging.root.manager.loggerDict if _logger(name) is not None)
    entries = []
    for name in [ROOT, *names]:
        logger = _logger(name)
        assert logger is not None
        level = _level_name(logger.getEffectiveLevel())
        source = ConfigSource.DYNAMIC_BROKER_LOGGER_CONFIG
        entries.append(ConfigEntry(name, level, source, False, False, 0, "", ()))
    return entries


def check_levels(changes: Sequence[LevelChange]) -> None:
    """ConfigAdminManager's rules, with its words; raises KafkaError."""
    for change in changes:
        if _logger(change.name) is None:
            raise KafkaError(ErrorCode.INVALID_CONFIG, f"Logger {change.name} does not exist!")
        if change.config_operation == _SET and change.value not in LEVELS:
            raise KafkaError(
                ErrorCode.INVALID_CONFIG,
                f"Cannot set the log level of {change.name} to {change.value} as it is not a supported log "
                f"level. Valid log levels are {', '.join(sorted(LEVELS))}",
            )
        if change.config_operation == _DELETE and change.name == ROOT:
            text = "Removing the log level of the root logger is not allowed"
            raise KafkaError(ErrorCode.INVALID_REQUEST, text)
        if change.config_operation not in (_SET, _DELETE):
            operation = _OPERATIONS[change.config_operation % len(_OPERATIONS)]
            text = f"{operation} operation is not allowed for the BROKER_LOGGER resource"
            raise KafkaError(ErrorCode.INVALID_REQUEST, text)


def change_levels(changes: Sequence[LevelChange]) -> None:
    """Put checked changes in force."""
    for change in changes:
        logger = _logger(change.name)
        assert logger is not None
        logger.setLevel(LEVELS[change.value or "INFO"] if change.config_operation == _SET else logging.NOTSET)
