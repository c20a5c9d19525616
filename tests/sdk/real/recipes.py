"""The recipes of the documentation, as the tests read them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

RECIPES = Path(__file__).parents[3] / "docs" / "recipes"


@dataclass(frozen=True)
class Recipe:
    """One page: its name, how it is checked, and its blocks of code by language."""

    name: str
    title: str
    is_program: bool
    recordings: tuple[str, ...]
    blocks: tuple[tuple[str, str], ...]

    @property
    def code(self) -> str:
        """The program of the page."""
        found = [code for language, code in self.blocks if language == "python"]
        assert len(found) == 1, self.name
        return found[0]


def read(path: Path) -> Recipe:
    text = path.read_text()
    title = text.partition("\n")[0].removeprefix("# ")
    checked = re.findall(r"^Checked by: (.+)$", text, re.M)
    assert len(checked) == 1, path.name
    blocks = re.findall(r"^```(\w+)\n(.*?)^```$", text, re.M | re.S)
    return Recipe(
        path.stem,
        title,
        "program" in checked[0],
        tuple(re.findall(r"`([\w.-]+)`", checked[0])),
        tuple(blocks),
    )


ALL = [read(path) for path in sorted(RECIPES.glob("*.md")) if path.stem != "README"]
