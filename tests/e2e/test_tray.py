"""The real windows, clicked, through the real admin door of a gateway in another process."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import openai
import pytest
from PySide6.QtCore import Qt, QTimer
from PySide6.QtGui import QFont
from PySide6.QtWidgets import QAbstractButton, QWidget
from pytestqt.qtbot import QtBot

from pointsman.system.paths import Paths
from pointsman.tray import theme
from pointsman.tray.app import Tray
from pointsman.tray.gateway_process import GatewayProcess
from pointsman.wire import admin
from tests.fakes.home import Home

# Offscreen, Qt cannot raise a window above others; on a real screen it can.
pytestmark = pytest.mark.qt_log_ignore("This plugin does not support", extend=True)

FRANCE = [{"role": "user", "content": "What is the capital of France?"}]
SOON = 20_000


class Desk:
    """A person at the tray, and an agent with $0.03 left of $1.00 that wants what may cost $0.10."""

    def __init__(self, gateway: Home, qtbot: QtBot) -> None:
        self.gateway, self.qtbot = gateway, qtbot
        gateway.command(admin.SetCap(name="daily", limit=1_000_000))
        self.client = openai.OpenAI(base_url=gateway.runtime.address, api_key=gateway.agent("Claude Code"), timeout=60)
        self.client.chat.completions.create(model="big", messages=FRANCE)
        home = Paths(gateway.folder / "home")
        self.tray = Tray(home, GatewayProcess(home), theme.Theme("light", QFont()), dead_ms=0)
        self.tray.client.open()
        self.ticks = QTimer(interval=200)
        self.ticks.timeout.connect(self.tray.tick)
        self.ticks.start()
        self.pool = ThreadPoolExecutor(2)

    def ask(self) -> Future[Any]:
        """The agent's request, waiting in a thread; returns once the window shows the question."""
        call = self.client.chat.completions.with_raw_response.create
        running = self.pool.submit(call, model="dime", messages=FRANCE)
        self.qtbot.waitUntil(self.tray.window.isVisible, timeout=SOON)
        return running

    def click(self, name: str) -> None:
        """The one visible button of this name in the approval window."""
        buttons = self.tray.window.findChildren(QAbstractButton)
        button = next(one for one in buttons if one.isVisible() and one.text().startswith(name))
        self.qtbot.waitUntil(button.isEnabled, timeout=SOON)
        self.qtbot.mouseClick(button, Qt.MouseButton.LeftButton)

    def answered(self, running: Future[Any]) -> Any:
        """The agent's answer, while the windows go on."""
        self.qtbot.waitUntil(running.done, timeout=SOON)
        return running.result()


@pytest.fixture
def desk(gateway: Home, qtbot: QtBot) -> Iterator[Desk]:
    """Both at work."""
    one = Desk(gateway, qtbot)
    yield one
    one.ticks.stop()
    one.tray.close()
    one.pool.shutdown(cancel_futures=True)


def test_allow_by_clicking(desk: Desk) -> None:
    """The window opens, Allow is clicked, and that very request finishes."""
    running = desk.ask()
    assert "Claude Code" in desk.tray.window.accessibleName()
    assert "$0.10" in desk.tray.window.accessibleName()
    desk.click("Allow once")
    assert desk.answered(running).parse().choices[0].message.content == "The cloud says hello."
    desk.qtbot.waitUntil(desk.tray.window.isHidden, timeout=SOON)


def test_deny_by_clicking(desk: Desk) -> None:
    """Deny gives the agent one 402."""
    running = desk.ask()
    desk.click("Deny")
    with pytest.raises(openai.APIStatusError) as refused:
        desk.answered(running)
    assert refused.value.status_code == 402


def test_use_local_by_clicking(desk: Desk) -> None:
    """Use local answers on this machine."""
    running = desk.ask()
    desk.click("Use local")
    assert desk.answered(running).headers["x-pointsman-tier"] == "local"


def test_the_popover_follows_the_money(desk: Desk) -> None:
    """Today's spend against the cap changes while one looks."""
    desk.qtbot.waitUntil(lambda: desk.tray.snapshot is not None, timeout=SOON)
    desk.tray.show()
    desk.qtbot.waitUntil(lambda: "$0.97" in texts(desk.tray.popover), timeout=SOON)
    desk.gateway.command(admin.SetCap(name="daily", limit=2_000_000))
    desk.client.chat.completions.create(model="dime", messages=FRANCE)
    desk.qtbot.waitUntil(lambda: "$1.07" in texts(desk.tray.popover), timeout=SOON)


def test_a_killed_gateway_shows_and_comes_back(desk: Desk) -> None:
    """Killed, it shows as stopped within 3 s, and one button brings it back with its ledger."""
    desk.qtbot.waitUntil(lambda: desk.tray.snapshot is not None, timeout=SOON)
    desk.tray.show()
    port = desk.gateway.runtime.port
    desk.gateway.kill()
    desk.qtbot.waitUntil(lambda: desk.tray.link.state == "gone", timeout=3_000 + 1_000)
    desk.tray.gateway = again(desk.gateway, port)
    press(desk.tray.popover, "Start gateway")
    desk.qtbot.waitUntil(lambda: desk.tray.link.state == "live", timeout=SOON)
    assert desk.tray.snapshot is not None
    assert desk.tray.snapshot.today.spent == 970_000
    desk.gateway.run("gateway", "--stop")
    desk.qtbot.waitUntil(lambda: desk.tray.gateway.poll() is not None, timeout=SOON)


def again(gateway: Home, port: int) -> GatewayProcess:
    """Starts the same gateway as the tray would, in the test's surroundings."""
    words = ["env", *(f"{name}={value}" for name, value in gateway.environment.items())]
    command = [*words, sys.executable, "-m", "pointsman", "gateway", "--port", str(port)]
    return GatewayProcess(Paths(gateway.folder / "home"), command)


def test_closing_the_tray_leaves_the_gateway(desk: Desk) -> None:
    """The tray goes, answers go on."""
    desk.tray.close()
    assert desk.client.chat.completions.create(model="local", messages=FRANCE).choices


def press(window: QWidget, name: str) -> None:
    """The visible button of this name."""
    next(one for one in window.findChildren(QAbstractButton) if one.isVisible() and one.text() == name).click()


def texts(widget: QWidget) -> str:
    """Every text that the widget shows, and what a screen reader would read."""
    parts = [str(part.property("text") or "") + " " + part.accessibleName() for part in widget.findChildren(QWidget)]
    return " ".join(parts)
