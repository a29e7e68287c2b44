"""Renders every state of the windows to PNG: `python -m pointsman.tray.gallery OUT_DIR`."""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from msgspec.structs import replace
from PySide6.QtCore import QPoint, QRectF, QSize, Qt, QTranslator
from PySide6.QtGui import QColor, QFont, QFontDatabase, QPainter, QPixmap
from PySide6.QtWidgets import QApplication, QMenu, QWidget

from pointsman.tray import samples
from pointsman.tray.approval_window import ApprovalWindow
from pointsman.tray.link import Link
from pointsman.tray.menu_view import menu_view
from pointsman.tray.models_view import Away
from pointsman.tray.popover import Popover
from pointsman.tray.question_view import approval_view, ended_sentence, gone_sentence
from pointsman.tray.settings import Settings
from pointsman.tray.status_item import fill_menu
from pointsman.tray.theme import Theme
from pointsman.tray.tokens import Scheme
from pointsman.tray.view_model import popover_view
from pointsman.wire.admin import Download, PullModel, Question, Snapshot

LIVE = Link("live", samples.AT)
GONE = Link("gone", samples.AT - 180)
SCREEN = {
    "name": "desk",
    "x": 0,
    "y": 0,
    "width": 2880,
    "height": 2000,
    "logicalDpi": 96,
    "logicalBaseDpi": 96,
    "dpr": 2,
}
BACKDROP: dict[Scheme, str] = {"light": "#D9DDE5", "dark": "#0B0C0E"}
GERMAN = {
    "Today": "Heute",
    "Now": "Gerade jetzt",
    "Where it ran": "Wo es gelaufen ist",
    "Agents today": "Agenten an diesem Tag",
    "Loaded": "Geladen",
    "Deny": "Ablehnen",
    "Use local": "Hier beantworten",
    "Review…": "Ansehen und entscheiden…",
    "Details": "Einzelheiten",
    "Known by its key only": "Nur durch den Schlüssel bekannt",
    "Back": "Zurück zur Auswahl",
    "Save rule and allow": "Regel speichern und erlauben",
    "The rule as it will be written": "Die Regel, wie sie geschrieben wird",
    "Price per million tokens": "Preis für eine Million Tokens",
    "Input": "Eingabe",
    "Output": "Ausgabe, mit dem Nachdenken",
    "Write a price such as 2.00 or 0,15.": "Ein Preis sieht so aus: 2.00 oder 0,15.",
    "Not now": "Jetzt nicht",
    "A model for this machine": "Ein Modell, das zu diesem Rechner passt",
    "It answers simple requests here, free of charge, and keeps private data at home.": "Es beantwortet einfache "
    "Anfragen auf diesem Rechner, ohne dass es etwas kostet, und Vertrauliches bleibt im Haus.",
    "Download": "Herunterzuladen",
    "Memory it needs": "Benötigter Arbeitsspeicher",
    "Speed, about": "Geschwindigkeit, ungefähr",
    "Licence": "Lizenzbedingungen",
    "Models on their way": "Modelle, die unterwegs sind",
    "Open its page": "Die Seite des Modells öffnen",
    "Access token": "Zugangsschlüssel",
    "Go on": "Weiter herunterladen",
    "Keep it paused": "Angehalten lassen, bis ich es fortsetze",
    "Resume": "Fortsetzen",
}


class German(QTranslator):
    """Longer words, to see that windows grow and nothing is cut."""

    def translate(self, _context: str, text: str, _disambiguation: str | None = None, _n: int = -1) -> str:
        """The German of what the views say themselves."""
        return GERMAN.get(text, text)


def popovers() -> Iterator[tuple[str, Snapshot | None, Link]]:
    """Each state of the popover by name."""
    yield "popover-calm", samples.calm(), LIVE
    yield "popover-busy", samples.busy(), LIVE
    yield "popover-stopped", samples.calm(), GONE
    yield "popover-empty", samples.empty(), LIVE
    yield "popover-raised", samples.raised(), LIVE
    yield "popover-full", samples.full(), LIVE
    yield "popover-one-paused", samples.one_paused(), LIVE
    yield "popover-runaway", replace(samples.busy(), approvals=[samples.runaway()]), LIVE
    yield "popover-loading", None, Link(slow=True)
    yield "popover-long", samples.long_text(), LIVE
    yield "popover-offer", samples.offered(), LIVE
    yield "popover-offer-long", samples.offered_long(), LIVE
    yield "popover-held", samples.held(), LIVE
    yield "popover-download", samples.downloads(samples.download()), LIVE
    yield "popover-download-stale", samples.downloads(samples.download()), GONE
    yield "popover-download-licence", samples.downloads(samples.asks_licence()), LIVE
    yield "popover-downloads", samples.downloads(*download_states()), LIVE
    yield "popover-paused", replace(samples.calm(), paused=True, paused_until=samples.AT + 1800), LIVE


