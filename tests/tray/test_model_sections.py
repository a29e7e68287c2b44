"""Offers and downloads in the popover: what is shown, clicked, typed and asked."""

from __future__ import annotations

import pytest
from msgspec.structs import replace
from PySide6.QtCore import Qt
from PySide6.QtGui import QAccessible
from PySide6.QtWidgets import QAbstractButton, QApplication, QProgressBar

from pointsman.tray import samples
from pointsman.tray.download_section import TokenEdit
from pointsman.tray.link import Link
from pointsman.tray.models_view import OFFER, Away, done_key, held_key
from pointsman.tray.popover import Popover
from pointsman.tray.samples import AT, NOW
from pointsman.tray.view_model import popover_view
from pointsman.wire.admin import CancelPull, LoadModel, PausePull, PullModel, ResumePull
from tests.tray.test_popover import button
from tests.tray.tree import check

LIVE = Link("live", AT)
GONE = Link("gone", AT - 180)
STATES = [
    ("popover-offer", samples.offered(), LIVE),
    ("popover-offer-long", samples.offered_long(), LIVE),
    ("popover-held", samples.held(), LIVE),
    ("popover-download", samples.downloads(samples.download()), LIVE),
    ("popover-download-stale", samples.downloads(samples.download()), GONE),
    ("popover-download-licence", samples.downloads(samples.asks_licence()), LIVE),
    ("popover-download-failed", samples.downloads(samples.download("failed", sentence=samples.FULL)), LIVE),
    ("popover-download-done", samples.downloads(samples.download("done")), LIVE),
]


@pytest.fixture
def popover(theme, qtbot):
    """A popover on the screen."""
    window = Popover(theme)
    qtbot.addWidget(window)
    window.show_view(popover_view(samples.calm(), LIVE, NOW))
    window.show()
    qtbot.waitExposed(window)
    return window


def show(window, snapshot, link=LIVE, away=None):
    """Another state."""
    window.show_view(popover_view(snapshot, link, NOW, away))


def download(state="downloading", **changes):
    """A snapshot with one model on its way."""
    return samples.downloads(samples.download(state, **changes))


@pytest.mark.parametrize(("name", "snapshot", "link"), STATES)
def test_the_tree_that_a_screen_reader_meets(popover, name, snapshot, link):
    """Committed as text."""
    show(popover, snapshot, link)
    check(popover, name)


@pytest.mark.parametrize(("name", "snapshot", "link"), STATES)
def test_every_button_has_a_name(popover, name, snapshot, link):
    """Also those that show only an icon."""
    show(popover, snapshot, link)
    for one in popover.findChildren(QAbstractButton):
        if one.isVisible():
            assert QAccessible.queryAccessibleInterface(one).text(QAccessible.Text.Name), name


@pytest.mark.parametrize(("name", "snapshot", "link"), STATES)
def test_nothing_is_wider_than_the_popover(popover, name, snapshot, link):
    """Long names and licences give way."""
    show(popover, snapshot, link)
    QApplication.processEvents()
    inner = popover._scroll.inner
    assert inner.width() <= popover.width(), name
    assert inner.minimumSizeHint().width() <= popover.width() - 2, name


def test_one_click_gets_the_model(popover, qtbot):
    """By its own name."""
    show(popover, samples.offered())
    with qtbot.waitSignal(popover.command) as told:
        button(popover, "Download 5.8 GB").click()
    assert told.args == [PullModel("qwen3-8b")]


def test_while_the_gateway_is_asked_nothing_can_be_clicked_twice(popover):
    """The button says what happens."""
    show(popover, samples.offered(), away=Away(asked=frozenset({"qwen3-8b"})))
    assert not popover.offer.get.isEnabled()
    assert popover.offer.get.text() == "Starting…"


def test_not_now_puts_the_offer_away(popover, qtbot):
    """No command; the tray remembers it."""
    show(popover, samples.offered())
    with qtbot.waitSignal(popover.put_away) as told, qtbot.assertNotEmitted(popover.command):
        button(popover, "Not now").click()
    assert told.args == [(OFFER,)]


def test_the_offer_is_reached_by_keys(popover, qtbot):
    """Tab in reading order, Return presses."""
    show(popover, samples.offered())
    popover.activateWindow()
    popover.setFocus()
    qtbot.keyClick(popover, Qt.Key.Key_Tab)
    assert popover.offer.later.hasFocus()
    qtbot.keyClick(popover.offer.later, Qt.Key.Key_Tab)
    assert popover.offer.get.hasFocus()
    with qtbot.waitSignal(popover.command):
        qtbot.keyClick(popover.offer.get, Qt.Key.Key_Return)


def test_a_lost_gateway_is_offered_nothing(popover):
    """Nobody could take it."""
    show(popover, samples.offered(), GONE)
    assert not popover.offer.isVisible()


def test_a_model_of_another_program_is_loaded_where_it_lies(popover, qtbot):
    """By the button of its row."""
    show(popover, samples.held())
    with qtbot.waitSignal(popover.command) as told:
        button(popover, "Load llama-3.1-8b").click()
    assert told.args == [LoadModel("llama-3.1-8b")]


def test_not_now_puts_all_of_them_away(popover, qtbot):
    """Also those that had no row."""
    show(popover, samples.held())
    with qtbot.waitSignal(popover.put_away) as told:
        button(popover, "Not now").click()
    assert told.args == [tuple(map(held_key, ("qwen3-8b", "llama-3.1-8b", "gemma3-4b", "phi-4")))]


