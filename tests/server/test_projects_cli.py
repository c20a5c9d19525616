"""`spanledger projects` and `spanledger keys` as a user types them, in this process."""

from __future__ import annotations

import csv
import io
import json
import re
import stat
import sys
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
import typer

from spanledger_collector.access.senders import KeyAccess
from spanledger_server import cli
from spanledger_server.guard import Auth, Guard
from spanledger_server.project_changes import PLACES
from spanledger_storage.api_keys import ApiKey, matches
from spanledger_storage.project_settings import Content, Pattern, Preset, Privacy, ProjectSettings
from spanledger_storage.projects import Keys, Projects

NOW_S = 1_780_000_000  # 2026-05-28T20:26:40Z


@dataclass
class Done:
    code: int
    out: str
    err: str

    def rows(self) -> list[dict[str, Any]]:
        return list(json.loads(self.out))


Run = Callable[..., Done]


@pytest.fixture
def run(
    state: sa.Engine,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Run:
    """Type a command; --data is given by the environment."""
    monkeypatch.setenv("SPANLEDGER_DATA", str(tmp_path))
    monkeypatch.setattr("time.time_ns", lambda: NOW_S * 10**9 + 5)

    def typed(*words: str) -> Done:
        monkeypatch.setattr(sys, "argv", ["spanledger", *words])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        shown = capsys.readouterr()
        assert isinstance(ended.value.code, int)
        return Done(ended.value.code, shown.out, shown.err)

    return typed


def good(done: Done) -> str:
    assert done.code == 0, done.err
    return done.out


def bad(done: Done, code: int = 2) -> str:
    assert done.code == code, done.out
    assert len(done.err.strip().splitlines()) == 1
    return done.err


def settings(state: sa.Engine, name: str = "default") -> ProjectSettings:
    return Projects(state).get(name).project.settings


def test_a_project_is_made_listed_and_shown(run: Run) -> None:
    said = good(run("projects", "create", "shop", "--by", "ann"))
    assert "spanledger keys create --project shop --scope ingest" in said
    rows = run("projects", "list", "--format", "json").rows()
    assert [row["name"] for row in rows] == ["default", "shop"]
    assert rows[1]["created"] == "2026-05-28T20:26:40Z"
    assert "shop" in good(run("projects", "list"))
    shown = json.loads(good(run("projects", "show", "shop", "--format", "json")))
    assert shown == ProjectSettings().model_dump(mode="json")
    for setting in ("limits.items_per_s", "privacy.content", "retention.ledger_days"):
        assert setting in good(run("projects", "show", "shop"))


def test_a_key_is_made_where_the_project_was(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SPANLEDGER_DATA")
    place = ("--data", str(tmp_path))
    words = f"spanledger keys create --project shop --scope ingest --data {tmp_path}"
    assert words in good(run("projects", "create", "shop", *place))
    words = f"spanledger keys create --project default --scope ingest --data {tmp_path}"
    assert words in good(run("keys", "list", *place))


@pytest.mark.parametrize(
    "first",
    [
        ("projects", "create", "shop"),
        ("projects", "set", "default", "--content", "off"),
        ("keys", "create"),
        ("accounts", "add", "ann@example.com", "--all-projects", "--no-password"),
    ],
)
def test_what_is_set_up_before_the_first_start_makes_the_state_database(
    run: Run, tmp_path: Path, first: tuple[str, ...]
) -> None:
    fresh = tmp_path / "not" / "yet"
    done = run(*first, "--data", str(fresh))
    good(done)
    assert f"No instance has run on {fresh} yet: made its state.db.\n" in done.err
    assert stat.S_IMODE(fresh.stat().st_mode) == 0o700
    key = good(run("keys", "create", "--data", str(fresh))).strip()
    guard = Guard(Auth.KEYS, fresh)
    ring = guard.key_ring()
    guard.demand_ingest_key(ring)
    headers = {"x-api-key": key}
    assert KeyAccess(ring).ingest(headers).name == "default"


def test_every_setting_can_be_set_told_and_cleared(run: Run, state: sa.Engine) -> None:
    given = {
        "--items-per-s": ["500"], "--bytes-per-s": ["1000000"], "--content": ["off"],
        "--content-sample-rate": ["0.25"], "--drop-key": ["a", "b.*"], "--hash-key": ["user.id"],
        "--redact": ["email", "card"], "--pattern": ["order=ORD-\\d+=", "x=y+z"],
        "--content-days": ["1"], "--spans-days": ["2"], "--metrics-days": ["3"],
        "--ledger-days": ["400"], "--max-llm-calls-per-request": ["40"],
        "--max-usd-per-request": ["2.5"], "--max-usd-per-session": ["9"],
        "--max-usd-per-user-day": ["20"], "--poll-tool": ["wait", "status"],
        "--mutating-tool": ["edit"], "--disable-detector": ["loops"],
        "--tolerance-cell-usd": ["2"], "--tolerance-cell-percent": ["1.5"],
        "--tolerance-day-percent": ["3"], "--tolerance-month-percent": ["0.25"],
    }  # fmt: skip
    assert set(given) == set(PLACES)
    words = [word for option, values in given.items() for v in values for word in (option, v)]
    said = good(run("projects", "set", "default", *words))
    assert "limits.items_per_s: none -> 500\n" in said
    assert "privacy.content: full -> off\n" in said
    assert "privacy.drop_keys: none -> a, b.*\n" in said
    assert "privacy.patterns: none -> order=ORD-\\d+=, x=y+z\n" in said
    assert "retention.ledger_days: none -> 400\n" in said
    now = settings(state)
    assert (now.limits.items_per_s, now.limits.bytes_per_s) == (500, 1_000_000)
    assert (now.privacy.content, now.privacy.content_sample_rate) == (Content.OFF, 0.25)
    assert (now.privacy.drop_keys, now.privacy.hash_keys) == (("a", "b.*"), ("user.id",))
    assert now.privacy.presets == (Preset.EMAIL, Preset.CARD)
    assert [(p.name, p.regex) for p in now.privacy.patterns] == [
        ("order", "ORD-\\d+="),
        ("x", "y+z"),
    ]
    assert tuple(now.retention.model_dump().values()) == (1, 2, 3, 400)
    usd = (Decimal("2.5"), Decimal(9), Decimal(20))
    assert tuple(now.findings.model_dump().values()) == (
        40, *usd, ("wait", "status"), ("edit",), ("loops",)
    )  # fmt: skip
    percents = (Decimal("1.5"), Decimal(3), Decimal("0.25"))
    assert tuple(now.reconciliation.model_dump().values()) == (Decimal(2), *percents)
    assert "Nothing changes" in good(run("projects", "set", "default", *words))
    assert len(Projects(state).log()) == 1
    cleared = [word for option in given for word in (option, "none")]
    assert "limits.items_per_s: 500 -> none\n" in good(run("projects", "set", "default", *cleared))
    assert settings(state) == ProjectSettings()


def test_what_is_left_out_stays_and_a_list_is_replaced(run: Run, state: sa.Engine) -> None:
    good(run("projects", "set", "default", "--items-per-s", "5", "--drop-key", "a"))
    good(run("projects", "set", "default", "--drop-key", "b", "--drop-key", "c"))
    now = settings(state)
    assert (now.limits.items_per_s, now.privacy.drop_keys) == (5, ("b", "c"))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "Give at least one of --items-per-s"),
        (["--items-per-s", "0"], "--items-per-s: .*greater than 0"),
        (["--items-per-s", "many"], "--items-per-s: .*integer"),
        (["--items-per-s=-1"], "--items-per-s: .*greater than 0"),
        (["--content", "loud"], "--content: .*'full' or 'off'"),
        (["--content-sample-rate", "1.5"], "--content-sample-rate: .*less than or equal to 1"),
        (["--content-sample-rate", "nan"], "--content-sample-rate"),
        (["--redact", "names"], "--redact: .*'email', 'card', 'api_key' or 'phone'"),
        (["--pattern", "x"], "NAME=REGEX"),
        (["--disable-detector", "none-such"], "amplification, error_cascades"),
        (["--max-usd-per-request", "0"], "--max-usd-per-request: .*greater than 0"),
        (["--pattern", "x=("], "--pattern: "),
        (["--pattern", "x=a*"], "--pattern: .*empty text"),
        (["--pattern", "X=a"], "--pattern: "),
        (["--pattern", "x=[a-z0-9]{512,1000}="], r"--pattern: x: .*write \+ or \{512,\}"),
        (["--spans-days", "1.5"], "--spans-days: .*integer"),
        (["--ledger-days", "36501"], "--ledger-days: .*36500"),
        (["--drop-key", "none", "--items-per-s", "x"], "--items-per-s"),
    ],
)
def test_what_cannot_be_set_is_one_sentence_with_its_option(
    run: Run, state: sa.Engine, words: list[str], message: str
) -> None:
    assert re.search(message, bad(run("projects", "set", "default", *words)))
    assert Projects(state).log() == []


