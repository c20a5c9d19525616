"""Every recipe says how it is checked, and is checked that way."""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.sdk.real.recipes import ALL, RECIPES, Recipe
from tests.sdk.real.test_clients import EXPECTED

_ROOT = Path(__file__).parents[3]
_RECORDINGS = _ROOT / "tests" / "fixtures" / "otlp"
_INDEX = (RECIPES / "README.md").read_text()


def test_there_are_twenty_recipes_and_more() -> None:
    assert len(ALL) >= 20


def test_the_table_names_every_recipe_and_how_it_is_checked() -> None:
    rows = re.findall(r"^\| \[(.+?)\]\(([\w-]+)\.md\) \| .+ \| (.+) \|$", _INDEX, re.M)
    assert sorted(name for _, name, _ in rows) == sorted(recipe.name for recipe in ALL)
    by_name = {recipe.name: recipe for recipe in ALL}
    for title, name, checked in rows:
        recipe = by_name[name]
        assert title == recipe.title
        assert ("program" in checked) == recipe.is_program
        assert ("recording" in checked) == bool(recipe.recordings)


def test_programs_are_run_and_recordings_replayed() -> None:
    assert {recipe.name for recipe in ALL if recipe.is_program} == set(EXPECTED)
    for recipe in ALL:
        assert recipe.is_program or recipe.recordings
        for name in recipe.recordings:
            assert (_RECORDINGS / name / "truth.json").exists(), name


def test_links_lead_somewhere() -> None:
    for path in RECIPES.glob("*.md"):
        for target in re.findall(r"\]\((?!http)([^)#]+)\)", path.read_text()):
            assert (path.parent / target).exists(), f"{path.name}: {target}"


@pytest.mark.parametrize("recipe", ALL, ids=lambda recipe: recipe.name)
def test_code_is_code(recipe: Recipe, tmp_path: Path) -> None:
    assert recipe.blocks
    for language, code in recipe.blocks:
        if language == "python":
            ast.parse(code)
            continue
        suffix, check = {"js": (".mjs", ["node", "--check"]), "sh": (".sh", ["bash", "-n"])}[
            language
        ]
        if shutil.which(check[0]) is None:
            pytest.skip(f"{check[0]} is not installed")
        file = tmp_path / f"code{suffix}"
        file.write_text(code)
        subprocess.run([*check, str(file)], check=True, timeout=30)
