"""A model for this machine by one click: the real tray, the real gateway, a hub on loopback, the real worker."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from PySide6.QtCore import QTimer
from PySide6.QtGui import QFont
from PySide6.QtWidgets import QAbstractButton
from pytestqt.qtbot import QtBot

from pointsman.system.paths import Paths
from pointsman.tray import theme
from pointsman.tray.app import Tray
from pointsman.tray.download_section import TokenEdit
from pointsman.tray.gateway_process import GatewayProcess
from pointsman.wire import admin
from tests.e2e.test_pull import STARTER
from tests.fakes.fake_hub import TOKEN, FakeHub, Hold
from tests.fakes.home import Home

# Offscreen, Qt cannot raise a window above others; on a real screen it can.
pytestmark = pytest.mark.qt_log_ignore("This plugin does not support", extend=True)

SOON = 60_000
HALF = 600_000
_numbers = itertools.count()


@pytest.fixture
def hub() -> Iterator[FakeHub]:
    """A hub without models; the test adds the one that this machine is offered."""
    with FakeHub({}) as fake:
        yield fake


@pytest.fixture
def gateway(tmp_path: Path, hub: FakeHub) -> Iterator[Home]:
    """A newcomer's gateway, on a machine where nobody else holds models."""
    place = Home(tmp_path)
    person = tmp_path / "person"
    person.mkdir()
    place.environment |= {"HF_ENDPOINT": hub.endpoint, "HOME": str(person), "OLLAMA_MODELS": str(person / "ollama")}
    for name in ("HF_TOKEN", "HF_HOME", "HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "XDG_CACHE_HOME"):
        place.environment.pop(name, None)
    try:
        yield place.start("--welcome")
    finally:
        place.stop()


@pytest.fixture
def tray(gateway: Home, qtbot: QtBot) -> Iterator[Tray]:
    """The tray with its popover open, once the gateway has looked at the machine."""
    home = Paths(gateway.folder / "home")
    made = Tray(home, GatewayProcess(home), theme.Theme("light", QFont()), dead_ms=0)
    made.client.open()
    ticks = QTimer(interval=200)
    ticks.timeout.connect(made.tick)
    ticks.start()
    qtbot.waitUntil(lambda: made.snapshot is not None and made.snapshot.offer is not None, timeout=SOON)
    made.show()
    yield made
    ticks.stop()
    made.close()


def published(gateway: Home, hub: FakeHub, name: str) -> str:
    """Put a small model that works under the name that the target's source asks for; its repository."""
    rows: list[dict[str, Any]] = gateway.command(admin.Listing("models"))
    repo, _, quant = str(next(row["model"] for row in rows if row["name"] == name)).partition(":")
    hub.repos[repo] = {f"model-{quant or 'Q4_K_M'}.gguf": STARTER}
    return repo


def button(tray: Tray, name: str) -> QAbstractButton:
    """The visible button of the popover whose text or name begins so."""
    return next(
        one
        for one in tray.popover.findChildren(QAbstractButton)
        if one.isVisible() and (one.text().startswith(name) or one.accessibleName().startswith(name))
    )


def row(tray: Tray) -> admin.Download | None:
    """The one download, as the tray knows it."""
    return tray.snapshot.downloads[0] if tray.snapshot is not None and tray.snapshot.downloads else None


def chat(gateway: Home, model: str) -> httpx.Response:
    """One request to a model."""
    body = {"model": model, "messages": [{"role": "user", "content": "What is the capital of France?"}]}
    head = {"authorization": f"Bearer {gateway.agent(f'tester-{next(_numbers)}')}", "x-pointsman-fallback": "none"}
    return httpx.post(
        f"{gateway.runtime.address}/chat/completions", json=body | {"max_tokens": 24}, headers=head, timeout=90
    )


def test_one_click_and_a_kill_in_the_middle(gateway: Home, hub: FakeHub, tray: Tray, qtbot: QtBot) -> None:
    """Clicked, seen coming, killed with the gateway, gone on from the last byte, told once, listed, answering."""
    assert tray.snapshot is not None and tray.snapshot.offer is not None
    name = tray.snapshot.offer.name
    published(gateway, hub, name)
    assert chat(gateway, "local").headers["x-pointsman-target"] == "starter"
    hub.script.append(Hold(HALF))
    button(tray, "Download ").click()
    qtbot.waitUntil(lambda: (one := row(tray)) is not None and one.received == HALF, timeout=SOON)
    assert not tray.popover.offer.isVisible()
    assert tray.popover.downloads.isVisible()
    gateway.kill()
    qtbot.waitUntil(lambda: tray.link.state == "gone", timeout=SOON)
    hub.released.set()
    gateway.start()
    qtbot.waitUntil(lambda: (one := row(tray)) is not None and one.state == "done", timeout=SOON)
    assert hub.ranges_asked == [None, f"bytes={HALF}-"]
    assert button(tray, "Close this message").isEnabled()
    tray.popover.hide()
    tray.show()
    assert not tray.popover.downloads.isVisible(), "its end was told"
    code, out = gateway.run("models", "list")
    assert code == 0 and any(line.startswith(name) and str(gateway.folder) in line for line in out.splitlines()), out
    answer = chat(gateway, "local")
    assert answer.headers["x-pointsman-target"] == name, answer.text
    assert "Paris" in answer.json()["choices"][0]["message"]["content"]
    assert gateway.snapshot().offer is None


def test_not_now(gateway: Home, tray: Tray, qtbot: QtBot) -> None:
    """It is not offered again, also by the next tray; the menu brings it back."""
    button(tray, "Not now").click()
    assert not tray.popover.offer.isVisible()
    home = Paths(gateway.folder / "home")
    second = Tray(home, GatewayProcess(home), theme.Theme("light", QFont()), dead_ms=0)
    second.client.open()
    qtbot.waitUntil(lambda: second.snapshot is not None, timeout=SOON)
    second.show()
    assert not second.popover.offer.isVisible()
    second._chosen("offer", None)
    assert second.popover.offer.isVisible()
    second.close()


def test_a_licence_is_accepted_in_the_tray(gateway: Home, hub: FakeHub, tray: Tray, qtbot: QtBot) -> None:
    """The page is named, the token typed, the model comes; the token is written nowhere."""
    assert tray.snapshot is not None and tray.snapshot.offer is not None
    repo = published(gateway, hub, tray.snapshot.offer.name)
    hub.gated.add(repo)
    hub.accepted = True
    button(tray, "Download ").click()
    qtbot.waitUntil(lambda: (one := row(tray)) is not None and one.state == "failed", timeout=SOON)
    asked = row(tray)
    assert asked is not None and asked.page == f"{hub.endpoint}/{repo}"
    assert button(tray, "Open its page").isEnabled()
    field = tray.popover.downloads.findChild(TokenEdit)
    assert field is not None
    field.setFocus()
    field.insert(TOKEN)
    button(tray, "Go on").click()
    qtbot.waitUntil(lambda: (one := row(tray)) is not None and one.state == "done", timeout=SOON)
    written = [path for path in (gateway.folder / "home").rglob("*") if path.is_file()]
    assert not [path for path in written if TOKEN.encode() in path.read_bytes()]


def test_pause_resume_and_cancel(gateway: Home, hub: FakeHub, tray: Tray, qtbot: QtBot) -> None:
    """By the buttons of the row; what is given up leaves nothing, and is offered again."""
    assert tray.snapshot is not None and tray.snapshot.offer is not None
    published(gateway, hub, tray.snapshot.offer.name)
    hub.script.extend([Hold(HALF), Hold(HALF // 2)])
    button(tray, "Download ").click()
    qtbot.waitUntil(lambda: (one := row(tray)) is not None and one.received == HALF, timeout=SOON)
    button(tray, "Pause ").click()
    qtbot.waitUntil(lambda: (one := row(tray)) is not None and one.state == "paused", timeout=SOON)
    button(tray, "Resume ").click()
    qtbot.waitUntil(lambda: (one := row(tray)) is not None and one.received == HALF + HALF // 2, timeout=SOON)
    assert hub.ranges_asked == [None, f"bytes={HALF}-"]
    button(tray, "Cancel the download").click()
    button(tray, "Delete").click()
    qtbot.waitUntil(lambda: row(tray) is None, timeout=SOON)
    qtbot.waitUntil(tray.popover.offer.isVisible, timeout=SOON)
    assert not list((gateway.folder / "home" / "models").rglob("*.part"))


def test_a_model_of_lm_studios_is_loaded_where_it_lies(gateway: Home, tray: Tray, qtbot: QtBot) -> None:
    """Found, offered instead of a download, loaded by one click, and not offered again."""
    assert tray.snapshot is not None and tray.snapshot.offer is not None
    name = tray.snapshot.offer.name
    rows: list[dict[str, Any]] = gateway.command(admin.Listing("models"))
    repo, _, quant = str(next(one["model"] for one in rows if one["name"] == name)).partition(":")
    held = Path(gateway.environment["HOME"]) / ".lmstudio" / "models" / repo / f"model-{quant}.gguf"
    held.parent.mkdir(parents=True)
    held.write_bytes(STARTER)
    gateway.command(admin.Reload())
    qtbot.waitUntil(tray.popover.held.isVisible, timeout=SOON)
    assert not tray.popover.offer.isVisible()
    button(tray, f"Load {name}").click()
    qtbot.waitUntil(lambda: name in [one.name for one in loaded(tray)], timeout=SOON)
    assert not tray.popover.held.isVisible()
    gateway.command(admin.UnloadModel(name))
    qtbot.waitUntil(lambda: name not in [one.name for one in loaded(tray)], timeout=SOON)
    assert not tray.popover.held.isVisible(), "it was used"
    assert not list((gateway.folder / "home" / "models").rglob("*.gguf"))


def loaded(tray: Tray) -> list[admin.ModelState]:
    """The models in memory."""
    return [one for one in tray.snapshot.models if one.state == "ready"] if tray.snapshot else []
