"""Who can read the report: contrast, colour-blind readers, print. (What keys reach is in test_report_browser.)

Colour blindness is simulated after Machado, Oliveira and Fernandes 2009 (full severity), on linear RGB; distances are
CIELAB's (D65). Two colours side by side are told apart from a distance of about 2.3 (the just noticeable difference,
Mahy et al. 1994); we ask for ten times that wherever colour alone would carry the meaning.
"""

from __future__ import annotations

import itertools
import re
from pathlib import Path

import matplotlib
import numpy as np
import pytest
from matplotlib.colors import to_rgb

from phasemap.sweeps import report
from phasemap.sweeps.figures import style

JUST_NOTICEABLE = 2.3
CSS = (Path(report.__file__).parent / "report.css").read_text(encoding="utf-8")
THEMES = [dict(re.findall(r"--(\w+): (#[0-9a-f]{6})", block)) for block in re.findall(r":root \{([^}]*)\}", CSS)]
SIGHT = {
    "normal": np.eye(3),
    "protanopia": np.array(
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]
    ),
    "deuteranopia": np.array(
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]
    ),
    "tritanopia": np.array(
        [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]]
    ),
}
XYZ = np.array(
    [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
)


def linear(colours: list[str] | np.ndarray) -> np.ndarray:
    rgb = np.array([to_rgb(colour) for colour in colours])
    return np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)


def lab(colours: list[str] | np.ndarray, sight: str = "normal") -> np.ndarray:
    """CIELAB of colours as an eye of this sight sees them."""
    seen = np.clip(linear(colours) @ SIGHT[sight].T, 0, 1)
    xyz = seen @ XYZ.T / XYZ.sum(axis=1)
    f = np.where(xyz > (6 / 29) ** 3, np.cbrt(xyz), xyz / (3 * (6 / 29) ** 2) + 4 / 29)
    return np.stack([116 * f[:, 1] - 16, 500 * (f[:, 0] - f[:, 1]), 200 * (f[:, 1] - f[:, 2])], axis=1)


def luminance(colours: list[str] | np.ndarray, sight: str = "normal") -> np.ndarray:
    return np.clip(linear(colours) @ SIGHT[sight].T, 0, 1) @ [0.2126, 0.7152, 0.0722]


def contrast(one: str, other: str) -> float:
    """WCAG 2.1's ratio."""
    low, high = sorted(luminance([one, other]))
    return float((high + 0.05) / (low + 0.05))


def test_the_yardsticks_are_right() -> None:
    np.testing.assert_allclose(lab(["#ffffff", "#000000"]), [[100, 0, 0], [0, 0, 0]], atol=0.02)
    np.testing.assert_allclose(lab(["#ff0000"]), [[53.24, 80.09, 67.20]], atol=0.05)  # published values of sRGB red
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    red, green = lab(["#cc3311", "#6a7f00"], "deuteranopia")
    normal = lab(["#cc3311", "#6a7f00"])
    assert np.linalg.norm(red - green) < 0.6 * np.linalg.norm(normal[0] - normal[1])
    for matrix in SIGHT.values():
        np.testing.assert_allclose(matrix.sum(axis=1), 1, atol=1e-5)  # greys stay grey


def test_text_has_the_contrast_of_wcag_aa() -> None:
    """4.5 for text, in every theme and on both grounds (1.4.3)."""
    assert len(THEMES) == 3  # light, dark, print
    light = THEMES[0]
    for theme in (light, THEMES[1], {**light, **THEMES[2]}):
        for ground, text in itertools.product(("ground", "raised"), ("ink", "soft", "accent", "yes", "no")):
            assert contrast(theme[text], theme[ground]) >= 4.5, (text, ground, theme)


def test_what_is_not_text_has_the_contrast_of_wcag_aa() -> None:
    """3 for what must be seen to work a control or read a picture (1.4.11): focus ring, curves, frames of controls."""
    for theme in THEMES[:2]:
        for ground, mark in itertools.product(("ground", "raised"), ("accent", "no", "edge")):
            assert contrast(theme[mark], theme[ground]) >= 3, (mark, ground, theme)


@pytest.mark.parametrize("sight", SIGHT)
def test_the_map_of_colours_rises_in_lightness_for_every_eye(sight: str) -> None:
    ramp = matplotlib.colormaps[style.COLOUR_MAP](np.linspace(0, 1, 33))[:, :3]
    lightness = lab(ramp, sight)[:, 0]
    assert (np.diff(lightness) > 0).all()
    # a step of a tenth in accuracy is seen anywhere on the scale
    tenths = lab(matplotlib.colormaps[style.COLOUR_MAP](np.linspace(0, 1, 11))[:, :3], sight)
    assert np.linalg.norm(np.diff(tenths, axis=0), axis=1).min() > 2 * JUST_NOTICEABLE


@pytest.mark.parametrize("sight", SIGHT)
def test_outcomes_are_told_apart_from_each_other_by_every_eye(sight: str) -> None:
    seen = lab(list(style.OUTCOME_COLOURS.values()), sight)
    for one, other in itertools.combinations(seen, 2):
        assert np.linalg.norm(one - other) > 10 * JUST_NOTICEABLE
    # and not by colour alone: an accuracy of the map may look like one of them to some eye
    assert len(set(style.OUTCOME_HATCHES.values())) == len(style.OUTCOME_COLOURS)
    assert all(style.OUTCOME_HATCHES.values())


@pytest.mark.parametrize("sight", SIGHT)
def test_lines_are_seen_on_every_colour_by_every_eye(sight: str) -> None:
    """A line is light with a dark rim. If the two have a contrast of 9, then on any ground whatever one of them has the
    3 that WCAG asks of graphics: the ground's luminance cannot be within a factor 3 of both."""
    rim = luminance([style.RIM], sight)[0]
    roles = set(style.ROLE_COLOURS.values()) - {style.PRINTED}  # which is never without the right one
    lines = [style.THEORY, style.FITTED, style.FRONTIER, style.CONTOUR, *sorted(roles)]
    for light in luminance(lines, sight):
        assert (light + 0.05) / (rim + 0.05) >= 9
    ramp = luminance(matplotlib.colormaps[style.COLOUR_MAP](np.linspace(0, 1, 33))[:, :3], sight)
    light = luminance([style.FITTED], sight)[0]
    seen = [
        max(max(a, b) / min(a, b) for a, b in ((line + 0.05, ground + 0.05) for line in (light, rim)))
        for ground in ramp
    ]
    assert min(seen) >= 3


@pytest.mark.parametrize("sight", SIGHT)
def test_the_papers_line_and_the_fitted_one_are_told_apart_by_every_eye(sight: str) -> None:
    theory, fitted = lab([style.THEORY, style.FITTED], sight)
    assert np.linalg.norm(theory - fitted) > 10 * JUST_NOTICEABLE
