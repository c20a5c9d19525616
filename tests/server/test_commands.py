"""What every command does with what it cannot read or write."""

import subprocess
from pathlib import Path

from tests.instance import command, environment, typed


def test_a_result_that_cannot_be_written_is_one_sentence() -> None:
    with Path("/dev/full").open("w") as full:
        said = subprocess.run(
            [*command("prices"), "list"],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            env=environment(),
            check=False,
        )
    assert said.returncode == 1
    assert said.stderr == "spanledger: [Errno 28] No space left on device\n"


def test_a_history_longer_than_a_year_is_refused(tmp_path: Path) -> None:
    said = typed("demo", "--hours", "1e300", "--data", str(tmp_path))
    assert said.returncode == 2
    assert said.stderr.startswith("spanledger: Invalid value for '--hours'")


def test_a_month_that_is_none_is_quoted_as_it_was_typed(tmp_path: Path) -> None:
    said = typed("focus", "export", "x.csv", "--month", "2026-13", "--data", str(tmp_path))
    assert said.returncode == 2
    assert said.stderr == "spanledger: --month is written like 2026-11, not '2026-13'.\n"
