"""The icon in the tray and its menu, both filled from a `MenuView`."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial

from PySide6.QtCore import QObject, QRect, Signal
from PySide6.QtGui import QCursor
from PySide6.QtWidgets import QMenu, QSystemTrayIcon

from pointsman.tray.menu_view import MenuView, Switch
from pointsman.tray.theme import Theme, tray_icon

MAC = sys.platform == "darwin"


class StatusItem(QObject):
    """Left click shows the popover, right click the menu.

    On macOS the menu is never attached: an attached one takes every click of the status item.
    """

    clicked = Signal()
    chosen = Signal(str, object)
    balloon_clicked = Signal()

    def __init__(self, theme: Theme, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._theme = theme
        self._view: MenuView | None = None
        self._icon = QSystemTrayIcon(self)
        self.menu = QMenu()
        self._dress()
        self._icon.activated.connect(self._activated)
        self._icon.messageClicked.connect(self.balloon_clicked)
        if not MAC:
            self._icon.setContextMenu(self.menu)

    def show(self) -> None:
        """Put the icon into the tray."""
        self._icon.show()

    def hide(self) -> None:
        """Take the icon out of the tray."""
        self._icon.hide()

    def balloon(self, title: str, text: str) -> None:
        """The system's own short message beside the icon."""
        self._icon.showMessage(title, text)

    def geometry(self) -> QRect:
        """Where the icon is; empty where the desktop does not say."""
        return self._icon.geometry()

    def take_theme(self, theme: Theme) -> None:
        """Other colours."""
        self._theme = theme
        self._dress()
        view, self._view = self._view, None
        if view is not None:
            self.show_view(view)

    def show_view(self, view: MenuView) -> None:
        """Draw this. An open menu is not changed under the pointer; it is right when it opens next."""
        old, changed = self._view, self._view != view
        if not changed or self.menu.isVisible():
            return
        self._view = view
        if old is None or old.icon != view.icon:
            icon = tray_icon(view.icon, self._theme.colour("text1"))
            icon.setIsMask(MAC)
            self._icon.setIcon(icon)
        self._icon.setToolTip(view.tip)
        fill_menu(self.menu, view, self.chosen.emit)

    def _dress(self) -> None:
        """Linux has no menu of its own; elsewhere the system's is left alone."""
        if sys.platform == "linux":
            self.menu.setStyleSheet(self._theme.qss())
            self.menu.setFont(self._theme.font("body"))

    def _activated(self, reason: QSystemTrayIcon.ActivationReason) -> None:
        if reason == QSystemTrayIcon.ActivationReason.Trigger:
            self.clicked.emit()
        elif reason == QSystemTrayIcon.ActivationReason.Context and MAC:
            self.menu.popup(QCursor.pos())


def fill_menu(menu: QMenu, view: MenuView, chosen: Callable[[str, object], None]) -> None:
    """The menu's lines anew; `chosen` gets an act, or `pause` and its choice, or `switch` and the one that is turned."""
    menu.clear()
    for item in view.items:
        if not item.text:
            menu.addSeparator()
        elif item.choices:
            below = menu.addMenu(item.text)
            for choice in item.choices:
                below.addAction(choice.text).triggered.connect(partial(_tell, chosen, "pause", choice))
        elif item.switches:
            _fill_switches(menu.addMenu(item.text), item.switches, chosen)
        else:
            action = menu.addAction(item.text)
            action.setEnabled(bool(item.act))
            action.triggered.connect(partial(_tell, chosen, item.act, None))


def _fill_switches(menu: QMenu, switches: tuple[Switch, ...], chosen: Callable[[str, object], None]) -> None:
    for switch in switches:
        action = menu.addAction(switch.text)
        action.setCheckable(True)
        action.setChecked(switch.on)
        action.triggered.connect(partial(_tell, chosen, "switch", switch))


def _tell(chosen: Callable[[str, object], None], act: str, value: object, _checked: object = None) -> None:
    chosen(act, value)