def download_states() -> Iterator[Download]:
    """What may become of a download."""
    yield samples.download("paused", name="qwen3-4b")
    yield samples.download("retrying", name="llama-3.1-8b", sentence=samples.AWAY)
    yield samples.download("failed", name="gpt-oss-20b", sentence=samples.FULL)
    yield samples.download("failed", name="qwen3-1.7b", received=0, sentence=samples.WRONG)
    yield samples.download("checking", name="phi-4-mini", received=0)
    yield samples.download("done", name="qwen3-0.6b")


def approvals() -> Iterator[tuple[str, Question]]:
    """Each kind of question by name."""
    yield "approval-money", samples.question()
    yield "approval-consent", samples.consent()
    yield "approval-soft", samples.soft()
    yield "approval-shortened", samples.shortened()
    yield "approval-price", samples.price()
    yield "approval-price-alone", replace(samples.price(), local_model=None, tokens_bound=None)
    yield "approval-runaway", samples.runaway()
    yield "approval-long", samples.long_text().approvals[0]
    yield "approval-told", replace(samples.question(), waits_until=samples.AT - 1)


def popover(theme: Theme, snapshot: Snapshot | None, link: Link) -> Popover:
    """A popover that shows this."""
    window = Popover(theme)
    window.show_view(popover_view(snapshot, link, samples.NOW))
    return window


def approval(theme: Theme, question: Question, of: int = 1) -> ApprovalWindow:
    """An approval window that shows this."""
    window = ApprovalWindow(theme, dead_ms=0)
    window.show_view(approval_view(question, 1, of, samples.NOW))
    return window


def turned(window: ApprovalWindow) -> ApprovalWindow:
    """The card's other side: the rule that "always" writes."""
    window.choices.choose(len(window.choices.rows))
    window.allow.click()
    return window


def filled(window: ApprovalWindow, *prices: str) -> ApprovalWindow:
    """With these prices typed."""
    for field, text in zip(window.price.fields, prices, strict=True):
        field.setText(text)
    return window


def windows(theme: Theme) -> Iterator[tuple[str, QWidget]]:
    """Everything that is drawn, made when it is asked for."""
    for name, snapshot, link in popovers():
        yield name, popover(theme, snapshot, link)
    for name, question in approvals():
        yield name, approval(theme, question, 3 if name == "approval-money" else 1)
    yield from answers(theme)
    yield from models(theme)
    error = approval(theme, samples.question())
    error.say_failed("The gateway is not answering.")
    yield "approval-error", error
    expired = approval(theme, samples.question())
    expired.say_over(ended_sentence(samples.question(), "expired"))
    yield "approval-expired", expired
    gone = approval(theme, samples.question())
    gone.say_over(gone_sentence("Claude Code"), start=True)
    yield "approval-gone", gone
    yield from menus(theme)


def answers(theme: Theme) -> Iterator[tuple[str, QWidget]]:
    """What a question looks like while it is answered."""
    yield "approval-price-filled", filled(approval(theme, samples.price()), "2,00", "6.00")
    yield "approval-price-wrong", filled(approval(theme, samples.price()), "two", "6.00")
    timed = approval(theme, samples.question())
    timed.choices.rows[1].take_way(1)
    yield "approval-for-an-hour", timed
    yield "approval-rule", turned(approval(theme, samples.question()))


def models(theme: Theme) -> Iterator[tuple[str, QWidget]]:
    """What the popover looks like while the person decides about models."""
    away = Away(asked=frozenset({samples.OFFER.name}))
    asking = Popover(theme)
    asking.show_view(popover_view(samples.offered(), LIVE, samples.NOW, away))
    yield "popover-offer-asking", asking
    refused = popover(theme, samples.offered(), LIVE)
    refused.say_failed(samples.FULL, PullModel(samples.OFFER.name))
    yield "popover-offer-refused", refused
    sure = popover(theme, samples.downloads(samples.download()), LIVE)
    sure.downloads.rows[0].leave()
    yield "popover-download-sure", sure
    yield "popover-offer-busy", popover(theme, replace(samples.busy(), approvals=[], offer=samples.OFFER), LIVE)


def menus(theme: Theme) -> Iterator[tuple[str, QWidget]]:
    """The menu of the icon, and its notifications on and off."""
    yield "menu", menu(theme, Settings())
    for name, chosen in (("on", Settings(allow=True)), ("off", Settings(notify=False))):
        whole = menu(theme, chosen)
        below = next(action.menu() for action in whole.actions() if action.text() == "Notifications")
        assert isinstance(below, QMenu)
        below.setParent(None)
        yield f"menu-notifications-{name}", dressed(below, theme)