def test_a_pattern_that_is_too_slow_by_now_stays_while_others_are_set(
    run: Run, state: sa.Engine
) -> None:
    slow = Pattern(name="blob", regex="[A-Za-z0-9+/]{512,1000}=")
    Projects(state).set("default", ProjectSettings(privacy=Privacy(patterns=(slow,))), "ann", 1)
    good(run("projects", "set", "default", "--items-per-s", "5"))
    now = settings(state)
    assert (now.limits.items_per_s, now.privacy.patterns) == (5, (slow,))


def test_an_unknown_project_is_answered_with_the_known_ones(run: Run) -> None:
    good(run("projects", "create", "shop"))
    for words in (
        ("projects", "show", "shpo"),
        ("projects", "set", "shpo", "--items-per-s", "1"),
        ("keys", "create", "--project", "shpo"),
        ("keys", "list", "--project", "shpo"),
    ):
        assert "there are default, shop" in bad(run(*words))
    assert "already" in bad(run("projects", "create", "shop"))
    assert "1 to 64" in bad(run("projects", "create", "no good"))


def test_a_key_is_shown_once_alone_on_standard_output(run: Run, state: sa.Engine) -> None:
    done = run("keys", "create", "--label", "ci", "--scope", "read", "--scope", "ingest")
    [text] = good(done).splitlines()
    key = ApiKey.parse(text)
    assert key is not None
    [row] = Keys(state).all()
    assert (row.id, row.label, row.project) == (key.id, "ci", "default")
    assert matches(key.secret, row.secret_sha256)
    assert key.secret not in done.err
    assert "ingest read" in done.err
    for words in (("keys", "list"), ("keys", "list", "--format", "json"), ("projects", "log")):
        shown = good(run(*words))
        assert key.id in shown
        assert key.secret not in shown
        assert row.secret_sha256 not in shown


