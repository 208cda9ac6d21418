# -*- coding: utf-8 -*-
# Copyright: Contributors to the commitlog.kafka collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What every conversation with a cluster shares: the requests made are noted, waits end, and errors are one line."""

from __future__ import annotations

import contextlib
import time
import typing as t

from ansible_collections.commitlog.kafka.plugins.module_utils._errors import ModuleFailure

with contextlib.suppress(ImportError):  # said by require_libraries() before any of this is used
    import kafka.errors as kafka_errors

POLL_S = 0.1
AdminT = t.TypeVar("AdminT", bound="Admin")


class RequestFailed(ModuleFailure):
    """The cluster refused a request, or did not do in time what it had agreed to; the text says what."""


def error_text(code: int, message: t.Optional[str] = None) -> str:
    """Kafka's name for an error code, with what the broker said about it."""
    name = kafka_errors.for_code(code).__name__
    return "{0}: {1}".format(name, message) if message else name


def raise_for(what: str, code: int, message: t.Optional[str] = None) -> None:
    """Raise RequestFailed unless the code says that all is well."""
    if code != 0:
        raise RequestFailed("{0}: {1}".format(what, error_text(code, message)))


class one_line:
    """Turns what kafka-python raises into RequestFailed with the name of the request in front."""

    def __init__(self, what: str) -> None:
        self._what = what

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: t.Any, error: t.Any, _traceback: t.Any) -> None:
        if isinstance(error, (kafka_errors.KafkaError, RuntimeError, ValueError, OSError)):
            text = " ".join(str(error).split()) or type(error).__name__
            raise RequestFailed("{0}: {1}".format(self._what, text)) from error


class Admin:
    """One connection to a cluster. Every request made that changes something is noted in `requests`, in order.

    In check mode such requests are noted too; they are sent only where the cluster can judge them without carrying them out.
    """

    def __init__(self, client: t.Any, timeout_s: int, check_mode: bool = False) -> None:
        self.client = client
        self.timeout_s = timeout_s
        self.check_mode = check_mode
        self.requests: list[dict[str, t.Any]] = []

    @property
    def timeout_ms(self) -> int:
        """The time that a broker may take for one request."""
        return self.timeout_s * 1000

    def __enter__(self: AdminT) -> AdminT:
        return self

    def __exit__(self, *_error: t.Any) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self.client.close()

    def outcome(self, changed: bool, before: t.Any, after: t.Any, **further: t.Any) -> dict[str, t.Any]:
        """What a module returns that changed something, or would in check mode."""
        return dict(
            further, changed=changed, before=before, after=after, requests=self.requests, diff=dict(before=before, after=after)
        )

    def note(self, api: str, **arguments: t.Any) -> None:
        """Remember a request that changes something, or would in check mode."""
        self.requests.append(dict(api=api, **arguments))

    def send(self, request: t.Any, node_id: t.Optional[int] = None) -> t.Any:
        """Send a request that kafka-python has a message but no method for; to any broker where none is named."""
        manager = self.client._manager  # the client has no public door for a bare request
        if node_id is None:
            return manager.run(manager.send, request)
        return manager.run(lambda: manager.send(request, node_id=node_id))

    def send_to_controller(self, request: t.Any, codes: t.Callable[[t.Any], t.Iterable[int]]) -> t.Any:
        """Send a request to the controller, once more when one of the answer's error codes says that it has just moved."""

        def errors(answer: t.Any) -> list[t.Any]:
            return [kafka_errors.for_code(code) for code in codes(answer)]

        return self.client._manager.run(self.client._send_request_to_controller, request, errors, False)

    def wait(
        self, what: str, state: t.Callable[[], t.Tuple[t.Any, str]], timeout_s: t.Optional[int] = None, poll_s: float = POLL_S
    ) -> t.Any:
        """The first result of state() that is not None. Raises RequestFailed with its last reason when time is up."""
        limit = self.timeout_s if timeout_s is None else timeout_s
        deadline = time.monotonic() + limit
        while True:
            result, reason = state()
            if result is not None:
                return result
            if time.monotonic() >= deadline:
                raise RequestFailed("{0} after {1} s: {2}".format(what, limit, reason))
            time.sleep(poll_s)
