"""A scheme and a font made into colours, palette, styles and tinted icons. Nothing here asks the system."""

from __future__ import annotations

from dataclasses import dataclass, field

from PySide6.QtCore import QByteArray, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QFont, QFontInfo, QIcon, QPainter, QPalette, QPixmap
from PySide6.QtSvg import QSvgRenderer

from pointsman.system import paths
from pointsman.tray.tokens import TOKENS, Scheme

# size at a system size of 13, weight
_STYLES = {
    "figure": (28, QFont.Weight.DemiBold),
    "sentence": (17, QFont.Weight.Normal),
    "title": (15, QFont.Weight.DemiBold),
    "body": (13, QFont.Weight.Normal),
    "medium": (13, QFont.Weight.Medium),
    "strong": (13, QFont.Weight.DemiBold),
    "caption": (11, QFont.Weight.Normal),
    "label": (11, QFont.Weight.DemiBold),
}
_PALETTE = {
    QPalette.ColorRole.Window: "window",
    QPalette.ColorRole.Base: "surface",
    QPalette.ColorRole.AlternateBase: "sunken",
    QPalette.ColorRole.Button: "surface",
    QPalette.ColorRole.WindowText: "text1",
    QPalette.ColorRole.Text: "text1",
    QPalette.ColorRole.ButtonText: "text1",
    QPalette.ColorRole.PlaceholderText: "text3",
    QPalette.ColorRole.Highlight: "accentFill",
    QPalette.ColorRole.HighlightedText: "onAccent",
    QPalette.ColorRole.Link: "accent",
    QPalette.ColorRole.ToolTipBase: "surface",
    QPalette.ColorRole.ToolTipText: "text1",
}


@dataclass(frozen=True)
class Theme:
    """What widgets draw with; made anew when the person changes the system's colours."""

    scheme: Scheme
    base: QFont
    _pixmaps: dict[tuple[str, str, int, float], QPixmap] = field(default_factory=dict, compare=False)

    def colour(self, token: str) -> QColor:
        """A colour by its name in the table."""
        return QColor(TOKENS[self.scheme][token])

    def font(self, style: str) -> QFont:
        """A style of the scale, grown with the system's own size, figures all of one width."""
        size, weight = _STYLES[style]
        font = QFont(self.base)
        font.setPixelSize(max(round(QFontInfo(self.base).pixelSize() * size / 13), 1))
        font.setWeight(weight)
        if style == "figure":
            font.setLetterSpacing(QFont.SpacingType.AbsoluteSpacing, -0.5)
        return numbers(font)

    def palette(self) -> QPalette:
        """The system palette's roles from the table."""
        palette = QPalette()
        for role, token in _PALETTE.items():
            palette.setColor(role, self.colour(token))
        for role in (QPalette.ColorRole.WindowText, QPalette.ColorRole.Text, QPalette.ColorRole.ButtonText):
            palette.setColor(QPalette.ColorGroup.Disabled, role, self.colour("disabled"))
        return palette

    def qss(self) -> str:
        """Menus, tool tips and scroll bars; everything else is painted."""
        return _QSS.format(**TOKENS[self.scheme])

    def pixmap(self, name: str, token: str, size: int, ratio: float = 1.0) -> QPixmap:
        """An icon of resources/icons in one colour, sharp at `ratio`."""
        key = (name, token, size, ratio)
        if key not in self._pixmaps:
            self._pixmaps[key] = tinted(name, self.colour(token), size, ratio)
        return self._pixmaps[key]


def numbers(font: QFont) -> QFont:
    """The font with tabular figures, so that amounts line up and do not dance."""
    font.setFeature(QFont.Tag("tnum"), 1)
    return font


def tinted(name: str, colour: QColor, size: int, ratio: float = 1.0) -> QPixmap:
    """An SVG of ours drawn in one colour; the SVG's text stays as it is."""
    pixmap = QPixmap(QSize(size, size) * ratio)
    pixmap.setDevicePixelRatio(ratio)
    pixmap.fill(Qt.GlobalColor.transparent)
    painter = QPainter(pixmap)
    renderer = QSvgRenderer(QByteArray(paths.resource(f"icons/{name}.svg").read_bytes()))
    renderer.render(painter, QRectF(0, 0, size, size))
    painter.setCompositionMode(QPainter.CompositionMode.CompositionMode_SourceIn)
    painter.fillRect(QRectF(0, 0, size, size), colour)
    painter.end()
    return pixmap


def tray_icon(state: str, colour: QColor) -> QIcon:
    """The tray's icon for a state, from the 16 and the 22 grid."""
    icon = QIcon()
    for size, grid in ((16, 16), (22, 22), (24, 22), (32, 16), (44, 22), (48, 16), (64, 16)):
        icon.addPixmap(tinted(f"tray-{state}-{grid}", colour, size))
    return icon


_QSS = """
QMenu {{ background: {surface}; color: {text1}; border: 1px solid {edge}; padding: 6px; }}
QMenu::item {{ padding: 5px 24px 5px 16px; border-radius: 5px; }}
QMenu::item:selected {{ background: {accentFill}; color: {onAccent}; }}
QMenu::item:disabled {{ background: transparent; color: {text3}; }}
QMenu::separator {{ height: 1px; background: {line}; margin: 6px 8px; }}
QToolTip {{ background: {surface}; color: {text1}; border: 1px solid {edge}; padding: 4px; }}
QScrollArea {{ background: transparent; border: none; }}
QScrollBar:vertical {{ background: transparent; width: 8px; margin: 0; }}
QScrollBar::handle:vertical {{ background: {control}; border-radius: 3px; min-height: 24px; margin: 1px; }}
QScrollBar::add-line, QScrollBar::sub-line {{ height: 0; }}
"""
