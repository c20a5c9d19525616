"""Colours are told apart by everybody, and readable on both backgrounds.

Colour blindness is simulated after Machado, Oliveira and Fernandes (2009), severity 1:
https://www.inf.ufrgs.br/~oliveira/pubs_files/CVD_Simulation/CVD_Simulation.html
"""

from __future__ import annotations

import itertools
import tomllib
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

import spanledger_dashboard
from spanledger_dashboard.charts import PALETTE

THEME = tomllib.loads(
    (Path(spanledger_dashboard.__file__).parent / ".streamlit" / "config.toml").read_text()
)["theme"]
MODES = ("light", "dark")
SEEN: dict[str, list[list[float]]] = {
    "everybody": [[1, 0, 0], [0, 1, 0], [0, 0, 1]],
    "protanopia": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "deuteranopia": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
}
TO_XYZ = np.array([[0.4125, 0.3576, 0.1804], [0.2127, 0.7152, 0.0722], [0.0193, 0.1192, 0.9503]])
WHITE = np.array([0.9505, 1, 1.089])
Color = npt.NDArray[np.float64]


def linear(color: str) -> Color:
    part = np.array([int(color[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    return np.where(part <= 0.04045, part / 12.92, ((part + 0.055) / 1.055) ** 2.4)


def lab(color: str, matrix: list[list[float]]) -> Color:
    xyz = TO_XYZ @ np.clip(np.array(matrix) @ linear(color), 0, 1) / WHITE
    f = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


def contrast(first: str, second: str) -> float:
    """https://www.w3.org/TR/WCAG22/#dfn-contrast-ratio."""
    dark, light = sorted(float(TO_XYZ[1] @ linear(color)) for color in (first, second))
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("who", SEEN)
def test_no_two_series_look_alike(who: str) -> None:
    shown = {color: lab(color, SEEN[who]) for color in PALETTE}
    for first, second in itertools.combinations(PALETTE, 2):
        distance = float(np.linalg.norm(shown[first] - shown[second]))
        assert distance > 16, (first, second)  # 2 is the least that is seen side by side


@pytest.mark.parametrize("mode", MODES)
def test_every_series_stands_out_from_the_background(mode: str) -> None:
    for color in PALETTE:
        assert contrast(color, THEME[mode]["backgroundColor"]) >= 2.99, color


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", ["textColor", "linkColor", "primaryColor"])
def test_text_is_readable(mode: str, name: str) -> None:
    theme = THEME[mode]
    for background in ("backgroundColor", "secondaryBackgroundColor"):
        assert contrast(theme[name], theme[background]) >= 4.5


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", ["red", "orange", "green", "blue", "violet", "gray"])
def test_words_in_colour_are_readable(mode: str, name: str) -> None:
    theme = THEME[mode]
    shown = theme.get(f"{name}TextColor", theme[f"{name}Color"])
    assert contrast(shown, theme["backgroundColor"]) >= 3.9
