# SPDX-License-Identifier: Apache-2.0
"""The options of kafka-delegation-tokens.sh."""

from __future__ import annotations

from collections.abc import Mapping

from commitlog.cli.jopt import Option

SUMMARY = "This tool helps to create, renew, expire, or describe delegation tokens."

OPTIONS: Mapping[str, Option] = {
    "bootstrap-server": Option("REQUIRED: server(s) to use for bootstrapping.", "String"),
    "command-config": Option(
        "REQUIRED: A property file containing configs to be passed to Admin Client. Token "
        "management operations are allowed in secure mode only. This config file is used to pass "
        "security related configs.",
        "String",
    ),
    "create": Option(
        "Create a new delegation token. Use --renewer-principal option to pass renewer principals."
    ),
    "describe": Option(
        "Describe delegation tokens for the given principals. Use --owner-principal to pass "
        "owner/renewer principals. If --owner-principal option is not supplied, all the user-owned "
        "tokens and tokens where the user has Describe permissions will be returned."
    ),
    "expire": Option("Expire delegation token. Use --expiry-time-period option to expire the token."),
    "expiry-time-period": Option(
        "Expiry time period in milliseconds. If the value is -1, then the token will get "
        "invalidated immediately.",
        "Long",
        whole_number=True,
        optional=True,
    ),
    "help": Option("Print usage information."),
    "hmac": Option("HMAC of the delegation token", "String", optional=True),
    "max-life-time-period": Option(
        "Max life period for the token in milliseconds. If the value is -1, then token max life "
        "time will default to the server side config value of (delegation.token.max.lifetime.ms).",
        "Long",
        whole_number=True,
        optional=True,
    ),
    "owner-principal": Option(
        "owner is a Kafka principal. They should be in principalType:name format.", "String", optional=True
    ),
    "renew": Option("Renew delegation token. Use --renew-time-period option to set renew time period."),
    "renew-time-period": Option(
        "Renew time period in milliseconds. If the value is -1, then the renew time period will "
        "default to the server side config value of (delegation.token.expiry.time.ms).",
        "Long",
        whole_number=True,
        optional=True,
    ),
    "renewer-principal": Option(
        "renewer is a Kafka principal. They should be in principalType:name format.", "String", optional=True
    ),
    "version": Option("Display Kafka version."),
}
