"""The directory of requests on disk, when processes start side by side and people tidy up."""

from __future__ import annotations

import fcntl
import os
import shutil
import time
from pathlib import Path

import pytest

from spanledger._exporters import Exporters
from spanledger._settings import Settings
from spanledger._spool import Spool


def directories(root: Path) -> list[Path]:
    return [path for path in root.iterdir() if path.is_dir()]


def test_a_process_that_starts_meanwhile_leaves_a_new_directory_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flock = fcntl.flock
    others: list[Spool] = []

    def slow_flock(lock: int, how: int) -> None:
        if not others:
            monkeypatch.setattr(fcntl, "flock", flock)
            others.append(Spool(tmp_path, 1000))
        flock(lock, how)

    monkeypatch.setattr(fcntl, "flock", slow_flock)
    spool = Spool(tmp_path, 1000)
    assert len(directories(tmp_path)) == 2
    path = spool.add({}, b"spans")
    Spool(tmp_path, 1000)
    assert spool.files() == [path]


def test_what_is_no_directory_of_a_process_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "else" / "lock").mkdir(parents=True)
    (tmp_path / "file").touch()
    assert Spool(tmp_path, 1000).add({}, b"spans").exists()
    assert (tmp_path / "else" / "lock").exists()


def test_a_directory_that_was_removed_is_made_again(tmp_path: Path) -> None:
    spool = Spool(tmp_path, 1000)
    for directory in directories(tmp_path):
        shutil.rmtree(directory)
    path = spool.add({"Content-Type": "x"}, b"spans")
    Spool(tmp_path, 1000)
    assert spool.files() == [path]
    assert spool.read(path) == ({"Content-Type": "x"}, b"spans")


def test_a_directory_whose_process_died_at_once_is_cleared_away_later(tmp_path: Path) -> None:
    old, new, other = (tmp_path / name for name in ("old.new", "fresh.new", "other.new"))
    for directory in (old, new, other):
        directory.mkdir()
        (directory / "lock").touch()
    (other / "notes").touch()
    long_ago = time.time() - 2 * 3600
    for directory in (old, other):
        os.utime(directory, (long_ago, long_ago))
    Spool(tmp_path, 1000)
    assert not old.exists()  # of a process that ended between two system calls, hours ago
    assert (new / "lock").exists()  # of one that is starting just now
    assert {path.name for path in other.iterdir()} == {"lock", "notes"}  # none of ours


def test_what_was_for_another_key_or_endpoint_stays(tmp_path: Path) -> None:
    def opened(endpoint: str, api_key: str) -> Spool:
        settings = Settings(endpoint=endpoint, api_key=api_key, spool=str(tmp_path))
        spool = vars(Exporters(settings))["_spool"]
        assert isinstance(spool, Spool)
        return spool

    dead = opened("http://here:4318", "sl_one")
    path = dead.add({}, b"spans")
    os.close(vars(dead)["_lock"])
    assert opened("http://here:4318", "sl_two").files() == []
    assert opened("http://there:4318", "sl_one").files() == []
    assert path.exists()
    said = b"".join(file.read_bytes() for file in tmp_path.glob("*/for"))
    assert b"sl_one" not in said
    taken = opened("http://here:4318", "sl_one").files()
    assert [file.name for file in taken] == [path.name]
    assert not path.exists()
