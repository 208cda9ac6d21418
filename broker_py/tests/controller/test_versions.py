# SPDX-License-Identifier: Apache-2.0
"""Request versions by inter.broker.protocol.version, as a 3.9 JVM controller sends them."""

from __future__ import annotations

import pytest

from commitlog.controller.versions import ControlVersions


@pytest.mark.parametrize(
    ("level", "leader_and_isr", "update_metadata", "stop_replica", "topic_ids"),
    [
        ("3.9", 7, 8, 4, True),
        ("3.4", 7, 8, 4, True),
        ("3.3", 6, 7, 3, True),
        ("3.1", 5, 7, 3, True),
        ("2.8-IV1", 5, 7, 3, True),
        ("2.8-IV0", 4, 6, 3, True),
        ("2.7", 4, 6, 3, False),
        ("2.4-IV1", 4, 6, 2, False),
        ("2.4-IV0", 3, 5, 1, False),
        ("2.2", 2, 5, 1, False),
        ("1.0", 1, 4, 0, False),
        ("0.10.2", 0, 3, 0, False),
        ("0.10.0", 0, 2, 0, False),
        ("0.9.0", 0, 1, 0, False),
        ("0.8.2", 0, 0, 0, False),
    ],
)
def test_control_request_versions(
    level: str, leader_and_isr: int, update_metadata: int, stop_replica: int, topic_ids: bool
) -> None:
    versions = ControlVersions.of(level)
    assert (versions.leader_and_isr, versions.update_metadata, versions.stop_replica) == (
        leader_and_isr,
        update_metadata,
        stop_replica,
    )
    assert versions.topic_ids is topic_ids


def test_feature_znode_by_level() -> None:
    assert ControlVersions.of("3.3").feature_document_version == 2
    assert ControlVersions.of("3.2").feature_document_version == 1
    assert ControlVersions.of("2.7").feature_versioning
    assert not ControlVersions.of("2.6").feature_versioning


def test_recovery_state_from_3_2() -> None:
    assert ControlVersions.of("3.2").leader_recovery
    assert not ControlVersions.of("3.1").leader_recovery
