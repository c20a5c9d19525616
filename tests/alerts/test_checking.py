"""What `spanledger alerts check` says of the folders and files that people have."""

from __future__ import annotations

from pathlib import Path

import pytest

from spanledger_alerts.checking import Checked, check
from spanledger_alerts.errors import AlertsError
from spanledger_server.alert_changes import check_place

RULE = "name: own\ntitle: Own\nfinding: [loop]\nchannels: [hook]\n"
CHANNELS = "channels:\n  hook:\n    kind: webhook\n    url: https://hook.example.com/\n"


def write(folder: Path, **files: str) -> Path:
    for name, text in files.items():
        path = folder / name.replace("__", "/").replace("_yaml", ".yaml")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


def found(place: Path, *, is_used: bool = False) -> Checked:
    return check(place, is_used=is_used, environ={})


@pytest.mark.parametrize("is_used", [False, True])
def test_the_layout_that_the_worker_reads(tmp_path: Path, is_used: bool) -> None:
    place = write(tmp_path, rules__own_yaml=RULE, channels_yaml=CHANNELS)
    said = found(place, is_used=is_used)
    assert ([one.name for one in said.rules], said.channels) == (["own"], ["hook"])
    assert (said.mistakes, said.notes) == ([], [])
    assert found(place / "rules") == found(place / "rules" / "own.yaml") == said


def test_channels_alone_and_rules_alone(tmp_path: Path) -> None:
    channels = write(tmp_path / "a", channels_yaml=CHANNELS)
    assert found(channels, is_used=True).mistakes == []
    assert found(channels / "channels.yaml").channels == ["hook"]
    rules = found(write(tmp_path / "b", own_yaml=RULE))
    assert [one.name for one in rules.rules] == ["own"]
    assert "names of channels were not compared" in rules.notes[0]


def test_what_is_not_there(tmp_path: Path) -> None:
    used = found(tmp_path / "none", is_used=True)
    assert used.mistakes == []
    assert "the built-in rules hold alone" in used.notes[0]
    assert "name a file or a folder" in found(tmp_path / "none").mistakes[0]
    assert found(tmp_path, is_used=True).mistakes == []


def test_rules_where_the_worker_does_not_read_them(tmp_path: Path) -> None:
    place = write(tmp_path, own_yaml=RULE, channels_yaml=CHANNELS)
    assert found(place).mistakes == []
    moved = [f"own.yaml: it is not read there: move it to {place / 'rules'}."]
    assert found(place, is_used=True).mistakes == moved
    write(place, rules__other_yaml=RULE.replace("own", "other"))
    assert found(place).mistakes == moved


def test_every_mistake_has_its_file_its_line_and_what_to_do(tmp_path: Path) -> None:
    place = write(
        tmp_path,
        rules__a_yaml="- name: a\n  title: A\n  finding: [loop]\n  chanels: [x]\n- name: b\n"
        "  title: B\n  measure: unpriced\n  channels: hook\n  warn: many\n",
        rules__b_yaml="name: c\ntitle: C\nfinding: [loop]\nevery: 1m\nevery: 5m\n",
        rules__c_yaml="name: d\n  title: D\n",
        channels_yaml="channels:\n  hook:\n    kind: webhok\n  bot:\n    kind: slack_bot\n"
        "    token: env:NONE\n    channel: C024BE91L\n",
    )
    said = found(place).mistakes
    expected = [
        "a.yaml, line 4: rule a: chanels is not known; did you mean channels? a rule has ",
        "a.yaml, line 8: rule b: channels: write a list, such as [a, b].",
        "a.yaml, line 9: rule b: warn: write a number.",
        "b.yaml, line 5: every is written twice.",
        "c.yaml, line 2: no YAML: mapping values are not allowed here.",
        "channels.yaml, line 2: Channel hook: kind is one of apprise, ",
        "channels.yaml, line 4: Channel bot: token: env:NONE holds no secret",
    ]
    assert len(said) == len(expected)
    for line, beginning in zip(said, expected, strict=True):
        assert line.startswith(beginning)


def test_names_that_nobody_has(tmp_path: Path) -> None:
    text = RULE.replace("hook", "hok") + "inhibited_by: [{rule: nothing}]\n"
    place = write(tmp_path, rules__own_yaml=text, channels_yaml=CHANNELS)
    assert found(place).mistakes == [
        "rule own: there is no channel hok in channels.yaml; there is hook.",
        "rule own: inhibited_by: there is no rule nothing.",
    ]


def test_the_command_reads_the_folder_of_the_instance(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SPANLEDGER_ALERTS_FOLDER", raising=False)
    check_place(None, tmp_path)
    assert "0 rules and 0 channels: all is well." in capsys.readouterr().out
    write(tmp_path / "alerts", channels_yaml=CHANNELS)
    check_place(None, tmp_path)
    assert capsys.readouterr().out == "0 rules and 1 channels: all is well.\n"
    write(tmp_path / "alerts", rules__own_yaml=RULE.replace("own", "Own"))
    with pytest.raises(AlertsError, match=r"own\.yaml, line 1: rule Own: name: a name has"):
        check_place(None, tmp_path)
