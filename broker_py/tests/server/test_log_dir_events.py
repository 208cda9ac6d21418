# SPDX-License-Identifier: Apache-2.0
"""A log directory fails: the controller hears of it, and others lead what was in it."""

from __future__ import annotations

import errno
from pathlib import Path

from commitlog.wire.messages.create_topics_request import CreatableTopic, CreateTopicsRequest
from tests.server.test_broker import World, ask, run, until


def test_what_was_in_a_failed_directory_is_led_elsewhere(tmp_path: Path) -> None:
    async def test(world: World) -> None:
        dirs = [str(tmp_path / "data1"), str(tmp_path / "more1")]
        first, second = world.broker(1, log_dirs=",".join(dirs)), world.broker(2)
        await first.start()
        await second.start()
        cache = second.services.metadata
        assert await cache.wait_until(lambda known: len(known.alive_brokers()) == 2, 10_000)
        topic = CreatableTopic(name="t", num_partitions=4, replication_factor=2)
        active = first if first.services.controller.is_active else second
        await ask(active, CreateTopicsRequest(topics=[topic], timeout_ms=10_000), 7)
        hosted = {
            p.partition: p.log.log_dir for p in first.services.replicas.partitions() if p.log is not None
        }
        assert set(hosted.values()) == set(dirs)
        led = {index for index, state in cache.partitions("t").items() if state.leader == 1}
        lost = {index for index, directory in hosted.items() if directory == dirs[0]}
        assert led & lost
        logs = first.services.log_manager
        logs._fail_dir(dirs[0], OSError(errno.EIO, "Input/output error"))

        def leaders() -> dict[int, int]:
            return {index: state.leader for index, state in cache.partitions("t").items()}

        await until(lambda: all(leaders()[index] == 2 for index in lost))
        assert {index for index, leader in leaders().items() if leader == 1} == led - lost
        assert not first.failed.is_set()

    run(tmp_path, test)