def test_without_a_scope_a_key_sends(run: Run, state: sa.Engine) -> None:
    good(run("keys", "create"))
    assert [row.scopes for row in Keys(state).all()] == [{"ingest"}]


@pytest.mark.parametrize(
    ("text", "expires"),
    [
        ("90d", "2026-08-26T20:26:40Z"), ("12h", "2026-05-29T08:26:40Z"),
        ("4w", "2026-06-25T20:26:40Z"), ("2027-01-01", "2027-01-01"),
        ("2027-01-01T12:00:00+01:00", "2027-01-01T11:00:00Z"),
    ],
)  # fmt: skip
def test_a_key_can_expire(run: Run, text: str, expires: str) -> None:
    good(run("keys", "create", "--expires", text))
    [row] = run("keys", "list", "--format", "json").rows()
    assert (row["expires"], row["status"]) == (expires, "live")


@pytest.mark.parametrize("text", ["", " ", "0d", "2026-01-01", "soon", "-1d", "1y", "2027-13-01"])
def test_a_time_that_is_none_or_over_is_refused(run: Run, state: sa.Engine, text: str) -> None:
    assert "--expires" in bad(run("keys", "create", f"--expires={text}"))
    assert Keys(state).all() == []


def test_a_revoked_key_stays_to_be_shown(run: Run) -> None:
    text = good(run("keys", "create")).strip()
    other = good(run("keys", "create")).split("_")[1]
    key_id = text.split("_")[1]
    assert key_id in good(run("keys", "revoke", text))  # the whole key is understood too
    assert [row["id"] for row in run("keys", "list", "--format", "json").rows()] == [other]
    rows = list(csv.DictReader(io.StringIO(good(run("keys", "list", "--all", "--format", "csv")))))
    assert {row["id"]: row["status"] for row in rows} == {
        key_id: "revoked 2026-05-28T20:26:40Z",
        other: "live",
    }
    assert "keys list" in bad(run("keys", "revoke", "nothing"))


def test_the_log_tells_who_did_what(run: Run) -> None:
    good(run("projects", "create", "shop", "--by", "ann"))
    good(run("projects", "set", "shop", "--items-per-s", "5", "--by", "bob"))
    key_id = good(run("keys", "create", "--project", "shop", "--by", "cay")).split("_")[1]
    rows = run("projects", "log", "--format", "json").rows()
    assert [(row["who"], row["action"], row["object"]) for row in rows] == [
        ("cay", "create", f"key {key_id}"),
        ("bob", "set", "project shop"),
        ("ann", "create", "project shop"),
    ]
    assert "limits.items_per_s: none -> 5" in good(run("projects", "log"))
    assert run("projects", "log", "--limit", "1", "--format", "json").rows() == rows[:1]


def test_nothing_is_changed_where_no_instance_has_run(run: Run, tmp_path: Path) -> None:
    nowhere = tmp_path / "nowhere"
    for words in (("keys", "revoke", "x"), ("accounts", "remove", "bob")):
        assert "spanledger up" in bad(run(*words, "--data", str(nowhere)))
    assert "default" in good(run("projects", "list", "--data", str(nowhere)))
    assert "No keys" in good(run("keys", "list", "--data", str(nowhere)))
    assert not nowhere.exists()


def test_every_option_of_set_has_its_place() -> None:
    group = getattr(typer.main.get_command(cli.app), "commands")["projects"]  # noqa: B009 (typer does not type the group)
    options = {option for p in group.commands["set"].params for option in p.opts}
    assert options - {"--by", "--data", "--state-url", "name"} == set(PLACES)
