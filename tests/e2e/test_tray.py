"""The real windows, clicked, through the real admin door of a gateway in another process."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
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
from tests.e2e.conftest import TARGETS
from tests.fakes.fake_upstream import FakeUpstream
from tests.fakes.home import Home
from tests.tray.desktop import Desktop

# Offscreen, Qt cannot raise a window above others; on a real screen it can.
pytestmark = pytest.mark.qt_log_ignore("This plugin does not support", extend=True)

FRANCE = [{"role": "user", "content": "What is the capital of France?"}]
SOON = 20_000


class Desk:
    """A person at the tray, and an agent with $0.03 left of $1.00 that wants what may cost $0.10."""

    def __init__(self, gateway: Home, qtbot: QtBot, bus: str = "") -> None:
        self.gateway, self.qtbot = gateway, qtbot
        gateway.command(admin.SetCap(name="daily", limit=1_000_000))
        self.client = openai.OpenAI(base_url=gateway.runtime.address, api_key=gateway.agent("Claude Code"), timeout=60)
        self.client.chat.completions.create(model="big", messages=FRANCE)
        home = Paths(gateway.folder / "home")
        self.tray = Tray(home, GatewayProcess(home), theme.Theme("light", QFont()), dead_ms=0, bus=bus)
        self.tray.client.open()
        self.ticks = QTimer(interval=200)
        self.ticks.timeout.connect(self.tray.tick)
        self.ticks.start()
        self.pool = ThreadPoolExecutor(2)

    def ask(self, model: str = "dime") -> Future[Any]:
        """The agent's request, waiting in a thread; returns once the window shows the question."""
        call = self.client.chat.completions.with_raw_response.create
        running = self.pool.submit(call, model=model, messages=FRANCE)
        self.qtbot.waitUntil(self.tray.window.isVisible, timeout=SOON)
        return running

    def key(self, key: Qt.Key, control: bool = False) -> None:
        """A key in the approval window."""
        held = Qt.KeyboardModifier.ControlModifier if control else Qt.KeyboardModifier.NoModifier
        self.qtbot.keyClick(self.tray.window, key, held)

    def close(self) -> None:
        """Both go home."""
        self.ticks.stop()
        self.tray.close()
        self.pool.shutdown(cancel_futures=True)
        self.client.close()

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
def desk(own_gateway: Home, qtbot: QtBot) -> Iterator[Desk]:
    """Both at work."""
    one = Desk(own_gateway, qtbot)
    yield one
    one.close()


@pytest.fixture
def with_targets(upstream: FakeUpstream, qtbot: QtBot, tmp_path: Path) -> Iterator[Callable[[str], Desk]]:
    """Makes the desk over a gateway that has this in its models.toml as well."""
    with ExitStack() as ends:

        def make(more: str) -> Desk:
            gateway = Home(tmp_path, upstream.base_url, TARGETS + more)
            ends.callback(gateway.stop)
            one = Desk(gateway.start(), qtbot)
            ends.callback(one.close)
            return one

        yield make


@pytest.fixture
def desktop(tmp_path: Path) -> Iterator[Desktop]:
    """A real session bus with a real notification daemon."""
    folder = tmp_path / "desktop"
    folder.mkdir()
    with Desktop(folder) as one:
        yield one


@pytest.fixture
def minimised(own_gateway: Home, qtbot: QtBot, desktop: Desktop) -> Iterator[tuple[Desk, Future[Any]]]:
    """A question that was put away, told by the desktop, and the agent's request that waits."""
    one = Desk(own_gateway, qtbot, desktop.bus)
    running = one.ask()
    one.key(Qt.Key.Key_M, control=True)
    sentence = "Claude Code asks | Claude Code wants dime: about $0.10, at most $0.10."
    qtbot.waitUntil(lambda: desktop.told == [sentence], timeout=SOON)
    qtbot.waitUntil(lambda: desktop.shown == 1, timeout=SOON)
    yield one, running
    one.close()


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


def test_deny_on_the_desktop(minimised: tuple[Desk, Future[Any]], desktop: Desktop) -> None:
    """Minimised, the question is a notification of a real desktop; denied there, the agent gets one 402."""
    desk, running = minimised
    desktop.ctl("context")
    with pytest.raises(openai.APIStatusError) as refused:
        desk.answered(running)
    assert refused.value.status_code == 402
    desk.qtbot.waitUntil(lambda: desktop.shown == 0, timeout=SOON)


