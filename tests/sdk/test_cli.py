"""The command `spanledger`: the SDK's alone, and with the server beside it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import spanledger
from spanledger import _cli
from spanledger_server.sdk_cli import VARIABLES
from tests.instance import environment


def run(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    code = "from spanledger._cli import main; main()"
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env={**environment(), **variables},
    )


def test_with_the_server_installed_its_commands_are_there_too() -> None:
    done = run("up", "--help")
    assert done.returncode == 0
    assert "--store-url" in done.stdout
    told = run("--help").stdout
    assert all(f"  {name} " in told for name in _cli.COMMANDS)


@pytest.mark.parametrize("command", ["spanledger._cli", "spanledger_server.__main__"])
def test_ctrl_c_while_modules_are_loaded_ends_without_a_traceback(command: str) -> None:
    code = f"""
import sys
class Interrupted:
    def find_spec(name, *_):
        if name == "spanledger_server.cli":
            raise KeyboardInterrupt
sys.meta_path.insert(0, Interrupted)
from {command} import main
main()
"""
    asked = [sys.executable, "-c", code, "version"]
    done = subprocess.run(asked, capture_output=True, text=True, check=False, env=environment())
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "")


def test_settings_of_the_sdk_do_not_stop_the_server() -> None:
    assert "SPANLEDGER_CONTENT" in VARIABLES
    assert run("version", SPANLEDGER_CONTENT="none").stdout == f"{spanledger.__version__}\n"


def test_alone_it_has_its_own(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(_cli, "find_spec", lambda name: None)
    for arguments, code in ((["version"], 0), ([], 0), (["up"], 2), (["run"], 2)):
        monkeypatch.setattr(sys, "argv", ["spanledger", *arguments])
        with pytest.raises(SystemExit) as ended:
            _cli.main()
        assert ended.value.code == code
    said = capsys.readouterr()
    assert said.out.startswith(spanledger.__version__)
    assert "no such command: up" in said.err


@pytest.mark.parametrize("name", sorted(_cli.COMMANDS))
def test_every_command_exists(name: str) -> None:
    assert callable(_cli.COMMANDS[name][0])


@pytest.mark.parametrize("name", ["gpu", "inference"])
def test_without_the_extra_a_command_says_what_to_install(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "spanledger_workers", None)
    monkeypatch.delitem(sys.modules, f"spanledger_workers.{name}", raising=False)
    assert _cli.command([name, "--once"]) == 1
    assert capsys.readouterr().err == (
        f"spanledger {name} needs the package spanledger-workers: pip install 'spanledger[gpu]'\n"
    )


def test_without_the_extra_a_worker_goes_on_and_its_log_says_why(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setitem(sys.modules, "spanledger_workers", None)
    monkeypatch.delitem(sys.modules, "spanledger_workers.inference", raising=False)
    assert spanledger.instrument_worker() is None
    assert "pip install 'spanledger[gpu]'" in caplog.text


def test_run_keeps_arguments_code_and_the_path_of_the_program(tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text("print('theirs')")
    code = "import sys, spanledger._init as i; print(sys.argv[1:], i.running() is not None)"
    code += "; sys.exit(3)"
    variables = {"PYTHONPATH": os.fspath(tmp_path), "SPANLEDGER_INSTRUMENT": "false"}
    done = run("run", "--", sys.executable, "-c", code, "a b", **variables)
    assert done.returncode == 3, done.stderr
    assert done.stdout.endswith("theirs\n['a b'] True\n")
    assert run("run", "--", "no-such-program").returncode == 127
