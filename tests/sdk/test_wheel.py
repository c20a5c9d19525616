"""What `pip install spanledger` brings: a small wheel that needs OpenTelemetry alone."""

from __future__ import annotations

import email
import os
import subprocess
import sys
import zipfile
from email.message import Message
from pathlib import Path

import pytest

from spanledger import __version__
from tests.server.test_docs import ROOT

pytest.importorskip("hatchling", reason="hatchling is not installed")
MAX_WHEEL_BYTES = 100_000


def built(project: Path, directory: Path) -> zipfile.ZipFile:
    """The wheel of a project, as its build backend makes it."""
    argv = [sys.executable, "-m", "hatchling", "build", "--target", "wheel"]
    subprocess.run(
        [*argv, "--directory", os.fspath(directory)], cwd=project, check=True, timeout=60
    )
    [wheel] = directory.glob("*.whl")
    return zipfile.ZipFile(wheel)


def metadata(wheel: zipfile.ZipFile) -> Message:
    [name] = [name for name in wheel.namelist() if name.endswith("METADATA")]
    return email.message_from_bytes(wheel.read(name))


def sources(package: Path) -> set[str]:
    return {
        path.relative_to(package.parent).as_posix()
        for path in package.rglob("*")
        if path.is_file() and path.suffix != ".pyc"
    }


def packed(wheel: zipfile.ZipFile) -> set[str]:
    return {name for name in wheel.namelist() if ".dist-info/" not in name}


def test_the_wheel_is_small_and_needs_opentelemetry_alone(tmp_path: Path) -> None:
    with built(ROOT / "sdk", tmp_path) as wheel:
        about = metadata(wheel)
        assert packed(wheel) == sources(ROOT / "sdk" / "spanledger")
    assert about["Version"] == __version__
    needed = about.get_all("Requires-Dist", [])
    always = [requirement for requirement in needed if "extra ==" not in requirement]
    assert always != []
    assert [name for name in always if not name.startswith("opentelemetry-")] == []
    for extra in ("gpu", "inference"):
        assert f"spanledger-workers; extra == '{extra}'" in needed
    [path] = tmp_path.glob("*.whl")
    assert path.stat().st_size <= MAX_WHEEL_BYTES


def test_the_extra_has_what_the_commands_run(tmp_path: Path) -> None:
    with built(ROOT / "sdk" / "workers", tmp_path) as wheel:
        about = metadata(wheel)
        assert packed(wheel) == sources(ROOT / "sdk" / "workers" / "spanledger_workers")
    assert (about["Name"], about["Version"]) == ("spanledger-workers", __version__)
    assert "spanledger" in about.get_all("Requires-Dist", [])
