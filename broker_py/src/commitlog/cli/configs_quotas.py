# SPDX-License-Identifier: Apache-2.0
"""kafka-configs.sh --bootstrap-server for users, clients and addresses: quotas and SCRAM credentials."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from commitlog.cli.admin import Admin, check
from commitlog.cli.configs_options import (
    CLIENTS,
    IP_QUOTAS,
    IPS,
    MECHANISMS,
    QUOTAS,
    USERS,
    ConfigCommand,
)
from commitlog.cli.java_order import hash_order, sized_for, string_hash
from commitlog.cli.jopt import ArgumentError
from commitlog.cli.scram import CODES, Password, random_salt
from commitlog.config.definitions import format_double
from commitlog.wire.errors import ErrorCode
from commitlog.wire.messages.alter_client_quotas_request import (
    AlterClientQuotasRequest,
    EntityData,
    EntryData,
    OpData,
)
from commitlog.wire.messages.alter_user_scram_credentials_request import (
    AlterUserScramCredentialsRequest,
    ScramCredentialDeletion,
    ScramCredentialUpsertion,
)
from commitlog.wire.messages.describe_client_quotas_request import ComponentData, DescribeClientQuotasRequest
from commitlog.wire.messages.describe_user_scram_credentials_request import (
    DescribeUserScramCredentialsRequest,
    UserName,
)

ENTITY = {USERS: "user", CLIENTS: "client-id", IPS: "ip"}
SHOWN = {"user": "user-principal", "client-id": "client-id", "ip": "ip"}
EXACT, DEFAULT, ANY = 0, 1, 2
"""DescribeClientQuotasRequest: how a part of an entity is matched."""

Entity = tuple[tuple[str, str | None], ...]


async def describe(admin: Admin, command: ConfigCommand) -> None:
    for entity, values in await _quotas(admin, command.types, command.names):
        parts = dict(entity)
        names = [
            f"{SHOWN[kind]} '{parts[kind]}'" if parts[kind] is not None else f"the default {SHOWN[kind]}"
            for kind in SHOWN
            if kind in parts
        ]
        shown = ", ".join(f"{key}={format_double(value)}" for key, value in values.items())
        print(f"Quota configs for {', '.join(names)} are {shown}")
    if command.types[0] != IPS and CLIENTS not in command.types and "" not in command.names:
        await _describe_credentials(admin, command.names)


async def _describe_credentials(admin: Admin, users: Sequence[str]) -> None:
    request = DescribeUserScramCredentialsRequest(users=[UserName(name=user) for user in users])
    response = await admin.ask(request)
    check(response.error_code, response.error_message)
    names = {code: mechanism for mechanism, code in CODES.items()}
    for result in response.results:
        code = ErrorCode.of(result.error_code)
        if code == ErrorCode.RESOURCE_NOT_FOUND:
            continue
        if code != ErrorCode.NONE:
            text = f"{code.exception}: {result.error_message or code.message}"
            print(f"Error retrieving SCRAM credential configs for user-principal '{result.user}': {text}")
            continue
        infos = ", ".join(
            f"{names.get(info.mechanism, 'UNKNOWN')}=iterations={info.iterations}"
            for info in result.credential_infos
        )
        print(f"SCRAM credential configs for user-principal '{result.user}' are {infos}")


async def _quotas(
    admin: Admin, types: Sequence[str], names: Sequence[str]
) -> list[tuple[Entity, dict[str, float]]]:
    """The quotas of exactly these entities, in the order of AdminClient's maps."""
    if len(names) > len(types):
        raise ArgumentError("More entity names specified than entity types")
    components = []
    for index, kind in enumerate(types):
        name = names[index] if index < len(names) else None
        match = ANY if name is None else EXACT if name else DEFAULT
        components.append(ComponentData(entity_type=ENTITY[kind], match_type=match, match=name or None))
    response = await admin.ask(DescribeClientQuotasRequest(components=components, strict=True))
    check(response.error_code, response.error_message)
    found: dict[Entity, dict[str, float]] = {}
    for entry in response.entries or ():
        values = {value.key: value.value for value in entry.values}
        ordered = hash_order(values, string_hash, sized_for(len(values)))
        entity = tuple((part.entity_type, part.entity_name) for part in entry.entity)
        found[entity] = {key: values[key] for key in ordered}
    return [(one, found[one]) for one in hash_order(found, _entity_hash, sized_for(len(found)))]


def _entity_hash(entity: Entity) -> int:
    """ClientQuotaEntity.hashCode."""
    total = sum(string_hash(kind) ^ (string_hash(name) if name is not None else 0) for kind, name in entity)
    return (31 + total) & 0xFFFFFFFF


