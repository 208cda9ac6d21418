# SPDX-License-Identifier: Apache-2.0
"""Cluster id, broker id and meta.properties: found, made, or refused."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path

import pytest

from commitlog.config.broker import BrokerConfig
from commitlog.coordination.memory import MemoryCoordination, MemoryEnsemble
from commitlog.server import identity
from commitlog.server.errors import StartupError
from commitlog.storage.disk import LocalDisk


async def client() -> MemoryCoordination:
    made = MemoryEnsemble().client("broker")
    await made.start()
    await identity.make_permanent_paths(made)
    return made


def config(**settings: str) -> BrokerConfig:
    names = {name.replace("_", "."): value for name, value in settings.items()}
    return BrokerConfig.from_properties({"zookeeper.connect": "localhost:2181", **names})


def write_meta(directory: Path, **properties: str) -> str:
    directory.mkdir()
    lines = [f"{name.replace('_', '.')}={value}\n" for name, value in properties.items()]
    (directory / "meta.properties").write_text(
        "#\n#Sat Nov 22 10:00:00 UTC 2025\nversion=0\n" + "".join(lines)
    )
    return str(directory)


def test_the_cluster_id_is_made_once() -> None:
    async def main() -> None:
        coordination = await client()
        made = await identity.cluster_id(coordination, random.Random(1))
        assert len(made) == 22
        assert await identity.cluster_id(coordination, random.Random(2)) == made
        data, _ = await coordination.get("/cluster/id")
        assert data == b'{"version":"1","id":"%s"}' % made.encode()

    asyncio.run(main())


def test_broker_ids_are_generated_above_the_reserved_ones() -> None:
    async def main() -> None:
        coordination = await client()
        generated = [await identity.broker_id(config(broker_id="-1"), None, coordination) for _ in range(2)]
        assert generated == [1001, 1002]

    asyncio.run(main())


def test_a_stored_broker_id_is_used_again_and_must_agree_with_a_configured_one() -> None:
    async def main() -> None:
        coordination = await client()
        assert await identity.broker_id(config(broker_id="-1"), 1007, coordination) == 1007
        assert await identity.broker_id(config(broker_id="3"), 3, coordination) == 3
        with pytest.raises(
            StartupError, match=r"broker.id 3 doesn't match stored broker.id 4 in meta.properties"
        ):
            await identity.broker_id(config(broker_id="3"), 4, coordination)

    asyncio.run(main())


def test_no_broker_id_at_all() -> None:
    async def main() -> None:
        settings = config(broker_id="0", broker_id_generation_enable="false")
        settings.set_broker_id(-1)
        with pytest.raises(StartupError, match=r"broker.id is not set"):
            await identity.broker_id(settings, None, await client())

    asyncio.run(main())


def test_what_meta_properties_say(tmp_path: Path) -> None:
    first = write_meta(tmp_path / "a", broker_id="5", cluster_id="abc")
    fresh = str(tmp_path / "fresh")
    assert identity.stored_identity(LocalDisk(), [fresh]) == (None, None)
    assert identity.stored_identity(LocalDisk(), [first, fresh]) == ("abc", 5)
    second = write_meta(tmp_path / "b", broker_id="6", cluster_id="abc")
    with pytest.raises(StartupError, match=r"BrokerId is not consistent across log.dirs: 5 in .*6 in"):
        identity.stored_identity(LocalDisk(), [first, second])
    third = write_meta(tmp_path / "c", broker_id="5", cluster_id="other")
    with pytest.raises(StartupError, match=r"cluster.id is not consistent"):
        identity.stored_identity(LocalDisk(), [first, third])
    bad = write_meta(tmp_path / "d", broker_id="five")
    with pytest.raises(StartupError, match=r"d/meta.properties: broker.id 'five' is not a number"):
        identity.stored_identity(LocalDisk(), [bad])


def test_data_of_another_cluster_is_refused() -> None:
    identity.check_cluster_id("mine", None)
    identity.check_cluster_id("mine", "mine")
    with pytest.raises(StartupError, match="Cluster ID mine doesn't match stored clusterId theirs"):
        identity.check_cluster_id("mine", "theirs")
