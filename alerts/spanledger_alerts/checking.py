"""What ``spanledger alerts check`` finds: rules and channels, wherever people keep them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from spanledger_alerts.channels import read_channel, written_channels
from spanledger_alerts.errors import ChannelConfigError
from spanledger_alerts.rule_files import SUFFIXES, built_in, merged, of_files
from spanledger_alerts.rule_mistakes import line_of, repeated
from spanledger_alerts.rules import Rule

CHANNELS_FILE = "channels.yaml"
RULES_FOLDER = "rules"


@dataclass(slots=True)
class Checked:
    """What was found.

    Attributes:
        rules: people's own.
        channels: names of channels; None: there is no file of them, so no name was compared.
        mistakes: each with file, line where it has one, and what to write.
        notes: what is well, but perhaps not what somebody meant.
    """

    rules: list[Rule] = field(default_factory=list[Rule])
    channels: list[str] | None = None
    mistakes: list[str] = field(default_factory=list[str])
    notes: list[str] = field(default_factory=list[str])


def check(place: Path, *, is_used: bool, environ: Mapping[str, str] | None = None) -> Checked:
    """Return what there is at a place.

    Args:
        place: a folder with ``rules`` and ``channels.yaml``, or with one of them; a folder of
            rules; a file of rules; a file of channels.
        is_used: it is the folder that the worker reads, so a layout that it does not read is a
            mistake; one that is not there is none: then the built-in rules hold alone.
        environ: where channels look for secrets; None: the environment of the process.
    """
    found = Checked()
    if place.is_file():
        if _is_of_channels(place):
            _check_channels(place, found, environ)
        else:
            found.rules, found.mistakes = of_files([place])
            _check_channels(_channels_near(place.parent), found, environ)
    elif place.is_dir():
        _check_folder(place, found, is_used=is_used)
        _check_channels(_channels_near(place), found, environ)
    elif is_used:
        found.notes.append(f"There is no folder {place}: the built-in rules hold alone.")
    else:
        found.mistakes.append(f"{place} is not there: name a file or a folder.")
    if not found.mistakes:
        found.mistakes += _unknown_names(found)
    if found.channels is None and not found.mistakes:
        found.notes.append(f"There is no {CHANNELS_FILE}: names of channels were not compared.")
    return found


def _check_folder(place: Path, found: Checked, *, is_used: bool) -> None:
    beside = _files(place, besides=(CHANNELS_FILE,))
    inside = place / RULES_FOLDER
    has_folder = inside.is_dir()
    if has_folder or is_used:
        found.mistakes += [
            f"{path.name}: it is not read there: move it to {inside}." for path in beside
        ]
    found.rules, mistakes = of_files(_files(inside) if has_folder else beside)
    found.mistakes += mistakes


def _files(folder: Path, besides: Iterable[str] = ()) -> list[Path]:
    paths = (path for path in folder.glob("*") if path.suffix in SUFFIXES and path.is_file())
    return sorted(path for path in paths if path.name not in besides)


def _channels_near(folder: Path) -> Path:
    """Return the file of channels that goes with a folder of rules: in it, or beside it."""
    here = folder / CHANNELS_FILE
    if folder.resolve().name == RULES_FOLDER and not here.is_file():
        return folder.resolve().parent / CHANNELS_FILE
    return here


def _is_of_channels(file: Path) -> bool:
    if file.name == CHANNELS_FILE:
        return True
    try:
        top = yaml.safe_load(file.read_bytes())
    except (OSError, yaml.YAMLError, RecursionError, ValueError):
        return False
    return isinstance(top, dict) and set(top) == {"channels"}


def _check_channels(file: Path, found: Checked, environ: Mapping[str, str] | None) -> None:
    """Look at each channel; nothing is connected, and no message quotes a secret."""
    if not file.is_file():
        return
    try:
        entries = written_channels(file)
        top = yaml.compose(file.read_bytes(), yaml.SafeLoader)
    except ChannelConfigError as error:
        found.mistakes.append(str(error))
        return
    found.channels = sorted(entries)
    if top is None:
        return
    for line, name in repeated(top):
        found.mistakes.append(f"{file.name}, line {line}: {name} is written twice.")
    for name, raw in entries.items():
        try:
            read_channel(name, raw, environ)
        except ChannelConfigError as error:
            line = line_of(top, ("channels", name))
            found.mistakes.append(f"{file.name}, line {line}: {error}")


def _unknown_names(found: Checked) -> list[str]:
    """Return names of channels and rules that rules refer to, and that nobody has."""
    rules = merged(built_in(), found.rules)
    known = {rule.name for rule in rules}
    there = found.channels
    mistakes: list[str] = []
    for rule in rules:
        named = [*rule.channels, *(rule.escalation.channels if rule.escalation else ())]
        mistakes += [
            f"rule {rule.name}: there is no channel {name} in {CHANNELS_FILE}; "
            f"there is {', '.join(there) or 'none'}."
            for name in named
            if there is not None and name != "default" and name not in there
        ]
        for other in rule.inhibited_by:
            if other.rule not in known:
                mistakes.append(f"rule {rule.name}: inhibited_by: there is no rule {other.rule}.")
    return mistakes
