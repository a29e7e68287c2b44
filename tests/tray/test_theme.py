"""Colours, fonts and icons."""

from __future__ import annotations

import pytest
from PySide6.QtGui import QColor, QFontMetrics

from pointsman.tray.theme import Theme, tray_icon
from pointsman.tray.tokens import SCHEMES, TOKENS, contrast

TEXT = [
    *(("text1", ground) for ground in ("surface", "accentSoft", "warnSoft", "dangerSoft", "hover")),
    *(("text2", ground) for ground in ("surface", "sunken", "warnSoft")),
    *(("text3", ground) for ground in ("surface", "window", "sunken", "accentSoft")),
    *(("accent", ground) for ground in ("surface", "accentSoft", "dangerSoft")),
    ("onAccent", "accentFill"),
    ("ok", "surface"),
    *(("warn", ground) for ground in ("surface", "warnSoft")),
    *(("danger", ground) for ground in ("surface", "dangerSoft")),
]
GRAPHICS = [
    *((tier, "surface") for tier in ("local", "private", "cloud", "control", "warnFill")),
    *((fill, "meter") for fill in ("accent", "danger")),
]


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize(("token", "ground"), TEXT)
def test_text_can_be_read(scheme, token, ground):
    """WCAG 2.2: 4.5 for text, 7 in the contrast schemes."""
    table = TOKENS[scheme]
    assert contrast(table[token], table[ground]) >= (7.0 if "contrast" in scheme else 4.5)


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize(("token", "ground"), GRAPHICS)
def test_graphics_can_be_seen(scheme, token, ground):
    """WCAG 2.2: 3 for graphics, 4.5 in the contrast schemes."""
    table = TOKENS[scheme]
    assert contrast(table[token], table[ground]) >= (4.5 if "contrast" in scheme else 3.0)


def test_contrast_is_21_between_black_and_white():
    """The ends of the scale."""
    assert contrast("#000000", "#FFFFFF") == pytest.approx(21)


def test_figures_are_all_equally_wide(theme):
    """Amounts do not dance while they tick."""
    metrics = QFontMetrics(theme.font("figure"))
    assert len({metrics.horizontalAdvance(digit * 4) for digit in "0123456789"}) == 1


def test_the_scale_follows_the_systems_size(theme):
    """A person with large text gets large figures."""
    large = theme.base
    large.setPixelSize(26)
    assert Theme("light", large).font("caption").pixelSize() == 22


@pytest.mark.parametrize("state", ["idle", "working", "asks", "stopped"])
def test_each_state_has_an_icon_of_its_own_shape(qapp, state):
    """Told by shape: two states never look alike in one colour."""
    black = QColor("black")
    mine = tray_icon(state, black).pixmap(22, 22).toImage()
    others = [tray_icon(other, black).pixmap(22, 22).toImage() for other in ("idle", "working", "asks", "stopped")]
    assert sum(mine == other for other in others) == 1


def test_an_icon_is_drawn_in_the_colour_that_is_asked_for(theme):
    """Nothing of the SVG's black is left."""
    image = theme.pixmap("tier-local", "local", 10).toImage()
    assert image.pixelColor(5, 5) == theme.colour("local")