def menu(theme: Theme, settings: Settings) -> QMenu:
    """The whole menu."""
    made = dressed(QMenu(), theme)
    fill_menu(made, menu_view(samples.busy(), LIVE, samples.NOW, settings), lambda *_: None)
    return made


def dressed(menu: QMenu, theme: Theme) -> QMenu:
    """In the theme's colours, as on Linux."""
    menu.setPalette(theme.palette())
    menu.setStyleSheet(theme.qss())
    menu.setFont(theme.font("body"))
    return menu


def framed(pictures: list[QPixmap], scheme: Scheme, ratio: float) -> QPixmap:
    """Pictures side by side on a desk, each with a window's shadow."""
    gap = 28
    sizes = [picture.deviceIndependentSize().toSize() for picture in pictures]
    wide = sum(size.width() for size in sizes) + gap * (len(sizes) + 1)
    whole = QPixmap(QSize(wide, max(size.height() for size in sizes) + 2 * gap) * ratio)
    whole.setDevicePixelRatio(ratio)
    whole.fill(QColor(BACKDROP[scheme]))
    painter = QPainter(whole)
    left = gap
    for picture, size in zip(pictures, sizes, strict=True):
        _shadow(painter, QRectF(left, gap, size.width(), size.height()))
        painter.drawPixmap(QPoint(left, gap), picture)
        left += size.width() + gap
    painter.end()
    return whole


def _shadow(painter: QPainter, box: QRectF) -> None:
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setPen(Qt.PenStyle.NoPen)
    for spread in range(16, 0, -1):
        painter.setBrush(QColor(20, 26, 40, 2))
        painter.drawRoundedRect(box.adjusted(-spread, 6 - spread, spread, 6 + spread), 12 + spread, 12 + spread)


def base_font() -> QFont:
    """The stand-in of the design's pictures where it is installed, at the size that the table is written for."""
    family = (
        "Inter"
        if "Inter" in QFontDatabase.families()
        else QFontDatabase.systemFont(QFontDatabase.SystemFont.GeneralFont).family()
    )
    font = QFont(family)
    font.setPixelSize(13)
    return font


def grab(window: QWidget) -> QPixmap:
    """The window's picture, drawn as if it were shown."""
    window.setAttribute(Qt.WidgetAttribute.WA_DontShowOnScreen)
    window.show()
    QApplication.processEvents()
    picture = window.grab()
    window.close()
    window.deleteLater()
    return picture


def main(out: Path) -> int:
    """Write all pictures to `out`."""
    out.mkdir(parents=True, exist_ok=True)
    app = QApplication.instance() or QApplication([])
    assert isinstance(app, QApplication)
    app.setStyle("Fusion")
    scheme: Scheme
    for scheme in ("light", "dark"):
        theme = Theme(scheme, base_font())
        app.setPalette(theme.palette())
        for name, window in windows(theme):
            picture = grab(window)
            framed([picture], scheme, picture.devicePixelRatioF()).save(str(out / f"{name}-{scheme}.png"))
        _german(app, theme, out)
    print(f"The pictures are in {out}.")
    return 0


def _german(app: QApplication, theme: Theme, out: Path) -> None:
    german = German(app)
    app.installTranslator(german)
    for name, window in (
        ("popover-german", popover(theme, samples.long_text(), LIVE)),
        ("popover-offer-german", popover(theme, samples.offered_long(), LIVE)),
        ("popover-download-german", popover(theme, samples.downloads(samples.asks_licence()), LIVE)),
        ("approval-german", approval(theme, samples.long_text().approvals[0], 12)),
        ("approval-rule-german", turned(approval(theme, samples.long_text().approvals[0]))),
        ("approval-price-german", filled(approval(theme, samples.price()), "zwei", "6,00")),
        ("approval-runaway-german", approval(theme, samples.runaway())),
    ):
        picture = grab(window)
        framed([picture], theme.scheme, picture.devicePixelRatioF()).save(str(out / f"{name}-{theme.scheme}.png"))
    app.removeTranslator(german)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("Say where the pictures go: python -m pointsman.tray.gallery OUT_DIR")
    with tempfile.TemporaryDirectory() as folder:
        screen = Path(folder) / "screen.json"
        screen.write_text(json.dumps({"screens": [SCREEN]}))
        os.environ.setdefault("QT_SCALE_FACTOR", "2")
        os.environ.setdefault("QT_QPA_PLATFORM", f"offscreen:configfile={screen}")
        sys.exit(main(Path(sys.argv[1])))