@pytest.mark.parametrize(
    ("state", "name", "command"),
    [
        ("downloading", "Pause qwen3-8b", PausePull("qwen3-8b")),
        ("retrying", "Pause qwen3-8b", PausePull("qwen3-8b")),
        ("paused", "Resume qwen3-8b", ResumePull("qwen3-8b")),
        ("failed", "Try again", PullModel("qwen3-8b")),
    ],
)
def test_a_download_is_paused_resumed_and_tried_again(popover, qtbot, state, name, command):
    """One button, by its state."""
    show(popover, download(state))
    with qtbot.waitSignal(popover.command) as told:
        button(popover, name).click()
    assert told.args == [command]


def test_cancelling_asks_first(popover, qtbot):
    """What came took time; the safe button has the focus."""
    show(popover, download())
    popover.activateWindow()
    with qtbot.assertNotEmitted(popover.command):
        button(popover, "Cancel the download of qwen3-8b").click()
    keep = button(popover, "Keep it")
    assert keep.hasFocus()
    with qtbot.assertNotEmitted(popover.command):
        keep.click()
    assert button(popover, "Pause qwen3-8b")
    button(popover, "Cancel the download of qwen3-8b").click()
    with qtbot.waitSignal(popover.command) as told:
        button(popover, "Delete").click()
    assert told.args == [CancelPull("qwen3-8b")]


def test_esc_takes_the_question_back_and_then_closes(popover, qtbot):
    """The top thing first."""
    show(popover, download())
    popover.activateWindow()
    button(popover, "Cancel the download of qwen3-8b").click()
    qtbot.keyClick(button(popover, "Keep it"), Qt.Key.Key_Escape)
    assert popover.isVisible()
    assert button(popover, "Pause qwen3-8b")
    qtbot.keyClick(popover, Qt.Key.Key_Escape)
    assert not popover.isVisible()


def test_the_question_stays_while_bytes_come(popover):
    """A new snapshot takes nothing from under the pointer."""
    show(popover, download())
    button(popover, "Cancel the download of qwen3-8b").click()
    show(popover, download(received=3_000_000_000))
    assert button(popover, "Keep it")


def test_another_model_in_the_same_row_is_not_asked_about(popover):
    """Rows are filled again."""
    show(popover, download())
    button(popover, "Cancel the download of qwen3-8b").click()
    show(popover, download(name="phi-4"))
    assert button(popover, "Pause phi-4")


def test_the_bar_says_how_far_it_is(popover):
    """A progress bar for whoever hears it."""
    show(popover, download())
    bar = next(one for one in popover.downloads.findChildren(QProgressBar) if one.isVisible())
    assert (bar.value(), bar.accessibleName()) == (40, "Downloading qwen3-8b, 40\u00a0%, 2 min left")


def test_a_licence_has_its_page_and_takes_a_token(popover, qtbot):
    """The token goes with the command, is never shown, and does not stay in the field."""
    show(popover, samples.downloads(samples.asks_licence()))
    popover.activateWindow()
    with qtbot.waitSignal(popover.page) as told:
        button(popover, "Open its page").click()
    assert told.args == ["https://hub.example/google/gemma-3-12b-it-GGUF"]
    field, go_on = popover.downloads.findChild(TokenEdit), button(popover, "Go on")
    assert not go_on.isEnabled()
    qtbot.keyClick(field, Qt.Key.Key_Return)
    qtbot.keyClicks(field, "hf_made_up")
    assert field.displayText() != "hf_made_up"
    with qtbot.waitSignal(popover.command) as told:
        go_on.click()
    assert told.args == [PullModel("gemma3-12b", token="hf_made_up")]
    assert field.text() == ""


def test_return_in_the_token_field_goes_on(popover, qtbot):
    """Without the mouse."""
    show(popover, samples.downloads(samples.asks_licence()))
    field = popover.downloads.findChild(TokenEdit)
    qtbot.keyClicks(field, "hf_made_up")
    with qtbot.waitSignal(popover.command) as told:
        qtbot.keyClick(field, Qt.Key.Key_Return)
    assert told.args == [PullModel("gemma3-12b", token="hf_made_up")]


def test_the_end_is_closed_by_a_click(popover, qtbot):
    """One message, one click."""
    show(popover, download("done"))
    with qtbot.waitSignal(popover.put_away) as told:
        button(popover, "Close this message").click()
    assert told.args == [(done_key("qwen3-8b"),)]


def test_many_downloads_scroll(popover):
    """The popover stays on its screen."""
    many = [samples.download("failed", name=f"model-{at}", sentence=samples.FULL) for at in range(8)]
    show(popover, samples.downloads(*many))
    assert popover.height() <= 760


def test_a_stale_download_cannot_be_changed(popover):
    """Its buttons rest with the gateway."""
    show(popover, download(), GONE)
    assert not button(popover, "Pause qwen3-8b").isEnabled()
    assert not button(popover, "Cancel the download of qwen3-8b").isEnabled()


def test_a_card_of_money_hides_the_offer(popover):
    """One thing at a time."""
    show(popover, replace(samples.offered(), approvals=[samples.question()]))
    assert not popover.offer.isVisible()