def test_review_from_the_desktop(minimised: tuple[Desk, Future[Any]], desktop: Desktop) -> None:
    """A click on the notification brings the window back, and answers nothing by itself."""
    desk, running = minimised
    desktop.ctl("action", "0")
    desk.qtbot.waitUntil(desk.tray.window.isVisible, timeout=SOON)
    assert not running.done()
    desk.click("Allow once")
    assert desk.answered(running).parse().choices


def test_a_notification_goes_with_its_question(minimised: tuple[Desk, Future[Any]], desktop: Desktop) -> None:
    """Approved on the command line, nothing is left to click on."""
    desk, running = minimised
    question = desk.tray.window.question
    assert question is not None
    desk.gateway.command(admin.Answer(question, "approve"))
    assert desk.answered(running).parse().choices
    desk.qtbot.waitUntil(lambda: desktop.shown == 0, timeout=SOON)


def test_allow_for_an_hour_by_keys(desk: Desk) -> None:
    """The second row, its next length of time; the same agent and model is then not asked about again."""
    running = desk.ask()
    for _ in range(2):
        desk.key(Qt.Key.Key_2)
    assert desk.tray.window.allow.text() == "Allow 1 hour"
    desk.key(Qt.Key.Key_Return, control=True)
    assert desk.answered(running).parse().choices
    again = desk.pool.submit(desk.client.chat.completions.create, model="dime", messages=FRANCE)
    assert desk.answered(again).choices


def test_always_by_keys(desk: Desk) -> None:
    """The rule is shown as it is written, and then stands in the person's own file."""
    running = desk.ask()
    desk.key(Qt.Key.Key_4)
    desk.key(Qt.Key.Key_Return, control=True)
    shown = desk.tray.window.rule.code.toPlainText()
    assert shown.startswith("[[allowances]]")
    assert not running.done()
    desk.key(Qt.Key.Key_Return, control=True)
    assert desk.answered(running).parse().choices
    assert shown in (desk.gateway.folder / "home" / "models.toml").read_text("utf-8")


UNPRICED = """
[targets.unpriced]
tier = "cloud"
provider = "fake"
model = "ok"
context = 200000
max_output = 20
can = ["tools"]
"""


def test_save_a_price_by_typing(with_targets: Callable[[str], Desk], qtbot: QtBot) -> None:
    """A model whose price nobody knows: the person types it, the request runs, the price stays and is what is charged."""
    desk = with_targets(UNPRICED)
    desk.gateway.command(admin.SetCap(name="daily", limit=9_000_000))
    running = desk.ask("unpriced")
    for field, text in zip(desk.tray.window.price.fields, ("0,00", "5000"), strict=True):
        qtbot.keyClicks(field, text)
    assert not running.done()
    desk.click("Save and allow")
    assert desk.answered(running).headers["x-pointsman-cost-microusd"] == "100000"
    again = desk.pool.submit(desk.client.chat.completions.create, model="unpriced", messages=FRANCE)
    assert desk.answered(again).choices


WATCHED = """
[runaway.agents."Claude Code"]
spend_per_minute = 2.0
"""


def test_a_runaway_agent_is_kept_paused_and_resumed(with_targets: Callable[[str], Desk], qtbot: QtBot) -> None:
    """Dollars within seconds pause the agent; the window says so, and the popover resumes it by one click."""
    desk = with_targets(WATCHED)
    desk.gateway.command(admin.SetCap(name="daily", limit=90_000_000))
    running = desk.pool.submit(again_and_again, desk.client)
    qtbot.waitUntil(desk.tray.window.isVisible, timeout=SOON)
    assert desk.tray.window.accessibleName() == "Claude Code spent $2.91 within a minute. It is paused."
    desk.click("Keep it paused")
    assert desk.answered(running) == (3, 402)
    desk.tray.show()
    qtbot.waitUntil(lambda: "Claude Code is paused." in shown(desk.tray.popover), timeout=SOON)
    press(desk.tray.popover, "Resume")
    qtbot.waitUntil(lambda: "Claude Code is paused." not in shown(desk.tray.popover), timeout=SOON)
    anew = desk.pool.submit(desk.client.chat.completions.create, model="dime", messages=FRANCE)
    assert desk.answered(anew).choices


def again_and_again(client: openai.OpenAI) -> tuple[int, int]:
    """How many calls until one is refused, and how."""
    for sent in range(1, 31):
        try:
            client.chat.completions.create(model="big", messages=FRANCE)
        except openai.APIStatusError as refused:
            return sent, refused.status_code
    return 30, 200


def shown(widget: QWidget) -> str:
    """Every text that is visible."""
    return " ".join(part.accessibleName() for part in widget.findChildren(QWidget) if part.isVisible())


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
