# -*- coding: utf-8 -*-
# Copyright: Contributors to the commitlog.kafka collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""SCRAM users through kafka-python's admin client, and the ways to find out whether a password is still the one that counts."""

from __future__ import annotations

import contextlib
import json
import typing as t

from ansible_collections.commitlog.kafka.plugins.module_utils._admin import Admin, RequestFailed, one_line, raise_for
from ansible_collections.commitlog.kafka.plugins.module_utils._connection import client_options, open_client, zookeeper_client
from ansible_collections.commitlog.kafka.plugins.module_utils._scram import (
    BadCredential,
    is_password_of,
    parse_credential,
    sanitized,
)

with contextlib.suppress(ImportError):  # said by require_libraries() before any of this is used
    import kafka.errors as kafka_errors
    from kafka.admin import (
        ScramMechanism,
        UserScramCredentialUpsertion,
    )
    from kafka.protocol.admin import AlterUserScramCredentialsRequest
with contextlib.suppress(ImportError):
    from kazoo.exceptions import KazooException, NoAuthError, NoNodeError
    from kazoo.handlers.threading import KazooTimeoutError

Users = t.Dict[str, t.Dict[str, int]]
"""The iterations of each user's credentials, by user and mechanism."""

NO_SUCH_USER = "does not exist"


class UserAdmin(Admin):
    """Reads and changes the SCRAM credentials of users."""

    def users(self, names: t.Optional[list[str]] = None) -> Users:
        """The users that have credentials: those named, or all."""
        with one_line("DescribeUserScramCredentials"):
            found = self.client.describe_user_scram_credentials(names)
        users: Users = {}
        for name, entry in sorted(found.items()):
            if entry["error"] and not entry["credential_infos"]:
                if NO_SUCH_USER in entry["error"]:
                    continue
                raise RequestFailed("DescribeUserScramCredentials for user {0}: {1}".format(name, entry["error"]))
            infos = entry["credential_infos"]
            users[name] = {info["mechanism"].name.replace("_", "-"): info["iterations"] for info in infos}
        return users

    def alter(self, name: str, password: t.Optional[str], upsertions: dict[str, int], deletions: list[str]) -> None:
        """Set and delete credentials in one request; in check mode this is only noted."""
        self.note("AlterUserScramCredentials", user=name, set=upsertions, delete=deletions)
        if self.check_mode:
            return
        made = [
            UserScramCredentialUpsertion(name, _mechanism(mechanism), password, iterations=iterations)
            for mechanism, iterations in upsertions.items()
        ]
        # Only the controller takes it, and kafka-python's own method asks any broker.
        request = AlterUserScramCredentialsRequest(
            deletions=[(name, int(_mechanism(mechanism))) for mechanism in deletions],
            upsertions=[(name, int(c.mechanism), c.iterations, c.salt, c.salted_password) for c in made],
        )
        what = "AlterUserScramCredentials for user " + name
        with one_line(what):
            answer = self.send_to_controller(request, lambda a: [result.error_code for result in a.results])
        for result in answer.results:
            raise_for(what, result.error_code, result.error_message)

    def wait_until_shown(self, name: str, wanted: dict[str, int]) -> None:
        """Wait until the broker that is asked tells the credentials that were just accepted."""

        def state() -> tuple[t.Optional[bool], str]:
            have = self.users([name]).get(name, {})
            return (True, "") if have == wanted else (None, "the brokers show {0}".format(have))

        if not self.check_mode:
            self.wait("the credentials of {0} were accepted but are not shown".format(name), state)


def _mechanism(name: str) -> t.Any:
    return ScramMechanism[name.replace("-", "_")]


# -- is the password still this one?


def password_in_zookeeper(params: dict[str, t.Any], user: str, password: str, mechanisms: list[str]) -> t.Optional[list[str]]:
    """Those of the mechanisms whose credential was made from another password; None where ZooKeeper does not let it be read."""
    client = zookeeper_client(params)
    try:
        client.start(timeout=params["timeout"])
        data, _stat = client.get("/config/users/" + sanitized(user))
        stored = json.loads(data).get("config", {})
        return [m for m in mechanisms if m not in stored or not is_password_of(password, parse_credential(stored[m]), m)]
    except NoNodeError:
        return mechanisms
    except (NoAuthError, BadCredential, ValueError):
        return None
    except (KazooTimeoutError, KazooException, OSError) as error:
        raise RequestFailed("zookeeper_connect: {0}".format(error or type(error).__name__)) from error
    finally:
        client.stop()
        client.close()


def password_by_login(params: dict[str, t.Any], user: str, password: str, mechanisms: list[str]) -> t.Optional[list[str]]:
    """Those of the mechanisms with which the user cannot log in with this password; None where a listener does not offer one."""
    wrong = []
    for mechanism in mechanisms:
        login = dict(params, sasl_mechanism=mechanism, sasl_username=user, sasl_password=password)
        try:
            open_client(client_options(login)).close()
        except kafka_errors.KafkaError as error:
            if isinstance(error, kafka_errors.UnsupportedSaslMechanismError):
                return None
            if not isinstance(error, kafka_errors.SaslAuthenticationFailedError):
                raise RequestFailed("logging in as {0} with {1}: {2}".format(user, mechanism, error)) from error
            wrong.append(mechanism)
    return wrong