async def alter(
    admin: Admin, command: ConfigCommand, added: Mapping[str, str], deleted: Sequence[str]
) -> None:
    types, names = command.types, command.names
    if types[0] == IPS:
        unknown = [name for name in (*added, *deleted) if name not in IP_QUOTAS]
        if unknown:
            raise ArgumentError(
                "Only connection quota configs can be added for 'ips' using --bootstrap-server. Unexpected "
                "config "
                f"names: {','.join(unknown)}"
            )
        await _alter_quotas(admin, types, names, added, deleted)
        return
    _check_names(types, names, added, deleted)
    if any(name in QUOTAS for name in (*added, *deleted)):
        await _alter_quotas(admin, types, names, added, deleted)
    else:
        await _alter_credentials(admin, names[0], added, deleted)


def _check_names(
    types: Sequence[str], names: Sequence[str], added: Mapping[str, str], deleted: Sequence[str]
) -> None:
    unknown = [name for name in added if name not in QUOTAS and name not in MECHANISMS]
    unknown_deleted = [name for name in deleted if name not in QUOTAS and name not in MECHANISMS]
    scram = [name for name in added if name in MECHANISMS]
    scram_deleted = [name for name in deleted if name in MECHANISMS]
    how = "using --bootstrap-server. Unexpected config names:"
    if types[0] == CLIENTS or len(types) == 2:
        if unknown or scram:
            shown = ", ".join(unknown + scram)
            raise ArgumentError(f"Only quota configs can be added for 'clients' {how} Set({shown})")
        if unknown_deleted or scram_deleted:
            shown = ", ".join(unknown_deleted + scram_deleted)
            raise ArgumentError(f"Only quota configs can be deleted for 'clients' {how} ArrayBuffer({shown})")
        return
    what = "Only quota and SCRAM credential configs can be"
    if unknown:
        raise ArgumentError(f"{what} added for 'users' {how} Set({', '.join(unknown)})")
    if unknown_deleted:
        raise ArgumentError(f"{what} deleted for 'users' {how} ArrayBuffer({', '.join(unknown_deleted)})")
    if scram or scram_deleted:
        if "" in names:
            raise ArgumentError(
                "The use of --entity-default or --user-defaults is not allowed with User SCRAM Credentials "
                "using "
                "--bootstrap-server."
            )
        if any(name in QUOTAS for name in (*added, *deleted)):
            raise ArgumentError(
                "Cannot alter both quota and SCRAM credential configs simultaneously for 'users' using "
                "--bootstrap-server."
            )


async def _alter_quotas(
    admin: Admin, types: Sequence[str], names: Sequence[str], added: Mapping[str, str], deleted: Sequence[str]
) -> None:
    found = await _quotas(admin, types, names)
    old = found[0][1] if found else {}
    missing = [name for name in deleted if name not in old]
    if missing:
        raise ArgumentError(f"Invalid config(s): {','.join(missing)}")
    entity = [
        EntityData(entity_type=ENTITY[kind], entity_name=name or None)
        for kind, name in zip(types, names, strict=True)
    ]
    ops = [OpData(key=name, value=_number(name, text)) for name, text in added.items()]
    ops += [OpData(key=name, remove=True) for name in deleted]
    request = AlterClientQuotasRequest(entries=[EntryData(entity=entity, ops=ops)])
    response = await admin.ask_controller(request, lambda answer: [one.error_code for one in answer.entries])
    for entry in response.entries:
        check(entry.error_code, entry.error_message)


def _number(name: str, text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise ArgumentError(f"Cannot parse quota configuration value for {name}: {text}") from None


async def _alter_credentials(
    admin: Admin, user: str, added: Mapping[str, str], deleted: Sequence[str]
) -> None:
    upsertions = []
    for mechanism, text in added.items():
        password, salt = Password.parse(mechanism, text), random_salt()
        upsertions.append(
            ScramCredentialUpsertion(
                name=user,
                mechanism=CODES[mechanism],
                iterations=password.iterations,
                salt=salt,
                salted_password=password.salted(salt),
            )
        )
    deletions = [ScramCredentialDeletion(name=user, mechanism=CODES[mechanism]) for mechanism in deleted]
    request = AlterUserScramCredentialsRequest(deletions=deletions, upsertions=upsertions)
    response = await admin.ask_controller(request, lambda answer: [one.error_code for one in answer.results])
    for result in response.results:
        check(result.error_code, result.error_message)
