# SPDX-License-Identifier: Apache-2.0
"""The controller's part of the role broker: one version for one source, and all that the broker needs in the wheel."""

from __future__ import annotations

import argparse
import hashlib
import importlib.util
import json
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
FILES = ROOT / "roles" / "broker" / "files"


def load_script(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, FILES / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


wheelhouse = load_script("wheelhouse")


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A distribution as small as can be."""
    package = tmp_path / "source" / "src" / "commitlog"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("x = 1\n")
    (tmp_path / "source" / "pyproject.toml").write_text('[project]\nname = "commitlog"\nversion = "0.1.0"\n')
    return tmp_path / "source"


def test_the_version_follows_the_source(source: Path) -> None:
    first = wheelhouse.source_version(source)
    assert first.startswith("0.1.0+")
    (source / "src" / "commitlog" / "__pycache__").mkdir()
    (source / "src" / "commitlog" / "__pycache__" / "x.pyc").write_bytes(b"x")
    assert wheelhouse.source_version(source) == first
    (source / "src" / "commitlog" / "__init__.py").write_text("x = 2\n")
    assert wheelhouse.source_version(source) != first


def test_the_newest_platform_comes_first() -> None:
    tags = wheelhouse.platforms({"libc": "glibc", "libc_version": "2.36", "machine": "x86_64"})
    assert tags[0] == "manylinux_2_36_x86_64"
    assert "manylinux2014_x86_64" in tags
    assert "manylinux_2_37_x86_64" not in tags


def gather(source: Path, cache: Path, *more: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(FILES / "wheelhouse.py"), f"--source={source}", f"--bundled={cache}", f"--cache={cache}"]
    return subprocess.run([*command, *more], capture_output=True, text=True, check=False, timeout=100)


def test_check_mode_makes_nothing(source: Path, tmp_path: Path) -> None:
    done = gather(source, tmp_path / "cache", "--dry-run")
    answer: dict[str, Any] = json.loads(done.stdout)
    assert answer == {"version": wheelhouse.source_version(source), "archive": "", "changed": False}
    assert not (tmp_path / "cache").exists()


def test_hosts_of_one_kind_share_what_was_gathered(source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def write(name: str) -> Any:
        return lambda *arguments: (arguments[-1] / name).write_text("x")

    monkeypatch.setattr(wheelhouse, "build_wheel", write("commitlog-0.1.0-py3-none-any.whl"))
    monkeypatch.setattr(wheelhouse, "download", write("kazoo-2.11.0-py3-none-any.whl"))
    (tmp_path / "constraints.txt").write_text("kazoo==2.11.0")
    arguments = argparse.Namespace(source=source, bundled=tmp_path, cache=tmp_path / "cache")
    arguments.constraints = tmp_path / "constraints.txt"
    arguments.hashes = tmp_path / "hashes.txt"
    digest = hashlib.sha256(b"x").hexdigest()
    arguments.hashes.write_text(f"kazoo==2.11.0 --hash=sha256:{digest}")
    arguments.extras, arguments.dry_run = "tools", False
    arguments.target = '{"tag": "cp311-glibc2.36-x86_64"}'
    first = wheelhouse.gather(arguments)
    assert first["changed"]
    assert zipfile.ZipFile(first["archive"]).namelist() == ["kazoo-2.11.0-py3-none-any.whl"]
    assert wheelhouse.gather(arguments) == {**first, "changed": False}
    arguments.target = '{"tag": "cp313-glibc2.41-aarch64"}'
    other = wheelhouse.gather(arguments)
    assert other["changed"]
    assert other["archive"] != first["archive"]


def test_a_wheel_that_was_not_tested_is_not_shipped(tmp_path: Path) -> None:
    """What an index, or whoever stands before it, gives in place of the file that the release was tested with."""
    (tmp_path / "wheels").mkdir()
    broker = tmp_path / "commitlog-0.1.0+abc-py3-none-any.whl"
    for name in (broker.name, "kazoo-2.11.0-py3-none-any.whl"):
        (tmp_path / "wheels" / name).write_text(name)
    hashes = tmp_path / "hashes.txt"
    good = hashlib.sha256(b"kazoo-2.11.0-py3-none-any.whl").hexdigest()
    hashes.write_text(f"kazoo==2.11.0 \\\n    --hash=sha256:{good}\n")
    wheelhouse.check_hashes(tmp_path / "wheels", broker, hashes)
    hashes.write_text("kazoo==2.11.0\n")
    with pytest.raises(wheelhouse.WheelhouseError, match=r"kazoo-2.11.0-py3-none-any.whl: its SHA-256 .* is not in"):
        wheelhouse.check_hashes(tmp_path / "wheels", broker, hashes)


def test_every_tested_version_has_hashes() -> None:
    pinned = [line for line in (FILES / "constraints.txt").read_text().splitlines() if line and line[0] != "#"]
    hashed = [line.split()[0] for line in (FILES / "hashes.txt").read_text().splitlines() if "==" in line]
    assert sorted(hashed) == sorted(pinned)


def test_neither_source_nor_wheel_is_one_line(tmp_path: Path) -> None:
    done = gather(tmp_path / "nowhere", tmp_path, "--dry-run")
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "0 wheels of the broker" in done.stderr


def test_only_so_many_are_kept(tmp_path: Path) -> None:
    for number in range(wheelhouse.KEPT + 3):
        with wheelhouse.made_whole(tmp_path / "kind" / str(number)) as scratch:
            (scratch / "x").write_text("x")
    assert len(list((tmp_path / "kind").iterdir())) == wheelhouse.KEPT


def test_what_failed_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError), wheelhouse.made_whole(tmp_path / "kind" / "a"):
        raise RuntimeError
    assert list((tmp_path / "kind").iterdir()) == []


@pytest.mark.skipif(shutil.which("git") is None, reason="needs git to list the source")
def test_the_wheel_has_every_file_of_the_package(tmp_path: Path) -> None:
    """A table or schema that package-data forgets would be missing on the hosts alone."""
    version = wheelhouse.source_version(ROOT / "broker_py")
    wheelhouse.build_wheel(ROOT / "broker_py", version, tmp_path)
    with zipfile.ZipFile(next(tmp_path.glob("*.whl"))) as wheel:
        packed = set(wheel.namelist())
    source = ROOT / "broker_py" / "src"
    tracked = subprocess.run(["git", "ls-files", "."], cwd=source, capture_output=True, text=True, check=True).stdout.split()
    assert tracked
    assert sorted(set(tracked) - packed) == []


def test_this_python_describes_itself() -> None:
    nothing = {"home": "/nonexistent", "service": "none", "manager": "process", "distribution": "commitlog"}
    asked = json.dumps({**nothing, "files": [], "links": [], "directories": {}})
    command = [sys.executable, str(ROOT / "roles" / "service" / "files" / "survey.py"), asked]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    target = json.loads(done.stdout)["target"]
    assert target["python"] == f"{sys.version_info[0]}.{sys.version_info[1]}"
    assert wheelhouse.platforms(target)
