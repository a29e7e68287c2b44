"""Between popover and gateway: what is asked, kept and told."""

from __future__ import annotations

import sys

import pytest
from msgspec.structs import replace
from PySide6.QtCore import QObject, QUrl, Slot
from PySide6.QtGui import QDesktopServices

from pointsman.tray import samples, settings
from pointsman.tray.app import Tray
from pointsman.tray.gateway_process import GatewayProcess
from pointsman.tray.model_offers import ModelOffers, show_page
from pointsman.tray.models_view import OFFER, held_key
from pointsman.tray.popover import Popover
from pointsman.wire.admin import Problem, PullModel
from tests.tray.test_popover import button

SERVER = [sys.executable, "-m", "tests.tray.admin_server"]
NAME = "qwen3-8b"


class Desk:
    """What was kept, and what the desktop was told."""

    def __init__(self, kept=()):
        self.kept, self.told = [], []
        self.offers = ModelOffers(kept, self.kept.append, lambda *words: self.told.append(words))


class Browser(QObject):
    """Takes the addresses that would be opened."""

    def __init__(self):
        super().__init__()
        self.seen = []

    @Slot(QUrl)
    def take(self, url):
        """One of them."""
        self.seen.append(url.toString())


@pytest.fixture
def browser(qapp):
    """Instead of the person's own."""
    one = Browser()
    for scheme in ("https", "http", "file"):
        QDesktopServices.setUrlHandler(scheme, one, "take")
    yield one
    for scheme in ("https", "http", "file"):
        QDesktopServices.unsetUrlHandler(scheme)


@pytest.fixture
def tray(theme, home, qtbot):
    """A tray over the home."""
    made = Tray(home, GatewayProcess(home, [*SERVER, str(home.runtime)]), theme, dead_ms=0)
    yield made
    made.close()


def opened(tray, admin, qtbot, snapshot):
    """The popover, open, with this."""
    admin.snapshot = snapshot
    tray.run()
    qtbot.waitUntil(lambda: tray.link.state == "live")
    tray.show()
    return tray.popover


def test_an_end_is_told_to_the_desktop_once(qapp):
    """While nobody looks."""
    desk = Desk()
    for state in ("downloading", "done", "done"):
        desk.offers.take(samples.downloads(samples.download(state)))
    assert desk.told == [("qwen3-8b is ready", "It answers on this machine from now on.")]


def test_whoever_looks_is_not_told_by_the_desktop(theme, qtbot):
    """The popover says it, and whoever listens hears it."""
    desk, popover = Desk(), Popover(theme)
    qtbot.addWidget(popover)
    popover.show()
    desk.offers.follow(popover)
    for state in ("downloading", "done"):
        desk.offers.take(samples.downloads(samples.download(state)))
    assert desk.told == []
    popover.hide()
    assert desk.offers.away.hidden == {"done qwen3-8b"}


def test_a_used_model_of_another_program_is_kept_once(qapp):
    """Not with each snapshot."""
    desk = Desk()
    ready = replace(samples.held(), models=[replace(samples.model(NAME, "Ollama"), state="ready")])
    desk.offers.take(ready)
    desk.offers.take(ready)
    assert desk.kept == [(held_key(NAME),)]


@pytest.mark.parametrize(
    ("address", "opened_"),
    [
        ("https://hub.example/org/model", ["https://hub.example/org/model"]),
        ("file:///etc/passwd", []),
        ("", []),
    ],
)
def test_only_web_pages_are_opened(browser, address, opened_):
    """The address came over the network."""
    show_page(address)
    assert browser.seen == opened_


def test_a_click_asks_the_gateway(admin, tray, qtbot):
    """And the button waits for it."""
    popover = opened(tray, admin, qtbot, samples.offered())
    button(popover, "Download 5.8 GB").click()
    assert popover.offer.get.text() == "Starting…"
    qtbot.waitUntil(lambda: admin.commands == [PullModel(NAME)])
    admin.show(samples.downloads(samples.download()))
    qtbot.waitUntil(popover.downloads.isVisible)
    assert not popover.offer.isVisible()


def test_a_refusal_is_said_and_the_offer_stands(admin, tray, qtbot):
    """With the gateway's sentence, and a second try."""
    admin.problem = Problem("hub", "No connection to hub.example.")
    popover = opened(tray, admin, qtbot, samples.offered())
    button(popover, "Download 5.8 GB").click()
    qtbot.waitUntil(popover.error.isVisible)
    assert popover.error.accessibleName() == "No connection to hub.example."
    assert popover.offer.get.isEnabled()
    admin.problem = None
    button(popover, "Try again").click()
    qtbot.waitUntil(lambda: admin.commands == [PullModel(NAME)] * 2)


def test_not_now_is_remembered_and_the_menu_brings_it_back(admin, tray, home, qtbot):
    """In the tray's own file."""
    popover = opened(tray, admin, qtbot, samples.offered())
    button(popover, "Not now").click()
    assert not popover.offer.isVisible()
    assert settings.read(home).put_away == (OFFER,)
    tray._chosen("offer", None)
    assert popover.offer.isVisible()
    assert settings.read(home).put_away == ()


def test_a_file_that_cannot_be_written_costs_only_the_memory(admin, tray, home, qtbot):
    """It stays away until the tray ends."""
    popover = opened(tray, admin, qtbot, samples.offered())
    settings.file(home).with_suffix(".new").mkdir(parents=True)
    button(popover, "Not now").click()
    assert not popover.offer.isVisible()
    assert settings.read(home).put_away == ()


def test_other_colours_keep_what_was_put_away(admin, tray, theme, qtbot):
    """The windows are made anew, the answer is not."""
    popover = opened(tray, admin, qtbot, samples.offered())
    button(popover, "Not now").click()
    tray.take_theme(theme)
    assert tray.popover is not popover
    assert not tray.popover.offer.isVisible()


def test_notifications_that_are_off_are_off_for_downloads(admin, tray, qtbot):
    """The person said so."""
    told = []
    tray.status.balloon = lambda *words: told.append(words)
    tray._tell("qwen3-8b is ready", "It answers.")
    tray.settings = settings.Settings(notify=False)
    tray._tell("qwen3-8b is ready", "It answers.")
    assert told == [("qwen3-8b is ready", "It answers.")]
