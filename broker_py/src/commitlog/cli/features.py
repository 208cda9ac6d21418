# SPDX-License-Identifier: Apache-2.0
"""kafka-features.sh: finalized features of a cluster (Kafka's `FeatureCommand`)."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from commitlog.cli import argparse4j, terminal
from commitlog.cli.argparse4j import Parser

if TYPE_CHECKING:
    from commitlog.cli.admin import Admin

SERVERS = "A comma-separated list of host:port pairs to use for establishing the connection to the"
COMMANDS = {
    "describe": "Describes the current active feature flags.",
    "upgrade": "Upgrade one or more feature flags.",
    "downgrade": "Upgrade one or more feature flags.",
    "disable": "Disable one or more feature flags. This is the same as downgrading the version to zero.",
}
UPGRADE, SAFE_DOWNGRADE, UNSAFE_DOWNGRADE = 1, 2, 3
METADATA = "metadata.version"


def main(arguments: Sequence[str] | None = None) -> int:
    command = terminal.guarded(_main, failed=terminal.say_as_java())
    return terminal.run(argparse4j.call(command), arguments, help_text=None)


def _main(words: list[str]) -> int:
    options = make_parser().read(words)
    if options.bootstrap_server is None:
        print(
            "--bootstrap-controller asks a KRaft controller, and a cluster with ZooKeeper has none",
            file=sys.stderr,
        )
        return 1

    import asyncio

    asyncio.run(_run(options))
    return 0


def make_parser() -> Parser:
    parser = Parser(prog="kafka-features", description="This tool manages feature flags in Kafka.")
    servers = parser.add_mutually_exclusive_group(required=True)
    servers.add_argument("--bootstrap-server", help=f"{SERVERS} Kafka cluster.")
    servers.add_argument("--bootstrap-controller", help=f"{SERVERS} KRaft quorum.")
    parser.add_argument(
        "--command-config", help="Property file containing configs to be passed to Admin Client."
    )
    commands = parser.add_subparsers(dest="command", metavar=f"{{{','.join(COMMANDS)}}}", required=True)
    for name, text in COMMANDS.items():
        made = commands.add_parser(name, help=text, prog=f"kafka-features {name}")
        if name in ("upgrade", "downgrade"):
            level = "3.3-IV3" if name == "upgrade" else "3.3-IV0"
            made.add_argument(
                "--metadata", help=f"The level to which we should {name} the metadata. For example, {level}."
            )
            feature = f"A feature {name} we should perform, in feature=level format. For example: "
            feature += "`metadata.version=5`."
            made.add_argument("--feature", action="append", help=feature)
        elif name == "disable":
            made.add_argument("--feature", action="append", help="A feature flag to disable.")
        if name in ("downgrade", "disable"):
            made.add_argument(
                "--unsafe",
                action="store_true",
                help="Go on even if it may irreversibly destroy metadata.",
            )
        if name != "describe":
            made.add_argument("--dry-run", action="store_true", help="Validate, but do not perform it.")
    return parser


async def _run(options: argparse.Namespace) -> None:
    from commitlog.cli.admin import connected

    levels = None if options.command == "describe" else _levels(options)
    async with connected(options.bootstrap_server, options.command_config) as admin:
        if levels is None:
            await _describe(admin)
        else:
            await _update(admin, options, levels)


async def _describe(admin: Admin) -> None:
    from commitlog.wire.messages.api_versions_request import ApiVersionsRequest

    asked = await admin.ask(ApiVersionsRequest(client_software_name="commitlog", client_software_version="1"))
    finalized = {one.name: one.max_version_level for one in asked.finalized_features}
    epoch = asked.finalized_features_epoch
    for feature in sorted(asked.supported_features, key=lambda one: one.name):
        print(
            f"Feature: {feature.name}\tSupportedMinVersion: {feature.min_version}\tSupportedMaxVersion: "
            f"{feature.max_version}\tFinalizedVersionLevel: {finalized.get(feature.name, 0)}\tEpoch: "
            f"{'-' if epoch < 0 else epoch}"
        )


def _levels(options: argparse.Namespace) -> dict[str, int]:
    """The features of the command line, with the level that each is to have."""
    from commitlog.cli.topics_errors import ToolError

    levels: dict[str, int] = {}
    if getattr(options, "metadata", None) is not None:
        raise ToolError(f"--metadata {options.metadata}: {METADATA} is a feature of KRaft clusters only")
    for text in options.feature or ():
        name, separator, level = text.partition("=")
        if options.command == "disable":
            name, separator, level = text, "=", "0"
        if not separator:
            raise ToolError(f"Can't parse feature=level string {text}: equals sign not found.")
        if not level.strip().removeprefix("-").isdecimal():
            raise ToolError(
                f"Can't parse feature=level string {text}: unable to parse {level.strip()} as a short."
            )
        if name.strip() in levels:
            raise ToolError(f"Feature {name.strip()} was specified more than once.")
        levels[name.strip()] = int(level)
    if not levels:
        raise ToolError(f"You must specify at least one feature to {options.command}")
    return levels


async def _update(admin: Admin, options: argparse.Namespace, levels: dict[str, int]) -> None:
    from commitlog.cli.admin import ErrorCode
    from commitlog.cli.topics_errors import ToolError
    from commitlog.wire.messages.update_features_request import FeatureUpdateKey, UpdateFeaturesRequest

    unsafe = getattr(options, "unsafe", False)
    kind = UPGRADE if options.command == "upgrade" else UNSAFE_DOWNGRADE if unsafe else SAFE_DOWNGRADE
    updates = [
        FeatureUpdateKey(feature=name, max_version_level=level, upgrade_type=kind)
        for name, level in levels.items()
    ]
    request = UpdateFeaturesRequest(feature_updates=updates, validate_only=options.dry_run)
    response = await admin.ask_controller(request, lambda answer: [answer.error_code])
    results = {one.feature: (one.error_code, one.error_message) for one in response.results}
    failures = 0
    for name in sorted(levels):
        code, message = results.get(name, (response.error_code, response.error_message))
        what = options.command
        if code != ErrorCode.NONE:
            failures += 1
            action = f"disable {name}" if what == "disable" else f"{what} {name} to {levels[name]}"
            helper = "Can not" if options.dry_run else "Could not"
            print(f"{helper} {action}. {message or ErrorCode.of(code).message}")
        else:
            done = "disabled." if what == "disable" else f"{what}d to {levels[name]}."
            print(f"{name} {'can be' if options.dry_run else 'was'} {done}")
    if failures:
        raise ToolError(f"{failures} out of {len(levels)} operation(s) failed.")


if __name__ == "__main__":
    sys.exit(main())
